# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from eov_seg_core.geometry import (
    Box,
    box_iou,
    BoxOptions,
    CameraModel,
    CLOUD_DTYPE,
    labelled_cloud,
    segment_boxes,
    segments,
)
from eov_seg_core.geometry.segments import spilled_border
from eov_seg_core.results.result import PanopticResult, Segment
from eov_seg_core.world import Camera, generate_scene, render
from training.world.video import spread, truth_result

NOTHING = PanopticResult(np.zeros((30, 40), np.int32), [])
SMALL = CameraModel(40, 30, 50, 50, 19.5, 14.5)


def reference_spilled_border(instance, depth_m, border_px) -> np.ndarray:
    """Walk from every pixel."""
    height, width = instance.shape
    result = np.zeros(instance.shape, bool)
    for start in np.ndindex(height, width):
        reached = {start}
        for _ in range(border_px):
            for row, column in list(reached):
                for other in ((row - 1, column), (row + 1, column), (row, column - 1),
                              (row, column + 1)):
                    if not (0 <= other[0] < height and 0 <= other[1] < width):
                        continue
                    behind = max((row, column), other)
                    if abs(depth_m[row, column] - depth_m[other]) <= .03 + .01 * depth_m[behind]:
                        if instance[other] != instance[start]:
                            result[start] = True
                        else:
                            reached.add(other)
    return result


@given(st.integers(0, 1000), st.integers(0, 3))
@settings(max_examples=30, deadline=None)
def test_the_spilled_border_is_what_a_walk_reaches(seed, border_px) -> None:
    dice = np.random.default_rng(seed)
    instance = dice.integers(0, 3, (5, 6)).repeat(2, axis=0).astype(np.int32)
    depth_m = dice.choice(np.array([1, 1.02, 1.5, np.nan], np.float32), (10, 6))
    assert np.array_equal(spilled_border(instance, depth_m, border_px),
                          reference_spilled_border(instance, depth_m, border_px))


@pytest.fixture(scope='module')
def view():
    scene = generate_scene(3, objects=[('red', 'chair'), ('blue', 'box')])
    target = scene.objects[1].box.center
    camera = Camera.look_at((target[0] + 1.2, target[1] + .8, 1.4), target)
    model = CameraModel(camera.width, camera.height, camera.fx, camera.fy, camera.cx, camera.cy)
    return camera, model, render(scene, camera)


@pytest.mark.parametrize(('spill_px', 'least'), [(0, .8), (1, .8), (3, .7)])
def test_a_mask_that_spills_over_keeps_its_box(view, spill_px, least) -> None:
    camera, model, frame = view
    result, objects = truth_result(frame, spread(frame, spill_px))
    boxes = segment_boxes(result, frame.depth, model, camera.pose)
    number, = (number for number in boxes if objects[number].name == 'box')
    truth = objects[number].box
    assert box_iou(boxes[number].box, Box(truth.center, truth.size, truth.yaw_rad)) > least


def test_without_cleaning_the_same_mask_reaches_the_floor_behind(view) -> None:
    camera, model, frame = view
    result, objects = truth_result(frame, spread(frame, 3))
    boxes = segment_boxes(result, frame.depth, model, camera.pose, BoxOptions(border_px=0))
    number, = (number for number in boxes if objects[number].name == 'box')
    truth = objects[number].box
    assert box_iou(boxes[number].box, Box(truth.center, truth.size, truth.yaw_rad)) < .7


@pytest.mark.parametrize('gap_m', [.05, .25])
def test_a_mask_over_two_objects_has_the_box_of_the_larger_part(gap_m) -> None:
    depth_m = np.full((120, 160), 2.0, np.float32)      # a flat board of which 1 px is 2 cm
    instance = np.zeros((120, 160), np.int32)
    first = 90 + round(gap_m / .02)
    instance[40:80, 40:90] = instance[40:80, first:first + 20] = 1
    box = segment_boxes(_thing(instance, (40, 40, first + 20, 80)), depth_m,
                        CameraModel(160, 120, 100, 100, 79.5, 59.5),
                        options=BoxOptions(border_px=0))[1].box
    assert max(box.size) == pytest.approx(1.4 + gap_m if gap_m < .1 else 1.0, abs=.04)


def _thing(instance: np.ndarray, bbox_xyxy: tuple[int, int, int, int]) -> PanopticResult:
    return PanopticResult(instance, [Segment(1, 1, 'box', True, .9, int((instance == 1).sum()),
                                             bbox_xyxy)])


def test_a_thing_far_away_is_one_though_its_pixels_lie_wide_apart() -> None:
    instance = np.zeros((30, 40), np.int32)
    instance[5:25, 10:30] = 1
    depth_m = np.where(instance == 1, 400, np.nan).astype(np.float32)
    result = PanopticResult(instance, [Segment(1, 1, 'house', True, .9, 400, (10, 5, 30, 25))])
    box = segment_boxes(result, depth_m, SMALL)[1].box
    assert box.size[0] == pytest.approx(19 * 400 / SMALL.fx, rel=.01)


