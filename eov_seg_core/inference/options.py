# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the arguments of a segmenter may be; needs no PyTorch."""

from __future__ import annotations

from numbers import Integral
from typing import TypeGuard

MIN_INPUT_SIZE = 32
MAX_INPUT_SIZE = 2560
"""Of the network's input, in pixels: the least short side, and unless told otherwise the most."""


class Superseded(Exception):  # noqa: N818  no failure
    """Work was given up because its result is no longer wanted; no failure."""


def check_sizes(input_size: object, max_input_size: object) -> None:
    """Raise ValueError unless both are sizes in pixels that the network can take."""
    if not _is_whole(max_input_size) or max_input_size < MIN_INPUT_SIZE:
        raise ValueError('max_input_size must be a whole number of pixels, 32 or more, got '
                         f'{max_input_size!r}')
    if input_size is not None and not (_is_whole(input_size)
                                       and MIN_INPUT_SIZE <= input_size <= max_input_size):
        raise ValueError(f'input_size must be a whole number in 32..max_input_size '
                         f'({max_input_size}) or None, got {input_size!r}')


def check_flags(**flags: object) -> None:
    """Raise ValueError unless all are True or False: 'no' would count as True."""
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise ValueError(f'{name} must be True or False, got {value!r:.80}')


def check_warm_up(height: object, width: object) -> None:
    """Raise ValueError unless both are sides of an image in pixels."""
    for name, value in (('height', height), ('width', width)):
        if not _is_whole(value) or value < 1:
            raise ValueError(f'{name} must be a whole number of pixels, 1 or more, got {value!r}')


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, Integral) and not isinstance(value, bool)
