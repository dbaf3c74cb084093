# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Transforms at a moment: interpolated, never extrapolated; what is said where there is none."""

from __future__ import annotations

import math
import threading
import time

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from eov_seg_core.geometry import as_matrix, invert, NoTransformError, TransformBuffer, transforms

NO_TURN = (0.0, 0.0, 0.0, 1.0)
SECOND = 10**9


def yaw(degrees: float) -> tuple[float, float, float, float]:
    half = math.radians(degrees) / 2
    return 0.0, 0.0, math.sin(half), math.cos(half)


@pytest.fixture
def buffer() -> TransformBuffer:
    """odom -> base moves one metre a second along x and turns 90 degrees; the camera is fixed."""
    buffer = TransformBuffer()
    buffer.add('odom', 'base', 1 * SECOND, (1, 0, 0), yaw(0))
    buffer.add('/odom', '/base', 2 * SECOND, (2, 0, 0), yaw(90))
    buffer.add('base', 'eye', 0, (0, 0.5, 1), NO_TURN, is_static=True)
    return buffer


def test_a_pose_between_two_stamps_is_interpolated(buffer) -> None:
    assert buffer.pose('odom', 'base', 3 * SECOND // 2) == pytest.approx(
        as_matrix(((1.5, 0, 0), yaw(45))))
    assert buffer.pose('odom', 'base', 2 * SECOND) == pytest.approx(
        as_matrix(((2, 0, 0), yaw(90))))
    assert buffer.pose('odom', 'eye', 2 * SECOND)[:3, 3] == pytest.approx([1.5, 0, 1])


def test_the_way_may_lead_down_and_sideways(buffer) -> None:
    buffer.add('odom', 'dock', 0, (5, 0, 0), NO_TURN, is_static=True)
    assert buffer.pose('base', 'odom', SECOND) == pytest.approx(
        invert(buffer.pose('odom', 'base', SECOND)))
    assert buffer.pose('dock', 'eye', SECOND)[:3, 3] == pytest.approx([-4, 0.5, 1])
    assert buffer.pose('eye', 'eye', 77) == pytest.approx(np.eye(4))


@pytest.mark.parametrize(('target', 'source', 'stamp_s', 'kind', 'text'), [
    ('odom', 'base', 2.03, 'late', 'is 0.030 s older than the image: it comes late'),
    ('odom', 'base', 62.0, 'late', 'is 60.000 s older than the image: it stopped, or the clocks'),
    ('odom', 'base', 0.5, 'early', 'is 0.500 s newer than the image'),
    ('odom', 'lens', 1.0, 'unknown', "no transform has come for the frame 'lens' (known frames: "
                                     'eye, moon, base, crater, odom)'),
    ('map', 'eye', 1.0, 'unknown', "the frame 'map'"),
    ('odom', 'base', 1e7, 'late', 'is 116 days older than the image'),
    ('crater', 'eye', 1.0, 'apart', "'crater' and 'eye' are in two trees that do not join, one "
                                    "below 'moon' and one below 'odom'"),
])
def test_where_there_is_none_it_says_why(buffer, target, source, stamp_s, kind, text) -> None:
    buffer.add('moon', 'crater', 0, (0, 0, 0), NO_TURN, is_static=True)
    with pytest.raises(NoTransformError) as caught:
        buffer.pose(target, source, round(stamp_s * SECOND))
    assert caught.value.kind == kind
    assert text in str(caught.value)


def test_nothing_is_known_at_first() -> None:
    with pytest.raises(NoTransformError, match="at all; expected those from 'odom' to 'eye'"):
        TransformBuffer().pose('odom', 'eye', 1)


