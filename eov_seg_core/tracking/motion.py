# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where the labels of the last frame are in this one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from eov_seg_core.geometry import CameraModel, invert

Labels = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]

_DEPTH_M, _DEPTH_PART = 0.05, 0.02
_LEAST_RESPONSE = 0.03


@dataclass(frozen=True, eq=False)
class Space:
    """Where the pixels of a frame are.

    Attributes:
        depth_m: (H, W) float32 metres, NaN where unknown.
        camera: Of this image.
        camera_in_map: (4, 4) its pose.
    """

    depth_m: npt.NDArray[np.float32]
    camera: CameraModel
    camera_in_map: Matrix


def warp_labels(labels: Labels, before: Space, now: Space) -> tuple[Labels, Mask]:
    """Move labels by depth and pose.

    Args:
        labels: (H, W) of the last frame.
        before: Where its pixels are.
        now: Where those of this frame are.

    Returns:
        Labels of this frame's pixels, 0 where both frames do not see the same surface; and where
        they do.
    """
    to_before = (invert(before.camera_in_map) @ now.camera_in_map).astype(np.float32)
    x, y = now.camera.rays
    with np.errstate(invalid='ignore', divide='ignore'):
        right, down, own = (now.depth_m * (row[0] * x + (row[1] * y + row[2])) + row[3]
                            for row in to_before[:3])
        columns, rows = _pixels(before.camera, right, down, own)
        inside = ((columns > -.5) & (columns < before.camera.width - .5) & (rows > -.5)
                  & (rows < before.camera.height - .5) & (own > 0))
    there = np.flatnonzero(inside)
    source = (np.rint(rows.ravel()[there]).astype(np.intp) * before.camera.width
              + np.rint(columns.ravel()[there]).astype(np.intp))
    own = own.ravel()[there]
    with np.errstate(invalid='ignore'):
        same = (np.abs(before.depth_m.ravel()[source] - own)
                <= _DEPTH_M + _DEPTH_PART * own)
    moved = np.zeros(now.depth_m.shape, np.int32)
    both = np.zeros(now.depth_m.shape, np.bool_)
    moved.ravel()[there[same]] = labels.ravel()[source[same]]
    both.ravel()[there[same]] = True
    return moved, both


def _pixels(camera: CameraModel, right: Floats, down: Floats, ahead: Floats
            ) -> tuple[Floats, Floats]:
    """Return the columns and rows that show points given by their three coordinates."""
    if camera.distortion:
        pixels = camera.project(np.stack([right, down, ahead], axis=-1)).astype(np.float32)
        return pixels[..., 0], pixels[..., 1]
    return (right / ahead * np.float32(camera.fx) + np.float32(camera.cx),
            down / ahead * np.float32(camera.fy) + np.float32(camera.cy))


def shift_between(before: npt.NDArray[np.float32], now: npt.NDArray[np.float32]
                  ) -> tuple[int, int]:
    """Return how far a picture has moved, right and down in whole pixels; 0, 0 where unclear.

    Args:
        before: (H, W) float32.
        now: The same of this frame.
    """
    if min(now.shape) < 2:      # OpenCV refuses
        return 0, 0
    window = cv2.createHanningWindow(now.shape[::-1], cv2.CV_32F)
    (right, down), response = cv2.phaseCorrelate(before, now, window)
    if response < _LEAST_RESPONSE:
        return 0, 0
    return round(right), round(down)


def shift_labels(labels: Labels, shift: tuple[int, int]) -> tuple[Labels, Mask]:
    """Move labels right and down; return them, 0 where they come in, and where they do not."""
    right, down = shift
    height, width = labels.shape
    moved, known = np.zeros_like(labels), np.zeros(labels.shape, np.bool_)
    if abs(right) < width and abs(down) < height:
        to: Any = np.s_[max(down, 0):height + min(down, 0), max(right, 0):width + min(right, 0)]
        come: Any = np.s_[max(-down, 0):height + min(-down, 0),
                          max(-right, 0):width + min(-right, 0)]
        moved[to], known[to] = labels[come], True
    return moved, known


def borders(labels: Labels) -> npt.NDArray[np.float32]:
    """Return (H, W) float32 a picture of the borders between labels, which a shift is found by."""
    edges = np.zeros(labels.shape, np.float32)
    edges[:, 1:] += labels[:, 1:] != labels[:, :-1]
    edges[1:] += labels[1:] != labels[:-1]
    return np.asarray(cv2.GaussianBlur(edges, (0, 0), 1.0), np.float32)
