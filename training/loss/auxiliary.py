# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Two further losses for short trainings; neither changes the network that comes out.

Matching alone teaches masks slowly: of all queries only the matched ones learn, and which they are
changes at first with every step.  Both losses here say at once what is right:

* Ground-truth queries start from a shifted and partly erased true mask, and are to restore it.
  (As in DN-DETR, arXiv 2203.01305, and MP-Former, arXiv 2303.07336.)
* The dense text loss compares every pixel of the fused features with the words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn, Tensor
import torch.nn.functional as F

from eov_seg_core.config import ModelConfig
from eov_seg_core.network.classification import VocabularyEmbedding
from eov_seg_core.network.decoder import Decoder
from training.data.samples import Target
from training.loss.losses import PanopticLoss
from training.loss.matcher import LARGEST_WEIGHT, Matches
from training.loss.point_sampling import UniformDraws

_LOGIT = 4.0
"""Mask logit of a true mask: sure, but finite."""
_STRIDE = 4
_DENSE_STRIDE = 8


@dataclass(frozen=True, kw_only=True)
class AuxiliaryConfig:
    """Further losses for short trainings; the network that comes out is the same without them.

    Attributes:
        ground_truth_queries: Most segments of an image that get a query which starts from their
            disturbed true mask; 0: none.
        ground_truth_weight: Of these queries' loss.
        dense_text_weight: Of the comparison of every pixel with the words; 0: none.
    """

    ground_truth_queries: int = 0
    ground_truth_weight: float = 0.5
    dense_text_weight: float = 0.0

    def __post_init__(self) -> None:
        """Refuse negative values."""
        for name in ('ground_truth_queries', 'ground_truth_weight', 'dense_text_weight'):
            value = getattr(self, name)
            if not 0 <= value <= LARGEST_WEIGHT:
                raise ValueError(f'{name} must be at least 0 and at most {LARGEST_WEIGHT:g}, got '
                                 f'{value!r}')


class DecoderInputs(NamedTuple):
    """What the decoder's stages work on.

    Attributes:
        aggregated_BDhw: Output of the aggregator, stride 4.
        features_BDhw: The same after Vocabulary-Aware Selection.
        upscaled_BChw: Spatial features, stride 4.
        vocabulary: Of the batch.
    """

    aggregated_BDhw: Tensor
    features_BDhw: Tensor
    upscaled_BChw: Tensor
    vocabulary: VocabularyEmbedding


class AuxiliaryLosses(nn.Module):
    """Whichever of the further losses a recipe asks for.

    Args:
        auxiliary: Which ones, and their weights.
        model: Sizes of the network.
    """

    def __init__(self, auxiliary: AuxiliaryConfig, model: ModelConfig) -> None:
        super().__init__()
        self._config = auxiliary
        self.queries = (GroundTruthQueries(model.hidden_dim, auxiliary.ground_truth_queries)
                        if auxiliary.ground_truth_queries else None)
        self.dense_text = (DenseTextLoss(model.hidden_dim, model.embed_dim)
                           if auxiliary.dense_text_weight else None)

    def forward(self, decoder: Decoder, inputs: DecoderInputs, targets: Sequence[Target],
                loss: PanopticLoss, draws: Sequence[UniformDraws]) -> dict[str, Tensor]:
        """Return the weighted terms by name; none if the recipe asks for none.

        Args:
            decoder: Of the network.
            inputs: Of the decoder's stages.
            targets: One for each image.
            loss: Of the learned queries.
            draws: Source of uniform draws for each image.
        """
        terms = {}
        if self.queries is not None:
            terms['loss_ground_truth_queries'] = self._config.ground_truth_weight * self.queries(
                decoder, inputs, targets, loss, draws)
        if self.dense_text is not None:
            terms['loss_dense_text'] = self._config.dense_text_weight * self.dense_text(
                inputs.aggregated_BDhw, inputs.vocabulary, targets)
        return terms


class GroundTruthQueries(nn.Module):
    """Queries that know where a segment is, and learn to outline and name it.

    They pass through the decoder's stages apart from the learned queries, so that these cannot
    look at the truth.

    Args:
        dim: D, size of the decoder's queries.
        most: G, most segments of an image that get such a query.
    """

    def __init__(self, dim: int, most: int) -> None:
        super().__init__()
        self.query = nn.Parameter(0.02 * torch.randn(dim))
        self._most = most

    def forward(self, decoder: Decoder, inputs: DecoderInputs, targets: Sequence[Target],
                loss: PanopticLoss, draws: Sequence[UniformDraws]) -> Tensor:
        """Return the loss, summed over all terms and stages; arguments as `AuxiliaryLosses`."""
        targets = [_largest(target, self._most) for target in targets]
        count = max(1, *(len(target.labels_T) for target in targets))
        height, width = inputs.features_BDhw.shape[2:]
        mask_logits_BGhw = inputs.features_BDhw.new_full(
            (len(targets), count, height, width), -_LOGIT)
        for row_Ghw, target, draw in zip(mask_logits_BGhw, targets, draws):
            noisy = _disturbed(_shrunk(target.masks_Thw, (height, width)), draw)
            row_Ghw[:len(noisy)][noisy] = _LOGIT
        queries_BGD = self.query.expand(len(targets), count, -1)
        stages = decoder.run_stages(queries_BGD, mask_logits_BGhw, *inputs[1:])
        matches = [Matches(order, order) for order in
                   (torch.arange(len(target.labels_T)) for target in targets)]
        total: Tensor = loss(stages, targets, draws, matches).total
        return total


