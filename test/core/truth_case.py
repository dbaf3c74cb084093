# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of the built-in world as if a perfect segmenter had seen them."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from eov_seg_core.geometry import CameraModel
from eov_seg_core.results.result import PanopticResult, Segment
from eov_seg_core.vocabulary import Vocabulary
from eov_seg_core.world import Camera, Frame, VisibleObject

WORLD = Vocabulary.preset('world')
_CLASS_ID = {name: number for number, name in enumerate(WORLD.names, 1)}


def spread(frame: Frame, spill_px: int) -> np.ndarray:
    """Let every object spread over its surroundings, the surfaces of the room excepted."""
    ids = frame.ids.copy()
    kernel = np.ones((2 * spill_px + 1,) * 2, np.uint8)
    for item in frame.objects:
        if item.is_thing:
            ids[cv2.dilate((frame.ids == item.id).astype(np.uint8), kernel) > 0] = item.id
    return ids


def truth_result(frame: Frame, ids: np.ndarray, min_area: int = 60
                 ) -> tuple[PanopticResult, Mapping[int, VisibleObject]]:
    """Return what a segmenter that found the ids would say, and what each segment is."""
    instance = np.zeros(ids.shape, np.int32)
    segments, objects = [], {}
    for item in frame.objects:
        rows, columns = np.nonzero(ids == item.id)
        if len(rows) < (min_area if item.is_thing else 1):
            continue
        number = len(segments) + 1
        instance[rows, columns] = number
        segments.append(Segment(
            number, _CLASS_ID[item.name], item.name, item.is_thing, .9, len(rows),
            (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)))
        objects[number] = item
    return PanopticResult(instance, segments), objects


def camera_model(camera: Camera) -> CameraModel:
    """Return the calibration of a camera of the world."""
    return CameraModel(camera.width, camera.height, camera.fx, camera.fy, camera.cx, camera.cy)
