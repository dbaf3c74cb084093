# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A memory that is shown boxes, frame by frame."""

from __future__ import annotations

import numpy as np

from eov_seg_core.geometry import Box, CameraModel, LEVEL_CAMERA, SegmentBox
from eov_seg_core.tracking import ObjectMemory

CAMERA = CameraModel(160, 120, 115, 115, 79.5, 59.5)
WALL = np.full((120, 160), 4.0, np.float32)
ELSEWHERE = Box((3, 1.5, 0), (.2, .2, .2))
CUP = Box((2, 0, 0), (.3, .2, .2))


def view(box: Box, is_cut: bool = False) -> SegmentBox:
    grid = np.stack(np.meshgrid(*[np.linspace(-.5, .5, 6)] * 3), axis=-1).reshape(-1, 3)
    return SegmentBox(box, box.from_own_axes(grid * box.size), is_cut)


def show(memory: ObjectMemory, stamp_s: float, depth_m=WALL, unplaced=(), pose=LEVEL_CAMERA,
         **seen) -> dict[int, int]:
    """One frame: name_id=box."""
    numbers = []
    for key, box in seen.items():
        name, number = key.split('_')
        item = memory.see(int(number), view(box), 100, pose, stamp_s)
        item.votes.add(name, 1.0, stamp_s)
        numbers.append(int(number))
    return memory.end_frame(numbers, depth_m, CAMERA, pose, stamp_s,
                            unplaced)