class DenseTextLoss(nn.Module):
    """Cross-entropy between the words and every pixel of the fused features.

    Args:
        dim: D, channels of the fused features.
        embed_dim: E, size of the text embeddings.
    """

    def __init__(self, dim: int, embed_dim: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(dim, embed_dim, kernel_size=1)
        self.logit_scale = nn.Parameter(torch.tensor(2.66))

    def forward(self, aggregated_BDhw: Tensor, vocabulary: VocabularyEmbedding,
                targets: Sequence[Target]) -> Tensor:
        """Return the mean loss over all pixels that belong to a segment; 0 if none does.

        Args:
            aggregated_BDhw: Output of the aggregator, stride 4.
            vocabulary: Of the batch; of a class's synonyms the first one counts.
            targets: One for each image.
        """
        size = (aggregated_BDhw.shape[2] * _STRIDE // _DENSE_STRIDE,
                aggregated_BDhw.shape[3] * _STRIDE // _DENSE_STRIDE)
        features_BDhw = F.interpolate(aggregated_BDhw, size=size, mode='bilinear')
        pixels_BhwE = F.normalize(self.project(features_BDhw).permute(0, 2, 3, 1), dim=-1)
        logits_BhwN = self.logit_scale.exp() * (pixels_BhwE @ vocabulary.text_NE[:-1].t())
        first_row = _first_rows(vocabulary)
        truth_Bhw = torch.stack([_label_map(target, size, first_row) for target in targets])
        total = F.cross_entropy(logits_BhwN.flatten(0, 2), truth_Bhw.flatten(), ignore_index=-1,
                                reduction='sum')
        return total / (truth_Bhw >= 0).sum().clamp(min=1)


def _first_rows(vocabulary: VocabularyEmbedding) -> Tensor:
    """Return the row of the first synonym of each class, (K,)."""
    rows_N = torch.arange(len(vocabulary.class_of_row_N),
                          device=vocabulary.class_of_row_N.device)
    empty_K = rows_N.new_full((vocabulary.num_classes,), len(rows_N))
    return empty_K.scatter_reduce(0, vocabulary.class_of_row_N, rows_N, reduce='amin')


def _label_map(target: Target, size: tuple[int, int], row_of_class_K: Tensor) -> Tensor:
    """Return the row of the text of every pixel's class, (h, w); -1 outside of all segments."""
    label_hw = torch.full(size, -1, dtype=torch.int64, device=row_of_class_K.device)
    masks_Thw = _shrunk(target.masks_Thw, size)
    for mask_hw, label in zip(masks_Thw, target.labels_T):
        label_hw[mask_hw] = row_of_class_K[label]
    return label_hw


def _shrunk(masks_Thw: Tensor, size: tuple[int, int]) -> Tensor:
    """Return masks at a smaller size, (T, h, w) bool: pixels that are covered by half."""
    if not len(masks_Thw):
        return masks_Thw.new_zeros(0, *size)
    return F.interpolate(masks_Thw[None].float(), size=size, mode='area')[0] >= 0.5


def _disturbed(masks_Thw: Tensor, draw: UniformDraws) -> Tensor:
    """Shift masks by up to an eighth of their size, and erase a part of half of them."""
    disturbed = masks_Thw.clone()
    draws_T5 = draw((len(masks_Thw), 5), masks_Thw.device).tolist()
    for mask_hw, (down, right, erase, side, part) in zip(disturbed, draws_T5):
        rows, columns = mask_hw.any(dim=1).nonzero(), mask_hw.any(dim=0).nonzero()
        if not len(rows):
            continue
        top, bottom = int(rows[0]), int(rows[-1]) + 1
        left, right_end = int(columns[0]), int(columns[-1]) + 1
        if erase < 0.5:     # up to two fifths, from one of the four sides
            cut_y, cut_x = (round(0.4 * part * extent)
                            for extent in (bottom - top, right_end - left))
            region = ((slice(top, top + cut_y), slice(None)),
                      (slice(bottom - cut_y, bottom), slice(None)),
                      (slice(None), slice(left, left + cut_x)),
                      (slice(None), slice(right_end - cut_x, right_end)))[int(4 * side)]
            mask_hw[region] = False
        shift = (round((down - 0.5) * 0.25 * (bottom - top)),
                 round((right - 0.5) * 0.25 * (right_end - left)))
        mask_hw.copy_(mask_hw.roll(shift, dims=(0, 1)))
    return disturbed


def _largest(target: Target, most: int) -> Target:
    """Return the largest segments of an image, those without any pixel left out."""
    areas_T = target.masks_Thw.flatten(1).sum(dim=1)
    order = areas_T.argsort(descending=True, stable=True)[:min(most, int((areas_T > 0).sum()))]
    return Target(target.labels_T[order], target.masks_Thw[order])
