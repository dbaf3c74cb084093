# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Figures of the world's benchmark."""

import numpy as np
import pytest

from benchmarks.variant_t import draw_rows
from eov_seg_core import Segmenter
from eov_seg_core.vocabulary import Vocabulary
from training.evaluation.scores import Scores
from training.world.benchmark import WorldBenchmark
from training.world.scores import choose_splits, WorldScores


def scores(*figures):
    rows = [{'id': number, 'name': name, 'is_thing': True, 'pq': value, 'sq': value, 'rq': value,
             'iou': value, 'ap': None} for number, (name, value) in enumerate(figures, start=1)]
    return Scores(Vocabulary([name for name, _ in figures]), 2, (), None, None, None, {}, rows)


def test_the_figure_of_a_split_is_the_mean_of_the_judged_names_that_occur():
    world = WorldScores({'novel': scores(('chair', 1.0), ('ball', 0.5), ('cone', None),
                                         ('barrel', 0.1))}, {'novel': ('ball', 'cone', 'barrel')})
    assert world.figures('novel')['pq'] == pytest.approx(0.3)
    assert world.to_json()['novel']['judged']['iou'] == pytest.approx(0.3)
    assert '30.0' in world.to_table()
    assert world.to_csv().splitlines()[1].startswith('novel,1,chair,1,1.0')


def test_none_of_the_judged_names_occurs():
    world = WorldScores({'base': scores(('chair', None))}, {'base': ('chair',)})
    assert world.figures('base')['pq'] is None
    assert '-' in world.to_table()


def test_splits_are_chosen_by_name():
    assert choose_splits('base,novel') == ('base', 'novel')
    assert choose_splits('pairs') == ('pairs',)
    assert choose_splits('nuisance') == ('nuisance',)   # as the split was called earlier
    for wrong, message in (('base,odd', "no split 'odd'"), ('', "no split ''"),
                           ('base,base', 'twice'), ('nuisance,distractors', 'twice')):
        with pytest.raises(ValueError, match=message):
            choose_splits(wrong)


def test_a_split_of_an_older_name_is_the_same_split():
    old, new = (WorldBenchmark(split, rooms=1) for split in ('nuisance', 'distractors'))
    assert old.vocabulary == new.vocabulary
    assert old.judged == new.judged
    np.testing.assert_array_equal(old[0].image_rgb, new[0].image_rgb)
    # predictions that an older version saved are found again under their name
    assert old[0].name == 'world_nuisance_1000000'


def test_the_sheet_of_variant_t_shows_picture_truth_and_result():
    rooms = WorldBenchmark('base', rooms=1, seed=3_000_000)
    segmenter = Segmenter.from_pretrained('t', device='cpu', input_size=96)
    row, = draw_rows(segmenter, rooms)
    room = rooms[0].image_rgb
    picture, truth, found = np.hsplit(row, 3)
    np.testing.assert_array_equal(picture, room)
    assert (truth != room).any()
    assert (found != room).any()
    assert draw_rows(segmenter, WorldBenchmark('base', rooms=0)) == []
