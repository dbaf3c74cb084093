# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Space and time in the demo: what the node says of boxes, ids and memory, against the truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from nav_msgs.msg import Odometry
import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import CameraInfo
from vision_msgs.msg import Detection3D, Detection3DArray

from eov_seg_core.geometry import as_matrix, CameraModel, LEVEL_CAMERA
from eov_seg_core.geometry.drawing import draw_boxes, draw_from_above, DrawnBox
from eov_seg_core.geometry.quality import compare_boxes, NamedBox
from eov_seg_core.tracking.quality import IdentityCounts
from eov_seg_ros.demo.collector import NODE, Received
from eov_seg_ros.demo.quality import MIN_PIXELS
from eov_seg_ros.demo.report import RGB
from eov_seg_ros.space.messages import box_of

TRUTH = 'world_camera/truth'
TOPICS = {f'{NODE}/detections_3d': Detection3DArray, f'{TRUTH}/detections_3d': Detection3DArray,
          'odometry': Odometry, 'camera_info': CameraInfo}
"""What a frame has in space."""
MEMORY = f'{NODE}/objects'
SEEN_OFTEN = 3
"""Frames that show an object, for the memory to be asked for it."""
_REACH = 0.5
_TILE = (320, 240)
_MAP_WIDTH = 480


class SpaceWatcher:
    """Follows boxes, ids and memory.

    Args:
        room_xy_m: Width and depth of the room, whose middle is the origin of the world.
    """

    def __init__(self, room_xy_m: tuple[float, float]) -> None:
        self.counts = IdentityCounts()
        self._room_xy_m = room_xy_m
        self._memory: list[Detection3D] = []
        self._truth: dict[int, NamedBox] = {}
        self._shown: Counter[int] = Counter()

    def take_memory(self, message: Detection3DArray) -> None:
        """Take a message of the memory."""
        self._memory = list(message.detections)

    def take_frame(self, frame: Received, panoptic: npt.NDArray[np.int32],
                   true_panoptic: npt.NDArray[np.int32]) -> tuple[RGB, RGB]:
        """Judge a frame; return its image with boxes, and the memory from above.

        Args:
            frame: All of its messages.
            panoptic: (H, W) int32 what the node found.
            true_panoptic: The same of the truth.
        """
        true_ids, ids = true_panoptic & 0xffff, panoptic & 0xffff
        self.counts.add(true_ids, ids, frame.stamp_ns / 1e9)
        areas = np.bincount(true_ids.ravel())
        self._shown.update(np.flatnonzero(areas >= MIN_PIXELS).tolist())
        for entry in frame.messages[f'{TRUTH}/detections_3d'].detections:
            self._truth[int(entry.id)] = NamedBox(_name(entry), box_of(entry))
        pose = _camera_in_world(frame.messages['odometry'])
        boxes = draw_boxes(frame.pixels('image_raw'), _camera(frame.messages['camera_info']), pose,
                           _drawn(frame.messages[f'{NODE}/detections_3d'].detections))
        return boxes, self._from_above(_TILE, _drawn(self._memory), pose)

    def large_map(self) -> RGB:
        """Return the memory from above, with names."""
        width, depth = self._room_xy_m
        return self._from_above(
            (_MAP_WIDTH, round(_MAP_WIDTH * depth / width)),
            [item._replace(text=f'{item.name} {item.text}') for item in _drawn(self._memory)])

    def _from_above(self, size: tuple[int, int], found: Iterable[DrawnBox],
                    pose: npt.NDArray[np.float64] | None = None) -> RGB:
        truth = [DrawnBox(item.box, item.name) for item in self._truth.values()]
        return draw_from_above(self._room_xy_m, size, truth, found, pose)

    def figures(self, word_of: Mapping[str, str]) -> dict[str, Any]:
        """Compare the memory with what was there.

        Args:
            word_of: Name of a true object -> the word for it; objects without one do not count.

        Returns:
            `there`: things with a word that three frames showed; `found`: how many of them the
            memory has; `remembered`: objects of the memory; `invented`: those of them that are
            nothing; `center_cm`: median distance of the centres, None without any.
        """
        truth = {number: NamedBox(word_of[item.name], item.box)
                 for number, item in self._truth.items() if item.name in word_of}
        found = [NamedBox(_name(entry), box_of(entry)) for entry in self._memory]
        quality = compare_boxes(list(truth.values()), found, reach=_REACH)
        numbers = list(truth)
        right = {numbers[row] for row, _ in quality.pairs}
        often = {number for number in numbers if self._shown[number] >= SEEN_OFTEN}
        errors = quality.center_errors_m
        return {'there': len(often), 'found': len(often & right), 'remembered': len(found),
                'invented': len(found) - len(right),
                'center_cm': round(100 * float(np.median(errors)), 1) if errors else None}


def _name(entry: Detection3D) -> str:
    name: str = entry.results[0].hypothesis.class_id
    return name


def _drawn(entries: Iterable[Detection3D]) -> list[DrawnBox]:
    return [DrawnBox(box_of(entry), _name(entry), entry.id) for entry in entries]


def _camera_in_world(message: Odometry) -> npt.NDArray[np.float64]:
    """Return the pose of the camera, whose body (x forward, z up) the odometry is of."""
    place, turn = message.pose.pose.position, message.pose.pose.orientation
    return np.asarray(as_matrix(((place.x, place.y, place.z), (turn.x, turn.y, turn.z, turn.w)))
                      @ LEVEL_CAMERA)


def _camera(info: CameraInfo) -> CameraModel:
    return CameraModel.from_camera_info(info.width, info.height, info.k, info.p, info.d,
                                        info.distortion_model)
