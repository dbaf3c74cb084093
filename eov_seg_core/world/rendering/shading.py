# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From what every pixel shows to its colour: texture, light, shadow, lens and sensor.

The visible points are sorted by the solid they lie on, so that each solid is textured in one go;
the light then falls on all of them at once.  Everything is elementwise float32 in a fixed order,
without sums, powers or other functions that differ between machines.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eov_seg_core.world.camera import Camera
from eov_seg_core.world.materials import albedo, Samples
from eov_seg_core.world.rendering.shadow import cast_shadows, shade_contacts
from eov_seg_core.world.reproducible import RandomStream
from eov_seg_core.world.scene import Scene
from eov_seg_core.world.shapes import Solid

BAND_PIXELS = 12_288
"""So many pixels are worked on at a time: their arrays stay in the cache."""

_NOISE_STREAM = 3
_SKIRTING_M = 0.09
_FALLOFF_M2 = 3.2
"""Squared distance at which the lamp has half its strength."""


@dataclass
class Points:
    """Some visible points, sorted by the surface or solid they lie on.

    Attributes:
        position: (3, N) in the room, metres.
        normal: (3, N) unit normals.
        color: (N, 3) linear colour of the surface.
        gloss: (N,) strength of the highlight.
        pixel: (N,) size of a pixel at the point, metres.
    """

    position: Samples
    normal: Samples
    color: Samples
    gloss: Samples
    pixel: Samples


def shade(scene: Scene, camera: Camera, depth: npt.NDArray[np.float64],
          surface: npt.NDArray[np.int16], noise_seed: int) -> npt.NDArray[np.uint8]:
    """Return the (H, W, 3) uint8 RGB picture of cast rays.

    Args:
        scene: The room.
        camera: From where.
        depth: (H, W) depth of every pixel, metres.
        surface: (H, W) what every pixel shows, as `cast_rays` numbers it.
        noise_seed: Which sensor noise.
    """
    order = np.argsort(surface, axis=None, kind='stable')
    bands = []
    for first in range(0, order.size, BAND_PIXELS):
        some = order[first:first + BAND_PIXELS]
        points = _visible_points(camera, depth, some)
        _paint(scene, points, surface.ravel()[some])
        bands.append((some, points))
    # shadows of all points at once: their time goes into calls, not into points
    lit = cast_shadows(scene, np.concatenate([points.position for _, points in bands], axis=1),
                       np.concatenate([_facing(scene, points) > 0 for _, points in bands]))
    picture = np.empty((camera.height * camera.width, 3), np.float32)
    for number, (some, points) in enumerate(bands):
        first = number * BAND_PIXELS
        picture[some] = _illuminate(scene, camera, points, lit[first:first + BAND_PIXELS])
    return _expose(scene, picture.reshape(camera.height, camera.width, 3), noise_seed)


