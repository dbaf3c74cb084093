# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ids that last, without ROS: edits of the words, time that goes back, sizes, cameras."""

from __future__ import annotations

import numpy as np
import pytest

from eov_seg_core.results.result import PanopticResult, Segment
from eov_seg_core.tracking import Identities
from eov_seg_core.vocabulary import Vocabulary

WORDS = Vocabulary(['person', 'chair'], ['floor'])


def result_of(*names: str, vocabulary: Vocabulary = WORDS, first: int = 0, scale: int = 1
              ) -> PanopticResult:
    """Return a segment for each name, from left to right, `first` pixels from the left."""
    instance = np.zeros((48 * scale, 64 * scale), np.int32)
    segments = []
    for number, name in enumerate(names, 1):
        left, right = ((first + 20 * (number - 1)) * scale, (first + 20 * number) * scale)
        instance[:, left:right] = number
        index = vocabulary.names.index(name)
        segments.append(Segment(number, index + 1, name, vocabulary.is_thing[index], 0.9,
                                int(np.count_nonzero(instance == number)),
                                (left, 0, right, 48 * scale)))
    return PanopticResult(instance, segments)


def test_the_first_frame_has_the_ids_of_its_result() -> None:
    result = result_of('floor', 'chair', 'person')
    named = Identities(WORDS, ['']).update('', result, 1.0)
    assert named.ids == [1, 2, 3]
    assert named.result.segments == result.segments
    assert named.result.instance is result.instance


def test_no_segment_and_one() -> None:
    identities = Identities(WORDS, [''])
    assert identities.update('', result_of(), 1.0).ids == []
    assert identities.update('', result_of('chair'), 2.0).ids == [1]
    assert identities.update('', result_of(), 3.0).ids == []
    assert identities.update('', result_of('chair'), 4.0).ids == [1]


def test_an_id_stays_when_others_come_and_the_order_changes() -> None:
    identities = Identities(WORDS, [''])
    assert identities.update('', result_of('chair'), 1.0).ids == [1]
    turned = result_of('chair', 'person', 'floor')
    assert identities.update('', turned, 1.1).ids == [1, 2, 3]
    turned.segments.reverse()
    turned.segments[:] = [Segment(number, old.class_id, old.name, old.is_thing, old.score,
                                  old.area, old.bbox_xyxy)
                          for number, old in enumerate(turned.segments, 1)]
    turned.instance[:] = np.choose(turned.instance, [0, 3, 2, 1])
    assert identities.update('', turned, 1.2).ids == [3, 2, 1]


def test_ids_stay_over_an_edit_of_the_words_and_a_class_that_is_gone_is_never_named() -> None:
    identities = Identities(WORDS, [''])
    ids = identities.update('', result_of('chair', 'person'), 1.0).ids
    words = Vocabulary(['stool', 'person'], ['floor', 'wall'])
    identities.use_vocabulary(words)
    named = identities.update('', result_of('stool', 'person', vocabulary=words), 1.1)
    assert named.ids == ids
    assert [item.name for item in named.result.segments] == ['stool', 'person']
    assert [item.class_id for item in named.result.segments] == [1, 2]


def test_a_new_word_names_what_is_in_view_at_once() -> None:
    identities = Identities(WORDS, [''])
    for step in range(5):
        identities.update('', result_of('chair'), 1 + step / 10)
    words = Vocabulary(['chair', 'stool'], ['floor'])
    identities.use_vocabulary(words)
    named = identities.update('', result_of('stool', vocabulary=words), 1.5)
    assert ([item.name for item in named.result.segments], named.ids) == (['stool'], [1])


def test_a_name_that_is_stuff_now_is_no_thing_any_more() -> None:
    identities = Identities(WORDS, [''])
    for step in range(5):
        identities.update('', result_of('chair'), 1 + step / 10)
    words = Vocabulary(['person'], ['chair'])
    identities.use_vocabulary(words)
    named = identities.update('', result_of('person', vocabulary=words), 1.6)
    assert [item.name for item in named.result.segments] == ['person']


def test_one_odd_class_among_many_frames_is_outvoted() -> None:
    identities = Identities(WORDS, [''])
    for step in range(5):
        identities.update('', result_of('chair'), 1 + step / 10)
    named = identities.update('', result_of('person'), 1.5)
    assert [(item.name, item.class_id) for item in named.result.segments] == [('chair', 2)]
    assert named.ids == [1]


def test_an_image_that_is_not_newer_is_refused_and_time_may_go_back() -> None:
    identities = Identities(WORDS, [''])
    identities.update('', result_of('chair'), 100.0)
    for stamp_s in (100.0, 99.95):
        with pytest.raises(ValueError, match='not newer than that of the image before'):
            identities.update('', result_of('chair'), stamp_s)
    assert identities.update('', result_of('chair'), 3.0).ids == [2]    # a recording began again
    assert identities.update('', result_of('chair'), 3.1).ids == [2]


def test_another_size_of_image_is_no_error() -> None:
    identities = Identities(WORDS, [''])
    identities.update('', result_of('chair'), 1.0)
    named = identities.update('', result_of('chair', scale=2), 1.1)
    assert len(named.ids) == 1
    assert identities.update('', result_of('chair', scale=2), 1.2).ids == named.ids


def test_cameras_draw_their_ids_from_one_pool() -> None:
    identities = Identities(WORDS, ['left', 'right'])
    left = identities.update('left', result_of('chair', 'floor'), 1.0).ids
    right = identities.update('right', result_of('chair', 'floor'), 1.0).ids
    assert not set(left) & set(right)
    assert identities.update('left', result_of('chair', 'floor'), 1.1).ids == left
    assert identities.update('right', result_of('chair', 'floor'), 1.1).ids == right
