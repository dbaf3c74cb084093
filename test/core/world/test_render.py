# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of rooms against a slow renderer, against geometry, and against themselves."""

from __future__ import annotations

import hashlib
import math

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from eov_seg_core.world import Camera, camera_path, generate_scene, random_camera, render
from eov_seg_core.world.rendering.render import NEAR_M
from eov_seg_core.world.rendering.shadow import cast_shadows, shade_contacts

SEEDS = st.integers(0, 10_000)

# What room 20261 shows.  It changes with every change of the world's looks, and then so does every
# data set and every figure measured on them: change it on purpose, and say so in the commit.
KNOWN_OBJECTS = [
    ('pink', 'fire extinguisher', 294), ('pink', 'door', 1490), ('green', 'sofa', 1273),
    ('purple', 'bin', 113), ('brown', 'barrel', 644), ('orange', 'rug', 1675),
    ('gray', 'person', 416), ('red', 'sofa', 3478), ('brown', 'bottle', 0),
    ('black', 'mug', 12), ('orange', 'mug', 27), ('green', 'fire extinguisher', 0),
    ('purple', 'book', 0), ('pink', 'book', 0)]
KNOWN_IDS = 'ff0e24a2a8d805c3'
KNOWN_COLORS = [   # means of 3 x 4 blocks
    [[178.6, 187.7, 169.1], [146.9, 151.9, 141.1], [202.8, 153.7, 171.4], [144.5, 157.2, 138.7]],
    [[120.4, 127.8, 125.1], [127.6, 105.4, 86.6], [154.4, 113.5, 89.1], [76.7, 83.4, 39.3]],
    [[140.6, 152.5, 149.3], [155.4, 136.5, 119.6], [163.2, 63.7, 40.9], [146.6, 37.7, 31.3]]]
KNOWN_DEPTH = 2.9006212823


def crossings(solid, origin, way):
    """Every distance at which one ray crosses the surface of a solid, in plain Python."""
    start = [sum((origin - solid.center) * axis) / half
             for axis, half in zip(solid.rotation.T, solid.half)]
    step = [sum(way * axis) / half for axis, half in zip(solid.rotation.T, solid.half)]

    def at(distance):
        return [a + distance * b for a, b in zip(start, step)]

    def roots(a, b, c):
        if b * b < a * c or a == 0:
            return []
        return [(-b - math.sqrt(b * b - a * c)) / a, (-b + math.sqrt(b * b - a * c)) / a]

    if solid.shape == 'box':
        found = [(side - start[axis]) / step[axis] for axis in range(3) for side in (-1, 1)
                 if step[axis]]
        return [d for d in found if max(abs(value) for value in at(d)) <= 1 + 1e-12]
    if solid.shape == 'ellipsoid':
        return roots(sum(b * b for b in step), sum(a * b for a, b in zip(start, step)),
                     sum(a * a for a in start) - 1)
    mean, slope = (solid.top + solid.bottom) / 2, (solid.top - solid.bottom) / 2
    radius = mean + slope * start[2]
    sides = roots(step[0] ** 2 + step[1] ** 2 - (slope * step[2]) ** 2,
                  start[0] * step[0] + start[1] * step[1] - slope * step[2] * radius,
                  start[0] ** 2 + start[1] ** 2 - radius ** 2)
    caps = [(cap - start[2]) / step[2] for cap in (-1, 1) if step[2]]
    return ([d for d in sides if abs(at(d)[2]) <= 1]
            + [d for d in caps if math.hypot(*at(d)[:2]) <= mean + slope * round(at(d)[2])])


