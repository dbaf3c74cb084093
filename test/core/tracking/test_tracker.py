# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from eov_seg_core.geometry import CameraModel, LEVEL_CAMERA
from eov_seg_core.results.result import PanopticResult, Segment
from eov_seg_core.tracking import ObjectMemory, Tracker, TrackingOptions
from eov_seg_core.vocabulary import Vocabulary
from eov_seg_core.world import camera_path, generate_scene, render
from training.world.video import camera_model, truth_result, WORLD

FRAMES = 24     # of a lap: 15 degrees from one to the next


@pytest.fixture(scope='module')
def lap():
    """Everything of one lap through a room: (camera, frame), 160 x 120."""
    scene = generate_scene(31)
    return [(camera, render(scene, camera)) for camera in camera_path(scene, FRAMES, 0, 160, 120)]


def show(tracker, shot, stamp_s, in_space=True, without=(), rename=None):
    """Return the lasting id of every true thing, by its true id."""
    camera, frame = shot
    ids = np.where(np.isin(frame.ids, list(without)), 1, frame.ids)
    result, objects = truth_result(frame, ids, min_area=20)
    if rename:
        result.segments[:] = [replace(item, name=rename.get(item.name, item.name))
                              for item in result.segments]
    space = {'depth_m': frame.depth, 'pose': camera.pose, 'camera': camera_model(camera)}
    tracked = tracker.update(result, stamp_s=stamp_s, **(space if in_space else {}))
    assert tracked.in_space == in_space
    assert tracked.result is result
    for number, item in zip(tracked.track_ids, tracked.segments):
        assert (tracked.instance[result.instance == number] == item.id).all()
        assert (tracked.semantic[result.instance == number] == item.class_id).all()
    return {objects[number].id: track for number, track in tracked.track_ids.items()
            if objects[number].is_thing}


def same(first: dict, second: dict) -> bool:
    """Say whether the objects in both have one id, and there are some."""
    shared = first.keys() & second.keys()
    return bool(shared) and all(first[number] == second[number] for number in shared)


def test_ids_stay_over_two_laps(lap) -> None:
    tracker = Tracker(WORLD)
    seen: dict[int, int] = {}
    for step in range(2 * FRAMES):
        found = show(tracker, lap[step % FRAMES], step / 2)
        assert all(seen.setdefault(true, number) == number for true, number in found.items())
    assert len(seen) == len(set(seen.values())) > 5


def test_memory_holds_the_room_and_nothing_else(lap) -> None:
    tracker = Tracker(WORLD)
    for step in range(2 * FRAMES):
        show(tracker, lap[step % FRAMES], step / 2)
    often = {item.id: item for _, frame in lap for item in frame.objects
             if item.is_thing and sum(
                 other[1].objects[item.id - 1].area >= 60 for other in lap) >= 3}
    objects = tracker.memory.objects()
    for truth in often.values():
        assert any(item.name == truth.name and np.linalg.norm(
            np.subtract(item.box.center, truth.box.center)) < .3 for item in objects), truth.name


def test_without_depth_ids_stay_while_the_image_shows_them(lap) -> None:
    tracker = Tracker(WORLD)
    first = show(tracker, lap[0], 0., in_space=False)
    assert same(first, show(tracker, lap[0], .2, in_space=False))
    assert len(tracker.memory) == 0


def test_depth_may_come_and_go(lap) -> None:
    tracker = Tracker(WORLD)
    first = show(tracker, lap[0], 0.)
    for stamp_s, in_space in ((.2, False), (.4, True), (.6, True)):
        assert same(first, show(tracker, lap[0], stamp_s, in_space=in_space))


def test_a_dropout_of_two_seconds_keeps_ids(lap) -> None:
    for missing in ('segments', 'frames'):
        tracker = Tracker(WORLD)
        first = show(tracker, lap[0], 0.)
        for step in range(1, 10 if missing == 'segments' else 1):
            assert show(tracker, lap[0], .2 * step, without=first) == {}
        assert show(tracker, lap[0], 2.) == first


