# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Segmentation and tracking quality, STQ (arXiv 2102.11859).

A tube is all pixels of one id of one class in a sequence.  STQ = sqrt(AQ x SQ): AQ judges which
pixels share a tube, SQ is the mean IoU of classes.  The edge cases are those of the code that its
authors published:

- true void is left out of SQ, but what a predicted tube has there counts for its size in AQ;
- predicted void is one more class of SQ, with an IoU of 0, wherever it occurs on labeled pixels;
- true things of instance 0 are crowd: left out of AQ on both sides, not of SQ;
- a predicted instance 0 is a tube like any other;
- tubes are pooled over sequences, so that each of them counts the same.

Pixels are counted in whole numbers, where that code has float32.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from eov_seg_core.tracking.quality import unique_pairs

VOID = -1
"""Class index of pixels without a class."""
_ID_BITS = 32
Labels = npt.NDArray[np.integer[Any]]
Tube = tuple[Hashable, int]


class PanopticFrame(NamedTuple):
    """One frame of a video.

    Attributes:
        class_index: (H, W) 0..K-1, or -1 for void.
        instance: (H, W) ids from 0 on, below 2**32; not read where the class is stuff.
    """

    class_index: Labels
    instance: Labels


class TrackingQuality:
    """STQ of a stream of frames.

    Args:
        is_thing: Whether the class is countable, K flags.

    Raises:
        ValueError: There is no class.
    """

    def __init__(self, is_thing: Sequence[bool]) -> None:
        if not is_thing:
            raise ValueError('there is no class; expected a flag for each class')
        self._is_thing = np.array([*is_thing, False])       # the last one is void
        self._confusion = np.zeros((len(self._is_thing),) * 2, np.int64)
        self._true: Counter[Tube] = Counter()
        self._found: Counter[Tube] = Counter()
        self._shared: Counter[tuple[Tube, Tube]] = Counter()

    def add(self, truth: PanopticFrame, prediction: PanopticFrame, sequence: Hashable = 0) -> None:
        """Count one frame.

        Args:
            truth: What is there.
            prediction: What was found, of the same size.
            sequence: Ids of different sequences are different objects.

        Raises:
            ValueError: The sizes differ, or a class or id is out of its range.
        """
        shapes = [labels.shape for labels in (*truth, *prediction)]
        if len(set(shapes)) > 1:
            raise ValueError(f'the maps of a frame have the shapes {shapes}; expected one shape')
        classes = len(self._is_thing) - 1
        for frame, name in ((truth, 'truth'), (prediction, 'prediction')):
            if frame.class_index.size and not (
                    frame.class_index.min() >= VOID and frame.class_index.max() < classes
                    and frame.instance.min() >= 0 and frame.instance.max() < 1 << _ID_BITS):
                raise ValueError(f'the {name} has a class index out of -1..{classes - 1}, or an '
                                 f'id out of 0..2**{_ID_BITS} - 1')
        true, found = (frame.class_index.astype(np.int64).ravel() % (classes + 1)
                       for frame in (truth, prediction))    # void becomes the last class
        labeled = true != classes
        self._confusion += np.bincount(
            true[labeled] * (classes + 1) + found[labeled],
            minlength=(classes + 1) ** 2).reshape(classes + 1, classes + 1)
        self._count_tubes(true, found, truth, prediction, sequence)

    def _count_tubes(self, true: Labels, found: Labels, truth: PanopticFrame,
                     prediction: PanopticFrame, sequence: Hashable) -> None:
        true_thing, found_thing = self._is_thing[true], self._is_thing[found]
        crowd = true_thing & (truth.instance.ravel() == 0)
        true_thing, found_thing = true_thing & ~crowd, found_thing & ~crowd
        true_tube = true << _ID_BITS | truth.instance.astype(np.int64).ravel()
        found_tube = found << _ID_BITS | prediction.instance.astype(np.int64).ravel()
        for counter, tubes in ((self._true, true_tube[true_thing]),
                               (self._found, found_tube[found_thing])):
            for tube, pixels in zip(*np.unique(tubes, return_counts=True)):
                counter[sequence, int(tube)] += int(pixels)
        both = true_thing & found_thing
        pairs = np.stack([true_tube[both], found_tube[both]])
        for first, second, pixels in zip(*unique_pairs(pairs)):
            self._shared[(sequence, int(first)), (sequence, int(second))] += int(pixels)

    def compute(self) -> dict[str, Any]:
        """Return the figures, 0..1; None where there is nothing to judge.

        Returns:
            `stq`, `aq` and `sq` as published, except that without true things `aq` and `stq` are
            None instead of 0; `sq_labeled`, the mean over the classes of the truth alone, and
            `stq_labeled` with it; `tubes`, how many true ones; `iou`, K figures.
        """
        quality: dict[Tube, float] = defaultdict(float)
        for (true, found), shared in self._shared.items():
            union = self._true[true] + self._found[found] - shared
            quality[true] += shared * shared / union
        aq = (sum(value / self._true[tube] for tube, value in quality.items()) / len(self._true)
              if self._true else None)
        hits = self._confusion.diagonal()
        true_pixels, found_pixels = self._confusion.sum(axis=1), self._confusion.sum(axis=0)
        unions = true_pixels + found_pixels - hits
        iou = [hit / union if union else None for hit, union in zip(hits.tolist(),
                                                                    unions.tolist())]
        sq = _mean([value for value in iou if value is not None])
        sq_labeled = _mean([value for value, pixels in zip(iou, true_pixels) if pixels
                            if value is not None])
        return {'stq': _geometric(aq, sq), 'stq_labeled': _geometric(aq, sq_labeled), 'aq': aq,
                'sq': sq, 'sq_labeled': sq_labeled, 'tubes': len(self._true), 'iou': iou[:-1]}


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _geometric(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else float(np.sqrt(first * second))
