# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a room holds: plain data, in metres.

The room's frame has its origin in the middle of the floor, x and y level and z up.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from eov_seg_core.world.materials import Color, Finish
from eov_seg_core.world.reproducible import sin_cos
from eov_seg_core.world.shapes import Array, Solid, Vector
from eov_seg_core.wrong import wrong

FIRST_OBJECT_ID = 4
"""Ids 1, 2 and 3 are floor, wall and ceiling."""


@dataclass(frozen=True)
class Box3D:
    """A box that may be turned about the vertical.

    Attributes:
        center: x, y, z of its centre in the room.
        size: Full sizes along its own axes.
        yaw_rad: Turn from the room's axes to its own, counter-clockwise seen from above.
    """

    center: Vector
    size: Vector
    yaw_rad: float

    def contains(self, points: npt.ArrayLike, margin_m: float = 0.0) -> npt.NDArray[np.bool_]:
        """Say which of (..., 3) points lie in the box, widened by a margin on all sides."""
        offsets = np.asarray(points, np.float64) - np.array(self.center)
        sine, cosine = sin_cos(self.yaw_rad)
        x = cosine * offsets[..., 0] + sine * offsets[..., 1]
        y = cosine * offsets[..., 1] - sine * offsets[..., 0]
        own = np.abs(np.stack([x, y, offsets[..., 2]], axis=-1))
        return np.asarray((own <= np.array(self.size) / 2 + margin_m).all(axis=-1))


@dataclass(frozen=True)
class SceneObject:
    """One object, or one of the three surfaces of the room.

    Attributes:
        id: Its id in the id map, from 1 on, never used twice in a room.
        name: Its category.
        color: Its colour, a key of `COLORS`; None for the surfaces of the room.
        material: What a surface of the room is made of; None for objects.
        is_thing: Whether its category is told apart (rug, floor, wall and ceiling are not).
        box: The smallest box around it that is turned as it is.
        stands_on: Id of the object it stands on; 1 for the floor, 2 where it hangs on a wall.
        solids: What it is built of, in the room; empty for the surfaces of the room.
    """

    id: int
    name: str
    color: str | None
    material: str | None
    is_thing: bool
    box: Box3D
    stands_on: int
    solids: tuple[Solid, ...] = ()

    @cached_property
    def extent(self) -> tuple[Array, Array]:
        """Lowest and highest coordinates in the room, (3,) each."""
        bounds = [solid.bounds() for solid in self.solids]
        return (np.min([low for low, _ in bounds], axis=0),
                np.max([high for _, high in bounds], axis=0))


@dataclass(frozen=True)
class Room:
    """The empty room.

    Attributes:
        size: Width along x, depth along y, height.
        finishes: What floor, walls and ceiling look like.
        skirting: Linear colour of the skirting board.
    """

    size: Vector
    finishes: tuple[Finish, Finish, Finish]
    skirting: Color

    def contains(self, point: npt.ArrayLike, margin_m: float = 0.0) -> bool:
        """Say whether a point lies in the room, at least a margin from all its surfaces."""
        x, y, z = (float(value) for value in np.asarray(point, np.float64))
        width, depth, height = self.size
        return (abs(x) <= width / 2 - margin_m and abs(y) <= depth / 2 - margin_m
                and margin_m <= z <= height - margin_m)


@dataclass(frozen=True)
class Light:
    """One lamp under the ceiling, and what comes from everywhere.

    Attributes:
        position: Where the lamp is; higher than every object.
        color: Linear R, G, B of its light.
        ambient: Linear R, G, B of the light from everywhere.
        fill: Unit direction towards the weak light without shadows.
    """

    position: Vector
    color: Color
    ambient: Color
    fill: Vector


@dataclass(frozen=True)
class Scene:
    """A room and all that is in it.

    Attributes:
        seed: What it was made from.
        room: Its shell.
        surfaces: Floor, wall and ceiling, ids 1, 2 and 3.
        objects: Everything else, ids from 4 on.
        light: Its light.
        noise: Standard deviation of the camera's noise, in steps of 1 / 255.
    """

    seed: int
    room: Room
    surfaces: tuple[SceneObject, SceneObject, SceneObject]
    objects: tuple[SceneObject, ...]
    light: Light
    noise: float

    @cached_property
    def solids(self) -> tuple[Solid, ...]:
        """All solids of all objects, in order."""
        return tuple(solid for item in self.objects for solid in item.solids)

    @cached_property
    def corners(self) -> Array:
        """(S, 8, 3) corners of the boxes of all solids."""
        if not self.solids:
            return np.zeros((0, 8, 3))
        return np.stack([solid.corners() for solid in self.solids])

    @cached_property
    def owners(self) -> npt.NDArray[np.int32]:
        """(3 + S,) id of the object that each surface and solid belongs to."""
        return np.array([1, 2, 3, *(item.id for item in self.objects for _ in item.solids)],
                        np.int32)

    def is_free(self, point: npt.ArrayLike, margin_m: float) -> bool:
        """Say whether a point keeps a distance from all surfaces and objects, rugs aside."""
        place = np.asarray(point, np.float64)
        if not self.room.contains(place, margin_m):
            return False
        return not any(((place > low - margin_m) & (place < high + margin_m)).all()
                       for low, high in (item.extent for item in self.objects if item.is_thing))


def check_scene(scene: object) -> None:
    """Raise ValueError unless an argument is a room."""
    if not isinstance(scene, Scene):
        raise wrong('the scene', scene, 'a Scene, as generate_scene(seed) returns it')
