# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluation with segmenters that know the truth: figures, tasks, times, broken images."""

from __future__ import annotations

import csv
from io import StringIO
import json

import evaluation_case as case
from evaluation_case import CAT, Data, DOG, Fake, figures, LAWN, many, sample, SKY
import numpy as np
import pytest

from eov_seg_core.results.semantic import SemanticOrder
from training.evaluation.dataset import choose_tasks, evaluate
from training.evaluation.image import BrokenImageError

ALL_WRONG = {CAT: DOG, DOG: CAT, SKY: LAWN, LAWN: SKY}


def test_no_image():
    scores = evaluate(Fake(Data()), Data())
    assert scores.images == 0
    assert scores.panoptic['All'] == {'pq': 0.0, 'sq': 0.0, 'rq': 0.0, 'n': 0}
    assert scores.semantic['miou'] == 0.0
    assert scores.instance['ap'] is None
    assert scores.milliseconds == scores.frame_rate == {}
    assert '0 images' in scores.to_table()


@pytest.mark.parametrize('data', [Data([case.cat_below_sky()]), many(5)], ids=['one', 'several'])
def test_the_truth_gets_full_marks(data):
    scores = evaluate(Fake(data), data)
    assert scores.images == len(data)
    assert scores.panoptic['All'] == {
        'pq': 1.0, 'sq': 1.0, 'rq': 1.0, 'n': scores.semantic['n']}
    assert [scores.semantic[name] for name in ('miou', 'fwiou', 'macc', 'pacc')] == [1.0] * 4
    assert [scores.instance[name] for name in ('ap', 'ap50', 'ap75')] == [pytest.approx(1.0)] * 3


def test_all_wrong_gets_nothing():
    scores = evaluate(Fake(many(5), ALL_WRONG), many(5))
    assert scores.panoptic['All'] == {'pq': 0.0, 'sq': 0.0, 'rq': 0.0, 'n': 4}
    assert (scores.semantic['miou'], scores.semantic['pacc']) == (0.0, 0.0)
    assert scores.instance['ap'] == scores.instance['ap50'] == 0.0


def test_by_hand():
    """Dogs are called cats: one of two cats is right, in IoU and in precision; no dog is found."""
    data = Data([sample('a', [[1, 1], [2, 2]], (1, CAT), (2, SKY)),
                 sample('b', [[1, 1], [2, 2]], (1, DOG), (2, SKY))])
    scores = evaluate(Fake(data, {DOG: CAT}), data)
    cat, dog, sky, lawn = scores.per_class
    assert (cat['pq'], cat['sq'], cat['rq']) == pytest.approx((2 / 3, 1.0, 2 / 3))
    assert (dog['pq'], dog['iou'], dog['ap']) == (0.0, 0.0, 0.0)
    assert (sky['pq'], sky['iou'], sky['ap']) == (1.0, 1.0, None)
    assert (lawn['pq'], lawn['iou'], lawn['ap']) == (None, None, None)
    assert cat['iou'] == 0.5
    assert scores.panoptic['Things']['pq'] == pytest.approx(1 / 3)
    assert scores.panoptic['Stuff'] == {'pq': 1.0, 'sq': 1.0, 'rq': 1.0, 'n': 1}
    assert scores.semantic['miou'] == pytest.approx((1 / 2 + 0 + 1) / 3)
    assert scores.instance['n'] == 2


def test_crowd_counts_for_classes_of_pixels_only():
    data = Data([sample('a', [[1, 1], [2, 2]], (1, CAT, True), (2, SKY))])
    scores = evaluate(Fake(data), data)
    assert (scores.panoptic['Things']['n'], scores.panoptic['Stuff']['pq']) == (0, 1.0)
    assert (scores.semantic['n'], scores.semantic['miou']) == (2, 1.0)
    assert scores.instance['n'] == 0


def test_tasks_that_were_not_wanted_are_not_computed():
    scores = evaluate(Fake(many(2)), many(2), ['instance', 'panoptic'])
    assert scores.semantic is None
    assert 'semantic' not in scores.to_json()
    assert 'mIoU' not in scores.to_table()


@pytest.mark.parametrize(('tasks', 'options'), [
    (['panoptic'], (False, False)),
    (['semantic'], (SemanticOrder.SCORES_FIRST, False)),
    (['instance'], (False, True)),
    (['semantic', 'panoptic'], (True, False)),
    (None, (True, True)),
])
def test_the_segmenter_gives_what_a_task_needs_in_the_published_order(tasks, options):
    fake = Fake(many(1))
    evaluate(fake, many(1), tasks)
    assert fake.options == {options}
    assert (fake.keep_semantic_argmax, fake.keep_instances) == (False, False)
    assert not fake.model._forward_hooks


def test_names_that_count_as_seen_are_handed_on():
    fake = Fake(many(1))
    evaluate(fake, many(1), training_names=('cat',))
    assert (fake.vocabulary, fake.training_names) == (case.VOCABULARY, ('cat',))


