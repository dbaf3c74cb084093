# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What two measurements of one benchmark may differ in: `Setting`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import torch

from eov_seg_core.app.arguments import MOST_THREADS
from eov_seg_core.device.precision import resolve_precision
from eov_seg_core.inference.options import MAX_INPUT_SIZE, MIN_INPUT_SIZE


@dataclass(frozen=True)
class Setting:
    """What two measurements of one run may differ in.

    Attributes:
        precision: `fp32`, `mixed`, `fp16` or `bf16`.
        input_size: Short side of the network's input in pixels.
        vocabulary: A preset or a file.
        threads: Of PyTorch on the CPU.
        compile: With `torch.compile`.
        cuda_graphs: On CUDA, as CUDA graphs.
        runtime: As for `Segmenter`.
    """

    precision: str
    input_size: int
    vocabulary: str
    threads: int
    compile: bool = False
    cuda_graphs: bool = True
    runtime: str = 'torch'

    def changed(self, changes: Sequence[str], device: torch.device) -> Setting:
        """Return this setting with entries 'name=value' applied.

        Raises:
            ValueError: There is no such name, or no such value.
        """
        values: dict[str, Any] = {}
        for change in changes:
            name, _, text = change.partition('=')
            name = name.replace('-', '_')
            if name not in asdict(self) or not text:
                raise ValueError(f'--against {change} is no change of a setting; expected '
                                 f'NAME=VALUE with a NAME of {", ".join(asdict(self))}')
            values[name] = _READERS[name](change, text) if name in _READERS else text
        if 'precision' in values:
            values['precision'] = resolve_precision(values['precision'], device)
        return replace(self, **values)


def _whole(lowest: int, highest: int, change: str, text: str) -> int:
    if not (text.isdecimal() and len(text) < 10 and lowest <= int(text) <= highest):
        raise ValueError(f'--against {change} needs a whole number in {lowest}..{highest}')
    return int(text)


def _flag(change: str, text: str) -> bool:
    if text not in ('true', 'false'):
        raise ValueError(f'--against {change} needs true or false')
    return text == 'true'


_READERS: dict[str, Callable[[str, str], Any]] = {
    'input_size': partial(_whole, MIN_INPUT_SIZE, MAX_INPUT_SIZE),
    'threads': partial(_whole, 1, MOST_THREADS), 'compile': _flag, 'cuda_graphs': _flag}
"""How the values of a setting are read that are no strings."""
