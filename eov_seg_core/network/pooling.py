# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Mean of a feature map inside masks, as decoder and CLIP branch use it."""

from __future__ import annotations

from torch import Tensor

from eov_seg_core.device.precision import float32_island, widened

EPSILON = 1e-8
"""Smallest pixel count: an empty mask pools to the zero vector.  Published is count + 1e-8, which
in float32 is the same number; but torch.onnx leaves such a sum out as if it added zero."""


def mask_sum(features_BChw: Tensor, mask_BQhw: Tensor) -> Tensor:
    """Sum features over the pixels of every mask.

    Args:
        features_BChw: Float features.
        mask_BQhw: Boolean masks of the same height and width.

    Returns:
        (B, Q, C) in the features' dtype, but at least float32: thousands of pixels are summed.
    """
    features_BChw = widened(features_BChw)
    weights_BQL = mask_BQhw.flatten(2).to(features_BChw.dtype)
    with float32_island(features_BChw.device):
        return weights_BQL @ features_BChw.flatten(2).transpose(1, 2)


def mask_pool(features_BChw: Tensor, mask_BQhw: Tensor) -> Tensor:
    """Average features over the pixels of every mask; the zero vector where a mask is empty.

    Args:
        features_BChw: Float features.
        mask_BQhw: Boolean masks of the same height and width.

    Returns:
        (B, Q, C) in the dtype of `mask_sum`.
    """
    total_BQC = mask_sum(features_BChw, mask_BQhw)
    count_BQ1 = mask_BQhw.flatten(2).sum(dim=2, keepdim=True).to(total_BQC.dtype)
    return total_BQC / count_BQ1.clamp(min=EPSILON)
