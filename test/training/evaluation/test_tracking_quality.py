# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The worked examples were computed with the code of the authors of STQ."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from training.evaluation.tracking_quality import PanopticFrame, TrackingQuality

CLASSES = {'w': 0, 'f': 1, 't': 2, 'u': 3, '.': -1}


def frame(text: str) -> PanopticFrame:
    """Read 'w t1 .': classes and, of things, instances."""
    words = text.split()
    return PanopticFrame(np.array([[CLASSES[word[0]] for word in words]]),
                         np.array([[int(word[1:] or 0) for word in words]]))


def score(*sequences) -> dict:
    quality = TrackingQuality([False, False, True, True])
    for number, (truths, predictions) in enumerate(sequences):
        for truth, prediction in zip(truths, predictions, strict=True):
            quality.add(frame(truth), frame(prediction), number)
    return quality.compute()


TRUTH = ['w w t1 t1'] * 4
S1 = (TRUTH, TRUTH)
S3 = (TRUTH, [f'w w t{k} t{k}' for k in (1, 2, 3, 4)])
HALVES = (['t1'] * 4, ['t1', 't1', 't2', 't2'])


@pytest.mark.parametrize(('sequences', 'stq', 'aq', 'sq'), [
    ([S1], 1, 1, 1),
    ([(TRUTH, ['w w t1 t1'] * 2 + ['w w t2 t2'] * 2)], .7071, .5, 1),
    ([S3], .5, .25, 1),
    ([(TRUTH, ['w w t1 t1'] * 3 + ['w w w w'])], .6603, .5625, .775),
    ([(TRUTH, ['w w t1 t1'] * 3 + ['w w . .'])], .5728, .5625, .5833),
    ([(['w w t1 t2'] * 4, ['w w t1 t2'] * 2 + ['w w t2 t1'] * 2)], .5774, .3333, 1),
    ([(['w w t1 t2'] * 2, ['w w t1 t1'] * 2)], .7071, .5, 1),
    ([(['w . t1 t1'] * 2, ['w t1 t1 t1'] * 2)], .8165, .6667, 1),
    ([(TRUTH, ['w w t0 t0'] * 4)], 1, 1, 1),
    ([S1, S3], .7906, .625, 1),
    ([(['t1'] * 2, ['t1'] * 2), (['t1 t2'] * 2, ['t1 t1'] * 2)], .8165, .6667, 1),
    ([(['w w t1 t1'] * 2, ['w w t1 t1', 'w w u1 u1'])], .5, .5, .5),
    ([(['t1 t1 t1 t1 t1'], ['t1 t1 t2 t2 t2'])], .72111, .52, 1),
    ([(['t1 t1 t1 t1 t1'], ['t1 t2 t2 t2 t2'])], .82462, .68, 1),
    ([(['t1 t1 t1 t1 t1'], ['t1 t2 t3 t4 t5'])], .44721, .2, 1),
])
def test_worked_examples(sequences, stq, aq, sq) -> None:
    found = score(*sequences)
    assert (found['stq'], found['aq'], found['sq']) == pytest.approx((stq, aq, sq), abs=5e-5)


def test_unlabeled_predictions_are_no_class_of_the_labeled_mean() -> None:
    found = score((TRUTH, ['w w t1 t1'] * 3 + ['w w . .']))
    assert (found['stq_labeled'], found['sq_labeled']) == pytest.approx((.7016, .875), abs=5e-5)


def test_without_true_things_there_is_nothing_to_associate() -> None:
    for truth in ('w w t0 t0', 'w w w w'):      # crowd, and none
        found = score(([truth] * 2, ['w w t1 t1'] * 2))
        assert found['aq'] is None
        assert found['stq'] is None
        assert found['tubes'] == 0
    nothing = TrackingQuality([True]).compute()
    assert nothing['sq'] is None


def test_wrong_input_is_refused() -> None:
    quality = TrackingQuality([True])
    one, two = np.zeros((1, 1), int), np.zeros((1, 2), int)
    with pytest.raises(ValueError, match='expected one shape'):
        quality.add(PanopticFrame(one, one), PanopticFrame(two, two))
    with pytest.raises(ValueError, match='truth has a class'):
        quality.add(PanopticFrame(one + 1, one), PanopticFrame(one, one))
    with pytest.raises(ValueError, match='prediction has a class'):
        quality.add(PanopticFrame(one, one), PanopticFrame(one, one - 1))
    with pytest.raises(ValueError, match='no class'):
        TrackingQuality([])


def reference(truths, predictions) -> float | None:
    """Judge AQ pixel by pixel."""
    tubes: dict[str, dict] = {'true': {}, 'found': {}}
    for number, (truth, prediction) in enumerate(zip(truths, predictions)):
        for place, (true, found) in enumerate(zip(truth, prediction)):
            if true == 't0':
                continue
            for kind, word in (('true', true), ('found', found)):
                if word[0] in 'tu':
                    tubes[kind].setdefault(word, set()).add((number, place))
    qualities = [sum(len(true & found) ** 2 / len(true | found)
                     for found in tubes['found'].values()) / len(true)
                 for true in tubes['true'].values()]
    return sum(qualities) / len(qualities) if qualities else None


videos = st.lists(st.lists(st.sampled_from(['w', '.', 't0', 't1', 't2', 'u1']), min_size=3,
                           max_size=3), min_size=4, max_size=4)


@given(videos, videos)
@settings(deadline=None)
def test_association_quality_is_that_of_a_loop(truths, predictions) -> None:
    found = score(([' '.join(words) for words in truths],
                   [' '.join(words) for words in predictions]))['aq']
    expected = reference(truths, predictions)
    assert found == (None if expected is None else pytest.approx(expected))
