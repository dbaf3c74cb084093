# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Shadows: which visible points the lamp does not see, and where objects stand too close.

Seen from the lamp, straight down, every solid and every point has a place in a picture plane.  A
solid can only shade points within its bounding rectangle there, so that few rays are cast.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from eov_seg_core.world.materials import Samples
from eov_seg_core.world.reproducible import sin_cos
from eov_seg_core.world.scene import Box3D, Scene
from eov_seg_core.world.shapes import Array, intersect, Solid

_LAMP_POINTS = ((.1, -.06, .0), (-.1, -.06, .0), (.0, .12, .0))
"""The lamp is three points about its middle, metres: shadows have soft edges."""
_REACH = 0.99
"""A solid shades a point if the ray meets it before this part of the way: none shades itself."""
_CONTACT_M = 0.06
"""Distance at which an object takes a quarter of the light from everywhere."""
_DROP_M = 0.02
"""Points less far below the lamp are lit: no object reaches there."""


def cast_shadows(scene: Scene, points: Samples, facing: npt.NDArray[np.bool_]) -> Samples:
    """Return (N,) float32: 1 where all of the lamp is seen, 0 in full shadow.

    Args:
        scene: The room.
        points: (3, N) in the room, metres.
        facing: (N,) whether the surface faces the lamp; the others are in shadow without a look.
    """
    # points beside and above the lamp are not below any object either
    some = np.flatnonzero(facing & (points[2] < np.float32(scene.light.position[2] - _DROP_M)))
    position = points[:, some].astype(np.float64)
    seen = np.zeros(some.size, np.float32)
    for offset in _LAMP_POINTS:
        seen += _cast_from(scene, np.array(scene.light.position) + np.array(offset), position)
    lit = facing.astype(np.float32)
    lit[some] = seen * np.float32(1 / len(_LAMP_POINTS))
    return lit


def _cast_from(scene: Scene, lamp: Array, position: Array) -> Samples:
    """Return (N,) float32: 1 where one point of the lamp reaches, 0 in its shadow."""
    ways = position - lamp[:, None]
    plane = (ways[:2] / -ways[2]).astype(np.float32)
    flat = (scene.corners[..., :2] - lamp[:2]) / (lamp[2] - scene.corners[..., 2:])
    # a little larger, because the points are rounded to float32
    low, high = flat.min(axis=1) - 1e-4, flat.max(axis=1) + 1e-4
    lit = np.ones(position.shape[1], np.float32)
    first = 0
    for item in scene.objects:
        part = slice(first, first + len(item.solids))
        first = part.stop
        if item.stands_on == 2 or not item.is_thing:
            continue        # flat on the wall or the floor
        inside = _within(plane, low[part].min(axis=0), high[part].max(axis=0))
        inside = inside[lit[inside] > 0]
        if inside.size:
            hidden = _hidden(item.solids, low[part], high[part], lamp, ways[:, inside],
                             plane[:, inside])
            lit[inside[hidden]] = 0.0
    return lit


def shade_contacts(scene: Scene, points: Samples) -> Samples:
    """Return (N,) float32 up to 1: how much light from everywhere gets in beside the objects.

    Objects darken what they stand on, the more the nearer it is to the rectangle they cover.

    Args:
        scene: The room.
        points: (3, N) in the room, metres.
    """
    open_ = np.ones(points.shape[1], np.float32)
    for item in scene.objects:
        low, high = item.extent
        reach = _CONTACT_M * 4
        near = np.flatnonzero((np.abs(points[2] - np.float32(low[2])) < np.float32(.015))
                              & (points[0] > np.float32(low[0] - reach))
                              & (points[0] < np.float32(high[0] + reach))
                              & (points[1] > np.float32(low[1] - reach))
                              & (points[1] < np.float32(high[1] + reach)))
        if near.size and item.is_thing:
            gap = _gap(item.box, points[0, near], points[1, near]) * np.float32(1 / _CONTACT_M)
            open_[near] *= 1 - np.float32(.5) / (1 + gap * gap)
    return open_


def _gap(box: Box3D, x: Samples, y: Samples) -> Samples:
    """Return how far points are from the rectangle that a box covers, 0 inside."""
    sine, cosine = (np.float32(value) for value in sin_cos(box.yaw_rad))
    x, y = x - np.float32(box.center[0]), y - np.float32(box.center[1])
    across = np.maximum(np.abs(cosine * x + sine * y) - np.float32(box.size[0] / 2), 0)
    along = np.maximum(np.abs(cosine * y - sine * x) - np.float32(box.size[1] / 2), 0)
    gap: Samples = np.sqrt(across * across + along * along)
    return gap


def _hidden(solids: tuple[Solid, ...], low: Array, high: Array, lamp: Array, ways: Array,
            plane: Samples) -> npt.NDArray[np.bool_]:
    """Say which points one object's solids hide from the lamp.

    Args:
        solids: The solids.
        low: (S, 2) least places of their rectangles in the plane.
        high: (S, 2) greatest ones.
        lamp: (3,) position of the lamp.
        ways: (3, N) from the lamp to the points.
        plane: (2, N) places of the points.
    """
    hidden = np.zeros(plane.shape[1], np.bool_)
    for number, solid in enumerate(solids):
        some = _within(plane, low[number], high[number])
        if not some.size:
            continue
        origin, into = solid.to_unit(lamp)
        x, y, z = ways[:, some]
        hit = intersect(solid, origin, (
            into[0, 0] * x + into[0, 1] * y + into[0, 2] * z,
            into[1, 0] * x + into[1, 1] * y + into[1, 2] * z,
            into[2, 0] * x + into[2, 1] * y + into[2, 2] * z), 0.0)
        hidden[some[hit < _REACH]] = True
    return hidden


def _within(plane: Samples, low: Array, high: Array) -> npt.NDArray[np.intp]:
    """Return the indices of the points in a rectangle of the plane."""
    x, y = plane
    return np.flatnonzero((x >= np.float32(low[0])) & (x <= np.float32(high[0]))
                          & (y >= np.float32(low[1])) & (y <= np.float32(high[1])))