def slow_pixel(scene, camera, row, column):
    """Depth and id of one pixel: all solids, one after the other, and the planes of the room."""
    way = camera.pose[:3, :3] @ np.linalg.solve(camera.matrix, [column, row, 1.0])
    best = []
    width, depth, height = scene.room.size
    for axis, (low, high) in enumerate(((-width / 2, width / 2), (-depth / 2, depth / 2),
                                        (0, height))):
        if way[axis]:
            side = high if way[axis] > 0 else low
            surface = 2 if axis < 2 else (3 if way[axis] > 0 else 1)
            best.append(((side - camera.position[axis]) / way[axis], surface))
    for item in scene.objects:
        for solid in item.solids:
            best += [(distance, item.id) for distance in crossings(solid, camera.position, way)]
    return min(hit for hit in best if hit[0] >= NEAR_M)


def room_points(camera, frame):
    """(H, W, 3) points of the room that a frame shows, from its depth."""
    rows, columns = np.mgrid[:camera.height, :camera.width]
    rays = np.stack([(columns - camera.cx) / camera.fx, (rows - camera.cy) / camera.fy,
                     np.ones(rows.shape)], axis=-1) * frame.depth[..., None]
    return rays @ camera.pose[:3, :3].T + camera.pose[:3, 3]


@settings(max_examples=8, deadline=None)
@given(seed=SEEDS)
def test_depth_and_ids_are_those_of_a_slow_renderer(seed):
    scene = generate_scene(seed)
    camera = random_camera(scene, seed, 14, 10)
    frame = render(scene, camera)
    for row in range(10):
        for column in range(14):
            depth, owner = slow_pixel(scene, camera, row, column)
            assert frame.depth[row, column] == pytest.approx(depth, rel=1e-6)
            assert frame.ids[row, column] == owner


@settings(max_examples=12, deadline=None)
@given(seed=SEEDS)
def test_boxes_hold_what_is_seen_and_areas_count_it(seed):
    scene = generate_scene(seed)
    camera = random_camera(scene, 1, 96, 72)
    frame = render(scene, camera)
    points = room_points(camera, frame)
    assert [item.id for item in frame.objects] == list(range(1, 4 + len(scene.objects)))
    for item in frame.objects:
        mine = frame.ids == item.id
        assert item.area == mine.sum()
        assert item.box.contains(points[mine], 1e-4).all(), item.name
        assert (item.color is None) == (item.id <= 3) == (item.material is not None)
    assert sum(item.area for item in frame.objects) == frame.ids.size


def test_boxes_are_tight():
    for seed in range(6):
        for item in generate_scene(seed).objects:
            for side in range(3):
                size = np.array(item.box.size)
                size[side] *= 0.98
                smaller = type(item.box)(item.box.center, tuple(size), item.box.yaw_rad)
                corners = np.concatenate([surface_points(solid) for solid in item.solids])
                assert item.box.contains(corners, 1e-6).all()
                assert not smaller.contains(corners).all()


def surface_points(solid):
    """Points all over the surface of a solid, in the room."""
    grid = np.linspace(-1, 1, 41)
    if solid.shape == 'box':
        unit = np.stack(np.meshgrid([-1, 1], [-1, 1], [-1, 1]), -1).reshape(-1, 3)
    elif solid.shape == 'ellipsoid':
        angle, z = np.meshgrid(grid * np.pi, grid)
        ring = np.sqrt(1 - z * z)
        unit = np.stack([ring * np.cos(angle), ring * np.sin(angle), z], -1).reshape(-1, 3)
    else:
        angle = np.concatenate([grid, grid]) * np.pi
        z = np.repeat([-1.0, 1.0], grid.size)
        ring = np.where(z < 0, solid.bottom, solid.top)
        unit = np.stack([ring * np.cos(angle), ring * np.sin(angle), z], -1)
    return (unit * solid.half) @ solid.rotation.T + solid.center


def test_a_frame_is_what_it_says():
    scene = generate_scene(1)
    frame = render(scene, random_camera(scene, 0, 64, 48))
    assert (frame.rgb.shape, frame.rgb.dtype) == ((48, 64, 3), np.uint8)
    assert (frame.depth.shape, frame.depth.dtype) == ((48, 64), np.float32)
    assert (frame.ids.shape, frame.ids.dtype) == ((48, 64), np.int32)
    assert frame.ids.min() >= 1
    assert frame.depth.min() > 0
    assert frame.depth.max() < math.hypot(*scene.room.size)


