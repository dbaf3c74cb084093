# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What training minimises: class, mask and dice loss after each decoder stage.

Equal to the published loss in one process.  In several, the number of masks is averaged over the
processes as published; so is, unlike there, the weight by which the class loss is divided: only
then is a step of two processes that of one with both their batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import distributed, nn, Tensor
import torch.nn.functional as F

from eov_seg_core.network.decoder import StageOutput
from training.data.samples import Target
from training.loss.matcher import LARGEST_WEIGHT, match, Matches, matching_cost, TermWeights
from training.loss.point_sampling import (
    draw_uniform,
    image_by_image,
    sample_logits,
    sample_masks,
    uncertain_points,
    UniformDraws,
)

MASK_STRIDE = 4
"""Pixels of the padded input for each pixel of the mask logits, along each axis."""


@dataclass(frozen=True)
class LossConfig:
    """Weights and points of matching and losses; the defaults are the published values.

    Attributes:
        cost: Weights of the matching cost.
        loss: Weights of the loss.
        void_weight: Weight of queries without a segment in the class loss, above 0.
        num_points: P, points for each mask.
        oversampling: Random candidates for each point of the mask losses, at least 1.
        importance: Share of the points that are the least certain candidates, 0..1.
        skip_empty_masks: Leave out segments without a pixel, which cropping makes.  The published
            code keeps them: each claims a query and teaches it an empty mask of that class.

    Raises:
        ValueError: A value is out of range.
    """

    cost: TermWeights = TermWeights()
    loss: TermWeights = TermWeights()
    void_weight: float = 0.1
    num_points: int = 12544
    oversampling: float = 3.0
    importance: float = 0.75
    skip_empty_masks: bool = False

    def __post_init__(self) -> None:
        """Refuse values that train nothing."""
        for name, value, low, high in (
                ('num_points', self.num_points, 1, 1_000_000),
                ('oversampling', self.oversampling, 1, 100),
                ('importance', self.importance, 0, 1)):
            if not low <= value <= high:
                raise ValueError(f'{name} must lie in {low}..{high}, got {value}')
        if not 0 < self.void_weight <= LARGEST_WEIGHT:
            raise ValueError(f'void_weight must be above 0 and at most {LARGEST_WEIGHT:g}, got '
                             f'{self.void_weight}')


class Loss(NamedTuple):
    """Result of `PanopticLoss`.

    Attributes:
        total: Scalar, the sum of all terms: what to minimise.
        terms: Weighted terms `s{stage}_loss_{ce, mask, dice}`, scalars.
        matches: For each stage and image, which query answers for which segment.
    """

    total: Tensor
    terms: dict[str, Tensor]
    matches: list[list[Matches]]


class _Normalizers(NamedTuple):
    """By what sums over queries and masks are divided, averaged over the processes."""

    class_weight: Tensor
    num_masks: Tensor


