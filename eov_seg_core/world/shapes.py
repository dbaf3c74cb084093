# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Boxes, ellipsoids and frustums (cylinders and cones): how they are made and how rays hit them.

A solid is a unit shape (the cube -1..1, the unit ball, or the frustum about the z axis between
z = -1 and 1), stretched by three half sizes, turned and moved.  A ray is taken into the frame of
the unit shape, where every intersection is a short formula; the distance along the ray keeps its
meaning, because the map is affine.
"""

from __future__ import annotations

from dataclasses import dataclass
import itertools
import math
from typing import Literal

import numpy as np
import numpy.typing as npt

from eov_seg_core.world.materials import Finish

Vector = tuple[float, float, float]
Array = npt.NDArray[np.float64]
Shape = Literal['box', 'ellipsoid', 'frustum']

CORNERS: Array = np.array(list(itertools.product((-1.0, 1.0), repeat=3)))
"""(8, 3) corners of the cube -1..1."""
_TINY = 1e-30       # keeps a ray parallel to a face from dividing by zero


@dataclass(frozen=True)
class Solid:
    """One shape in a parent frame: an object's own, or the room's.

    Attributes:
        shape: The unit shape.
        center: (3,) centre in the parent frame, metres.
        half: (3,) half sizes along its own axes, metres, all positive.
        rotation: (3, 3) whose columns are its own axes in the parent frame.
        bottom: Radius of a frustum at z = -1, as a part of the half size.
        top: The same at z = 1.
        finish: What its surface looks like.
    """

    shape: Shape
    center: Array
    half: Array
    rotation: Array
    bottom: float
    top: float
    finish: Finish

    def moved(self, position: Vector, sin_yaw: float, cos_yaw: float) -> Solid:
        """Return the solid in the room: turned about the vertical, then moved."""
        turn = np.array([[cos_yaw, -sin_yaw, 0.0], [sin_yaw, cos_yaw, 0.0], [0.0, 0.0, 1.0]])
        return Solid(self.shape, rotate(turn, self.center) + np.array(position), self.half,
                     compose(turn, self.rotation), self.bottom, self.top, self.finish)

    def bounds(self) -> tuple[Array, Array]:
        """Return the lowest and highest coordinates in the parent frame, exactly."""
        reach = np.abs(self.rotation * self.half)
        if self.shape == 'box':
            low = high = reach[:, 0] + reach[:, 1] + reach[:, 2]
        elif self.shape == 'ellipsoid':
            low = high = np.sqrt(reach[:, 0] ** 2 + reach[:, 1] ** 2 + reach[:, 2] ** 2)
        else:
            disc = np.sqrt(reach[:, 0] ** 2 + reach[:, 1] ** 2)
            rise = self.rotation[:, 2] * self.half[2]
            high = np.maximum(self.top * disc + rise, self.bottom * disc - rise)
            low = np.maximum(self.top * disc - rise, self.bottom * disc + rise)
        return self.center - low, self.center + high

    def corners(self) -> Array:
        """Return the (8, 3) corners of its own box, in the parent frame."""
        half = self.half.copy()
        if self.shape == 'frustum':
            half[:2] *= max(self.bottom, self.top)
        offsets = CORNERS * half
        return self.center + compose(offsets, self.rotation.T)

    def to_unit(self, origin: Array) -> tuple[Array, Array]:
        """Return a point in the unit frame, and the (3, 3) map of directions into it."""
        directions = self.rotation.T / self.half[:, None]
        return rotate(directions, origin - self.center), directions


def rotate(matrix: Array, vector: Array) -> Array:
    """Multiply matrix and vector in a fixed order: BLAS may sum in another on each machine."""
    product: Array = (matrix[:, 0] * vector[0] + matrix[:, 1] * vector[1]
                      + matrix[:, 2] * vector[2])
    return product


def compose(left: Array, right: Array) -> Array:
    """Multiply an (N, 3) and a (3, M) matrix in a fixed order."""
    product: Array = (left[:, 0, None] * right[0] + left[:, 1, None] * right[1]
                      + left[:, 2, None] * right[2])
    return product


def box(center: Vector, size: Vector, finish: Finish) -> Solid:
    """Make an upright box from its centre and full sizes."""
    return Solid('box', np.array(center), np.array(size) / 2, np.eye(3), 1.0, 1.0, finish)


def ball(center: Vector, radii: Vector, finish: Finish) -> Solid:
    """Make an ellipsoid from its centre and radii."""
    return Solid('ellipsoid', np.array(center), np.array(radii), np.eye(3), 1.0, 1.0, finish)


def pillar(base: Vector, height: float, bottom: float, top: float, finish: Finish) -> Solid:
    """Make an upright frustum from the centre of its base and its radii at bottom and top."""
    center = np.array(base) + np.array([0.0, 0.0, height / 2])
    widest = max(bottom, top)
    return Solid('frustum', center, np.array([widest, widest, height / 2]), np.eye(3),
                 bottom / widest, top / widest, finish)


def rod(start: Vector, end: Vector, radius: float, finish: Finish) -> Solid:
    """Make a round rod between two points."""
    axis, length = _direction(start, end)
    center = (np.array(start) + np.array(end)) / 2
    return Solid('frustum', center, np.array([radius, radius, length / 2]), _frame(axis), 1.0, 1.0,
                 finish)


def leaf(start: Vector, end: Vector, width: float, finish: Finish) -> Solid:
    """Make a long ellipsoid from one point to another, flatter than wide."""
    axis, length = _direction(start, end)
    center = (np.array(start) + np.array(end)) / 2
    return Solid('ellipsoid', center, np.array([width / 4, width / 2, length / 2]), _frame(axis),
                 1.0, 1.0, finish)


def intersect(solid: Solid, origin: Array, direction: tuple[Array, Array, Array],
              near: float) -> Array:
    """Return where rays first meet the surface of a solid.

    Args:
        solid: The solid.
        origin: (3,) common origin of the rays in the solid's unit frame.
        direction: Three arrays of one shape: the directions in the unit frame.
        near: Hits nearer than this do not count; from inside, the far side is hit.

    Returns:
        Distances in multiples of the direction, infinite where the solid is missed.
    """
    with np.errstate(divide='ignore', invalid='ignore', over='ignore'):
        if solid.shape == 'box':
            first, second = _box_hits(origin, direction)
        elif solid.shape == 'ellipsoid':
            first, second = _ball_hits(origin, direction)
        else:
            return _frustum_hits(solid.bottom, solid.top, origin, direction, near)
        hit = np.where(first >= near, first, second)
        return np.where((hit >= near) & (first <= second), hit, np.inf)


def _box_hits(origin: Array, direction: tuple[Array, Array, Array]) -> tuple[Array, Array]:
    inverse = 1.0 / (direction[0] + _TINY)
    middle, reach = -origin[0] * inverse, np.abs(inverse)
    first, second = middle - reach, middle + reach
    for axis in (1, 2):
        inverse = 1.0 / (direction[axis] + _TINY)
        middle, reach = -origin[axis] * inverse, np.abs(inverse)
        np.maximum(first, middle - reach, out=first)
        np.minimum(second, middle + reach, out=second)
    return first, second


def _ball_hits(origin: Array, direction: tuple[Array, Array, Array]) -> tuple[Array, Array]:
    x, y, z = direction
    a = x * x + y * y + z * z
    b = origin[0] * x + origin[1] * y + origin[2] * z
    c = origin[0] * origin[0] + origin[1] * origin[1] + origin[2] * origin[2] - 1.0
    root = np.sqrt(b * b - a * c)       # not a number where missed: every comparison is false
    return (-b - root) / a, (-b + root) / a


def _frustum_hits(bottom: float, top: float, origin: Array,
                  direction: tuple[Array, Array, Array], near: float) -> Array:
    x, y, z = direction
    mean, slope = (bottom + top) / 2, (top - bottom) / 2
    radius = mean + slope * origin[2]
    a = x * x + y * y - (slope * slope) * (z * z)
    b = origin[0] * x + origin[1] * y - (slope * radius) * z
    c = origin[0] * origin[0] + origin[1] * origin[1] - radius * radius
    root = np.sqrt(b * b - a * c)
    best = np.full(np.shape(root), np.inf)
    for hit in ((-b - root) / a, (-b + root) / a):
        valid = (hit >= near) & (np.abs(origin[2] + hit * z) <= 1.0) & (hit < best)
        np.copyto(best, hit, where=valid)
    inverse = 1.0 / (z + _TINY)
    for cap, size in ((-1.0, bottom), (1.0, top)):
        hit = (cap - origin[2]) * inverse
        across, along = origin[0] + hit * x, origin[1] + hit * y
        valid = (hit >= near) & (across * across + along * along <= size * size) & (hit < best)
        np.copyto(best, hit, where=valid)
    return best


def _direction(start: Vector, end: Vector) -> tuple[Array, float]:
    step = np.array(end) - np.array(start)
    length = math.sqrt(float(step[0] * step[0] + step[1] * step[1] + step[2] * step[2]))
    return step / length, length


def _frame(axis: Array) -> Array:
    """Return a rotation whose third column is the given unit vector."""
    helper = (0.0, 0.0, 1.0) if abs(axis[2]) < 0.9 else (1.0, 0.0, 0.0)
    side = cross(np.array(helper), axis)
    side = side / math.sqrt(float(side[0] * side[0] + side[1] * side[1] + side[2] * side[2]))
    return np.stack([side, cross(axis, side), axis], axis=1)


def cross(left: Array, right: Array) -> Array:
    """Return the cross product of two vectors."""
    return np.array([left[1] * right[2] - left[2] * right[1],
                     left[2] * right[0] - left[0] * right[2],
                     left[0] * right[1] - left[1] * right[0]])
