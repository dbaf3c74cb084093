# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is said of a wrong argument, wherever it is given; imports nothing."""

from __future__ import annotations


def wrong(name: str, value: object, expected: str) -> ValueError:
    """Return the error of an argument that cannot be used.

    Args:
        name: What it stands for.
        value: That came.
        expected: What should have come, and how to get it.

    >>> wrong('camera', None, 'a CameraModel')
    ValueError('camera is None (NoneType); expected a CameraModel')
    """
    shape, dtype = getattr(value, 'shape', None), getattr(value, 'dtype', None)
    shown = (f'{value!r:.80} ({type(value).__name__})' if shape is None else
             f'an array of shape {shape} and dtype {dtype}')
    return ValueError(f'{name} is {shown}; expected {expected}')