def _visible_points(camera: Camera, depth: npt.NDArray[np.float64],
                    pixels: npt.NDArray[np.intp]) -> Points:
    columns, rows = camera.rays()
    u, v = columns[0, pixels % camera.width], rows[pixels // camera.width, 0]
    distance = depth.ravel()[pixels]
    position = np.empty((3, distance.size), np.float32)
    for axis, toward in enumerate(camera.rotation):
        slope = toward[0] * u + (toward[1] * v + toward[2])
        position[axis] = camera.position[axis] + distance * slope
    return Points(position, np.zeros_like(position), np.empty((distance.size, 3), np.float32),
                  np.zeros(distance.size, np.float32), (distance / camera.fx).astype(np.float32))


def _paint(scene: Scene, points: Points, surface: npt.NDArray[np.int16]) -> None:
    """Give points, sorted by what they lie on, colour, gloss and normal."""
    starts = np.flatnonzero(np.diff(surface, prepend=-1))
    for first, end in zip(starts, (*starts[1:], surface.size)):
        part, number = slice(int(first), int(end)), int(surface[first])
        if number < 3:
            _paint_surface(scene, number, points, part)
        else:
            _paint_solid(scene.solids[number - 3], points, part)


def _paint_surface(scene: Scene, number: int, points: Points, part: slice) -> None:
    """Give the points of floor (0), walls (1) or ceiling (2) colour and normal."""
    finish = scene.room.finishes[number]
    x, y, z = points.position[:, part]
    pixel = points.pixel[part]
    points.gloss[part] = finish.gloss
    if number != 1:
        points.normal[2, part] = 1 - number
        points.color[part] = albedo(finish, x, y, pixel)
        return
    width, depth, _ = scene.room.size
    to_x = np.float32(width / 2) - np.abs(x)
    to_y = np.float32(depth / 2) - np.abs(y)
    on_x = to_x < to_y
    points.normal[0, part] = np.where(on_x, -np.sign(x), 0)
    points.normal[1, part] = np.where(on_x, 0, -np.sign(y))
    color = albedo(finish, np.where(on_x, y, x) + np.float32(9), z, pixel)
    color[z < _SKIRTING_M] = scene.room.skirting
    points.color[part] = color


def _paint_solid(solid: Solid, points: Points, part: slice) -> None:
    """Give the points of one solid colour and normal."""
    offsets = points.position[:, part] - solid.center.astype(np.float32)[:, None]
    axes = solid.rotation.T.astype(np.float32)
    own = [axis[0] * offsets[0] + axis[1] * offsets[1] + axis[2] * offsets[2] for axis in axes]
    normal = _unit_normals(solid, own)
    for axis in range(3):
        points.normal[axis, part] = (axes[0, axis] * normal[0] + axes[1, axis] * normal[1]
                                     + axes[2, axis] * normal[2])
    s, t = _surface_coordinates(own, normal)
    points.color[part] = albedo(solid.finish, s, t, points.pixel[part])
    points.gloss[part] = solid.finish.gloss


def _unit_normals(solid: Solid, own: list[Samples]) -> list[Samples]:
    """Return the normals at points on a solid, both along its own axes."""
    half = solid.half.astype(np.float32)
    x, y, z = (value / size for value, size in zip(own, half))
    if solid.shape == 'box':
        # the face that the point lies nearest to, in metres
        away = [np.abs(np.abs(value) - 1) * size for value, size in zip((x, y, z), half)]
        least = np.minimum(np.minimum(away[0], away[1]), away[2])
        on_x = away[0] == least
        on_y = (away[1] == least) & ~on_x
        return [np.sign(x) * on_x, np.sign(y) * on_y, np.sign(z) * ~(on_x | on_y)]
    if solid.shape == 'ellipsoid':
        normal = [x / half[0], y / half[1], z / half[2]]
    else:
        slope = np.float32((solid.top - solid.bottom) / 2)
        radius = np.float32((solid.top + solid.bottom) / 2) + slope * z
        cap = (np.abs(z) > 1 - np.float32(1e-4)) & (x * x + y * y < radius * radius * .998)
        side = ~cap
        normal = [x / half[0] * side, y / half[1] * side,
                  np.where(cap, np.sign(z), -slope * radius / half[2])]
    length = np.sqrt(normal[0] * normal[0] + normal[1] * normal[1] + normal[2] * normal[2])
    length = np.maximum(length, np.float32(1e-12))
    return [value / length for value in normal]


def _surface_coordinates(own: list[Samples], normal: list[Samples]) -> tuple[Samples, Samples]:
    """Lay the texture on from the side that the surface faces most."""
    x, y, z = own
    across, along, up = (np.abs(value) for value in normal)
    flat = (up > across) & (up > along)
    side = ~flat & (across > along)
    # an offset for each side keeps the lines of a pattern off the middle of the object
    return (np.where(side, y, x) + np.float32(3.03), np.where(flat, y, z) + np.float32(5.01))


def _facing(scene: Scene, points: Points) -> Samples:
    """Return (N,) cosines between the normals and the directions of the lamp."""
    lamp = np.array(scene.light.position, np.float32)[:, None]
    return _dot(points.normal, _unit(lamp - points.position))


def _illuminate(scene: Scene, camera: Camera, points: Points, lit: Samples) -> Samples:
    """Return the (N, 3) linear light that the points send to the camera."""
    light, normal = scene.light, points.normal
    to_lamp = np.array(light.position, np.float32)[:, None] - points.position
    squared = to_lamp[0] * to_lamp[0] + to_lamp[1] * to_lamp[1] + to_lamp[2] * to_lamp[2]
    facing = _facing(scene, points)
    lamp = np.maximum(facing, 0) * lit * np.float32(2 * _FALLOFF_M2) / (
        squared + np.float32(_FALLOFF_M2))
    side = np.array(light.fill, np.float32)
    fill = np.maximum(normal[0] * side[0] + normal[1] * side[1] + normal[2] * side[2], 0)
    indirect = ((np.float32(.85) + np.float32(.15) * normal[2] + np.float32(.4) * fill)
                * _openness(scene, points) * shade_contacts(scene, points.position))
    shine = points.gloss * lit * _highlight(camera, points, to_lamp, facing)
    color = np.array(light.color, np.float32)
    glow = np.array(light.ambient, np.float32)
    result = np.empty_like(points.color)
    for channel in range(3):
        diffuse = lamp * (color[channel] * np.float32(.62)) + indirect * glow[channel]
        result[:, channel] = points.color[:, channel] * diffuse + shine * color[channel]
    return result


def _highlight(camera: Camera, points: Points, to_lamp: Samples, facing: Samples) -> Samples:
    """Return the mirrored lamp of glossy points (Blinn and Phong, exponent 32)."""
    to_eye: Samples = camera.position.astype(np.float32)[:, None] - points.position
    half = _unit(to_lamp) + _unit(to_eye)
    near: Samples = np.maximum(_dot(points.normal, _unit(half)), 0)
    for _ in range(5):
        near *= near
    near *= (facing > 0) * np.float32(.7)
    return near


def _openness(scene: Scene, points: Points) -> Samples:
    """Return how much light from everywhere reaches points: less in the corners of the room."""
    width, depth, height = scene.room.size
    x, y, z = points.position
    facing = np.abs(points.normal)
    open_ = np.ones(x.size, np.float32)
    for axis, gap in enumerate((np.float32(width / 2) - np.abs(x),
                                np.float32(depth / 2) - np.abs(y),
                                np.minimum(z, np.float32(height) - z))):
        across = np.maximum(1 - facing[axis], 0)    # a wall does not darken itself
        gap = np.maximum(gap, 0) * np.float32(5)
        open_ *= 1 - np.float32(.38) * across / (1 + gap * gap)
    return open_


def _expose(scene: Scene, light: Samples, noise_seed: int) -> npt.NDArray[np.uint8]:
    """Return the picture that lens and sensor make of the light."""
    rng = RandomStream(scene.seed, _NOISE_STREAM, noise_seed)
    picture = np.empty(light.shape, np.uint8)
    height, width = light.shape[:2]
    step = max(2, BAND_PIXELS // (2 * width) * 2)   # even: the grain comes in pairs
    for first in range(0, height, step):
        before = min(first, 1)      # the blur needs one more row on either side
        band = _blur(light[first - before:first + step + 1])[before:][:step]
        band = np.maximum(band, 0)      # rounding may leave less
        band *= np.float32(1.4) / (1 + np.float32(.33) * band)      # highlights roll off
        screen = np.sqrt(band) * np.float32(255)                    # gamma 2
        screen += rng.noise(screen.size).reshape(screen.shape) * np.float32(scene.noise)
        screen += np.float32(.5)
        picture[first:first + step] = np.clip(screen, 0, 255, out=screen)
    return picture


def _blur(light: Samples) -> Samples:
    """Return light blurred by a lens, over the three nearest rows and columns."""
    soft = light.copy()
    soft[:, 1:-1] += (light[:, :-2] + light[:, 2:] - 2 * light[:, 1:-1]) * np.float32(.13)
    softer = soft.copy()
    softer[1:-1] += (soft[:-2] + soft[2:] - 2 * soft[1:-1]) * np.float32(.13)
    return softer


def _unit(vector: Samples) -> Samples:
    squared = np.maximum(_dot(vector, vector), np.float32(1e-12))
    unit: Samples = np.divide(vector, np.sqrt(squared))
    return unit


def _dot(left: Samples, right: Samples) -> Samples:
    product: Samples = left[0] * right[0] + left[1] * right[1] + left[2] * right[2]
    return product