def test_semantic_data_have_one_task():
    data = case.as_semantic(many(3))
    fake = Fake(many(3), {DOG: CAT})
    scores = evaluate(fake, data)
    assert fake.options == {(SemanticOrder.SCORES_FIRST, False)}
    assert scores.panoptic is scores.instance is None
    assert scores.semantic == evaluate(Fake(many(3), {DOG: CAT}), many(3)).semantic
    with pytest.raises(ValueError, match='only which class a pixel has, so panoptic quality'):
        evaluate(fake, data, ['semantic', 'panoptic'])


@pytest.mark.parametrize(('tasks', 'message'), [
    (['pantoptic'], 'tasks are pantoptic; choose from panoptic, semantic, instance'),
    ([], 'tasks are none; choose from')])
def test_unknown_tasks_are_refused(tasks, message):
    with pytest.raises(ValueError, match=message):
        choose_tasks(many(1), tasks)


def test_the_first_readable_image_tells_the_kind_of_data():
    data = Data([OSError('gone'), *case.as_semantic(many(1))])
    assert choose_tasks(data) == ('semantic',)


def test_limit():
    assert evaluate(Fake(many(5)), many(5), limit=2).images == 2
    assert evaluate(Fake(many(2)), many(2), limit=5).images == 2


BROKEN = {
    'unreadable': (ValueError('images/7.jpg is cut'), r'images/7\.jpg is cut'),
    'missing': (FileNotFoundError(2, 'No such file', 'images/7.jpg'), r'images/7\.jpg'),
    'unlisted id': (sample('7.jpg', [[1, 2]], (1, CAT)), r'7\.jpg has segments 2 that its JSON'),
    'lost id': (sample('7.jpg', [[1, 1]], (1, CAT), (2, SKY)), r'7\.jpg has no pixel of segm.* 2'),
    'unknown class': (sample('7.jpg', [[1, 1]], (1, CAT), (2, 99))._replace(
        ids=np.array([[1, 2]], np.int32)), r'segment 2 of 7\.jpg is of category 100'),
    'other size': (sample('7.jpg', [[1, 1]], (1, CAT))._replace(
        ids=np.array([[1]], np.int32)), r'truth of 7\.jpg has shape \(1, 1\), but the image'),
}


@pytest.mark.parametrize('kind', BROKEN)
@pytest.mark.parametrize('tasks', [None, ['semantic']])
def test_a_broken_image_ends_the_run_or_is_counted(kind, tasks):
    bad, message = BROKEN[kind]
    data = Data([*many(2), bad, *many(3)[2:]])
    with pytest.raises(BrokenImageError, match=message) as caught:
        evaluate(Fake(data), data, tasks)
    assert 'image 2 of 4' in str(caught.value)
    scores = evaluate(Fake(data), data, tasks, skip_broken=True)
    assert figures(scores) == {**figures(evaluate(Fake(many(3)), many(3), tasks)),
                               'broken': list(scores.broken)}
    assert len(scores.broken) == 1
    assert 'left out, because they cannot be used: 1' in scores.to_table()


def test_json_and_csv_hold_a_row_for_each_class():
    scores = evaluate(Fake(many(4), {DOG: CAT}), many(4))
    content = json.loads(json.dumps(scores.to_json(), allow_nan=False))
    assert list(content) == ['images', 'broken', 'panoptic', 'semantic', 'instance', 'frame_rate',
                             'milliseconds', 'per_class']
    assert list(content['panoptic']) == ['All', 'Things', 'Stuff']
    assert list(content['semantic']) == ['miou', 'fwiou', 'macc', 'pacc', 'n']
    assert list(content['instance']) == [
        'ap', 'ap50', 'ap75', 'ap_small', 'ap_medium', 'ap_large', 'n']
    rows = list(csv.DictReader(StringIO(scores.to_csv())))
    assert [row['name'] for row in rows] == ['cat', 'dog', 'sky', 'lawn']
    assert [row['is_thing'] for row in rows] == ['1', '1', '0', '0']
    for row, expected in zip(rows, content['per_class']):
        for name in ('pq', 'sq', 'rq', 'iou', 'ap'):
            assert row[name] == ('' if expected[name] is None else str(expected[name]))
    assert rows[LAWN]['pq'] == rows[LAWN]['iou'] == rows[SKY]['ap'] == ''


def test_times():
    """The first image warms up; the network's time is its own, the rest is outside."""
    data = many(3)
    scores = evaluate(Fake(data, pause_s=0.01), data)
    ms = scores.milliseconds
    assert ms['outside'] == pytest.approx(sum(ms[part] for part in (
        'read', 'segment', 'score', 'save')))
    assert ms['whole'] == pytest.approx(ms['network'] + ms['outside'])
    assert ms['segment'] >= 10 > ms['network']
    assert scores.frame_rate['whole'] == pytest.approx(1000 / ms['whole'])
    assert evaluate(Fake(many(1)), many(1)).milliseconds == {}
