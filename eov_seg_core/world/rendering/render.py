# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ray casting: which solid every pixel shows, how far away, and the finished frame.

Every solid is cast alone, against the rays of its bounding rectangle in the image, into one depth
buffer.  Because a camera's rays have length 1 along the optical axis, the distance along a ray is
the depth.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eov_seg_core.world.camera import Camera
from eov_seg_core.world.rendering.shading import BAND_PIXELS, shade
from eov_seg_core.world.scene import Box3D, check_scene, Scene
from eov_seg_core.world.shapes import Array, compose, intersect
from eov_seg_core.wrong import wrong

NEAR_M = 0.05
"""Nothing nearer than this along the optical axis is seen."""

_EDGES = tuple((a, b) for a in range(8) for b in range(a + 1, 8) if (a ^ b) in (1, 2, 4))


@dataclass(frozen=True)
class VisibleObject:
    """One object as a frame shows it.

    Attributes:
        id: Its id in the id map.
        name: Its category.
        color: Its colour; None for the surfaces of the room.
        material: What a surface of the room is made of; None for objects.
        is_thing: Whether its category is told apart.
        box: Its box in the room, whole, however little of it is visible.
        area: Visible pixels; 0 if it is hidden or out of the image.
    """

    id: int
    name: str
    color: str | None
    material: str | None
    is_thing: bool
    box: Box3D
    area: int


@dataclass(frozen=True)
class Frame:
    """What the camera sees, with the truth.

    Attributes:
        rgb: (H, W, 3) uint8, as a camera gives it: shaded and noisy.
        depth: (H, W) float32 metres along the optical axis (z, not the length of the ray), exact.
        ids: (H, W) int32 id of the object at the centre of every pixel; never 0.
        objects: The surfaces of the room, then all its objects, by id.
    """

    rgb: npt.NDArray[np.uint8]
    depth: npt.NDArray[np.float32]
    ids: npt.NDArray[np.int32]
    objects: tuple[VisibleObject, ...]


def render(scene: Scene, camera: Camera, noise_seed: int = 0) -> Frame:
    """Take a picture of a room.

    Args:
        scene: The room.
        camera: From where; it must be in the room.
        noise_seed: Which sensor noise; give every frame of a video another.

    Returns:
        The frame; the same to the last bit for the same arguments.

    Raises:
        ValueError: The camera is outside of the room, or the seed is negative.
    """
    check_scene(scene)
    if not isinstance(camera, Camera):
        raise wrong('the camera', camera, 'a Camera, as random_camera(scene) returns it')
    if not scene.room.contains(camera.position):
        raise ValueError(f'the camera is at {camera.position.tolist()}; expected a place in the '
                         f'room, which has the size {scene.room.size} and its origin in the '
                         'middle of the floor; move it inside')
    depth, solid = cast_rays(scene, camera)
    ids = scene.owners[solid]
    areas = np.bincount(ids.ravel(), minlength=4 + len(scene.objects))
    objects = tuple(
        VisibleObject(item.id, item.name, item.color, item.material, item.is_thing, item.box,
                      int(areas[item.id]))
        for item in (*scene.surfaces, *scene.objects))
    return Frame(shade(scene, camera, depth, solid, noise_seed), depth.astype(np.float32), ids,
                 objects)


def cast_rays(scene: Scene, camera: Camera) -> tuple[Array, npt.NDArray[np.int16]]:
    """Find what every ray meets first.

    Returns:
        (H, W) float64 depth, and (H, W) int16 surface: 0 floor, 1 wall, 2 ceiling, then 3 and on
        the solids of the scene in order.
    """
    columns, rows = camera.rays()
    depth = np.empty((camera.height, camera.width))
    nearest = np.empty((camera.height, camera.width), np.int16)
    for band in _bands((slice(0, camera.height), slice(0, camera.width))):
        depth[band], nearest[band] = _cast_room(scene, camera, columns, rows[band[0]])
    corners = scene.corners
    seen = camera.to_camera(corners.reshape(-1, 3)).reshape(-1, 8, 3)
    for number, solid in enumerate(scene.solids):
        window = _window(seen[number], camera)
        if window is None:
            continue
        origin, into = solid.to_unit(camera.position)
        into = compose(into, camera.rotation)
        for band in _bands(window):
            u, v = columns[:, band[1]], rows[band[0]]
            hit = intersect(solid, origin, (
                into[0, 0] * u + (into[0, 1] * v + into[0, 2]),
                into[1, 0] * u + (into[1, 1] * v + into[1, 2]),
                into[2, 0] * u + (into[2, 1] * v + into[2, 2])), NEAR_M)
            closer = hit < depth[band]
            np.copyto(depth[band], hit, where=closer)
            np.copyto(nearest[band], np.int16(number + 3), where=closer)
    return depth, nearest


def _bands(window: tuple[slice, slice]) -> Iterator[tuple[slice, slice]]:
    """Cut a window into bands of rows, small enough for their arrays to stay in the cache."""
    rows, columns = window
    step = max(1, BAND_PIXELS // (columns.stop - columns.start))
    for first in range(rows.start, rows.stop, step):
        yield slice(first, min(first + step, rows.stop)), columns


def _cast_room(scene: Scene, camera: Camera, u: Array,
               v: Array) -> tuple[Array, npt.NDArray[np.int16]]:
    """Cast the rays (u, v, 1) against the inside of the room."""
    half = (scene.room.size[0] / 2, scene.room.size[1] / 2, scene.room.size[2] / 2)
    middle = (0.0, 0.0, half[2])
    distances = []
    for axis in range(3):
        toward = camera.rotation[axis]
        slope = toward[0] * u + (toward[1] * v + toward[2])
        offset = float(camera.position[axis]) - middle[axis]
        if axis == 2:
            falling = slope < 0
        with np.errstate(divide='ignore', invalid='ignore'):
            reach = np.where(slope < 0, -half[axis] - offset, half[axis] - offset)
            distances.append(reach / slope)
    # a ray along a surface divides by zero: infinitely far, never the nearest
    wall = np.fmin(np.abs(distances[0]), np.abs(distances[1]))
    level = np.abs(distances[2])
    surface = np.where(level < wall, np.where(falling, np.int16(0), np.int16(2)), np.int16(1))
    return np.fmin(level, wall), surface


def _window(corners: Array, camera: Camera) -> tuple[slice, slice] | None:
    """Return the rows and columns that can show a box with these corners, or None."""
    ahead = corners[:, 2] >= NEAR_M
    if not ahead.any():
        return None
    points = corners[ahead]
    if not ahead.all():     # cut its edges where they come too near
        cuts = []
        for a, b in _EDGES:
            if ahead[a] != ahead[b]:
                part = (NEAR_M - corners[a, 2]) / (corners[b, 2] - corners[a, 2])
                cuts.append(corners[a] + part * (corners[b] - corners[a]))
        points = np.concatenate([points, np.array(cuts)])
    x = points[:, 0] / points[:, 2] * camera.fx + camera.cx
    y = points[:, 1] / points[:, 2] * camera.fy + camera.cy
    left, right = max(x.min(), 0.0), min(x.max(), camera.width - 1.0)
    upper, lower = max(y.min(), 0.0), min(y.max(), camera.height - 1.0)
    if left > right or upper > lower:
        return None
    return (slice(int(upper), min(int(lower) + 2, camera.height)),
            slice(int(left), min(int(right) + 2, camera.width)))
