# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One picture of the first twelve images with their segments, for a look."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from eov_seg_core.results.result import PanopticResult, Segment
from eov_seg_core.visualization import draw_overlay
from eov_seg_core.vocabulary import Vocabulary
from training.data.coco_folder import CocoPanopticFolder
from training.data.samples import PanopticSample

_MOST, _COLUMNS = 12, 4
_WIDTH, _HEIGHT, _GAP = 400, 300, 6


def draw_contact_sheet(data: CocoPanopticFolder) -> npt.NDArray[np.uint8]:
    """Draw the first twelve images of a data set, four in a row, (H, W, 3) uint8 RGB."""
    count = min(len(data), _MOST)
    columns = min(count, _COLUMNS)
    rows = -(-count // columns)
    sheet = np.full((rows * (_HEIGHT + _GAP) + _GAP, columns * (_WIDTH + _GAP) + _GAP, 3), 255,
                    np.uint8)
    for index in range(count):
        tile = _tile(data[index], data.vocabulary)
        height, width = tile.shape[:2]
        y = _GAP + index // columns * (_HEIGHT + _GAP) + (_HEIGHT - height) // 2
        x = _GAP + index % columns * (_WIDTH + _GAP) + (_WIDTH - width) // 2
        sheet[y:y + height, x:x + width] = tile
    return sheet


def _tile(sample: PanopticSample, vocabulary: Vocabulary) -> npt.NDArray[np.uint8]:
    """Draw one image, made to fit."""
    height, width = sample.ids.shape
    scale = min(_WIDTH / width, _HEIGHT / height)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    image = cv2.resize(sample.image_rgb, size, interpolation=cv2.INTER_AREA)
    ids = cv2.resize(sample.ids, size, interpolation=cv2.INTER_NEAREST_EXACT)
    segments: list[Segment] = []
    instance = np.zeros(ids.shape, np.int32)
    for label in sample.segments:
        mask = ids == label.id
        if mask.any():
            segments.append(Segment(
                len(segments) + 1, label.class_index + 1, vocabulary.names[label.class_index],
                vocabulary.is_thing[label.class_index], 1.0, int(mask.sum()), _box(mask)))
            instance[mask] = len(segments)
    return draw_overlay(np.asarray(image, np.uint8), PanopticResult(instance, segments))


def _box(mask: npt.NDArray[np.bool_]) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
