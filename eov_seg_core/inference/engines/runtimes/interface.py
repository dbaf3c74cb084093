# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the module of a runtime has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from torch import Tensor

from eov_seg_core.network.model import NetworkOutput

Engine = Callable[[Tensor, Tensor], NetworkOutput]
"""Normalised pixels (1, 3, H, W) and guide rows (N, E) -> masks and embeddings, which are the
caller's to keep.  Calls must come from one thread at a time."""


@dataclass(frozen=True)
class Target:
    """What a network is compiled for.

    Attributes:
        size: (H, W) of the input.
        precision: One that the runtime has.
        device: Where it runs, as PyTorch names it.
    """

    size: tuple[int, int]
    precision: str
    device: str


class Runtime(Protocol):
    """The module of a runtime; its library is imported late, by the functions.

    Attributes:
        CONVERTER: The library that writes `FILE`.
        FILE: Name of the exported network that it starts from.
        IS_EXPORTED_FOR_TARGET: Whether that network is exported for one size and precision; else
            one export serves all.
        MAX_ROWS: Most guide rows that its engines take.
    """

    CONVERTER: str
    FILE: str
    IS_EXPORTED_FOR_TARGET: bool
    MAX_ROWS: int

    def compile_network(self, network: Path, folder: Path, target: Target) -> None:
        """Compile an exported network.

        Args:
            network: The file.
            folder: Where to write what `load_engine` needs.
            target: What to compile it for.

        Raises:
            RuntimeError: It cannot be compiled.
        """

    def load_engine(self, network: Path, folder: Path, target: Target) -> Engine:
        """Return the engine that `compile_network` made with the same arguments.

        Raises:
            RuntimeError: It cannot be loaded.
        """
