# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth images in one form: float32 metres, NaN where nothing was measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from eov_seg_core.wrong import wrong


def depth_in_metres(image: npt.NDArray[Any], range_m: tuple[float, float] = (0.15, 10.0)
                    ) -> npt.NDArray[np.float32]:
    """Return a depth image in metres.

    Args:
        image: (H, W) as REP 118 has it: uint16 millimetres with 0 for unknown (`16UC1`), or
            floating metres with NaN, an infinity or what is not positive for unknown (`32FC1`).
        range_m: What is nearer or farther counts as unknown.

    Returns:
        (H, W) float32 metres, NaN where unknown; a new array.

    Raises:
        ValueError: The image has another type or shape, or the range is empty.
    """
    near, far = range_m
    if not 0 <= near < far:
        raise ValueError(f'the range of depths is {near} to {far} m; expected two rising numbers '
                         'from 0 on')
    if not isinstance(image, np.ndarray):
        raise wrong('the depth image', image, 'an (H, W) array')
    if image.ndim != 2 or not (image.dtype == np.uint16 or image.dtype.kind == 'f'):
        raise ValueError(f'the depth image is {image.dtype} of the shape {image.shape}; expected '
                         '(H, W) uint16 millimetres (16UC1) or float32 metres (32FC1)')
    depth_m = image.astype(np.float32)
    if image.dtype == np.uint16:
        depth_m *= np.float32(0.001)
    with np.errstate(invalid='ignore'):
        depth_m[~((depth_m >= near) & (depth_m <= far) & (depth_m > 0))] = np.nan
    return depth_m
