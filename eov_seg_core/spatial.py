# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Upscaling of the ViT tokens and their mean inside masks: the spatial branch (section 3.4).

Published: ConvT2x2s2, LayerNorm over channels, GELU, ConvT2x2s2, GELU, then the mean inside every
mask.  Both transposed convolutions have stride = kernel, so every token is upscaled by itself to
4 x 4 pixels.  That makes the upscaling two matrix products on tokens, and lets `pool` walk over the
tokens in chunks without ever storing the map, which has sixteen times the tokens' size.
"""

from __future__ import annotations

import torch
from torch import nn, Tensor
import torch.nn.functional as F

from eov_seg_core.pooling import EPSILON
from eov_seg_core.precision import half_precision

TOKENS_PER_CHUNK = 256
"""Tokens upscaled at once while pooling: 256 x 16 pixels x 768 channels of float32 are 12.6 MB."""
UPSCALE = 4
"""Pixels per token along each axis."""


class SpatialUpscaler(nn.Module):
    """Upscale ViT tokens fourfold, or pool the upscaled map inside masks.

    Args:
        width: Channels of the tokens and of the upscaled map.

    Attributes:
        half_dtype: float16 or bfloat16 to multiply in half precision; None for the weights' own.
    """

    half_dtype: torch.dtype | None = None

    def __init__(self, width: int) -> None:
        super().__init__()
        self.upscale1 = nn.ConvTranspose2d(width, width, kernel_size=2, stride=2)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.upscale2 = nn.ConvTranspose2d(width, width, kernel_size=2, stride=2)

    def forward(self, tokens_BChw: Tensor) -> Tensor:
        """Upscale (B, C, h, w) to (B, C, 4h, 4w)."""
        batch, channels, height, width = tokens_BChw.shape
        tokens_TC = tokens_BChw.permute(0, 2, 3, 1).reshape(-1, channels)
        pixels = self._upscale(tokens_TC).view(batch, height, width, 2, 2, 2, 2, channels)
        # (B, h, w, y1, x1, y2, x2, C) -> (B, C, h y1 y2, w x1 x2)
        pixels = pixels.permute(0, 7, 1, 3, 5, 2, 4, 6)
        return pixels.reshape(batch, channels, UPSCALE * height, UPSCALE * width)

    def pool(self, tokens_BChw: Tensor, mask_BQhw: Tensor) -> Tensor:
        """Average the upscaled map inside masks; the same values as pooling `forward`'s result.

        Args:
            tokens_BChw: Tokens (B, C, h, w).
            mask_BQhw: Boolean masks (B, Q, 4h, 4w).

        Returns:
            (B, Q, C); the zero vector where a mask is empty.
        """
        batch, channels, height, width = tokens_BChw.shape
        queries = mask_BQhw.shape[1]
        mask = mask_BQhw.view(batch, queries, height, 2, 2, width, 2, 2)
        # (B, Q, h, y1, y2, w, x1, x2) -> (B, Q, h w, 16) in the order of `_upscale`
        mask_BQTP = mask.permute(0, 1, 2, 5, 3, 6, 4, 7).reshape(batch, queries, -1, UPSCALE ** 2)
        tokens_BTC = tokens_BChw.flatten(2).transpose(1, 2)
        sums = [self._pool_one(tokens_BTC[i], mask_BQTP[i]) for i in range(batch)]
        count_BQ1 = mask_BQhw.flatten(2).sum(dim=2, keepdim=True)
        return torch.stack(sums) / (count_BQ1 + EPSILON)

    def _pool_one(self, tokens_TC: Tensor, mask_QTP: Tensor) -> Tensor:
        """Sum the upscaled tokens of one image inside its masks: (Q, C)."""
        total_QC = tokens_TC.new_zeros(mask_QTP.shape[0], tokens_TC.shape[1])
        for start in range(0, tokens_TC.shape[0], TOKENS_PER_CHUNK):
            pixels_PC = self._upscale(tokens_TC[start:start + TOKENS_PER_CHUNK])
            mask_QP = mask_QTP[:, start:start + TOKENS_PER_CHUNK].flatten(1)
            total_QC = total_QC + mask_QP.to(pixels_PC.dtype) @ pixels_PC
        return total_QC

    def _upscale(self, tokens_TC: Tensor) -> Tensor:
        """Upscale every token to 16 pixels: (T, C) -> (16 T, C), ordered T, y1, x1, y2, x2.

        The result is in the tokens' dtype, so sums over many pixels do not lose precision.
        """
        with half_precision(tokens_TC.device, self.half_dtype):
            pixels = F.gelu(self.norm(_transposed_as_linear(tokens_TC, self.upscale1)))
            pixels = F.gelu(_transposed_as_linear(pixels, self.upscale2))
        return pixels.to(tokens_TC.dtype)


def _transposed_as_linear(pixels_PC: Tensor, conv: nn.ConvTranspose2d) -> Tensor:
    """Apply a 2 x 2 stride-2 transposed convolution to separate pixels: (P, C) -> (4 P, C)."""
    channels = conv.out_channels
    weight = conv.weight.permute(2, 3, 1, 0).reshape(4 * channels, conv.in_channels)
    bias = conv.bias.repeat(4) if conv.bias is not None else None
    return F.linear(pixels_PC, weight, bias).view(-1, channels)