def test_the_same_seeds_give_the_same_bits_and_others_do_not():
    scenes = [generate_scene(6), generate_scene(6)]
    first, second = (render(scene, random_camera(scene, 0, 64, 48), 5) for scene in scenes)
    assert np.array_equal(first.rgb, second.rgb)
    assert np.array_equal(first.depth, second.depth)
    assert np.array_equal(first.ids, second.ids)
    assert first.objects == second.objects
    other_noise = render(scenes[0], random_camera(scenes[0], 0, 64, 48), 6)
    assert not np.array_equal(first.rgb, other_noise.rgb)
    assert np.abs(first.rgb.astype(int) - other_noise.rgb).mean() < 10
    other_view = render(scenes[0], random_camera(scenes[0], 1, 64, 48))
    assert not np.array_equal(first.ids, other_view.ids)


@pytest.mark.parametrize('count', [0, 1])
def test_rooms_with_no_object_and_with_one(count):
    scene = generate_scene(8, object_count=(count, count))
    frame = render(scene, random_camera(scene, 0, 80, 60))
    assert len(frame.objects) == 3 + count
    assert set(np.unique(frame.ids)) - {1, 2, 3} == set(range(4, 4 + count))
    assert len(camera_path(scene, 3, 0, 8, 6)) == 3


def test_the_smallest_picture_has_one_pixel():
    scene = generate_scene(0)
    frame = render(scene, random_camera(scene, 0, 1, 1))
    assert frame.rgb.shape == (1, 1, 3)


def test_a_picture_twice_as_large_shows_the_same():
    scene = generate_scene(4)
    small = render(scene, random_camera(scene, 0, 80, 60))
    large = render(scene, random_camera(scene, 0, 240, 180))
    assert (large.ids[1::3, 1::3] == small.ids).mean() > 0.999
    np.testing.assert_allclose(np.median(large.depth[1::3, 1::3] / small.depth), 1, atol=1e-5)


def test_shadows_fall_where_the_lamp_is_hidden():
    scene = generate_scene(0, objects=[('red', 'table')])
    table = scene.objects[0].box
    lamp = np.array(scene.light.position)
    top = np.array([*table.center[:2], table.size[2]])
    behind = lamp + (top - lamp) * (lamp[2] / (lamp[2] - top[2]))       # on the floor
    beside = behind + [3.0, 0.0, 0.0]
    above = lamp + [0.0, 0.1, 0.1]
    points = np.array([behind, top, beside, above, lamp], np.float32).T
    assert cast_shadows(scene, points, np.ones(5, bool)).tolist() == [0, 1, 1, 1, 1]
    assert cast_shadows(scene, points, np.zeros(5, bool)).tolist() == [0] * 5


def test_shadows_have_soft_edges():
    scene = generate_scene(0, objects=[('red', 'table')])
    frame_points = np.mgrid[-1.5:1.5:60j, -1.5:1.5:60j].reshape(2, -1)
    floor = np.concatenate([frame_points, np.zeros((1, 3600))]).astype(np.float32)
    lit = np.round(cast_shadows(scene, floor, np.ones(3600, bool)) * 3)
    assert set(lit) == {0, 1, 2, 3}


def test_what_stands_close_darkens_the_floor():
    scene = generate_scene(0, objects=[('red', 'cabinet')])
    low, high = scene.objects[0].extent
    middle = (low + high) / 2
    floor = np.array([[middle[0] + away, middle[1], 0.0] for away in (0.0, 1.0, 2.5)], np.float32)
    under, near, far = shade_contacts(scene, floor.T)
    assert under == 0.5
    assert under < near <= far == 1
    assert shade_contacts(scene, np.array([[middle[0]], [middle[1]], [1.9]], np.float32)) == 1


