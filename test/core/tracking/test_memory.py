# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from memory_case import CAMERA, CUP, ELSEWHERE, show, view, WALL
import numpy as np
import pytest

from eov_seg_core.geometry import Box, LEVEL_CAMERA
from eov_seg_core.tracking import memory as memory_module
from eov_seg_core.tracking import ObjectMemory, TrackingOptions
from eov_seg_core.tracking.memory import compare_depth, Unplaced


def state(memory: ObjectMemory, name: str = 'cup') -> str | None:
    found = memory.find(name)
    return found[0].state if found else None


@pytest.fixture
def memory() -> ObjectMemory:
    memory = ObjectMemory()
    for stamp_s in (0., 1., 2.):
        show(memory, stamp_s, cup_1=CUP, box_2=ELSEWHERE)
    return memory


def test_none_and_one() -> None:
    memory = ObjectMemory()
    assert (memory.objects(), memory.find('cup'), len(memory)) == ([], [], 0)
    show(memory, 0.)
    show(memory, 1., cup_1=CUP)
    assert len(memory) == 1
    assert memory.objects() == []       # seen once


def test_an_object_is_confirmed_after_hits_and_time(memory) -> None:
    cup, box = memory.objects()
    assert (cup.id, cup.name, cup.state, cup.hits, cup.share) == (1, 'cup', 'visible', 3, 1)
    assert (cup.first_seen_s, cup.last_seen_s) == (0, 2)
    assert cup.box.center == pytest.approx(CUP.center)
    assert np.array_equal(cup.viewpoint, LEVEL_CAMERA)
    assert box.id == 2
    soon = ObjectMemory()
    for stamp_s in (0., .1, .2):
        show(soon, stamp_s, cup_1=CUP)
    assert soon.objects() == []


def test_a_free_place_is_missing_after_five_looks(memory) -> None:
    for look in range(5):
        assert state(memory) == ('visible' if look == 0 else 'remembered')
        show(memory, 3. + look, box_2=ELSEWHERE)
    assert state(memory) == 'missing'
    assert state(memory, 'box') == 'visible'
    assert [item.id for item in memory.objects()] == [2]
    assert memory.find('CUP ', include_missing=False) == []
    show(memory, 9., cup_1=CUP, box_2=ELSEWHERE)
    assert state(memory) == 'visible'


@pytest.mark.parametrize('depth_m', [
    np.full_like(WALL, 1.0),                                # hidden
    np.full_like(WALL, np.nan),                             # nothing measured
    np.where(np.arange(160) < 110, np.nan, WALL).astype(np.float32),     # too little of it
    np.full_like(WALL, 2.1),                                # not clearly behind
])
def test_no_other_look_is_evidence(memory, depth_m) -> None:
    for look in range(8):
        show(memory, 3. + look, depth_m, box_2=ELSEWHERE)
    assert state(memory) == 'remembered'


def test_a_frame_that_shows_nothing_is_no_evidence(memory) -> None:
    for look in range(10):
        show(memory, 3. + look)
    assert state(memory) == 'remembered'


def test_free_places_are_those_of_a_loop() -> None:
    dice = np.random.default_rng(0)
    depth_m = dice.uniform(.5, 6, (120, 160)).astype(np.float32)
    points = dice.uniform((-3, -2, -1), (3, 2, 6), (500, 3))
    free, surface = compare_depth(points, depth_m, CAMERA)
    for (x, y, z), is_free, is_surface in zip(points, free, surface):
        column, row = 115 * x / z + 79.5, 115 * y / z + 59.5
        is_in_view = 0 < z < 5 and 2.5 <= column <= 156.5 and 2.5 <= row <= 116.5
        behind_m = depth_m[round(row), round(column)] - z if is_in_view else np.nan
        assert is_free == (behind_m > .1 + .02 * z)
        assert is_surface == (abs(behind_m) <= .1 + .02 * z)
    assert free.any()
    assert surface.any()


CUP_IN_VIEW = np.full_like(WALL, 2.0)


def test_an_object_that_few_of_its_looks_showed_is_not_believed(memory) -> None:
    for look in range(9):       # 3 of 12 frames
        show(memory, 3. + look, CUP_IN_VIEW, box_2=ELSEWHERE)
    assert state(memory) == 'remembered'
    show(memory, 12., CUP_IN_VIEW, box_2=ELSEWHERE)
    assert state(memory) is None
    assert state(memory, 'box') == 'visible'
    show(memory, 13., CUP_IN_VIEW, box_2=ELSEWHERE, cup_1=CUP)
    assert state(memory) == 'visible'


@pytest.mark.parametrize('missed', [200, 800])
def test_what_was_not_segmented_for_long_is_believed_soon_when_it_is_again(memory, missed) -> None:
    for look in range(missed):      # as while the threshold of scores is raised
        show(memory, 3. + look / 10, CUP_IN_VIEW, box_2=ELSEWHERE)
    assert state(memory) is None
    for look in range(39):
        show(memory, 400. + look / 10, CUP_IN_VIEW, cup_1=CUP, box_2=ELSEWHERE)
    assert state(memory) is None
    show(memory, 404., CUP_IN_VIEW, cup_1=CUP, box_2=ELSEWHERE)
    assert state(memory) == 'visible'


def test_a_part_of_zero_believes_everything() -> None:
    memory = ObjectMemory(TrackingOptions(min_seen_part=0))
    for stamp_s in range(3):
        show(memory, stamp_s, cup_1=CUP)
    for look in range(100):
        show(memory, 3. + look, CUP_IN_VIEW, box_2=ELSEWHERE)
    assert state(memory) == 'remembered'


FARTHER = LEVEL_CAMERA.copy()
FARTHER[0, 3] = -.8     # 2.8 m from the cup, which was seen from 2 m

