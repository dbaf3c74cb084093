# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which depth belongs to which image."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import pytest

from eov_seg_ros.space.pairing import PairCounts, Pairing

MS = 10**6


@pytest.fixture
def pairing() -> Pairing:
    return Pairing(sync_s=0.005, wait_s=0.1)


def test_without_images_or_depth_there_is_nothing(pairing):
    assert pairing.ready(0.0) is None
    assert not pairing.is_waiting
    assert pairing.distances_ns == []
    assert pairing.depth_came(0, 'depth', 0.0) is None


def test_equal_stamps_are_a_pair_whichever_comes_first(pairing):
    assert pairing.image_came(100 * MS, 'a', 0.0) is None
    assert pairing.depth_came(100 * MS, 'A', 0.01) == ('a', 'A')
    assert pairing.depth_came(200 * MS, 'B', 0.1) is None
    assert pairing.image_came(200 * MS, 'b', 0.11) == ('b', 'B')
    assert pairing.counts == PairCounts(matched=2)
    assert pairing.distances_ns == [0, 0]


def test_a_near_depth_is_taken_once_no_nearer_one_can_come(pairing):
    pairing.depth_came(97 * MS, 'far', 0.0)
    assert pairing.image_came(100 * MS, 'image', 0.0) is None
    assert pairing.depth_came(102 * MS, 'near', 0.0) == ('image', 'near')


def test_a_depth_before_the_image_is_taken_after_the_wait(pairing):
    pairing.depth_came(97 * MS, 'depth', 0.0)
    assert pairing.image_came(100 * MS, 'image', 0.0) is None
    assert pairing.ready(0.09) is None
    assert pairing.ready(0.1) == ('image', 'depth')


def test_a_distance_of_exactly_the_limit_is_a_pair_and_more_is_none(pairing):
    pairing.depth_came(105 * MS, 'depth', 0.0)
    assert pairing.image_came(100 * MS, 'image', 0.0) == ('image', 'depth')
    pairing.depth_came(205 * MS + 1, 'depth', 0.0)
    assert pairing.image_came(200 * MS, 'image', 0.0) == ('image', None)
    assert pairing.counts == PairCounts(matched=1, unmatched=1)


def test_with_a_limit_of_zero_only_equal_stamps_are_a_pair():
    pairing = Pairing(sync_s=0.0, wait_s=0.0)
    pairing.depth_came(100 * MS, 'depth', 0.0)
    assert pairing.image_came(100 * MS, 'image', 0.0) == ('image', 'depth')
    assert pairing.image_came(100 * MS + 1, 'image', 0.0) == ('image', None)


def test_without_depth_an_image_goes_on_after_the_wait(pairing):
    assert pairing.image_came(100 * MS, 'image', 5.0) is None
    assert pairing.ready(5.2) == ('image', None)
    assert not pairing.is_waiting


def test_the_newest_ready_image_replaces_older_ones(pairing):
    for number in range(5):
        pairing.image_came(number * MS * 30, number, 0.0)
    assert pairing.ready(0.2) == (4, None)
    assert pairing.counts == PairCounts(unmatched=1, superseded=4)


def test_when_time_goes_back_all_starts_anew(pairing):
    pairing.depth_came(10_000 * MS, 'old', 0.0)
    pairing.image_came(10_050 * MS, 'old', 0.0)
    assert pairing.depth_came(100 * MS, 'A', 1.0) is None
    assert pairing.image_came(100 * MS, 'a', 1.0) == ('a', 'A')
    assert pairing.counts == PairCounts(matched=1, superseded=1, clock_jumps=1)


def test_the_time_between_images_is_that_of_most(pairing):
    assert pairing.image_period_ns == 0
    for stamp_ms in (0, 100, 200, 500, 600):
        pairing.image_came(stamp_ms * MS, '', 0.0)
        pairing.depth_came(3 * stamp_ms * MS, '', 0.0)
    assert (pairing.image_period_ns, pairing.depth_period_ns) == (100 * MS, 300 * MS)


def test_a_small_step_back_is_no_jump(pairing):
    pairing.image_came(150 * MS, 'late', 0.0)
    pairing.image_came(100 * MS, 'early', 0.0)
    assert pairing.counts.clock_jumps == 0


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 400)), max_size=60))
def test_each_image_is_counted_once_and_no_pair_is_farther_apart_than_allowed(events):
    pairing = Pairing(sync_s=0.005, wait_s=0.05)
    pairs = []
    images = 0
    for number, (is_image, stamp_ms) in enumerate(events):
        come = pairing.image_came if is_image else pairing.depth_came
        images += is_image
        pairs.append(come(stamp_ms * MS, stamp_ms, number * 0.01))
    pairs = [pair for pair in pairs if pair is not None]
    waiting = len(events)
    while pairing.is_waiting:
        waiting += 1
        pairs += [pair for pair in [pairing.ready(waiting)] if pair is not None]
    counts = pairing.counts
    assert counts.matched + counts.unmatched + counts.superseded == images
    assert counts.matched == sum(pair.depth is not None for pair in pairs)
    assert all(abs(pair.image - pair.depth) <= 5 for pair in pairs if pair.depth is not None)
