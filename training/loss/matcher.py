# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which query answers for which segment: bipartite matching of least cost (DETR, 2005.12872)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from scipy.optimize import linear_sum_assignment
import torch
from torch import Tensor
import torch.nn.functional as F

IMPOSSIBLE_COST = 1e8
"""Stands for a cost that is no number, so that half precision may overflow: the loss is then not
finite either, and the step is skipped."""
LARGEST_WEIGHT = 1e9
"""Of a term of a loss or a cost; the sum of such terms still fits into float32."""


@dataclass(frozen=True)
class TermWeights:
    """How much class, mask and dice count, in a matching cost or in a loss.

    Attributes:
        ce: Class probability (cost) or cross-entropy (loss).
        mask: Binary cross-entropy of the masks.
        dice: Dice distance of the masks.

    Raises:
        ValueError: A weight is negative or not finite.
    """

    ce: float = 2.0
    mask: float = 5.0
    dice: float = 5.0

    def __post_init__(self) -> None:
        """Refuse weights that turn a term around."""
        for name in ('ce', 'mask', 'dice'):
            value = getattr(self, name)
            if not 0 <= value <= LARGEST_WEIGHT:
                raise ValueError(f'weight {name} must be finite and at least 0, at most '
                                 f'{LARGEST_WEIGHT:g}, got {value}')


class Matches(NamedTuple):
    """Pairs of query and segment; every query and every segment at most once.

    Attributes:
        queries: (M,) int64 rising query indices, M = min(Q, T), on the CPU.
        segments: (M,) int64 index of the segment of each of them, on the CPU.
    """

    queries: Tensor
    segments: Tensor


def match(cost_QT: Tensor) -> Matches:
    """Pair queries with segments at the least total cost.

    Args:
        cost_QT: (Q, T) cost of every pair; T may be 0, or larger than Q.
    """
    finite = cost_QT.detach().nan_to_num(IMPOSSIBLE_COST, IMPOSSIBLE_COST, -IMPOSSIBLE_COST)
    queries, segments = linear_sum_assignment(finite.double().cpu().numpy())
    return Matches(torch.from_numpy(queries), torch.from_numpy(segments))


def matching_cost(class_logits_QK: Tensor, mask_logits_QP: Tensor, labels_T: Tensor,
                  masks_TP: Tensor, weights: TermWeights) -> Tensor:
    """Compute what it costs to give each segment to each query.

    Args:
        class_logits_QK: (Q, K + 1), void last.
        mask_logits_QP: (Q, P) mask logits at the points.
        labels_T: (T,) int64 class of each segment, 0..K-1.
        masks_TP: (T, P) true masks at the same points, 0..1.
        weights: Of the three terms.

    Returns:
        (Q, T) float32: minus the probability of the class, the mean cross-entropy of the points,
        and the dice distance, weighted.
    """
    class_cost_QT = -class_logits_QK.float().softmax(dim=-1)[:, labels_T]
    product_QT = mask_logits_QP @ masks_TP.t()
    # cross-entropy of logit x and target t is softplus(x) - x t
    mask_cost_QT = (F.softplus(mask_logits_QP).sum(dim=1, keepdim=True) - product_QT
                    ) / mask_logits_QP.shape[1]
    probs_QP = mask_logits_QP.sigmoid()
    overlap_QT = probs_QP @ masks_TP.t()
    size_QT = probs_QP.sum(dim=1, keepdim=True) + masks_TP.sum(dim=1)
    dice_cost_QT = 1.0 - (2.0 * overlap_QT + 1.0) / (size_QT + 1.0)
    return (weights.ce * class_cost_QT + weights.mask * mask_cost_QT
            + weights.dice * dice_cost_QT)