def whole_parts(points: np.ndarray, cell_m: float) -> list[list[int]]:
    """Return the parts of points whose cells touch, each in rising order, by a plain search."""
    cells = np.floor(points / cell_m)
    left, parts = set(range(len(points))), []
    while left:
        part, border = [], [min(left)]
        left.discard(border[0])
        while border:
            part.append(border.pop())
            near = [other for other in left if np.abs(cells[other] - cells[part[-1]]).max() <= 1]
            left.difference_update(near)
            border += near
        parts.append(sorted(part))
    return parts


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), number=st.integers(1, 40), scale=st.floats(.05, 1.5))
def test_the_largest_part_is_what_a_search_finds(seed, number, scale) -> None:
    points = np.random.default_rng(seed).uniform(-scale, scale, (number, 3))
    kept = segments._largest_part(points, .1)
    parts = whole_parts(points, .1)
    most = max(map(len, parts))
    assert any(np.array_equal(kept, points[part]) for part in parts if len(part) == most)


def test_a_grid_of_points_far_apart_stays_small() -> None:
    points = np.array([[0., 0, 0], [1e4, 1e4, 1e4], [1e4, 1e4, 1e4 + 50]])
    assert len(segments._largest_part(points, .1)) == 2


def test_a_large_image_gives_the_same_box(view) -> None:
    camera, model, frame = view
    result, _ = truth_result(frame, frame.ids)
    large = CameraModel(640, 480, 2 * model.fx, 2 * model.fy, 2 * model.cx - 1, 2 * model.cy - 1)
    doubled, _ = truth_result(frame, frame.ids.repeat(2, axis=0).repeat(2, axis=1))
    found = segment_boxes(result, frame.depth, model, camera.pose)
    again = segment_boxes(doubled, frame.depth.repeat(2, axis=0).repeat(2, axis=1), large,
                          camera.pose)
    assert found.keys() == again.keys()
    for number, expected in found.items():
        assert box_iou(expected.box, again[number].box) > .9
        assert expected.is_cut == again[number].is_cut


def test_nothing_and_no_depth_have_no_boxes(view) -> None:
    camera, model, frame = view
    assert segment_boxes(NOTHING, np.ones((30, 40), np.float32), SMALL) == {}
    result, _ = truth_result(frame, frame.ids)
    assert segment_boxes(result, np.full_like(frame.depth, np.nan), model, camera.pose) == {}


def test_without_a_pose_boxes_stand_before_a_level_camera(view) -> None:
    _, model, frame = view
    result, _ = truth_result(frame, frame.ids)
    for box in segment_boxes(result, frame.depth, model).values():
        assert box.box.center[0] > 0


def test_wrong_sizes_and_options_are_refused() -> None:
    with pytest.raises(ValueError, match='depth has the shape'):
        segment_boxes(NOTHING, np.ones((60, 80), np.float32), SMALL)
    with pytest.raises(ValueError, match='border_px'):
        BoxOptions(border_px=51)


def test_the_cloud_is_what_a_loop_makes() -> None:
    dice = np.random.default_rng(0)
    depth_m = dice.uniform(1, 2, (30, 40)).astype(np.float32)
    depth_m[3, 6] = np.nan
    rgb = dice.integers(0, 256, (30, 40, 3), np.uint8)
    label, instance = (dice.integers(0, 9, (30, 40)).astype(np.int32) for _ in range(2))
    for stride in (1, 3):
        cloud = labelled_cloud(depth_m, SMALL, rgb, label, instance, stride=stride)
        points = SMALL.back_project(depth_m)
        for row, column in np.ndindex(cloud.shape):
            place = row * stride, column * stride
            point = cloud[row, column]
            assert np.array_equal([point['x'], point['y'], point['z']], points[place],
                                  equal_nan=True)
            red, green, blue = map(int, rgb[place])
            assert point['rgb'] == red << 16 | green << 8 | blue
            assert (point['label'], point['instance']) == (label[place], instance[place])
        known = labelled_cloud(depth_m, SMALL, rgb, label, instance, stride=stride,
                               organized=False)
        assert np.array_equal(known, cloud[np.isfinite(cloud['z'])])
    assert CLOUD_DTYPE.itemsize == 24
    assert [CLOUD_DTYPE.fields[name][1] for name in CLOUD_DTYPE.names] == [0, 4, 8, 12, 16, 20]
    assert np.shares_memory(cloud.view(np.uint8), cloud)


def test_a_cloud_without_points_and_a_wrong_stride() -> None:
    empty, zeros = np.full((30, 40), np.nan, np.float32), np.zeros((30, 40), np.int32)
    rgb = np.zeros((30, 40, 3), np.uint8)
    assert labelled_cloud(empty, SMALL, rgb, zeros, zeros, organized=False).shape == (0,)
    with pytest.raises(ValueError, match='stride'):
        labelled_cloud(empty, SMALL, rgb, zeros, zeros, stride=0)
