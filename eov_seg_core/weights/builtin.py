# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The weights that the package ships; only variant `t` has some."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:       # Python 3.10 has it elsewhere
    from importlib.resources.abc import Traversable


def has_builtin_weights(variant: str) -> bool:
    """Return whether the package ships weights of a variant."""
    return _asset(variant).is_file()


@contextmanager
def builtin_weights(variant: str) -> Iterator[Path]:
    """Yield the file of the weights that the package ships; it may be gone afterwards.

    Args:
        variant: One with `has_builtin_weights`.
    """
    with resources.as_file(_asset(variant)) as path:
        yield path


def _asset(variant: str) -> Traversable:
    return resources.files('eov_seg_core') / 'assets' / f'eov_seg_{variant}.safetensors'
