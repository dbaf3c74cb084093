# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Large-scale jitter (arXiv 2012.07177) of an image and its segments."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F
from torchvision.transforms.v2 import InterpolationMode

from training.data.samples import PanopticSample, Target, TrainingExample

PAD_GREY = 128
"""Value of the pixels that pad an image."""
_STRIDE = 32


class LargeScaleJitter:
    """Flip, scale and crop an image at random, and pad it to a square.

    The image is scaled, keeping its aspect, to fit into a square of `size` times a random factor;
    what exceeds `size` is cropped at a random place.  Padding is to the right and below.  Crowd
    segments are left out; segments without a pixel, because the crop misses them or the scale is
    small, are kept as empty masks, as in the published training.

    The random classes of torchvision draw from the global generator, so that the functions below
    them are used.  Unlike in the published code, where one random number places a crop along both
    axes, each axis has its own.

    Args:
        size: Side of the square in pixels, a multiple of 32.
        scale: Smallest and largest factor, above 0.
        flip: Probability of mirroring left and right, 0..1.

    Raises:
        ValueError: A value is out of range.
    """

    def __init__(self, size: int = 1024, scale: tuple[float, float] = (0.1, 2.0),
                 flip: float = 0.5) -> None:
        if size < _STRIDE or size % _STRIDE:
            raise ValueError(f'size must be a multiple of {_STRIDE}, got {size}')
        low, high = scale
        if not 0 < low <= high < float('inf'):
            raise ValueError(f'scale must be two numbers, 0 < low <= high, got {scale}')
        if not 0 <= flip <= 1:
            raise ValueError(f'flip must lie in 0..1, got {flip}')
        self._size = size
        self._scale = (low, high)
        self._flip = flip

    def __call__(self, sample: PanopticSample, generator: torch.Generator) -> TrainingExample:
        """Augment one image; equal generators give equal results.

        Args:
            sample: Any size from 1 x 1.
            generator: On the CPU; four numbers are drawn.
        """
        draws = torch.rand(4, generator=generator, dtype=torch.float64).tolist()
        kept = [segment for segment in sample.segments if not segment.is_crowd]
        pixels_CHW = torch.from_numpy(sample.image_rgb).permute(2, 0, 1)
        order_1hw = _order(sample.ids, [segment.id for segment in kept])
        pixels_CHW, order_1hw = self._moved(pixels_CHW, order_1hw, draws)
        masks_Thw = order_1hw == torch.arange(1, len(kept) + 1)[:, None, None]
        labels_T = torch.tensor([segment.class_index for segment in kept], dtype=torch.int64)
        missing = [0, 0, self._size - pixels_CHW.shape[2], self._size - pixels_CHW.shape[1]]
        return TrainingExample(F.pad(pixels_CHW, missing, fill=PAD_GREY).contiguous(),
                               Target(labels_T, masks_Thw))

    def _moved(self, pixels_CHW: Tensor, order_1hw: Tensor, draws: list[float]
               ) -> tuple[Tensor, Tensor]:
        """Flip, scale and crop both alike."""
        flip, factor, down, right = draws
        if flip < self._flip:
            pixels_CHW, order_1hw = F.horizontal_flip(pixels_CHW), F.horizontal_flip(order_1hw)
        low, high = self._scale
        size = self._scaled_size(pixels_CHW.shape[1], pixels_CHW.shape[2],
                                 low + factor * (high - low))
        pixels_CHW = F.resize(pixels_CHW, size, InterpolationMode.BILINEAR, antialias=True)
        order_1hw = F.resize(order_1hw, size, InterpolationMode.NEAREST_EXACT)
        height, width = (min(side, self._size) for side in size)
        top, left = round(down * (size[0] - height)), round(right * (size[1] - width))
        window = (top, left, height, width)
        return F.crop(pixels_CHW, *window), F.crop(order_1hw, *window)

    def _scaled_size(self, height: int, width: int, factor: float) -> list[int]:
        ratio = self._size * factor / max(height, width)
        return [max(1, round(height * ratio)), max(1, round(width * ratio))]


def _order(ids: npt.NDArray[np.int32], kept: list[int]) -> Tensor:
    """Replace each id by its position in the list, from 1, and others by 0: (1, h, w) int32."""
    order = np.zeros(ids.shape, np.int32)
    if kept:
        by_id = np.argsort(kept)
        ordered = np.array(kept, np.int32)[by_id]
        nearest = np.searchsorted(ordered, ids).clip(max=len(kept) - 1)
        order = np.where(ordered[nearest] == ids, by_id[nearest] + 1, 0).astype(np.int32)
    return torch.from_numpy(order)[None]
