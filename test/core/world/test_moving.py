# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Things that move: on free ways, with what stands on them, and back again."""

from __future__ import annotations

import numpy as np
import pytest

from eov_seg_core.world import generate_scene, MovingThings


@pytest.mark.parametrize('seed', [7, 31, 101])
def test_things_move_meet_nothing_and_come_back(seed) -> None:
    scene = generate_scene(seed)
    things = MovingThings(scene, 3)
    assert things.ids
    for part in (0.0, 1.0):
        for before, now in zip(scene.objects, things.at(part).objects):
            assert now.box.center == pytest.approx(before.box.center)
    far = things.at(0.5)
    for before, now in zip(scene.objects, far.objects):
        shift = np.subtract(now.box.center, before.box.center)
        assert (np.abs(shift).max() > 0.2) == (now.id in things.ids)
        assert shift[2] == 0
        np.testing.assert_allclose(now.extent[0] - before.extent[0], shift, atol=1e-9)
        assert now.stands_on not in things.ids or now.id in things.ids
        assert far.room.contains(now.box.center)
    moved = [item for item in far.objects if item.id in things.ids and item.stands_on == 1]
    still = [item for item in far.objects if item.is_thing and item.id not in things.ids]
    for item in moved:
        for other in still:
            low, high = np.maximum(item.extent[0], other.extent[0]), np.minimum(item.extent[1],
                                                                                other.extent[1])
            assert not (low < high).all(), f'{item.name} meets {other.name}'


def test_without_movement_the_room_is_the_same() -> None:
    scene = generate_scene(7)
    assert MovingThings(scene, 0).at(0.3) is scene
    assert not MovingThings(scene, 0).ids


def test_no_more_things_move_than_asked_for() -> None:
    scene = generate_scene(7)
    on_floor = {item.id for item in scene.objects if item.stands_on == 1}
    assert len(MovingThings(scene, 2).ids & on_floor) <= 2
    assert MovingThings(scene, 100).ids >= MovingThings(scene, 2).ids
