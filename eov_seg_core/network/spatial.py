# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Upscaling of the ViT tokens and their mean inside masks: the spatial branch (section 3.4).

Published: ConvT2x2s2, LayerNorm over channels, GELU, ConvT2x2s2, GELU, then the mean inside every
mask.  Both transposed convolutions have stride = kernel, so every token is upscaled by itself to
4 x 4 pixels, and `pool` can walk over rows of tokens without ever storing the map, which has
sixteen times the tokens' size.
"""

from __future__ import annotations

import torch
from torch import nn, Tensor
import torch.nn.functional as F

from eov_seg_core.device.precision import half_precision
from eov_seg_core.network.pooling import EPSILON, mask_pool, mask_sum

_TOKENS_PER_BAND = {'cpu': 512, 'cuda': 4096}
"""Tokens upscaled at once while pooling, by device: 512 x 16 pixels x 768 channels of float32 are
25 MB; a GPU wants few launches and large products, and 4096 tokens in float16 are 101 MB."""
UPSCALE = 4
"""Pixels per token along each axis."""


class SpatialUpscaler(nn.Module):
    """Upscale ViT tokens fourfold, or pool the upscaled map inside masks.

    Args:
        width: Channels of the tokens and of the upscaled map.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.upscale1 = nn.ConvTranspose2d(width, width, kernel_size=2, stride=2)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.upscale2 = nn.ConvTranspose2d(width, width, kernel_size=2, stride=2)

    def forward(self, tokens_BChw: Tensor, half_dtype: torch.dtype | None = None) -> Tensor:
        """Upscale tokens.

        Args:
            tokens_BChw: (B, C, h, w).
            half_dtype: float16 or bfloat16 to multiply in half precision; None for the weights'
                own.

        Returns:
            (B, C, 4h, 4w) in the tokens' dtype, so sums over many pixels do not lose precision.
        """
        with half_precision(tokens_BChw.device, half_dtype):
            pixels_BhwC = self.upscale1(tokens_BChw).permute(0, 2, 3, 1)
            if torch.compiler.is_exporting():   # as CUDA's autocast: a layer has one type
                pixels_BhwC = pixels_BhwC.float()
            pixels_BChw = F.gelu(self.norm(pixels_BhwC)).permute(0, 3, 1, 2)
            pixels_BChw = F.gelu(self.upscale2(pixels_BChw))
        return pixels_BChw.to(tokens_BChw.dtype)

    def pool(self, tokens_BChw: Tensor, mask_BQhw: Tensor,
             half_dtype: torch.dtype | None = None) -> Tensor:
        """Average the upscaled map inside masks; the same values as pooling `forward`'s result.

        Args:
            tokens_BChw: Tokens (B, C, h, w).
            mask_BQhw: Boolean masks (B, Q, 4h, 4w).
            half_dtype: As for `forward`.

        Returns:
            (B, Q, C); the zero vector where a mask is empty.
        """
        if torch.compiler.is_exporting():   # engines divide their work themselves
            return mask_pool(self(tokens_BChw, half_dtype), mask_BQhw)
        batch, channels, height, width = tokens_BChw.shape
        total_BQC = tokens_BChw.new_zeros(batch, mask_BQhw.shape[1], channels)
        rows = max(1, _TOKENS_PER_BAND[tokens_BChw.device.type] // width)
        for top in range(0, height, rows):
            band_BChw = self(tokens_BChw[:, :, top:top + rows], half_dtype)
            mask = mask_BQhw[:, :, UPSCALE * top:UPSCALE * (top + rows)]
            total_BQC = total_BQC + mask_sum(band_BChw, mask)
        count_BQ1 = mask_BQhw.flatten(2).sum(dim=2, keepdim=True)
        return total_BQC / (count_BQ1 + EPSILON)
