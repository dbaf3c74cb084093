# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Instance quality: average precision of masks, counted by pycocotools.

A class is represented by its index; masks are COCO's run lengths, compressed.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

_FIGURES = ('ap', 'ap50', 'ap75', 'ap_small', 'ap_medium', 'ap_large')
"""What the first numbers of pycocotools' summary are."""


class TrueInstance(NamedTuple):
    """One true thing.

    Attributes:
        class_index: 0..K-1.
        counts: Its mask, see `encode_masks`.
        is_crowd: Whether it is a group: neither found nor missed.
    """

    class_index: int
    counts: str
    is_crowd: bool


class Detection(NamedTuple):
    """One thing that was found.

    Attributes:
        class_index: 0..K-1.
        counts: Its mask, see `encode_masks`.
        score: The higher, the earlier it is matched.
    """

    class_index: int
    counts: str
    score: float


def encode_masks(packed_NHB: npt.NDArray[np.uint8], width: int) -> list[str]:
    """Encode masks as COCO's compressed run lengths, as `pycocotools.mask.encode` does.

    pycocotools looks at every pixel of every mask; here the places where a mask begins or ends
    are found in its bits, eight at a time.

    Args:
        packed_NHB: (N, H, bytes of a row) masks, `np.packbits` of their rows.
        width: W, pixels of a row.
    """
    masks, height, _ = packed_NHB.shape
    # run lengths go down the columns: above a column's first pixel is the last of the one before
    above_NHB = np.empty_like(packed_NHB)
    above_NHB[:, 1:] = packed_NHB[:, :-1]
    above_NHB[:, 0] = packed_NHB[:, -1] >> 1
    above_NHB[:, 0, 1:] |= packed_NHB[:, -1, :-1] << 7
    edges_NHB = packed_NHB ^ above_NHB
    mask_index, row, byte = np.nonzero(edges_NHB)
    entry, bit = np.nonzero(np.unpackbits(edges_NHB[mask_index, row, byte][:, None], axis=1))
    position = (byte[entry] * 8 + bit) * height + row[entry]
    area = height * width
    is_inside = position < area     # the others end with the last pixel
    keys = np.sort(mask_index[entry][is_inside] * area + position[is_inside])
    starts = np.searchsorted(keys, np.arange(masks + 1) * area)
    runs = [{'size': [height, width],
             'counts': np.diff(keys[first:last] - index * area, prepend=0, append=area).tolist()}
            for index, (first, last) in enumerate(zip(starts, starts[1:]))]
    return [coco_mask.frPyObjects(run, height, width)['counts'].decode() for run in runs]


class InstanceQuality:
    """Average precision of images; keeps all masks as run lengths.

    Args:
        is_thing: Of each class; the others are not averaged.
    """

    def __init__(self, is_thing: Sequence[bool]) -> None:
        self._classes = [index for index, thing in enumerate(is_thing) if thing]
        self._num_classes = len(is_thing)
        self._images: list[dict[str, Any]] = []
        self._truth: list[dict[str, Any]] = []
        self._detections: list[dict[str, Any]] = []

    def add(self, size: tuple[int, int], truth: Sequence[TrueInstance],
            detections: Sequence[Detection]) -> None:
        """Add an image.

        Args:
            size: (height, width) of its masks.
            truth: Its true things.
            detections: What was found; at most a hundred of each class count.
        """
        image = len(self._images) + 1
        self._images.append({'id': image, 'height': size[0], 'width': size[1]})
        for true in truth:
            self._append(self._truth, image, size, true, iscrowd=int(true.is_crowd))
        for found in detections:
            self._append(self._detections, image, size, found, iscrowd=0, score=found.score)

    def compute(self) -> dict[str, Any]:
        """Return figures in 0..1, or None where there is no true thing to find.

        Returns:
            `ap` averaged over IoU thresholds 0.50, 0.55, ... 0.95 and the classes that occur;
            `ap50` and `ap75` of one threshold; `ap_small`, `ap_medium`, `ap_large` below 32 x 32
            pixels, between, and above 96 x 96; `n` classes that occur; `per_class`, the AP of
            each class or None.
        """
        if not self._classes or not self._truth:
            return {**dict.fromkeys(_FIGURES), 'n': 0, 'per_class': [None] * self._num_classes}
        with redirect_stdout(StringIO()):   # pycocotools prints its progress and its table
            evaluation = COCOeval(self._coco(self._truth), self._coco(self._detections), 'segm')
            evaluation.params.catIds = self._classes
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        # (thresholds, recalls, classes, areas, limits): all areas, a hundred detections
        precision_TRC = evaluation.eval['precision'][:, :, :, 0, -1]
        per_class: list[float | None] = [None] * self._num_classes
        for index, precision_TR in zip(self._classes, precision_TRC.transpose(2, 0, 1)):
            per_class[index] = _known(precision_TR.mean())
        figures = {name: _known(value) for name, value in zip(_FIGURES, evaluation.stats)}
        count = sum(value is not None for value in per_class)
        return {**figures, 'n': count, 'per_class': per_class}

    def _append(self, annotations: list[dict[str, Any]], image: int, size: tuple[int, int],
                instance: TrueInstance | Detection, **more: float) -> None:
        mask = {'size': list(size), 'counts': instance.counts}
        annotations.append({'id': len(annotations) + 1, 'image_id': image, 'segmentation': mask,
                            'category_id': instance.class_index,
                            'area': int(coco_mask.area(mask)), **more})

    def _coco(self, annotations: list[dict[str, Any]]) -> COCO:
        coco = COCO()
        coco.dataset = {'images': self._images, 'annotations': annotations,
                        'categories': [{'id': index} for index in self._classes]}
        coco.createIndex()
        return coco


def _known(value: float) -> float | None:
    """Return what pycocotools gives as -1, where nothing is to be found, as None."""
    return None if value < 0 else float(value)
