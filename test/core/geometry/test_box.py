# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from eov_seg_core.geometry import Box, box_iou, fit_box

UNIT = Box((0, 0, 0), (1, 1, 1))
sides = st.floats(0.05, 3)
places = st.floats(-5, 5)
boxes = st.builds(lambda x, y, z, a, b, c, yaw: Box((x, y, z), (a, b, c), yaw),
                  places, places, places, sides, sides, sides, st.floats(-7, 7))


@pytest.mark.parametrize(('first', 'second', 'iou'), [
    (Box((0, 0, 0), (2, 2, 2)), Box((1, 0, 0), (2, 2, 2)), 1 / 3),
    (UNIT, Box((0, 0, 0), (1, 1, 1), math.pi / 4), .70711),
    (Box((0, 0, 0), (1, .5, 1)), Box((0, 0, 0), (1, .5, 1), math.pi / 2), 1 / 3),
    (UNIT, Box((.25, 0, 0), (.5, 1, 1)), .5),
    (Box((0, 0, 0), (.2, .2, .2)), Box((.05, 0, 0), (.2, .2, .2)), .6),
    (Box((0, 0, 0), (.1, .1, .1)), Box((0, .05, 0), (.1, .1, .1)), 1 / 3),
    (UNIT, UNIT, 1),
    (UNIT, Box((1, 0, 0), (1, 1, 1)), 0),
    (UNIT, Box((0, 0, 1), (1, 1, 1)), 0),
    (UNIT, Box((0, 0, 0), (1, 1, 0)), 0),
    (Box((0, 0, 0), (0, 0, 0)), Box((0, 0, 0), (0, 0, 0)), 0),
])
def test_iou_of_known_boxes(first, second, iou) -> None:
    assert box_iou(first, second) == pytest.approx(iou, abs=1e-5)


@given(boxes, boxes)
def test_iou_is_symmetric_and_a_part(first, second) -> None:
    iou = box_iou(first, second)
    assert 0 <= iou <= 1
    assert box_iou(second, first) == pytest.approx(iou, abs=1e-9)
    assert box_iou(first, first) == pytest.approx(1)


@given(boxes, boxes)
@settings(max_examples=25, deadline=None)
def test_iou_is_what_random_points_say(first, second) -> None:
    near = Box(tuple(np.add(first.center, np.multiply(second.center, .1))), second.size,
               second.yaw_rad)
    corners = np.concatenate([first.corners, near.corners])
    low, high = corners.min(axis=0), corners.max(axis=0)
    points = low + np.random.default_rng(0).random((20_000, 3)) * (high - low)
    inside, other = first.contains(points), near.contains(points)
    expected = (inside & other).sum() / max((inside | other).sum(), 1)
    assert box_iou(first, near) == pytest.approx(expected, abs=.06)


@given(boxes)
def test_a_box_is_found_again_from_its_corners(box) -> None:
    found = fit_box(box.corners)
    assert box_iou(found, box) > .999
    assert found.size[0] >= found.size[1]
    assert -math.pi / 2 < found.yaw_rad <= math.pi / 2 + 1e-12


def test_no_other_direction_has_a_smaller_footprint() -> None:
    points = np.random.default_rng(3).normal(size=(200, 3)) * (3, 1, 1)
    box = fit_box(points)
    for angle in np.radians(np.arange(0, 180, .5)):     # the loop: all directions, one by one
        along = points[:, 0] * np.cos(angle) + points[:, 1] * np.sin(angle)
        across = points[:, 1] * np.cos(angle) - points[:, 0] * np.sin(angle)
        assert np.ptp(along) * np.ptp(across) >= box.size[0] * box.size[1] * (1 - 1e-5)
    assert (box.distance_m(points) < 1e-5).all()


def test_one_point_and_a_line_have_boxes() -> None:
    assert fit_box(np.array([[1., 2, 3]])) == Box((1, 2, 3), (.02, .02, .02),
                                                  fit_box(np.array([[1., 2, 3]])).yaw_rad)
    line = fit_box(np.array([[0., 0, 0], [1, 1, 0], [2, 2, 0]]))
    assert line.size == pytest.approx((math.sqrt(8), .02, .02))
    assert line.yaw_rad == pytest.approx(math.pi / 4)


@pytest.mark.parametrize('points', [np.zeros((0, 3)), np.full((4, 3), np.nan), np.zeros((4, 2))])
def test_no_points_are_refused(points) -> None:
    with pytest.raises(ValueError, match='expected'):
        fit_box(points)


def test_distance_and_corners() -> None:
    box = Box((1, 0, 0), (2, 1, 1), math.pi / 2)
    assert box.distance_m([[1, 0, 0], [1, 2, 0], [1, 1, .5], [2.5, 0, 0]]) == pytest.approx(
        [0, 1, 0, 1])
    assert sorted(map(tuple, box.corners.round(9).tolist()))[0] == (.5, -1, -.5)
    x, y, z, w = box.quaternion()
    assert (x, y) == (0, 0)
    assert 2 * math.atan2(z, w) == pytest.approx(box.yaw_rad)


@pytest.mark.parametrize('size', [(1, 1, -1), (1, math.nan, 1)])
def test_wrong_sizes_are_refused(size) -> None:
    with pytest.raises(ValueError, match='is no box'):
        Box((0, 0, 0), size)
