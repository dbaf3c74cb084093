# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A pinhole camera, and smooth ways through a room."""

from __future__ import annotations

from dataclasses import dataclass
import math
from numbers import Integral

import numpy as np

from eov_seg_core.world.reproducible import RandomStream, sin_cos
from eov_seg_core.world.scene import check_scene, Scene
from eov_seg_core.world.shapes import Array, compose, cross, Vector

FOCAL = 0.72
"""Focal length as a part of the image width: a horizontal field of view of 70 degrees."""
CLEARANCE_M = 0.35
"""Least distance between a camera and anything else, where we choose its place."""

_VIEW_STREAM, _PATH_STREAM = 1, 2
_PATHS = 40     # tried before the camera only turns on the spot


@dataclass(frozen=True)
class Camera:
    """A pinhole camera without distortion; pixel (0, 0) has its centre at image point (0, 0).

    Its frame is the usual one of images: x right, y down, z along the optical axis.

    Attributes:
        width: Of the image, pixels.
        height: Of the image, pixels.
        fx: Focal length, pixels.
        fy: Focal length, pixels.
        cx: Where the optical axis meets the image, pixels.
        cy: The same, downwards.
        position: (3,) float64 in the room, metres.
        rotation: (3, 3) float64 whose columns are the camera's axes in the room.

    Raises:
        ValueError: A size or focal length is not positive, or a shape is wrong.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    position: Array
    rotation: Array

    def __post_init__(self) -> None:
        _check_size(self.width, self.height)
        if not (0 < self.fx < math.inf and 0 < self.fy < math.inf):
            raise ValueError(f'the focal lengths are {self.fx} and {self.fy} pixels; expected '
                             'positive numbers')
        if self.position.shape != (3,) or self.rotation.shape != (3, 3):
            raise ValueError(f'position and rotation have shapes {self.position.shape} and '
                             f'{self.rotation.shape}; expected (3,) and (3, 3)')

    @classmethod
    def look_at(cls, position: Vector, target: Vector, width: int = 320, height: int = 240,
                focal: float = FOCAL) -> Camera:
        """Place a level camera that looks at a point.

        Args:
            position: Where the camera is.
            target: What is in the middle of the image.
            width: Of the image, pixels.
            height: Of the image, pixels.
            focal: Focal length as a part of the width.

        Raises:
            ValueError: The target is the position, or straight above or below it; or a size is
                not positive.
        """
        _check_size(width, height)
        forward = np.array(target, np.float64) - np.array(position, np.float64)
        level = forward[0] * forward[0] + forward[1] * forward[1]
        if not 1e-12 < level < math.inf:
            raise ValueError(f'the camera at {position} looks at {target}; expected a target that '
                             'is not straight above or below it')
        forward = forward / math.sqrt(level + forward[2] * forward[2])
        right = np.array([forward[1], -forward[0], 0.0])
        right = right / math.sqrt(right[0] * right[0] + right[1] * right[1])
        return cls(width, height, focal * width, focal * width, (width - 1) / 2, (height - 1) / 2,
                   np.array(position, np.float64),
                   np.stack([right, cross(forward, right), forward], axis=1))

    @property
    def matrix(self) -> Array:
        """(3, 3) intrinsic matrix K."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    @property
    def pose(self) -> Array:
        """(4, 4) map from the camera's frame to the room's."""
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = self.rotation, self.position
        return pose

    def rays(self) -> tuple[Array, Array]:
        """Return x / z of every column, (1, W), and y / z of every row, (H, 1)."""
        columns: Array = (np.arange(self.width, dtype=np.float64) - self.cx) / self.fx
        rows: Array = (np.arange(self.height, dtype=np.float64) - self.cy) / self.fy
        return columns[None, :], rows[:, None]

    def to_camera(self, points: Array) -> Array:
        """Return (N, 3) points of the room in the camera's frame."""
        return compose(points - self.position, self.rotation)


def _check_size(width: int, height: int) -> None:
    if not all(isinstance(side, Integral) and side >= 1 for side in (width, height)):
        raise ValueError(f'the image is {width!r:.80} x {height!r:.80} pixels; expected a width '
                         'and a height of at least 1')


def random_camera(scene: Scene, seed: int = 0, width: int = 320, height: int = 240,
                  focal: float = FOCAL) -> Camera:
    """Return a view of the room from a free place: of a few, the one that shows most objects.

    Args:
        scene: The room.
        seed: The same seed gives the same view; each one gives another.
        width: Of the image, pixels.
        height: Of the image, pixels.
        focal: Focal length as a part of the width.

    Raises:
        ValueError: The seed is negative, or a size is not positive.
    """
    check_scene(scene)
    rng = RandomStream(scene.seed, _VIEW_STREAM, seed)
    views = []
    for _ in range(8):
        position = _free_place(scene, rng)
        target = _interesting_point(scene, rng, position)
        views.append(Camera.look_at(position, target, width, height, focal))
    return max(views, key=lambda view: _objects_in(scene, view))


