# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The benchmarks that say where variant `t` loses what, and what its ensemble is worth."""

import numpy as np
import pytest
import torch

from benchmarks.ensemble import measure
from benchmarks.lost_things import follow, follow_things, Labelled
from eov_seg_core import Segmenter
from training.world.benchmark import WorldBenchmark

VOID = 5


def labelled(*masks, length=8):
    """Masks as (first pixel, pixel behind the last, class)."""
    pixels = torch.arange(length)
    return Labelled(torch.stack([(pixels >= first) & (pixels < end) for first, end, _ in masks])
                    if masks else torch.zeros(0, length, dtype=torch.bool),
                    torch.tensor([name for *_, name in masks], dtype=torch.int64))


@pytest.mark.parametrize(('queries', 'found', 'steps'), [
    ([], [], [0, 0, 0, 0]),
    ([(0, 2, 1)], [], [0, 0, 0, 0]),                            # IoU of exactly a half
    ([(0, 3, VOID)], [], [1, 0, 0, 0]),
    ([(0, 3, 2)], [(0, 3, 2)], [1, 1, 0, 0]),
    ([(0, 3, 1)], [(0, 2, 1)], [1, 1, 1, 0]),                   # cut by the merge
    ([(0, 3, VOID), (0, 4, 1)], [(0, 4, 1)], [1, 1, 1, 1])])
def test_a_thing_is_followed_through_the_steps(queries, found, steps):
    result = follow(labelled((0, 4, 1)), labelled(*queries), labelled(*found), VOID)
    np.testing.assert_array_equal(result, [steps])


def test_without_things_there_is_nothing_to_follow():
    assert follow(labelled(), labelled((0, 3, 1)), labelled((0, 3, 1)), VOID).shape == (0, 4)


def test_both_benchmarks_run_on_the_weights_of_the_package():
    rooms = WorldBenchmark('novel', rooms=2, seed=6_000_000)
    segmenter = Segmenter.from_pretrained('t', device='cpu')
    assert measure(segmenter, rooms, (0.6, 0.95)) > measure(segmenter, rooms, (0.0, 0.0))
    things = sum(rooms.vocabulary.names[segment.class_index] in rooms.judged
                 for segment in rooms[0].segments)
    words = segmenter.prepare_vocabulary(rooms.vocabulary)
    steps_TS = follow_things(segmenter, words, rooms.judged, rooms[0])
    assert things > 0
    assert steps_TS.shape == (things, 4)
    assert (steps_TS[:, :2] >= steps_TS[:, 1:3]).all()
