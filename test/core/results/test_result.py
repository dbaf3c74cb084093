# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a program does with a result: masks, selections, COCO's dictionaries, a line to print."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from eov_seg_core.results.result import PanopticResult, Segment
from eov_seg_core.vocabulary import Vocabulary


def make_result():
    """Two chairs, a couch, floor and wall between unlabeled pixels, ten rows each."""
    instance = np.zeros((60, 40), np.int32)
    segments = []
    for number, (name, is_thing, score) in enumerate(
            [('chair', True, 0.9), ('floor', False, 0.8), ('chair', True, 0.3),
             ('couch', True, 0.5), ('wall', False, 0.4)], start=1):
        top = 10 * number
        instance[top:top + 10, 5:] = number
        segments.append(Segment(number, 1 + number % 4, name, is_thing, score, 350,
                                (5, top, 40, top + 10)))
    return PanopticResult(instance, segments)


def nothing():
    return PanopticResult(np.zeros((4, 5), np.int32), [])


def ids(segments):
    return [segment.id for segment in segments]


def test_mask_of_a_segment_and_of_its_id():
    result = make_result()
    for segment in result.segments:
        mask = result.mask(segment)
        assert mask.dtype == np.bool_
        assert mask.shape == (60, 40)
        assert mask.sum() == segment.area
        np.testing.assert_array_equal(mask, result.mask(segment.id))
        np.testing.assert_array_equal(mask, result.mask(np.int32(segment.id)))


@pytest.mark.parametrize('unknown', [0, 6, -1])
def test_there_is_no_mask_of_what_was_not_found(unknown):
    with pytest.raises(ValueError, match=f'no segment {unknown!r}; .* that it has: 5'):
        make_result().mask(unknown)
    with pytest.raises(ValueError, match='lists those that it has: 0'):
        nothing().mask(1)


def test_selection():
    result = make_result()
    assert ids(result.things) == [1, 3, 4]
    assert ids(result.stuff) == [2, 5]
    assert ids(result.select()) == [1, 2, 3, 4, 5]
    assert ids(result.select('chair')) == [1, 3]
    assert ids(result.select('chair', min_score=0.5)) == [1]
    assert ids(result.select(min_score=0.5)) == [1, 2, 4]       # the limit itself counts
    assert ids(result.select(is_thing=False, min_score=0.5)) == [2]
    assert result.select('unicorn') == []
    assert nothing().things == nothing().stuff == nothing().select('chair') == []


def test_repr_tells_what_was_found():
    assert repr(make_result()) == (
        'PanopticResult(60 x 40: 2 chair, floor, 1 couch, wall; 27.1% unlabeled)')
    assert repr(nothing()) == 'PanopticResult(4 x 5: nothing; 100.0% unlabeled)'
    one = PanopticResult(np.ones((1, 1), np.int32),
                         [Segment(1, 1, 'cat', True, 1.0, 1, (0, 0, 1, 1))])
    assert repr(one) == 'PanopticResult(1 x 1: 1 cat; 0.0% unlabeled)'
    many = PanopticResult(np.arange(30, dtype=np.int32)[None], [
        Segment(number, number, f'name {number}', False, 1.0, 1, (number, 0, number + 1, 1))
        for number in range(1, 30)])
    assert repr(many).endswith('name 11, name 12, and 17 more names; 3.3% unlabeled)')


def test_to_coco():
    found = make_result().to_coco()
    assert found[2] == {'id': 3, 'category_id': 4, 'area': 350, 'bbox': [5, 30, 35, 10],
                        'iscrowd': 0, 'score': 0.3}
    assert json.loads(json.dumps(found)) == found
    assert nothing().to_coco() == []


def test_results_need_no_torch(checkout):
    code = """
import sys
sys.modules['torch'] = None  # importing it now raises
import numpy as np
from eov_seg_core.results.result import Instances, PanopticResult, RawResult, Segment
from eov_seg_core import PanopticResult as public
assert public is PanopticResult
segment = Segment(1, 1, 'a', True, 1.0, 1, (0, 0, 1, 1))
result = PanopticResult(np.ones((1, 1), np.int32), [segment])
assert result.mask(1).all() and result.semantic.all() and result.confidence.all(), result
"""
    finished = subprocess.run([sys.executable, '-c', code], cwd=checkout, capture_output=True,
                              text=True, check=False)
    assert finished.returncode == 0, finished.stderr


def test_wrong_arguments_say_what_was_expected() -> None:
    result = PanopticResult(
        np.array([[1, 1, 0]], np.int32), [Segment(1, 1, 'chair', True, 0.9, 2, (0, 0, 2, 1))])
    for arguments, message in (
            ({'name': 1}, "name must be a string such as 'chair'"),
            ({'is_thing': 'yes'}, 'is_thing must be True, False or None'),
            ({'min_score': 50}, 'min_score must lie in 0..1, got 50'),
            ({'min_score': float('nan')}, 'min_score must lie in 0..1'),
            ({'min_score': '0.5'}, 'min_score must lie in 0..1')):
        with pytest.raises(ValueError, match=message):
            result.select(**arguments)
    for segment in ('chair', None, [1], True, 1.0):
        with pytest.raises(ValueError, match='expected a Segment or its id'):
            result.mask(segment)
    for vocabulary in (Vocabulary(stuff=['road']), Vocabulary(things=['couch', 'chair'])):
        with pytest.raises(ValueError, match='give the vocabulary that the result was made with'):
            result.to_coco(vocabulary)
    assert result.to_coco(Vocabulary(things=['chair,seat']))[0]['category_id'] == 1