BEHIND = np.diag([-1., -1., 1., 1.]) @ LEVEL_CAMERA
BEHIND[0, 3] = 3.9      # on the other side of the cup


@pytest.mark.parametrize('frame', [
    {'depth_m': np.full_like(WALL, 1.0)},       # hidden
    {'depth_m': np.full_like(WALL, np.nan)},
    {'depth_m': np.where(np.arange(160) < 76, CUP_IN_VIEW, 1.0).astype(np.float32)},
    {'depth_m': CUP_IN_VIEW, 'unplaced': [Unplaced(1, 'mug', (0, 0))]},
    {'depth_m': np.full_like(WALL, 2.8), 'pose': FARTHER},
    {'depth_m': np.full_like(WALL, 1.9), 'pose': BEHIND},
], ids=['hidden', 'unknown', 'half hidden', 'without a place', 'farther', 'behind'])
def test_what_could_not_be_seen_is_not_missed(memory, frame) -> None:
    for look in range(20):
        show(memory, 3. + look, box_2=ELSEWHERE, **frame)
    assert state(memory) == 'remembered'


def test_a_name_that_is_not_looked_for_is_not_missed(memory) -> None:
    memory.keep_names(['box'])
    for look in range(20):
        show(memory, 3. + look, CUP_IN_VIEW, box_2=ELSEWHERE)
    show(memory, 23., CUP_IN_VIEW, cup_1=CUP)
    assert state(memory) == 'visible'


def test_while_another_id_was_seen_at_its_place_an_object_was_not_missed(memory) -> None:
    for look in range(10):
        show(memory, 3. + look, CUP_IN_VIEW, cup_1=CUP, box_2=ELSEWHERE)
    for look in range(30):
        box = Box((2., .5, 0), CUP.size)    # at first beside it
        show(memory, 13. + look, CUP_IN_VIEW, cup_7=box)
    assert show(memory, 43., CUP_IN_VIEW, cup_7=CUP) == {7: 1}
    assert state(memory) == 'visible'
    stored = ObjectMemory()
    stored.restore(memory.as_plain())
    assert stored.as_plain() == memory.as_plain()


def test_a_stored_memory_of_before_misses_nothing(memory) -> None:
    plain = memory.as_plain()
    for item in plain['objects']:
        del item['misses'], item['farthest_m']
    stored = ObjectMemory()
    stored.restore(plain)
    for look in range(20):
        show(stored, 3. + look, CUP_IN_VIEW, box_2=ELSEWHERE)
    assert state(stored) == 'remembered'


def test_an_object_that_was_moved_starts_anew(memory) -> None:
    memory.see(1, view(Box((2.6, 0, 0), CUP.size)), 100, LEVEL_CAMERA, 3.)
    assert memory.box(1).center == pytest.approx((2.6, 0, 0), abs=.02)


def test_two_ids_at_one_place_become_the_older_one(memory) -> None:
    near = Box((2.12, 0, 0), CUP.size)
    assert show(memory, 3., cup_7=near) == {7: 1}
    assert len(memory) == 2


def test_neighbours_stay_two(memory) -> None:
    near = Box((2.12, 0, 0), CUP.size)
    show(memory, 4., cup_1=CUP, cup_8=near)     # seen side by side
    assert show(memory, 5., cup_8=near) == {}
    assert show(memory, 6., box_9=near) == {9: 8}   # nearly all of one place, whatever the name
    assert show(memory, 7., box_10=Box((2, .12, 0), CUP.size)) == {}    # another name


def test_what_fills_one_place_is_one_as_soon_as_it_is_seen_as_one(memory) -> None:
    same = Box((2.02, 0, 0), CUP.size)
    assert show(memory, 3., cup_1=CUP, box_7=same) == {}    # two segments of a frame: two ids
    assert show(memory, 4., box_7=same) == {7: 1}
    assert len(memory) == 2


def test_old_objects_are_forgotten_and_all_on_request() -> None:
    memory = ObjectMemory(TrackingOptions(memory_s=10))
    for stamp_s in (0., 1., 2.):
        show(memory, stamp_s, cup_1=CUP)
    show(memory, 12., box_2=ELSEWHERE)
    assert state(memory) is not None
    show(memory, 12.5, box_2=ELSEWHERE)
    assert state(memory) is None
    memory.forget()
    assert len(memory) == 0


def test_words_and_time_may_change(memory) -> None:
    memory.keep_names({'box'})
    assert [item.id for item in memory.objects()] == [2]
    memory.rewind(1.)
    assert memory.objects()[0].last_seen_s == 1


def test_those_seen_last_come_first(memory) -> None:
    far = Box((2, 1, 0), CUP.size)
    for stamp_s in (3., 4., 5.):
        show(memory, stamp_s, cup_5=far)
    assert [item.id for item in memory.find('cup')] == [5, 1]


def test_a_full_memory_keeps_what_is_in_view(memory, monkeypatch) -> None:
    monkeypatch.setattr(memory_module, 'MOST_OBJECTS', 2)
    show(memory, 3., cup_7=Box((2, 1, 0), CUP.size))
    assert 7 in memory.numbers
    assert len(memory) == 2


@pytest.mark.parametrize(('depth_m', 'moved'), [(WALL, True), (np.full_like(WALL, 1.9), False)])
def test_the_box_of_what_moves_slowly_does_not_reach_over_its_way(depth_m, moved) -> None:
    memory = ObjectMemory()
    for step in range(21):
        show(memory, step / 5, depth_m, cup_1=Box((2, .02 * step, 0), (.1, .1, .2)))
    size, at = memory.box(1).size, memory.box(1).center
    assert (size[0] < .3) == moved
    assert (abs(at[1] - .4) < .1) == moved
