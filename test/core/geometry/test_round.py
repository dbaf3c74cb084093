# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from eov_seg_core.geometry import Box, fit_box
from eov_seg_core.geometry.round import complete_round


def arc(radius_of_height, seen_deg: float, center=(0.0, 0.0, 0.0), count=1000) -> np.ndarray:
    """Return points on one side of a surface of revolution 0.4 m high."""
    dice = np.random.default_rng(0)
    height = dice.uniform(0, .4, count)
    angle = np.radians(dice.uniform(-seen_deg / 2, seen_deg / 2, count))
    radius = radius_of_height(height)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), height], 1) + center


@settings(max_examples=30, deadline=None)
@given(st.floats(.05, .5), st.floats(135, 180), st.tuples(*[st.floats(-20, 20)] * 3))
def test_half_a_cylinder_becomes_a_whole_one(radius: float, seen_deg: float, center) -> None:
    points = arc(lambda height: np.full_like(height, radius), seen_deg, center)
    box = complete_round(fit_box(points), points)
    assert box.size[:2] == pytest.approx((2 * radius,) * 2, rel=.02)
    assert box.center[:2] == pytest.approx(center[:2], abs=.02 * radius + 1e-6)
    assert box.size[2] == pytest.approx(.4, abs=.01)


@pytest.mark.parametrize('profile', [
    lambda height: .1 + .25 * height,                               # a cone
    lambda height: np.sqrt(np.maximum(.04 - (height - .2) ** 2, 0)),   # a ball
    lambda height: .15 + .05 * np.sin(15 * height)])                # a vase
def test_other_round_shapes(profile) -> None:
    points = arc(profile, 170)
    widest = 2 * profile(np.linspace(0, .4, 100)).max()
    box = complete_round(fit_box(points), points)
    assert box.size[:2] == pytest.approx((widest,) * 2, rel=.06)
    assert box.center[:2] == pytest.approx((0, 0), abs=.01)


def test_a_lid_and_noise_do_not_hide_a_cylinder() -> None:
    dice = np.random.default_rng(1)
    side = arc(lambda height: np.full_like(height, .2), 170)
    side += dice.normal(0, .003, side.shape)
    angle, radius = dice.uniform(0, 2 * np.pi, 200), .2 * np.sqrt(dice.uniform(0, 1, 200))
    lid = np.stack([radius * np.cos(angle), radius * np.sin(angle), np.full(200, .41)], 1)
    for points in (side, np.concatenate([side, lid])):
        box = complete_round(fit_box(points), points)
        assert box.size[:2] == pytest.approx((.4, .4), rel=.05)


def faces(width: float, depth: float) -> np.ndarray:
    """Return points of a box's front and one side."""
    dice = np.random.default_rng(2)
    along, across, height = (dice.uniform(0, size, 500) for size in (width, depth, .4))
    return np.concatenate([np.stack([along, np.zeros(500), height], 1),
                           np.stack([np.zeros(500), across, height], 1)])


@pytest.mark.parametrize('points', [
    faces(.4, .4), faces(.5, .2), faces(.5, .02),                   # corners
    faces(.4, .3)[:500],                                            # one face
    np.random.default_rng(3).uniform(-.2, .2, (1000, 3)),           # nothing in particular
    arc(lambda height: np.full_like(height, .2), 60),               # too little is seen
    arc(lambda height: np.full_like(height, .2), 170, count=20),    # too few points
    np.zeros((1, 3)), np.zeros((50, 3)), np.eye(3)])
def test_what_is_not_round_keeps_its_box(points) -> None:
    box = fit_box(points)
    assert complete_round(box, points) is box


def test_a_round_object_that_is_seen_as_a_whole_keeps_its_size() -> None:
    points = arc(lambda height: np.full_like(height, .2), 360)
    box = complete_round(fit_box(points), points)
    assert isinstance(box, Box)
    assert box.size[:2] == pytest.approx((.4, .4), rel=.01)