def test_it_waits_for_a_transform_that_is_late_only(buffer) -> None:
    timer = threading.Timer(0.1, buffer.add, ('odom', 'base', 3 * SECOND, (3, 0, 0), yaw(90)))
    timer.start()
    assert buffer.pose('odom', 'base', 5 * SECOND // 2, wait_s=5.0)[0, 3] == pytest.approx(2.5)
    timer.join()
    began_s = time.monotonic()
    for stamp_s, source in ((60, 'base'), (0.5, 'base'), (2, 'nowhere')):
        with pytest.raises(NoTransformError):
            buffer.pose('odom', source, round(stamp_s * SECOND), wait_s=5.0)
    assert time.monotonic() - began_s < 2
    with pytest.raises(NoTransformError, match='0.500 s older'):
        buffer.pose('odom', 'base', 7 * SECOND // 2, wait_s=0.05)


def test_a_recording_that_starts_again_begins_anew(buffer) -> None:
    for step in range(30):
        buffer.add('odom', 'base', (100 + step) * SECOND, (step, 0, 0), NO_TURN)
    with pytest.raises(NoTransformError, match='newer than the image'):
        buffer.pose('odom', 'base', 2 * SECOND)         # older than ten seconds: forgotten
    buffer.add('odom', 'base', 1 * SECOND, (7, 0, 0), NO_TURN)
    assert buffer.pose('odom', 'base', 1 * SECOND)[0, 3] == 7
    with pytest.raises(NoTransformError, match='older than the image'):
        buffer.pose('odom', 'base', 120 * SECOND)


def test_transforms_of_one_moment_do_not_fill_the_memory(buffer, monkeypatch) -> None:
    monkeypatch.setattr(transforms, '_MOST_KEPT', 100)
    for stamp_ns in range(2 * SECOND, 2 * SECOND + 500):
        buffer.add('odom', 'base', stamp_ns, (3, 0, 0), NO_TURN)
    assert len(buffer._edges['base'].stamps_ns) <= 101
    assert buffer.pose('odom', 'base', 2 * SECOND + 499)[0, 3] == 3


def test_messages_may_overtake_one_another(buffer) -> None:
    buffer.add('odom', 'base', 3 * SECOND // 2, (9, 0, 0), NO_TURN)
    assert buffer.pose('odom', 'base', 3 * SECOND // 2)[0, 3] == 9
    buffer.add('odom', 'base', 3 * SECOND // 2, (8, 0, 0), NO_TURN)
    assert buffer.pose('odom', 'base', 3 * SECOND // 2)[0, 3] == 8


def test_a_circle_of_frames_ends(buffer) -> None:
    buffer.add('b', 'a', 0, (1, 0, 0), NO_TURN, is_static=True)
    buffer.add('a', 'b', 0, (1, 0, 0), NO_TURN, is_static=True)
    with pytest.raises(NoTransformError, match='do not join'):
        buffer.pose('odom', 'a', SECOND)


@pytest.mark.parametrize(('parent', 'child', 'translation', 'quaternion'), [
    ('odom', 'odom', (0, 0, 0), NO_TURN), ('', 'base', (0, 0, 0), NO_TURN),
    ('odom', '/', (0, 0, 0), NO_TURN), ('odom', 'base', (0, 0, math.nan), NO_TURN),
    ('odom', 'base', (0, 0, 0), (0.0, 0.0, 0.0, 0.0))])
def test_what_is_no_transform_is_refused(buffer, parent, child, translation, quaternion) -> None:
    with pytest.raises(ValueError, match='expected|pose'):
        buffer.add(parent, child, 5 * SECOND, translation, quaternion)
    assert buffer.pose('odom', 'base', 2 * SECOND)[0, 3] == 2


angle = st.floats(-3, 3)


@settings(max_examples=50)
@given(first=st.tuples(angle, angle, angle, angle), second=st.tuples(angle, angle, angle, angle),
       part=st.floats(0, 1))
def test_a_turn_between_two_is_a_turn_on_the_short_way(first, second, part) -> None:
    buffer = TransformBuffer()
    if np.linalg.norm(first) < .1 or np.linalg.norm(second) < .1:
        return
    buffer.add('a', 'b', 0, (0, 0, 0), first)
    buffer.add('a', 'b', 10**6, (1, 2, 3), second)
    matrices = [buffer.pose('a', 'b', stamp)[:3, :3] for stamp in (0, round(part * 10**6), 10**6)]

    def apart(one, other) -> float:
        return math.acos(np.clip((np.trace(one.T @ other) - 1) / 2, -1, 1))

    whole = apart(matrices[0], matrices[2])
    assert matrices[1] @ matrices[1].T == pytest.approx(np.eye(3), abs=1e-9)
    assert apart(matrices[0], matrices[1]) == pytest.approx(
        round(part * 10**6) / 10**6 * whole, abs=2e-3)
