# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from eov_seg_core.quality import PanopticMap, PanopticQuality, Segment
from training.evaluation.video_panoptic_quality import VideoPanopticQuality

WALL, THING = 1, 2
IS_THING = {WALL: False, THING: True}


def frame(text: str, crowd: int = 0) -> PanopticMap:
    """Read '1122': id 1 is the wall, ids from 2 on are things, 0 is void."""
    ids = np.array([[int(letter) for letter in text]])
    return PanopticMap(ids, [Segment(number, WALL if number == 1 else THING, number == crowd)
                             for number in np.unique(ids).tolist() if number], text)


def score(truth, prediction, frames: int, crowd: int = 0) -> dict:
    quality = VideoPanopticQuality(IS_THING, (frames,))
    quality.add([frame(text, crowd) for text in truth], [frame(text) for text in prediction])
    return quality.compute()


A = (['1122'] * 4, ['1122', '1122', '1133', '1133'])
C = (['1122'] * 2, ['1122', '1100'])
G = (['1122'] * 2, ['1122', '1112'])


@pytest.mark.parametrize(('video', 'frames', 'thing', 'wall', 'vpq'), [
    (A, 1, 1, 1, 1), (A, 2, .5714, 1, .7857), (A, 3, .4444, 1, .7222), (A, 4, 0, 1, .5),
    (C, 1, .6667, 1, .8333), (C, 2, 0, 1, .5),
    (G, 1, .5, .8333, .6667), (G, 2, .75, .8, .775),
    ((['1022'] * 2, ['1222'] * 2), 2, 1, 1, 1),         # void under the thing
    ((['1100'] * 2, ['1122'] * 2), 2, 0, 1, 1),         # a false thing on void
])
def test_worked_examples(video, frames, thing, wall, vpq) -> None:
    found = score(*video, frames)
    assert found['vpq'] == pytest.approx(vpq, abs=5e-5)
    per_class = found[frames]['per_class']
    assert (per_class['2']['pq'], per_class['1']['pq']) == pytest.approx((thing, wall), abs=5e-5)


def test_a_false_thing_on_crowd_is_not_counted() -> None:
    assert score(['1144'] * 2, ['1122'] * 2, 2, crowd=4)['vpq'] == 1


def test_one_frame_is_panoptic_quality() -> None:
    dice = np.random.default_rng(0)
    quality = PanopticQuality(IS_THING)
    frames = [[frame(''.join(map(str, dice.integers(0, 4, 8)))) for _ in range(2)]
              for _ in range(20)]
    for truth, prediction in frames:
        quality.add(truth, prediction)
    video = VideoPanopticQuality(IS_THING, (1,))
    video.add(*zip(*frames))
    assert video.compute()[1] == quality.compute()


def test_the_mean_is_over_windows_that_occur() -> None:
    quality = VideoPanopticQuality(IS_THING, (1, 2, 6))
    assert quality.compute()['vpq'] is None
    quality.add([], [])
    assert quality.compute()['vpq'] is None
    quality.add([frame(text) for text in C[0]], [frame(text) for text in C[1]])
    assert quality.compute()['vpq'] == pytest.approx((.83333 + .5) / 2, abs=1e-4)


def test_wrong_input_is_refused() -> None:
    with pytest.raises(ValueError, match='one for each'):
        VideoPanopticQuality(IS_THING).add([frame('1')], [])
    for windows in ((), (0,)):
        with pytest.raises(ValueError, match='windows'):
            VideoPanopticQuality(IS_THING, windows)
