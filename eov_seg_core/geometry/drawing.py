# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of boxes: as lines in the image of a camera, and from above."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from eov_seg_core.geometry.box import Box
from eov_seg_core.geometry.camera import CameraModel
from eov_seg_core.geometry.pose import invert, transform
from eov_seg_core.visualization import class_color, Color, to_ascii

Picture = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float64]

_EDGES = [(first, first | bit) for bit in (1, 2, 4) for first in range(8) if not first & bit]
_NEAREST_M = 0.05
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)
_WALL, _ROBOT = (60, 60, 60), (200, 0, 0)
_MARGIN_M = 0.25
_ROBOT_M = np.array([[0.3, 0.0], [-0.15, 0.15], [-0.15, -0.15]])


class DrawnBox(NamedTuple):
    """A box, the name whose colour it has, and the text beside it."""

    box: Box
    name: str
    text: str = ''


def draw_boxes(image_rgb: Picture, camera: CameraModel, camera_in_map: Points,
               boxes: Iterable[DrawnBox]) -> Picture:
    """Return a copy of an image with the edges of boxes in the map.

    Args:
        image_rgb: (H, W, 3) uint8 RGB.
        camera: Of the image.
        camera_in_map: (4, 4) its pose.
        boxes: In the map; what lies behind the camera is not drawn.
    """
    picture = image_rgb.copy()
    for box, name, text in boxes:
        corners = transform(invert(camera_in_map), box.corners)
        lines = [ends for edge in _EDGES
                 if (ends := _before_camera(corners[list(edge)])) is not None]
        if not lines:
            continue
        pixels = camera.project(np.stack(lines)).clip(-1e4, 1e4).round().astype(np.int32)
        # dark below the colour, so that the lines are seen on any ground
        for color, width in ((_BLACK, 3), (class_color(name), 1)):
            cv2.polylines(picture, list(pixels), False, color, width, cv2.LINE_AA)
        _write(picture, text, pixels.reshape(-1, 2).min(axis=0), class_color(name), _BLACK)
    return picture


def _before_camera(ends: Points) -> Points | None:
    """Return the part of a line that is before the camera; None if there is none."""
    depth = ends[:, 2] - _NEAREST_M
    if depth.max() <= 0:
        return None
    if depth.min() < 0:
        ends = ends.copy()
        behind = int(depth.argmin())
        part = depth[behind] / (depth[behind] - depth[1 - behind])
        ends[behind] += part * (ends[1 - behind] - ends[behind])
    return ends


def draw_from_above(room_xy_m: tuple[float, float], size: tuple[int, int],
                    truth: Iterable[DrawnBox], found: Iterable[DrawnBox],
                    camera_in_map: Points | None = None) -> Picture:
    """Return a room seen from above, x to the right and y up, its middle in the middle.

    Args:
        room_xy_m: Width and depth of the room.
        size: Width and height of the picture in pixels; the room is fitted into it.
        truth: Filled, in pale colours.
        found: As lines; their text is black.
        camera_in_map: (4, 4) where the camera is; None: it is not drawn.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    width, height = size
    scale = min(width / (room_xy_m[0] + 2 * _MARGIN_M), height / (room_xy_m[1] + 2 * _MARGIN_M))

    def place(points_xy: Points) -> npt.NDArray[np.int32]:
        flipped = np.asarray(points_xy, np.float64) * (scale, -scale) + (width / 2, height / 2)
        return flipped.round().astype(np.int32)

    def footprint(box: Box) -> npt.NDArray[np.int32]:
        return place(box.corners[[0, 2, 6, 4], :2])

    picture = np.full((height, width, 3), 255, np.uint8)
    half = np.array(room_xy_m) / 2
    first, last = place(np.stack([-half, half])).tolist()
    cv2.rectangle(picture, first, last, _WALL, 2)
    for box, name, _ in sorted(truth, key=lambda item: item.box.center[2]):
        cv2.fillPoly(picture, [footprint(box)], _mixed(name, 255))
    shown = list(found)
    for box, name, _ in shown:
        cv2.polylines(picture, [footprint(box)], True, _mixed(name, 0), 2, cv2.LINE_AA)
    for box, _, text in shown:
        _write(picture, text, footprint(box).min(axis=0), _BLACK, _WHITE)
    if camera_in_map is not None:
        ahead = camera_in_map[:2, 2] / max(float(np.linalg.norm(camera_in_map[:2, 2])), 1e-9)
        turn = np.array([ahead, [-ahead[1], ahead[0]]])
        cv2.fillPoly(picture, [place(_ROBOT_M @ turn + camera_in_map[:2, 3])], _ROBOT)
    return picture


def _mixed(name: str, level: int) -> Color:
    """Return the colour of a class, half way to white (255) or black (0)."""
    red, green, blue = ((channel + level) // 2 for channel in class_color(name))
    return red, green, blue


def _write(picture: Picture, text: str, corner: npt.NDArray[np.int32], color: Color, ground: Color
           ) -> None:
    """Write above a corner, inside of the picture."""
    text = to_ascii(text)
    (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, .4, 1)
    place = (int(np.clip(corner[0], 0, max(picture.shape[1] - width, 0))),
             int(np.clip(corner[1] - 3, height, picture.shape[0] - below)))
    for ink, thickness in ((ground, 3), (color, 1)):
        cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, .4, ink, thickness,
                    cv2.LINE_AA)
