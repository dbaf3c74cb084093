# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Finding a place for one object: on the floor, by or on a wall, or on another object."""

from __future__ import annotations

from dataclasses import dataclass
import math

import numpy as np

from eov_seg_core.world.furnishing.categories import object_type, ObjectType
from eov_seg_core.world.furnishing.paint import Paint
from eov_seg_core.world.reproducible import RandomStream, sin_cos
from eov_seg_core.world.scene import Box3D, FIRST_OBJECT_ID, Scene, SceneObject
from eov_seg_core.world.shapes import Array, Solid, Vector

_TRIES = 25
_GAP_M = 0.03
_ON_OTHERS = 0.65
"""Share of the portable objects that are tried on other objects first."""
_LAMP_GAP_M = 0.4
"""Objects end this far below the ceiling: the lamp is above them all."""


@dataclass(frozen=True)
class _Pose:
    position: Vector
    yaw_rad: float
    stands_on: int


def place_object(scene: Scene, rng: RandomStream, kind: ObjectType,
                 color: str) -> SceneObject | None:
    """Build an object and put it into the room, touching nothing but what it stands on.

    Returns:
        The object with the next free id, or None if no place was found.
    """
    solids = kind.build(rng, Paint(color, rng))
    bounds = [solid.bounds() for solid in solids]
    low = np.min([bound[0] for bound in bounds], axis=0)
    high = np.max([bound[1] for bound in bounds], axis=0)
    on_others = kind.portable and rng.chance(_ON_OTHERS)
    for attempt in range(_TRIES):
        pose = _on_top(scene, rng, low, high) if on_others and attempt < 8 else None
        if pose is None:
            pose = _in_room(scene, rng, kind, low, high)
        item = _placed(scene, kind, color, solids, (low, high), pose)
        if _fits(scene, item):
            return item
    return None


def _placed(scene: Scene, kind: ObjectType, color: str, solids: list[Solid],
            bounds: tuple[Array, Array], pose: _Pose) -> SceneObject:
    sine, cosine = sin_cos(pose.yaw_rad)
    low, high = bounds
    middle = (low + high) / 2
    center = (float(pose.position[0] + cosine * middle[0] - sine * middle[1]),
              float(pose.position[1] + sine * middle[0] + cosine * middle[1]),
              float(pose.position[2] + middle[2]))
    size = high - low
    box = Box3D(center, (float(size[0]), float(size[1]), float(size[2])), pose.yaw_rad)
    return SceneObject(
        FIRST_OBJECT_ID + len(scene.objects), kind.name, color, None, kind.is_thing, box,
        pose.stands_on, tuple(solid.moved(pose.position, sine, cosine) for solid in solids))


def _in_room(scene: Scene, rng: RandomStream, kind: ObjectType, low: Array, high: Array) -> _Pose:
    width, depth, height = scene.room.size
    if kind.place == 'flat':
        yaw = rng.choice((0.0, math.pi / 2, rng.uniform(0, math.pi)))
        return _Pose((rng.uniform(-.25, .25) * width, rng.uniform(-.25, .25) * depth, 0.0),
                     yaw, 1)
    by_wall = kind.place == 'on_wall' or (kind.place == 'by_wall' and rng.chance(.75))
    if not by_wall:
        return _Pose((rng.uniform(-.5, .5) * width, rng.uniform(-.5, .5) * depth, 0.0),
                     rng.uniform(0, 2 * math.pi), 1)
    lift = 0.0
    hangs = kind.place == 'on_wall' and high[2] < 1.0
    if hangs:
        lift = min(rng.uniform(1.2, 1.5), height - _LAMP_GAP_M - .02 - float(high[2]))
    side = rng.integer(0, 3)
    across, away = (width, depth) if side % 2 == 0 else (depth, width)
    gap = .002 if kind.place == 'on_wall' else rng.uniform(.01, .06)
    along = rng.uniform(-.5, .5) * max(across - float(high[0] - low[0]) - .1, .0)
    sine, cosine = sin_cos(side * math.pi / 2)
    out = -away / 2 - float(low[1]) + gap
    return _Pose((cosine * along - sine * out, sine * along + cosine * out, lift),
                 side * math.pi / 2, 2 if kind.place == 'on_wall' else 1)


def _on_top(scene: Scene, rng: RandomStream, low: Array, high: Array) -> _Pose | None:
    """Return a place on one of the objects that carry others, or None if it is too large."""
    reach = math.sqrt(max(float(low[0] * low[0]), float(high[0] * high[0]))
                      + max(float(low[1] * low[1]), float(high[1] * high[1])))
    carriers = [item for item in scene.objects if object_type(item.name).carries
                and min(item.box.size[:2]) * .42 > reach * .8
                and item.box.center[2] + item.box.size[2] / 2 < 1.2]
    if not carriers or float(high[2]) > .8:
        return None
    carrier = rng.choice(carriers)
    (x, y, z), (width, depth, height) = carrier.box.center, carrier.box.size
    across = rng.uniform(-1, 1) * max(.45 * width - reach, 0.0)
    along = rng.uniform(-1, 1) * max(.45 * depth - reach, 0.0)
    sine, cosine = sin_cos(carrier.box.yaw_rad)
    return _Pose((x + cosine * across - sine * along, y + sine * across + cosine * along,
                  z + height / 2), rng.uniform(0, 2 * math.pi), carrier.id)


def _fits(scene: Scene, item: SceneObject) -> bool:
    """Say whether an object lies in the room and clear of the others; rugs only of rugs."""
    low, high = item.extent
    width, depth, height = scene.room.size
    limit = np.array([width / 2, depth / 2, height - _LAMP_GAP_M])
    floor = np.array([-width / 2, -depth / 2, -1e-9])
    if (low < floor).any() or (high > limit).any():
        return False
    gap = np.array([_GAP_M, _GAP_M, -1e-6])     # what stands on another touches it
    for other in scene.objects:
        other_low, other_high = other.extent
        touches = (low < other_high + gap).all() and (high > other_low - gap).all()
        if touches and other.is_thing == item.is_thing:
            return False
    return True
