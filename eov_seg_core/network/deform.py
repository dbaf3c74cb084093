# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Modulated deformable convolution (Deformable ConvNets v2, equation 1).

There are three ways to sample, all of which compute what torchvision's operator computes:

- on the CPU by `embedding_bag`: a sampled value is a weighted sum of four pixels, vectorised over
  channels.  It takes about 0.6 of that operator's time and rounds less;
- by `grid_sample` where that has no gradient for the positions (on the CPU while gradients are
  recorded; its backward pass takes a seventh of the operator's time), and on a GPU: the kernels of
  torchvision before 0.29 are launched on the default stream (pytorch/vision#9513), so a CUDA graph
  leaves them out, and a frame without graphs takes many times as long;
- by the operator itself in a training on a GPU, and in exported networks, since an engine has a
  deformable convolution of its own.
"""

from __future__ import annotations

import torch
from torch import Tensor
import torch.nn.functional as F
from torchvision.ops import deform_conv2d

from eov_seg_core.device.precision import widened

TAPS = 9
"""Taps of a 3 x 3 kernel."""


def modulated_deform_conv(feature_BChw: Tensor, offset_BThw: Tensor, mask_BThw: Tensor,
                          weight: Tensor) -> Tensor:
    """Convolve with 3 x 3 taps that are moved and weighted at every pixel; padding 1, no bias.

    Args:
        feature_BChw: (B, C_in, h, w) float; zero outside.
        offset_BThw: (B, 18, h, w); tap k moves by channels 2k (down) and 2k + 1 (right), in
            pixels.
        mask_BThw: (B, 9, h, w) weight of each tap.
        weight: (C_out, C_in, 3, 3).

    Returns:
        (B, C_out, h, w).
    """
    # positions of half precision would miss by whole pixels
    feature_BChw, offset_BThw, mask_BThw = map(widened, (feature_BChw, offset_BThw, mask_BThw))
    is_on_cpu, has_gradients = feature_BChw.device.type == 'cpu', torch.is_grad_enabled()
    if torch.compiler.is_exporting() or (has_gradients and not is_on_cpu):
        output: Tensor = deform_conv2d(
            feature_BChw, offset_BThw, weight, padding=(1, 1), mask=mask_BThw)
        return output
    if has_gradients or not is_on_cpu:
        return _by_grid_sample(feature_BChw, offset_BThw, mask_BThw, weight)
    index_BLT4, share_BLT4 = _corners(offset_BThw, mask_BThw)
    batch, channels, height, width = feature_BChw.shape
    pixels_BLC = feature_BChw.flatten(2).transpose(1, 2).contiguous()
    kernel_CO = weight.permute(2, 3, 1, 0).reshape(TAPS * channels, -1)
    outputs = []
    for pixels_LC, index_LT4, share_LT4 in zip(pixels_BLC, index_BLT4, share_BLT4):
        sampled = F.embedding_bag(index_LT4.flatten(0, 1), pixels_LC, mode='sum',
                                  per_sample_weights=share_LT4.flatten(0, 1))
        outputs.append(sampled.view(-1, TAPS * channels) @ kernel_CO)
    # channels last, as the product left them: what follows on a CPU wants them so
    return torch.stack(outputs).view(batch, height, width, -1).permute(0, 3, 1, 2)


def _by_grid_sample(feature_BChw: Tensor, offset_BThw: Tensor, mask_BThw: Tensor,
                    weight: Tensor) -> Tensor:
    batch, channels, height, width = feature_BChw.shape
    y_BThw, x_BThw = _positions(offset_BThw)
    # pixel centres in grid_sample's units, -1 and 1 being the outer edges of the map
    grid_BThw2 = torch.stack([(2 * x_BThw + 1) / width - 1, (2 * y_BThw + 1) / height - 1], dim=-1)
    sampled_BCTL = F.grid_sample(
        feature_BChw, grid_BThw2.flatten(1, 2), mode='bilinear', padding_mode='zeros',
        align_corners=False).view(batch, channels, TAPS, height * width)
    weighted_BCTL = sampled_BCTL * mask_BThw.view(batch, 1, TAPS, -1)
    output_BOL = weight.flatten(1) @ weighted_BCTL.flatten(1, 2)
    return output_BOL.view(batch, -1, height, width)


def _positions(offset_BThw: Tensor) -> tuple[Tensor, Tensor]:
    """Return row and column, (B, 9, h, w) each, that every tap looks at."""
    batch, _, height, width = offset_BThw.shape
    device = offset_BThw.device
    tap = torch.arange(TAPS, device=device).view(TAPS, 1, 1)
    row = torch.arange(height, device=device).view(height, 1)
    column = torch.arange(width, device=device)
    down_BThw, right_BThw = offset_BThw.view(batch, TAPS, 2, height, width).unbind(2)
    return down_BThw + (row + tap // 3 - 1), right_BThw + (column + tap % 3 - 1)


def _corners(offset_BThw: Tensor, mask_BThw: Tensor) -> tuple[Tensor, Tensor]:
    """Return the four pixels around each sampling point and what each of them contributes.

    Returns:
        (B, h w, 9, 4) int64 index into the flattened map; (B, h w, 9, 4) share: bilinear weight
        times mask, zero where the pixel lies outside.
    """
    height, width = offset_BThw.shape[2:]
    y_BThw, x_BThw = _positions(offset_BThw)
    top_BThw, left_BThw = y_BThw.floor(), x_BThw.floor()
    indices, shares = [], []
    for y, share_y in _neighbours(y_BThw, top_BThw, height):
        for x, share_x in _neighbours(x_BThw, left_BThw, width):
            indices.append(y * width + x)
            shares.append(share_y * share_x * mask_BThw)
    return _by_pixel(indices), _by_pixel(shares)


def _by_pixel(parts: list[Tensor]) -> Tensor:
    """Stack four (B, T, h, w) to (B, h w, T, 4)."""
    return torch.stack(parts, dim=-1).flatten(2, 3).transpose(1, 2).contiguous()


def _neighbours(position: Tensor, low: Tensor, size: int) -> tuple[tuple[Tensor, Tensor], ...]:
    """Return both pixels around a position along one axis, and their bilinear weights."""
    high_share = position - low
    pairs = ((low, 1 - high_share), (low + 1, high_share))
    return tuple((pixel.clamp(0, size - 1).long(), share * ((pixel >= 0) & (pixel < size)))
                 for pixel, share in pairs)
