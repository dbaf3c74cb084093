# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Semantic quality: mean intersection over union, and its companions, as published.

The confusion matrix is torchmetrics'.  Pixels that the truth does not judge are left out, together
with what was predicted there; classes that the truth never shows are not averaged.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torchmetrics.functional.classification import multiclass_confusion_matrix

IGNORED = -1
"""Class index of true pixels that are not judged."""
Labels = npt.NDArray[np.int32]
PairCount = tuple[int, int, int]
"""True class index, predicted class index, pixels."""


def count_pairs(truth_HW: Labels, prediction_HW: Labels, num_classes: int) -> list[PairCount]:
    """Count the pairs of true and predicted class that occur in one image.

    Args:
        truth_HW: (H, W) class index 0..K-1, -1 where the pixel is not judged.
        prediction_HW: (H, W) class index 0..K-1.
        num_classes: K.

    Raises:
        ValueError: The two differ in size, or an index is out of range.
    """
    if truth_HW.shape != prediction_HW.shape:
        raise ValueError(f'the prediction has shape {prediction_HW.shape}, but its truth '
                         f'{truth_HW.shape}; predict at the size of the truth')
    for name, labels, least in (('truth', truth_HW, IGNORED), ('prediction', prediction_HW, 0)):
        if labels.size and not least <= labels.min() <= labels.max() < num_classes:
            raise ValueError(f'class indices of the {name} lie in {labels.min()}..{labels.max()}, '
                             f'expected {least}..{num_classes - 1}')
    if num_classes == 1:    # torchmetrics wants at least two
        pixels = int((truth_HW == 0).sum())
        return [(0, 0, pixels)] if pixels else []
    counts_KK = multiclass_confusion_matrix(
        torch.from_numpy(prediction_HW), torch.from_numpy(truth_HW), num_classes,
        ignore_index=IGNORED, validate_args=False)
    return [(true, predicted, int(counts_KK[true, predicted]))
            for true, predicted in counts_KK.nonzero().tolist()]


class SemanticQuality:
    """Semantic quality of a stream of images; keeps one confusion matrix.

    Args:
        num_classes: K.
    """

    def __init__(self, num_classes: int) -> None:
        self._counts_KK = np.zeros((num_classes, num_classes), np.int64)

    def count(self, pairs: Iterable[PairCount]) -> None:
        """Add the pairs of one image."""
        for true, predicted, pixels in pairs:
            self._counts_KK[true, predicted] += pixels

    def compute(self) -> dict[str, Any]:
        """Return figures in 0..1, zeros if no pixel is judged.

        Returns:
            `miou`; `fwiou`, weighted by the classes' pixels; `macc`, mean accuracy; `pacc`, share
            of pixels that are right; `n` classes that the truth shows; `per_class`, the IoU of
            each class or None where the truth does not show it.
        """
        hits_K = np.diagonal(self._counts_KK).astype(np.float64)
        true_K, predicted_K = self._counts_KK.sum(axis=1), self._counts_KK.sum(axis=0)
        occurs_K = true_K > 0
        iou_K = hits_K / np.maximum(true_K + predicted_K - hits_K, 1)
        accuracy_K = hits_K / np.maximum(true_K, 1)
        count, pixels = int(occurs_K.sum()), max(int(true_K.sum()), 1)
        return {
            'miou': float(iou_K[occurs_K].sum()) / max(count, 1),
            'fwiou': float((iou_K * true_K).sum()) / pixels,
            'macc': float(accuracy_K[occurs_K].sum()) / max(count, 1),
            'pacc': float(hits_K.sum()) / pixels,
            'n': count,
            'per_class': [float(iou) if occurs else None for iou, occurs in zip(iou_K, occurs_K)]}