@pytest.mark.parametrize('in_space', [True, False])
def test_an_object_that_drops_out_is_bridged(lap, in_space) -> None:
    tracker = Tracker(WORLD)
    first = show(tracker, lap[0], 0., in_space)
    gone = list(first)[:1]
    show(tracker, lap[0], .2, in_space, without=gone)
    assert show(tracker, lap[0], .4, in_space) == first
    if not in_space:
        show(tracker, lap[0], .6, in_space, without=gone)
        assert show(tracker, lap[0], 4., in_space)[gone[0]] != first[gone[0]]


def test_a_recording_that_starts_again_keeps_ids_in_space(lap) -> None:
    tracker = Tracker(WORLD)
    first = show(tracker, lap[0], 100.)
    assert show(tracker, lap[0], 5.) == first
    flat = Tracker(WORLD)
    before = show(flat, lap[0], 100., in_space=False)
    after = show(flat, lap[0], 5., in_space=False)
    assert not set(before.values()) & set(after.values())    # tracks end, ids go on


def test_a_long_silence_ends_tracks_in_the_image_only(lap) -> None:
    for in_space in (True, False):
        tracker = Tracker(WORLD)
        first = show(tracker, lap[0], 0., in_space)
        assert (show(tracker, lap[0], 11., in_space) == first) == in_space


def test_a_frame_that_is_not_newer_is_left_out(lap) -> None:
    tracker = Tracker(WORLD)
    first = show(tracker, lap[0], 1.)
    result, _ = truth_result(lap[3][1], lap[3][1].ids)
    assert tracker.update(result, stamp_s=1.) is None
    assert tracker.update(result, stamp_s=.95) is None
    assert show(tracker, lap[0], 1.1) == first


def test_another_size_keeps_ids_in_space(lap) -> None:
    tracker = Tracker(WORLD)
    first = show(tracker, lap[0], 0.)
    scene = generate_scene(31)
    large = camera_path(scene, FRAMES, 0, 320, 240)[0]
    assert same(first, show(tracker, (large, render(scene, large)), .2))
    show(tracker, lap[0], .4, in_space=False)


def test_an_edit_of_the_vocabulary_keeps_ids(lap) -> None:
    tracker = Tracker(WORLD)
    for step in range(12):
        first = show(tracker, lap[0], .2 * step)
    old = {item.id: item.name for item in tracker.memory.objects()}
    gone = next(iter(old.values()))
    words = ['novelty', *(name for name in WORLD.names if name != gone)]
    tracker.set_vocabulary(Vocabulary(things=words))
    assert {item.name for item in tracker.memory.objects()} == {*old.values()} - {gone}
    assert show(tracker, lap[0], 2.6, rename={gone: 'novelty'}) == first
    new = {item.id: item.name for item in tracker.memory.objects()}
    assert new == {number: name if name != gone else 'novelty' for number, name in old.items()}


def test_a_class_that_flickers_is_outvoted(lap) -> None:
    camera, frame = lap[0]
    tracker = Tracker(WORLD)
    for step in range(5):
        first = show(tracker, lap[0], .2 * step)
    result, objects = truth_result(frame, frame.ids, 20)
    thing = result.things[0]
    other = next(name for name in WORLD.names if name not in {i.name for i in result.segments})
    result.segments[result.segments.index(thing)] = replace(thing, name=other, class_id=1)
    tracked = tracker.update(result, frame.depth, camera.pose, stamp_s=1.,
                             camera=camera_model(camera))
    named = next(item for item in tracked.segments
                 if item.id == first[objects[thing.id].id])
    assert named.name == thing.name
    assert named.class_id == thing.class_id


def test_two_tracks_that_become_one_segment_keep_the_older_id() -> None:
    def result(*spans: tuple[int, int]) -> PanopticResult:
        instance = np.zeros((40, 40), np.int32)
        instance[20:] = 9 * (np.random.default_rng(0).random((20, 40)) < .5)     # does not move
        segments = [Segment(9, 2, 'floor', False, .9, 400, (0, 20, 40, 40))]
        for number, (left, right) in enumerate(spans, 1):
            instance[:, left:right] = number
            segments.append(Segment(number, 1, 'chair', True, .9, 20 * (right - left),
                                    (left, 0, right, 20)))
        return PanopticResult(instance, segments)

    tracker = Tracker(Vocabulary(things=['chair'], stuff=['floor']))
    first = tracker.update(result((0, 10)), stamp_s=0.)
    both = tracker.update(result((0, 10), (10, 22)), stamp_s=.1)
    assert both.segments[1].id == first.segments[1].id
    assert tracker.update(result((0, 22)), stamp_s=.2).segments[1].id == first.segments[1].id


