# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Masks compared at random points instead of at every pixel (PointRend, arXiv 1912.08193).

Points are (x, y) in 0..1 of the padded input: (0, 0) is the outer corner of its first pixel and
(1, 1) that of its last.  Outside the map every value is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
import torch.nn.functional as F

UniformDraws = Callable[[tuple[int, ...], torch.device], Tensor]
"""Shape and device -> float32 tensor of independent draws, uniform in 0..1."""


def draw_uniform(shape: tuple[int, ...], device: torch.device) -> Tensor:
    """Draw from PyTorch's global generator of the device, as the published code does."""
    return torch.rand(shape, device=device)


def image_by_image(draws: Sequence[UniformDraws], counts: Sequence[int]) -> UniformDraws:
    """Make one source of several: of the rows of a draw, the first `counts[0]` from the first."""
    def draw(shape: tuple[int, ...], device: torch.device) -> Tensor:
        return torch.cat([draw_one((count, *shape[1:]), device)
                          for draw_one, count in zip(draws, counts)])
    return draw


def sample_logits(logits_BChw: Tensor, points_BP2: Tensor) -> Tensor:
    """Interpolate maps bilinearly at points that all channels of a batch entry share.

    Args:
        logits_BChw: Any floating dtype; gradients flow to it.
        points_BP2: (B, P, 2) float32.

    Returns:
        (B, C, P) float32.
    """
    grid_BP12 = 2.0 * points_BP2.unsqueeze(2) - 1.0
    return F.grid_sample(logits_BChw.float(), grid_BP12, mode='bilinear', padding_mode='zeros',
                         align_corners=False).squeeze(3)


def sample_masks(masks_Thw: Tensor, points_TP2: Tensor, padded_size: tuple[int, int]) -> Tensor:
    """Interpolate boolean masks bilinearly, without a float copy of them.

    A hundred masks of 1024 x 1024 pixels are 0.1 GB as booleans and 0.4 GB as float32.

    Args:
        masks_Thw: (T, h, w) bool; the padding to the right and below may be left out.
        points_TP2: (T, P, 2) float32, or (1, P, 2) for points that all masks share.
        padded_size: (H, W) of the padded input, to which the points refer.

    Returns:
        (T, P) float32 in 0..1.
    """
    height, width = masks_Thw.shape[1:]
    if not masks_Thw.numel():
        return points_TP2.new_zeros(len(masks_Thw), points_TP2.shape[1])
    flat_TL = masks_Thw.flatten(1)
    size_2 = points_TP2.new_tensor((padded_size[1], padded_size[0]))
    position_TP2 = points_TP2 * size_2 - 0.5
    corner_TP2 = position_TP2.floor()
    fraction_TP2 = position_TP2 - corner_TP2
    values_TP = points_TP2.new_zeros(len(masks_Thw), points_TP2.shape[1])
    for down, right in ((0, 0), (0, 1), (1, 0), (1, 1)):
        x, y = (corner_TP2.long() + corner_TP2.new_tensor((right, down)).long()).unbind(-1)
        weight_TP = _tap_weight(fraction_TP2, right, down)
        weight_TP = weight_TP * ((x >= 0) & (x < width) & (y >= 0) & (y < height))
        index_TP = y.clamp(0, height - 1) * width + x.clamp(0, width - 1)
        inside_TP = flat_TL.gather(1, index_TP.expand(len(flat_TL), -1))
        values_TP += weight_TP * inside_TP
    return values_TP


def _tap_weight(fraction_TP2: Tensor, right: int, down: int) -> Tensor:
    """Return the bilinear weight of one of the four neighbours."""
    x, y = fraction_TP2.unbind(-1)
    return (x if right else 1.0 - x) * (y if down else 1.0 - y)


def uncertain_points(logits_Mhw: Tensor, num_points: int, oversampling: float, importance: float,
                     draw: UniformDraws) -> Tensor:
    """Choose points where masks are undecided, and some anywhere.

    Two draws: (M, oversampling * num_points, 2) candidates, of which those with the smallest
    absolute logit stay, then the points of the rest.

    Args:
        logits_Mhw: Mask logits; no gradient flows.
        num_points: P, points for each mask.
        oversampling: Candidates for each point, at least 1.
        importance: Share of the points that is chosen from the candidates, 0..1.
        draw: Source of uniform draws.

    Returns:
        (M, P, 2) float32, the undecided points first.
    """
    count, device = len(logits_Mhw), logits_Mhw.device
    chosen = int(importance * num_points)
    with torch.no_grad():
        candidates_MC2 = draw((count, int(oversampling * num_points), 2), device)
        distance_MC = sample_logits(logits_Mhw.unsqueeze(1), candidates_MC2).squeeze(1).abs()
        index_MP = distance_MC.topk(chosen, dim=1, largest=False).indices
        undecided_MP2 = candidates_MC2.gather(1, index_MP.unsqueeze(2).expand(-1, -1, 2))
        return torch.cat([undecided_MP2, draw((count, num_points - chosen, 2), device)], dim=1)