class PanopticLoss(nn.Module):
    """Match the queries of every stage with the true segments, and compare.

    Args:
        config: Weights and points.
    """

    def __init__(self, config: LossConfig | None = None) -> None:
        super().__init__()
        self.config = config or LossConfig()

    def forward(self, stages: Sequence[StageOutput], targets: Sequence[Target],
                draw: UniformDraws | Sequence[UniformDraws] = draw_uniform,
                matches: list[Matches] | None = None) -> Loss:
        """Compute the loss of a batch in float32, also under autocast.

        The draws, for each stage: (1, P, 2) for the matching of each image, then, M being the
        matched masks of the batch, (M, oversampling P, 2) candidates and the remaining
        (M, (1 - importance) P, 2) points.

        Args:
            stages: Outputs of the decoder, as `Decoder.all_stages` returns them.
            targets: One for each image, on the same device.
            draw: Source of uniform draws; or one for each image, which then gets the same points
                in any batch.
            matches: Which query answers for which segment of each image; None to choose it anew
                after every stage.  Without the matching, its draws fall away.

        Raises:
            ValueError: Targets do not fit the batch, or the sources do not.
        """
        targets = [self._checked(target, index, stages[0]) for index, target in enumerate(targets)]
        if len(targets) != len(stages[0].class_logits_BQK):
            raise ValueError(f'{len(targets)} targets for a batch of '
                             f'{len(stages[0].class_logits_BQK)} images; give one for each')
        if not callable(draw) and len(draw) != len(targets):
            raise ValueError(f'{len(draw)} sources of draws for {len(targets)} images; give one '
                             'for each, or one for all')
        terms: dict[str, Tensor] = {}
        all_matches = []
        with torch.autocast(stages[0].mask_logits_BQhw.device.type, enabled=False):
            normalizers = self._normalizers(stages[0], targets)
            for number, stage in enumerate(stages):
                chosen = matches or self._match(stage, targets, draw)
                all_matches.append(chosen)
                losses = {
                    'ce': self._class_loss(stage, targets, chosen, normalizers),
                    **self._mask_losses(stage, targets, chosen, normalizers, draw)}
                terms |= {f's{number}_loss_{name}': getattr(self.config.loss, name) * loss
                          for name, loss in losses.items()}
            return Loss(torch.stack(list(terms.values())).sum(), terms, all_matches)

    def _checked(self, target: Target, index: int, stage: StageOutput) -> Target:
        """Refuse what would crash a GPU or be silently wrong; leave out empty masks if asked."""
        labels, masks = target
        padded = _padded_size(stage)
        if len(labels) != len(masks) or masks.dim() != 3 or masks.dtype != torch.bool:
            raise ValueError(f'target {index}: expected T labels and (T, h, w) boolean masks, got '
                             f'{len(labels)} labels and {masks.dtype} {tuple(masks.shape)}')
        if masks.shape[1] > padded[0] or masks.shape[2] > padded[1]:
            raise ValueError(f'target {index}: masks of {tuple(masks.shape[1:])} pixels do not '
                             f'fit the padded input of {padded}')
        classes = stage.class_logits_BQK.shape[2] - 1
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
            raise ValueError(f'target {index}: labels lie in {int(labels.min())}..'
                             f'{int(labels.max())}, the vocabulary has classes 0..{classes - 1}')
        if self.config.skip_empty_masks:
            keep = masks.flatten(1).any(dim=1)
            return Target(labels[keep], masks[keep])
        return target

    def _normalizers(self, stage: StageOutput, targets: Sequence[Target]) -> _Normalizers:
        queries = stage.class_logits_BQK.shape[1]
        counts = [len(target.labels_T) for target in targets]
        matched = sum(min(count, queries) for count in counts)
        void_weight = self.config.void_weight * (queries * len(targets) - matched)
        sums = torch.tensor([matched + void_weight, float(sum(counts))],
                            device=stage.class_logits_BQK.device)
        if distributed.is_available() and distributed.is_initialized():
            distributed.all_reduce(sums)
            sums = sums / distributed.get_world_size()
        return _Normalizers(sums[0], sums[1].clamp(min=1.0))

    @torch.no_grad()
    def _match(self, stage: StageOutput, targets: Sequence[Target],
               draw: UniformDraws | Sequence[UniformDraws]) -> list[Matches]:
        matches = []
        draws = [draw] * len(targets) if callable(draw) else draw
        for class_logits_QK, mask_logits_Qhw, target, draw_one in zip(*stage, targets, draws):
            points_1P2 = draw_one((1, self.config.num_points, 2), mask_logits_Qhw.device)
            cost_QT = matching_cost(
                class_logits_QK, sample_logits(mask_logits_Qhw[None], points_1P2)[0],
                target.labels_T, sample_masks(target.masks_Thw, points_1P2, _padded_size(stage)),
                self.config.cost)
            matches.append(match(cost_QT))
        return matches

    def _class_loss(self, stage: StageOutput, targets: Sequence[Target],
                    matches: Sequence[Matches], normalizers: _Normalizers) -> Tensor:
        """Return the weighted cross-entropy of all queries; unmatched ones should say void."""
        logits_BQK = stage.class_logits_BQK.float()
        void = logits_BQK.shape[2] - 1
        labels_BQ = torch.full(logits_BQK.shape[:2], void, device=logits_BQK.device)
        for labels_Q, target, (queries, segments) in zip(labels_BQ, targets, matches):
            labels_Q[queries.to(labels_Q.device)] = target.labels_T[
                segments.to(target.labels_T.device)]
        weight_K = logits_BQK.new_ones(void + 1)
        weight_K[void] = self.config.void_weight
        total = F.cross_entropy(logits_BQK.flatten(0, 1), labels_BQ.flatten(), weight_K,
                                reduction='sum')
        return total / normalizers.class_weight

    def _mask_losses(self, stage: StageOutput, targets: Sequence[Target],
                     matches: Sequence[Matches], normalizers: _Normalizers,
                     draw: UniformDraws | Sequence[UniformDraws]) -> dict[str, Tensor]:
        """Return cross-entropy and dice loss of the matched masks at the chosen points."""
        config = self.config
        device = stage.mask_logits_BQhw.device
        logits_Mhw = torch.cat([
            masks_Qhw[match.queries.to(device)]
            for masks_Qhw, match in zip(stage.mask_logits_BQhw, matches)])
        counts = [len(match.queries) for match in matches]
        points_MP2 = uncertain_points(
            logits_Mhw, config.num_points, config.oversampling, config.importance,
            draw if callable(draw) else image_by_image(draw, counts))
        points_per_image = points_MP2.split(counts)
        target_MP = torch.cat([
            sample_masks(target.masks_Thw[match.segments.to(device)], points, _padded_size(stage))
            for target, match, points in zip(targets, matches, points_per_image)])
        logits_MP = sample_logits(logits_Mhw.unsqueeze(1), points_MP2).squeeze(1)
        return {'mask': mask_cross_entropy(logits_MP, target_MP).sum() / normalizers.num_masks,
                'dice': dice_loss(logits_MP, target_MP).sum() / normalizers.num_masks}


def mask_cross_entropy(logits_MP: Tensor, target_MP: Tensor) -> Tensor:
    """Return the mean binary cross-entropy of each mask, (M,)."""
    return F.binary_cross_entropy_with_logits(logits_MP, target_MP, reduction='none').mean(dim=1)


def dice_loss(logits_MP: Tensor, target_MP: Tensor) -> Tensor:
    """Return 1 - (2 overlap + 1) / (size + true size + 1) of each mask, (M,), in 0..1."""
    probs_MP = logits_MP.sigmoid()
    overlap_M = (probs_MP * target_MP).sum(dim=1)
    size_M = probs_MP.sum(dim=1) + target_MP.sum(dim=1)
    return 1.0 - (2.0 * overlap_M + 1.0) / (size_M + 1.0)


def _padded_size(stage: StageOutput) -> tuple[int, int]:
    height, width = stage.mask_logits_BQhw.shape[2:]
    return MASK_STRIDE * height, MASK_STRIDE * width