def test_all_stuff_of_a_class_has_one_id_and_nothing_is_fine() -> None:
    floor = Segment(1, 1, 'floor', False, .9, 4, (0, 0, 2, 2))
    tracker = Tracker(Vocabulary(stuff=['floor']))
    nothing = tracker.update(PanopticResult(np.zeros((2, 2), np.int32), []), stamp_s=0.)
    assert nothing.segments == []
    assert not nothing.instance.any()
    ids = [tracker.update(PanopticResult(np.ones((2, 2), np.int32), [floor]),
                          stamp_s=stamp_s).segments[0].id for stamp_s in (1., 100., 3.)]
    assert len(set(ids)) == 1


def test_two_cameras_share_a_memory(lap) -> None:
    memory = ObjectMemory(TrackingOptions())
    first = show(Tracker(WORLD, memory=memory), lap[0], 0.)
    assert show(Tracker(WORLD, memory=memory), lap[0], .1) == first


def test_wrong_input_is_refused(lap) -> None:
    camera, frame = lap[0]
    result, _ = truth_result(frame, frame.ids)
    tracker = Tracker(WORLD)
    with pytest.raises(ValueError, match='stamp'):
        tracker.update(result, stamp_s=float('nan'))
    with pytest.raises(ValueError, match='depth has the shape'):
        tracker.update(result, frame.depth[:9], camera.pose, stamp_s=1.,
                       camera=camera_model(camera))
    with pytest.raises(ValueError, match='the pose'):
        tracker.update(result, frame.depth, np.eye(3), stamp_s=1., camera=camera_model(camera))


@pytest.mark.parametrize('shape', [(1, 1), (2, 16384), (1, 300), (300, 1), (3, 2)])
def test_images_of_odd_sizes(shape) -> None:
    tracker = Tracker(WORLD)
    name = next(name for name, is_thing in zip(WORLD.names, WORLD.is_thing) if is_thing)
    item = Segment(1, 1 + WORLD.names.index(name), name, True, 0.9, int(np.prod(shape)),
                   (0, 0, shape[1], shape[0]))
    result = PanopticResult(np.ones(shape, np.int32), [item])
    assert [tracker.update(result, stamp_s=stamp_s).segments[0].id
            for stamp_s in (1.0, 1.1, 1.2)] == [1, 1, 1]


def test_what_is_segmented_with_too_little_depth_for_a_box_stays_in_the_memory() -> None:
    depth_m = np.full((240, 320), 3., np.float32)
    depth_m[90:150, 158:162] = depth_m[60:90, 20:60] = 2.
    camera = CameraModel(320, 240, 280, 280, 159.5, 119.5)
    tracker = Tracker(Vocabulary(things=['lamp', 'box'], stuff=[]))

    def watch(frames: int, first_s: float, *lamp: int) -> list[str]:
        items = [('box', (20, 60, 60, 90)), *[('lamp', lamp)] * bool(lamp)]
        instance, segments = np.zeros(depth_m.shape, np.int32), []
        for number, (name, (x1, y1, x2, y2)) in enumerate(items, 1):
            instance[y1:y2, x1:x2] = number
            segments.append(Segment(number, 2 - (name == 'lamp'), name, True, .9,
                                    (x2 - x1) * (y2 - y1), (x1, y1, x2, y2)))
        for frame in range(frames):
            tracker.update(PanopticResult(instance, segments), depth_m, LEVEL_CAMERA,
                           stamp_s=first_s + frame / 10, camera=camera)
        return [item.name for item in tracker.memory.objects()]

    assert watch(30, 0., 158, 90, 162, 150) == ['box', 'lamp']
    assert watch(40, 3.) == ['box', 'lamp']     # it is not looked for in the image any more
    assert watch(150, 7., 160, 114, 161, 126) == ['box', 'lamp']    # 12 pixels
    assert watch(150, 22.) == ['box']       # not segmented at all