def test_a_camera_in_an_object_sees_its_inside():
    scene = generate_scene(0, objects=[('red', 'cabinet')])
    box = scene.objects[0].box
    camera = Camera.look_at(box.center, (box.center[0] + .1, box.center[1], box.center[2]), 16, 12)
    frame = render(scene, camera)
    assert set(np.unique(frame.ids)) == {4}


@settings(max_examples=6, deadline=None)
@given(seed=SEEDS)
def test_paths_are_smooth_closed_and_free(seed):
    scene = generate_scene(seed)
    frames = 240
    path = camera_path(scene, frames, seed, 32, 24)
    assert len(path) == frames
    loop = [*path, path[0], path[1]]
    places = np.array([camera.position for camera in loop])
    views = np.array([camera.rotation[:, 2] for camera in loop])
    steps = np.linalg.norm(np.diff(places, axis=0), axis=1)
    turns = np.degrees(np.arccos(np.clip((views[1:] * views[:-1]).sum(1), -1, 1)))
    assert steps.max() < 0.1
    assert turns.max() < 2.5
    assert np.linalg.norm(np.diff(places, 2, axis=0), axis=1).max() < 0.01
    assert np.abs(np.diff(turns)).max() < 0.2
    assert turns[:frames].sum() == pytest.approx(360, rel=0.1)      # all of the room is shown
    for camera in path:
        assert scene.is_free(camera.position, 0.1)
        np.testing.assert_allclose(camera.rotation.T @ camera.rotation, np.eye(3), atol=1e-12)
        assert np.linalg.det(camera.rotation) == pytest.approx(1)


def test_looking_at_a_point_puts_it_in_the_middle():
    camera = Camera.look_at((1, 2, 1.5), (0, 0, .5), 101, 51)
    x, y, z = camera.to_camera(np.array([[0, 0, .5]]))[0]
    assert (x, y) == pytest.approx((0, 0), abs=1e-12)
    assert z == pytest.approx(math.sqrt(1 + 4 + 1))
    up = camera.to_camera(np.array([[0, 0, .6]]))[0]
    assert up[1] < 0        # y is down
    right = camera.to_camera(np.array([[-1.0, .5, .5]]))[0]
    assert right[0] > 0


@pytest.mark.parametrize(('call', 'message'), [
    (lambda scene: random_camera(scene, -1), 'seed'),
    (lambda scene: random_camera(scene, 0, 0, 10), 'at least 1'),
    (lambda scene: random_camera(scene, 0, 10, 10, 0.0), 'focal'),
    (lambda scene: camera_path(scene, 0), 'at least 1'),
    (lambda scene: Camera.look_at((0, 0, 1), (0, 0, 0)), 'above or below'),
    (lambda scene: Camera.look_at((0, 0, 1), (math.nan, 0, 0)), 'above or below'),
    (lambda scene: Camera(9, 9, 1, 1, 0, 0, np.zeros(2), np.eye(3)), 'shapes'),
    (lambda scene: render(scene, Camera.look_at((0, 0, 9), (1, 0, 0))), 'inside'),
    (lambda scene: render(scene, Camera.look_at((0, 0, 1), (1, 0, 0), 8, 8), -1), 'seed'),
])
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(generate_scene(0))


def test_a_known_room_is_the_same_on_every_machine():
    scene = generate_scene(20261)
    frame = render(scene, random_camera(scene, 0, 160, 120), 3)
    ids = hashlib.sha256(frame.ids.astype('<i4').tobytes()).hexdigest()
    assert [(item.color, item.name, item.area) for item in frame.objects[3:]] == KNOWN_OBJECTS
    assert ids[:16] == KNOWN_IDS
    blocks = frame.rgb.reshape(3, 40, 4, 40, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(blocks, KNOWN_COLORS, atol=1.0)
    assert frame.depth.astype(np.float64).mean() == pytest.approx(KNOWN_DEPTH, rel=1e-6)
