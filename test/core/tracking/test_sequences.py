# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ids and boxes over whole ways through rooms that chose no threshold: turns, noise, movement."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
import json

import numpy as np
import pytest

from eov_seg_core.geometry import box_iou
from eov_seg_core.tracking import ObjectMemory, TrackedFrame, Tracker
from eov_seg_core.world import camera_path, generate_scene, MovingThings, render
from training.world.video import (
    camera_model,
    truth_result,
    VideoFrame,
    VideoOptions,
    WORLD,
    world_video,
)
from training.world.walk import true_box

ROOM = 203


def follow(tracker: Tracker, frames: Iterable[VideoFrame], begin_s: float = 0.0
           ) -> Iterator[tuple[VideoFrame, TrackedFrame, dict[int, int]]]:
    """Yield each frame, what is tracked, and the lasting id of each true thing."""
    for frame in frames:
        tracked = tracker.update(frame.result, frame.depth_m, frame.pose, camera=frame.camera,
                                 stamp_s=begin_s + frame.stamp_s)
        assert tracked is not None
        assert len(set(tracked.track_ids.values())) == len(tracked.track_ids)
        assert {*tracked.boxes} <= {*tracked.track_ids.values()}
        _, objects = truth_result(frame.truth, frame.truth.ids)
        yield frame, tracked, {
            objects[number].id: track for number, track in tracked.track_ids.items()
            if number in objects and objects[number].is_thing}


def ids_of_things(tracker: Tracker, frames: Iterable[VideoFrame], begin_s: float = 0.0
                  ) -> dict[int, set[int]]:
    """Return all ids that each true thing had."""
    found: dict[int, set[int]] = defaultdict(set)
    for _, _, ids in follow(tracker, frames, begin_s):
        for true, track in ids.items():
            found[true].add(track)
    assert len(found) > 4
    return found


def switches(found: dict[int, set[int]]) -> int:
    return sum(len(ids) - 1 for ids in found.values())


@pytest.mark.parametrize('options', [
    VideoOptions(lap_s=6, width=160), VideoOptions(lap_s=3, width=160),
    VideoOptions(depth_noise=.003, width=160), VideoOptions(rate_hz=1, laps=2, width=160)],
    ids=['60 deg/s', '120 deg/s', 'depth noise', '1 Hz'])
def test_ids_stay(options) -> None:
    assert switches(ids_of_things(Tracker(WORLD), world_video(ROOM, options))) <= 1


def test_ids_stay_when_the_camera_drops_out_and_when_a_recording_starts_again() -> None:
    frames = list(world_video(ROOM, VideoOptions(laps=1, width=160)))
    tracker = Tracker(WORLD)
    with_gap = [frame for frame in frames if not 4 <= frame.stamp_s < 6]
    first = ids_of_things(tracker, with_gap)
    again = ids_of_things(tracker, with_gap)                        # time jumps back
    later = ids_of_things(tracker, with_gap, begin_s=120.0)         # after a long silence
    assert switches({true: first[true] | again[true] | later[true] for true in first}) <= 1


def test_ids_stay_when_the_size_of_the_image_changes_on_the_way() -> None:
    small, large = (list(world_video(ROOM, VideoOptions(laps=1, width=width)))
                    for width in (160, 320))
    mixed = [large[number] if number // 10 % 2 else small[number] for number in range(len(small))]
    assert switches(ids_of_things(Tracker(WORLD), mixed)) <= 1


def test_two_cameras_that_look_elsewhere_have_one_id_for_a_thing() -> None:
    frames = list(world_video(ROOM, VideoOptions(laps=1, width=160)))
    memory = ObjectMemory()
    left, right = Tracker(WORLD, memory=memory), Tracker(WORLD, memory=memory)
    found: dict[int, set[int]] = defaultdict(set)
    half = len(frames) // 2
    for number in range(len(frames)):
        shots = frames[number], frames[(number + half) % len(frames)]
        for tracker, shot in zip((left, right), shots):
            tracked = tracker.update(shot.result, shot.depth_m, shot.pose, camera=shot.camera,
                                     stamp_s=frames[number].stamp_s)
            _, objects = truth_result(shot.truth, shot.truth.ids)
            for segment, track in tracked.track_ids.items():
                if objects[segment].is_thing:
                    found[objects[segment].id].add(track)
    assert switches(found) <= 1
    assert len(memory.objects()) >= len(found) - 1


def test_a_memory_of_a_file_goes_on_with_the_same_ids() -> None:
    frames = list(world_video(ROOM, VideoOptions(laps=1, width=160)))
    before = Tracker(WORLD)
    first = ids_of_things(before, frames)
    stored = json.loads(json.dumps(before.memory.as_plain()))
    memory = ObjectMemory()
    memory.restore(stored)
    after = ids_of_things(Tracker(WORLD, memory=memory), frames, begin_s=1e6)
    assert switches({true: first[true] | after[true] for true in first}) <= 1


def moving_video(seed: int) -> Iterator[tuple[VideoFrame, dict[int, object], frozenset[int]]]:
    """Yield frames of a lap in which three things move, where things are, and which move."""
    scene = generate_scene(seed)
    things = MovingThings(scene, 3)
    for number, camera in enumerate(camera_path(scene, 60, 0, 320, 240)):
        now = things.at(number / 60)
        frame = render(now, camera)
        result, _ = truth_result(frame, frame.ids)
        yield (VideoFrame(number / 5, frame, result, frame.depth.astype(np.float32),
                          camera_model(camera), camera.pose),
               {item.id: item for item in now.objects}, things.ids)


@pytest.mark.parametrize('seed', [201, ROOM])
def test_boxes_follow_what_moves(seed) -> None:
    shots = list(moving_video(seed))
    tracker, found, apart_m = Tracker(WORLD), defaultdict(set), []
    for (_, tracked, ids), (_, now, moving) in zip(
            follow(tracker, (shot[0] for shot in shots)), shots):
        for true, track in ids.items():
            found[true].add(track)
            if true in moving and track in tracked.boxes:
                apart_m.append(np.linalg.norm(np.subtract(
                    tracked.boxes[track].center, now[true].box.center)))
    assert switches(found) <= 1
    assert np.median(apart_m) < .13
    still = [item for item in tracker.memory.objects() if any(
        box_iou(item.box, true_box(now[true])) > .5 for true in now if true not in moving)]
    assert len(still) >= 3
