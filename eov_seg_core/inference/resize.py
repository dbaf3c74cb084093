# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The bilinear resize of the published test transform: Pillow's, on the host and on a GPU.

Its filter widens where an image shrinks, and it rounds to bytes after each axis.  The width comes
first, as in Pillow up to 12; Pillow 13 starts with the axis that costs less, which moves some
values by one grey level.  Pillow runs on one core of the host, 3 ms for 480 x 640 pixels; the same
in PyTorch, equal to the last bit, is done where a GPU waits for the pixels.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image
import torch
from torch import Tensor

_FRACTION_BITS = 22
"""Pillow's weights are integers, 2 to the power of this being one."""


_BILINEAR = 2
"""`PIL.Image.Resampling.BILINEAR`, which has no such name in Pillow 9.0 of Ubuntu 22.04."""


def resize_on_host(image: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Resize with Pillow.

    Args:
        image: (H, W, 3) uint8, any strides.
        size: Wanted (height, width), at least one pixel each.

    Returns:
        (height, width, 3) uint8; the image itself if it has that size.
    """
    if image.shape[:2] == size:
        return image
    picture = Image.fromarray(np.ascontiguousarray(image))
    wide = picture.resize((size[1], picture.height), _BILINEAR)
    return np.asarray(wide.resize(size[::-1], _BILINEAR))


def resize_on_device(image_HWC: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize as `resize_on_host` does, with PyTorch.

    Args:
        image_HWC: (H, W, C) uint8 on any device.
        size: Wanted (height, width), at least one pixel each.

    Returns:
        (height, width, C) uint8 on the same device; the image itself if it has that size.

    Example:
        >>> image = torch.tensor([0, 255], dtype=torch.uint8).view(1, 2, 1)
        >>> resize_on_device(image, (1, 4)).flatten().tolist()
        [0, 64, 191, 255]
    """
    for axis in (1, 0):
        if image_HWC.shape[axis] != size[axis]:
            image_HWC = _resize_axis(image_HWC, axis, size[axis])
    return image_HWC


def _resize_axis(image_HWC: Tensor, axis: int, size: int) -> Tensor:
    pixel_KS, weight_KS = _taps(image_HWC.shape[axis], size, image_HWC.device)
    shape = (-1, 1, 1) if axis == 0 else (-1, 1)
    wide = list(image_HWC.shape)
    wide[axis] = size
    # half of one, since the shift below rounds down; at most 256 * 2 ** 22 fits in 32 bits
    total = torch.full(wide, 1 << (_FRACTION_BITS - 1), dtype=torch.int32,
                       device=image_HWC.device)
    for pixel_S, weight_S in zip(pixel_KS, weight_KS):
        total.addcmul_(image_HWC.index_select(axis, pixel_S).int(), weight_S.view(shape))
    return (total >> _FRACTION_BITS).to(torch.uint8)


@lru_cache(maxsize=16)
def _taps(length: int, size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return which pixels of an axis make each pixel of the result, and with which weights.

    Args:
        length: Pixels of the axis.
        size: Pixels wanted.
        device: Where the result shall lie.

    Returns:
        (K, size) int32 pixels and (K, size) int32 weights, zero where fewer than K contribute.
    """
    scale = length / size
    reach = max(scale, 1.0)
    center_S = (np.arange(size) + 0.5) * scale
    first_S = np.maximum((center_S - reach + 0.5).astype(np.int64), 0)
    end_S = np.minimum((center_S + reach + 0.5).astype(np.int64), length)
    tap_K1 = np.arange((end_S - first_S).max())[:, None]
    pixel_KS = first_S + tap_K1
    distance_KS = np.abs((pixel_KS - center_S + 0.5) * (1 / reach))
    weight_KS = np.where(pixel_KS < end_S, np.maximum(1 - distance_KS, 0), 0)
    weight_KS /= weight_KS.sum(0)
    fixed_KS = (weight_KS * (1 << _FRACTION_BITS) + 0.5).astype(np.int32)
    with torch.inference_mode(False):   # kept for frames outside of inference mode, too
        pixels = torch.from_numpy(np.minimum(pixel_KS, length - 1).astype(np.int32))
        return pixels.to(device), torch.from_numpy(fixed_KS).to(device)
