# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ids, votes, overlaps, assignment, motion and collected points, each alone."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from eov_seg_core.geometry import Box, box_iou, CameraModel
from eov_seg_core.tracking import TrackingOptions
from eov_seg_core.tracking.association import assign, box_overlaps, overlaps
from eov_seg_core.tracking.identity import ClassVotes, IdPool, MOST_IDS
from eov_seg_core.tracking.motion import borders, shift_between, shift_labels, Space, warp_labels
from eov_seg_core.tracking.points import ObjectPoints


def test_ids_go_round_and_leave_out_what_is_taken() -> None:
    pool = IdPool()
    assert [pool.draw(()), pool.draw({2}), pool.draw({2})] == [1, 3, 4]
    all_but_one = set(range(1, MOST_IDS + 1)) - {2}
    assert pool.draw(all_but_one) == 2
    assert pool.draw(()) == 3
    with pytest.raises(RuntimeError, match='taken'):
        pool.draw(range(1, MOST_IDS + 1))


def test_votes_follow_only_a_clear_lead_and_fade() -> None:
    votes = ClassVotes(1.0)
    assert votes.leader is None
    for stamp_s, name, leader in ((0., 'sofa', 'sofa'), (0., 'chair', 'sofa'),
                                  (0., 'chair', 'chair'), (5., 'sofa', 'sofa')):
        votes.add(name, 1.0, stamp_s)
        assert votes.leader == leader
    assert votes.share('sofa') == pytest.approx((1 + 2 ** -5) / (1 + 3 * 2 ** -5))
    votes.keep({'chair'})
    assert votes.leader is None
    assert votes.share('sofa') == 0
    newest = ClassVotes(0)
    for name in ('sofa', 'chair'):
        newest.add(name, 1.0, 0.0)
    assert newest.leader == 'chair'


label_maps = st.lists(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.booleans()),
                               min_size=4, max_size=4), min_size=1, max_size=4)


@given(label_maps)
def test_overlaps_are_those_of_a_loop(pixels) -> None:
    cells = np.array(pixels, np.int32)
    tracks, segments, comparable = cells[..., 0], cells[..., 1], cells[..., 2] > 0
    scores = overlaps(tracks, segments, comparable, (3, 2))
    for track in range(1, 4):
        for segment in range(1, 3):
            first = (tracks == track) & comparable
            second = (segments == segment) & comparable
            expected = (first & second).sum() / max((first | second).sum(), 1)
            if second.sum() < .3 * (segments == segment).sum():
                expected = 0
            assert scores[track - 1, segment - 1] == pytest.approx(expected)


@given(st.lists(st.lists(st.sampled_from([0., .2, .4, .7, 1.]), min_size=3, max_size=3),
                max_size=4))
@settings(deadline=None)
def test_the_assignment_has_the_greatest_sum(rows) -> None:
    scores = np.array(rows).reshape(-1, 3)
    partner = assign(scores, .3, [range(3)])
    allowed = np.where(scores >= .3, scores, 0)
    padded = np.vstack([allowed, np.zeros((3, 3))])
    best = max(sum(padded[row, column] for column, row in enumerate(order))
               for order in permutations(range(len(padded)), 3))
    assert sum(scores[row, column] for column, row in partner.items()) == pytest.approx(best)
    assert len(set(partner.values())) == len(partner)
    assert all(scores[row, column] >= .3 for column, row in partner.items())


def test_columns_in_turn() -> None:
    scores = np.array([[.9, .5], [.8, 0.]])
    assert assign(scores, .3, [[0, 1]]) == {0: 1, 1: 0}
    assert assign(scores, .3, [[0], [1]]) == {0: 0}
    assert assign(np.zeros((0, 0)), .3, [[], []]) == {}


def test_boxes_that_miss_each_other_by_little_have_a_score() -> None:
    one = (0, 0, 10, 10)
    scores = box_overlaps([one], [one, (5, 0, 15, 10), (20, 0, 30, 10), (60, 0, 70, 10)])
    assert scores[0] == pytest.approx([1, 1 / 3, .1, 0])
    assert box_overlaps([], [one]).shape == (0, 1)


def test_labels_move_with_the_camera() -> None:
    camera = CameraModel(8, 6, 8, 8, 3.5, 2.5)
    labels = np.arange(48, dtype=np.int32).reshape(6, 8)
    depth_m = np.full((6, 8), 2.0, np.float32)      # a wall; a pixel is 25 cm wide there
    depth_m[5, 7] = np.nan
    before = Space(depth_m, camera, np.eye(4))
    moved, both = warp_labels(labels, before, before)
    assert np.array_equal(both, np.isfinite(depth_m))
    assert np.array_equal(moved[both], labels[both])
    pose = np.eye(4)
    pose[0, 3] = .25        # to the right: things go one pixel to the left
    moved, both = warp_labels(labels, before, Space(depth_m, camera, pose))
    assert not both[:, 7].any()
    assert np.array_equal(moved[:5, :7], labels[:5, 1:])
    nearer = Space(depth_m - 1, camera, np.eye(4))
    assert not warp_labels(labels, before, nearer)[1].any()      # something is in between


@given(st.integers(-7, 7), st.integers(-7, 7))
def test_a_shift_is_what_a_loop_does(right, down) -> None:
    labels = np.arange(1, 21, dtype=np.int32).reshape(4, 5)
    moved, known = shift_labels(labels, (right, down))
    for row, column in np.ndindex(4, 5):
        come = row - down, column - right
        inside = 0 <= come[0] < 4 and 0 <= come[1] < 5
        assert known[row, column] == inside
        assert moved[row, column] == (labels[come] if inside else 0)


def test_the_shift_of_a_picture_is_found() -> None:
    labels = np.random.default_rng(0).integers(0, 3, (12, 16)).repeat(8, axis=0).repeat(8, axis=1)
    before, now = borders(labels[:80, :112]), borders(labels[6:86, 10:122])
    assert shift_between(before, now) == (-10, -6)
    assert shift_between(before * 0, now * 0) == (0, 0)


def test_one_wrong_point_of_many_views_does_not_count() -> None:
    points = ObjectPoints()
    cube = np.random.default_rng(0).uniform(0, 1, (400, 3)) * (.4, .3, .2)
    points.add(np.concatenate([cube, [[3., 3, 3]]]))
    assert points.box.size[2] > 1
    for _ in range(30):
        points.add(cube)
    assert box_iou(points.box, Box((.2, .15, .1), (.4, .3, .2))) > .9


def test_many_points_are_thinned_and_keep_the_box() -> None:
    points = ObjectPoints()
    for seed in range(6):
        points.add(np.random.default_rng(seed).uniform(0, 2, (2000, 3)))
    assert len(points.reliable) <= 2000
    assert box_iou(points.box, Box((1, 1, 1), (2, 2, 2))) > .8
    one = ObjectPoints()
    one.add(np.array([[1., 2, 3]]))
    assert one.box.center == (1, 2, 3)


@pytest.mark.parametrize('wrong', [{'track_iou': 1.5}, {'reid_gate_m': -1}, {'min_hits': 0},
                                   {'memory_s': float('nan')}])
def test_options_out_of_range_are_refused(wrong) -> None:
    with pytest.raises(ValueError, match='expected'):
        TrackingOptions(**wrong)