def camera_path(scene: Scene, frames: int, seed: int = 0, width: int = 320, height: int = 240,
                focal: float = FOCAL) -> list[Camera]:
    """Return a smooth closed way that shows all of the room: it turns once about itself.

    Frame `frames` would be frame 0 again.

    Args:
        scene: The room.
        frames: How many views, evenly spaced in time.
        seed: The same seed gives the same way.
        width: Of the image, pixels.
        height: Of the image, pixels.
        focal: Focal length as a part of the width.

    Raises:
        ValueError: There are no frames, the seed is negative, or a size is not positive.
    """
    check_scene(scene)
    if not isinstance(frames, Integral) or frames < 1:
        raise ValueError(f'the path has {frames!r:.80} frames; expected at least 1')
    rng = RandomStream(scene.seed, _PATH_STREAM, seed)
    width_m, depth_m, _ = scene.room.size
    start, turn = rng.uniform(0, 2 * math.pi), rng.choice((-1, 1))
    for attempt in range(_PATHS + 1):
        reach = 1 - attempt / _PATHS        # from all around the room to turning on the spot
        x, y, z = _free_place(scene, rng)
        loop = _Loop((x * (1 - reach), y * (1 - reach), z), reach * (width_m / 2 - .5),
                     reach * (depth_m / 2 - .5), start, turn)
        if all(loop.is_free(scene, k / 48) for k in range(48)):
            break
    return [Camera.look_at(*loop.at(k / frames), width, height, focal) for k in range(frames)]


@dataclass(frozen=True)
class _Loop:
    """An ellipse around a place, the view always across its middle."""

    middle: Vector
    radius_x: float
    radius_y: float
    start: float
    turn: int

    def at(self, part: float) -> tuple[Vector, Vector]:
        """Return position and target at a part 0..1 of the loop."""
        angle = self.start + self.turn * 2 * math.pi * part
        sine, cosine = sin_cos(angle)
        wave, _ = sin_cos(2 * angle)
        x, y, z = self.middle
        x, y = x + self.radius_x * cosine, y + self.radius_y * sine
        z += .1 * min(self.radius_x, self.radius_y, 1.0) * wave
        return (x, y, z), (x - 2.4 * cosine, y - 2.4 * sine, .45 * z + .1)

    def is_free(self, scene: Scene, part: float) -> bool:
        """Say whether the camera has room there."""
        return scene.is_free(self.at(part)[0], CLEARANCE_M * .9)


def _free_place(scene: Scene, rng: RandomStream) -> Vector:
    """Return a place for a camera, in a crowded room with less and less distance."""
    width, depth, height = scene.room.size
    margin = CLEARANCE_M
    while True:
        for _ in range(30):
            place = (rng.uniform(-.5, .5) * (width - 2 * margin),
                     rng.uniform(-.5, .5) * (depth - 2 * margin),
                     rng.uniform(1.0, min(1.75, height - .5)))
            if scene.is_free(place, margin):
                return place
        margin *= 0.8


def _interesting_point(scene: Scene, rng: RandomStream, position: Vector) -> Vector:
    """Return a point to look at: an object if one is far enough, moved towards the middle."""
    width, depth, _ = scene.room.size
    for _ in range(10):
        if scene.objects and rng.chance(.8):
            x, y, z = rng.choice(scene.objects).box.center
            mixed = (.75 * x, .75 * y, min(.5 * z + .35, 1.2))
        else:
            mixed = (rng.uniform(-.4, .4) * width, rng.uniform(-.4, .4) * depth,
                     rng.uniform(.4, 1.1))
        if (mixed[0] - position[0]) ** 2 + (mixed[1] - position[1]) ** 2 > 2.2:
            return mixed
    side_x = -1.0 if position[0] > 0 else 1.0
    return (position[0] + 2 * side_x, position[1] * .2, .8)


def _objects_in(scene: Scene, camera: Camera) -> int:
    """Count the objects whose middle is in the image and not too near."""
    if not scene.objects:
        return 0
    points = camera.to_camera(np.array([item.box.center for item in scene.objects]))
    ahead = np.maximum(points[:, 2], 1e-6)
    x, y = points[:, 0] / ahead * camera.fx, points[:, 1] / ahead * camera.fy
    inside = (np.abs(x) < .5 * camera.width) & (np.abs(y) < .5 * camera.height)
    return int((inside & (points[:, 2] > .7)).sum())
