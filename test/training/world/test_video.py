# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from training.world.video import drop_things, spread, truth_result, VideoOptions, world_video

SHORT = VideoOptions(laps=1.5, lap_s=2, rate_hz=2, width=80)


def test_laps_come_round_again() -> None:
    frames = list(world_video(3, SHORT))
    assert [frame.stamp_s for frame in frames] == [0, .5, 1, 1.5, 2, 2.5]
    assert np.array_equal(frames[0].truth.rgb, frames[4].truth.rgb)
    assert np.array_equal(frames[0].pose, frames[4].pose)
    assert not np.array_equal(frames[0].pose, frames[1].pose)
    for frame in frames:
        assert np.array_equal(frame.depth_m, frame.truth.depth)
        frame.camera.check_size(frame.result.instance, 'result')


def test_noise_is_as_large_as_asked_for() -> None:
    frames = list(world_video(3, VideoOptions(
        1, 2, 2, 80, depth_noise=.01, pose_noise_m=.1, pose_noise_deg=3)))
    exact = list(world_video(3, VideoOptions(1, 2, 2, 80)))
    errors = np.concatenate([((noisy.depth_m - clean.depth_m) / clean.depth_m ** 2).ravel()
                             for noisy, clean in zip(frames, exact)])
    assert errors.std() == pytest.approx(.01, rel=.1)
    for noisy, clean in zip(frames, exact):
        assert 0 < np.linalg.norm(noisy.pose[:3, 3] - clean.pose[:3, 3]) < .6
        assert noisy.pose[:3, :3] @ noisy.pose[:3, :3].T == pytest.approx(np.eye(3))


def test_things_spill_and_are_dropped() -> None:
    frame = next(world_video(101, SHORT)).truth
    assert np.array_equal(spread(frame, 0), frame.ids)
    wide = spread(frame, 2)
    things = {item.id for item in frame.objects if item.is_thing}
    assert np.isin(wide, list(things)).sum() > np.isin(frame.ids, list(things)).sum()
    result, objects = truth_result(frame, frame.ids, 1)
    assert {item.id for item in objects.values()} == set(np.unique(frame.ids).tolist())
    assert drop_things(result, 0, np.random.default_rng(0)).segments == result.segments
    bare = drop_things(result, 1, np.random.default_rng(0))
    assert bare.things == []
    assert set(np.unique(bare.instance)) == {0, *(item.id for item in bare.stuff)}
