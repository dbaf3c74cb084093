# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Boxes that stand upright in a frame whose z is up: fitting, distances and overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from eov_seg_core.wrong import wrong

Points = npt.NDArray[np.floating[Any]]

LEAST_SIDE_M = 0.02
"""No fitted box is thinner: a plane has no volume, and no overlap with anything."""
_PARALLEL = 1e-12
_SIGNS = np.array([[x, y, z] for x in (-.5, .5) for y in (-.5, .5) for z in (-.5, .5)])


@dataclass(frozen=True)
class Box:
    """A box that may be turned about the vertical.

    Attributes:
        center: x, y, z of its centre, metres.
        size: Full sizes along its own axes, metres.
        yaw_rad: Turn from the frame's x to its own, counter-clockwise seen from above.

    Raises:
        ValueError: A size is negative, or a number is not finite.
    """

    center: tuple[float, float, float]
    size: tuple[float, float, float]
    yaw_rad: float = 0.0

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (*self.center, *self.size, self.yaw_rad))) \
                or min(self.size) < 0:
            raise ValueError(f'{self} is no box; expected finite numbers and sizes from 0 on')

    @property
    def volume(self) -> float:
        """Cubic metres."""
        return math.prod(self.size)

    def to_own_axes(self, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return (..., 3) points relative to the centre, along the box's own axes."""
        offsets = np.asarray(points, np.float64) - np.array(self.center)
        sine, cosine = math.sin(self.yaw_rad), math.cos(self.yaw_rad)
        own = np.empty(offsets.shape)
        own[..., 0] = cosine * offsets[..., 0] + sine * offsets[..., 1]
        own[..., 1] = cosine * offsets[..., 1] - sine * offsets[..., 0]
        own[..., 2] = offsets[..., 2]
        return own

    def from_own_axes(self, offsets: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the points of the frame that lie at (..., 3) offsets along the own axes."""
        own = np.asarray(offsets, np.float64)
        sine, cosine = math.sin(self.yaw_rad), math.cos(self.yaw_rad)
        turned = np.stack([cosine * own[..., 0] - sine * own[..., 1],
                           sine * own[..., 0] + cosine * own[..., 1], own[..., 2]], axis=-1)
        return np.asarray(turned + np.array(self.center))

    @property
    def corners(self) -> npt.NDArray[np.float64]:
        """(8, 3) corners; z changes fastest, then y, then x of the own axes."""
        return self.from_own_axes(_SIGNS * np.array(self.size))

    def distance_m(self, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return how far (..., 3) points are outside of the box, 0 inside."""
        outside = np.abs(self.to_own_axes(points)) - np.array(self.size) / 2
        return np.asarray(np.linalg.norm(np.maximum(outside, 0.0), axis=-1))

    def contains(self, points: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Say which of (..., 3) points lie in the box, its faces included."""
        return np.asarray(self.distance_m(points) == 0)

    def quaternion(self) -> tuple[float, float, float, float]:
        """Return the orientation as a quaternion x y z w."""
        return (0.0, 0.0, math.sin(self.yaw_rad / 2), math.cos(self.yaw_rad / 2))


def fit_box(points_in_map: Points) -> Box:
    """Return the upright box of least footprint around points.

    The rectangle of least area around a convex hull has a side along one of the hull's sides, so
    these are the directions that are tried.  A rectangle cannot tell yaw from yaw + 90 degrees:
    the longer side is x, and yaw is in (-90, 90] degrees.

    Args:
        points_in_map: (N, 3) finite points, N >= 1, in a frame whose z is up.

    Returns:
        The box; every side is at least 2 cm.

    Raises:
        ValueError: There is no point, or one is not finite.
    """
    points = np.asarray(points_in_map, np.float64)
    if points.ndim != 2 or points.shape[1] != 3 or not len(points) \
            or not np.isfinite(points).all():
        raise ValueError(f'the points have the shape {points.shape}; expected (N, 3) finite '
                         'numbers, N at least 1')
    origin = points[:, :2].mean(axis=0)     # float32 of the hull is for numbers near zero
    hull = cv2.convexHull((points[:, :2] - origin).astype(np.float32)).reshape(-1, 2)
    hull = hull.astype(np.float64)
    sides = np.roll(hull, -1, axis=0) - hull
    angles = np.arctan2(sides[:, 1], sides[:, 0])
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    along = directions @ hull.T                                             # (angles, hull)
    across = directions @ np.stack([hull[:, 1], -hull[:, 0]])
    lows = np.stack([along.min(axis=1), across.min(axis=1)])
    highs = np.stack([along.max(axis=1), across.max(axis=1)])
    best = int(np.argmin(np.maximum(highs - lows, LEAST_SIDE_M).prod(axis=0)))
    yaw = float(angles[best])
    middle = (lows[:, best] + highs[:, best]) / 2
    bottom, top = points[:, 2].min(), points[:, 2].max()
    center = (origin[0] + math.cos(yaw) * middle[0] - math.sin(yaw) * middle[1],
              origin[1] + math.sin(yaw) * middle[0] + math.cos(yaw) * middle[1],
              (bottom + top) / 2)
    length, width = np.maximum(highs[:, best] - lows[:, best], LEAST_SIDE_M).tolist()
    return _normalised(center, (length, width, max(float(top - bottom), LEAST_SIDE_M)), yaw)


def _normalised(center: Sequence[float], size: tuple[float, float, float], yaw: float) -> Box:
    length, width, height = size
    if width > length:
        length, width, yaw = width, length, yaw + math.pi / 2
    yaw = math.pi / 2 - (math.pi / 2 - yaw) % math.pi
    x, y, z = (float(value) for value in center)
    return Box((x, y, z), (length, width, height), yaw)


def box_iou(first: Box, second: Box) -> float:
    """Return the volume that two boxes share, as a part of what they fill together, 0..1.

    Boxes that only touch have 0, and so has a box without volume.
    """
    for box in (first, second):
        if not isinstance(box, Box):
            raise wrong('one of the two', box, 'a Box')
    if not (first.volume > 0 and second.volume > 0):
        return 0.0
    low = max(box.center[2] - box.size[2] / 2 for box in (first, second))
    high = min(box.center[2] + box.size[2] / 2 for box in (first, second))
    reach = sum(math.hypot(*box.size[:2]) for box in (first, second)) / 2
    if high <= low or math.dist(first.center[:2], second.center[:2]) > reach:
        return 0.0
    shared = _shared_area(first, second) * (high - low)
    return float(min(shared / (first.volume + second.volume - shared), 1.0))


def _shared_area(first: Box, second: Box) -> float:
    """Return the area of the footprints' intersection: the second, cut by the first's sides."""
    corners = first.to_own_axes(second.corners)[[0, 2, 6, 4], :2]    # around the footprint
    polygon = list(corners)
    for axis in (0, 1):
        for sign in (-1.0, 1.0):
            polygon = _cut(polygon, axis, sign, first.size[axis] / 2)
    if len(polygon) < 3:
        return 0.0
    x, y = np.array(polygon).T
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def _cut(polygon: list[npt.NDArray[np.float64]], axis: int, sign: float, limit: float
         ) -> list[npt.NDArray[np.float64]]:
    """Keep the part of a convex polygon where sign * coordinate <= limit."""
    kept = []
    for start, end in zip(polygon, polygon[1:] + polygon[:1]):
        before, after = limit - sign * start[axis], limit - sign * end[axis]
        if before >= 0:
            kept.append(start)
        if before * after < 0 and abs(before - after) > _PARALLEL:
            kept.append(start + (end - start) * (before / (before - after)))
    return kept
