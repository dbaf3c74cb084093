# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where the labels of the last frame are in this one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from eov_seg_core.geometry import CameraModel, invert, transform

Labels = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]
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
    points = transform(invert(before.camera_in_map) @ now.camera_in_map,
                       now.camera.back_project(now.depth_m))
    pixels = before.camera.project(points)
    limits = np.array([before.camera.width - .5, before.camera.height - .5])
    with np.errstate(invalid='ignore'):
        inside: Mask = np.asarray(((pixels > -.5) & (pixels < limits)).all(axis=-1))
    columns, rows = np.moveaxis(np.where(inside[..., None], pixels, 0).round().astype(np.intp),
                                -1, 0)
    own = points[..., 2]
    with np.errstate(invalid='ignore'):
        apart = np.abs(before.depth_m[rows, columns] - own)
        both: Mask = inside & (apart <= _DEPTH_M + _DEPTH_PART * own)
    return np.where(both, labels[rows, columns], 0).astype(np.int32), both


def shift_between(before: npt.NDArray[np.float32], now: npt.NDArray[np.float32]
                  ) -> tuple[int, int]:
    """Return how far a picture has moved, right and down in whole pixels; 0, 0 where unclear.

    Args:
        before: (H, W) float32.
        now: The same of this frame.
    """
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
