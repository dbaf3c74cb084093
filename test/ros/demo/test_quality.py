# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The demo's panoptic quality, against the one that evaluates data sets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
import numpy as np
import pytest

from eov_seg_ros.demo.quality import countable_truth, PanopticQuality, true_classes
from training import panoptic_quality as reference
from training.data.coco_json import Segment

CLASSES = {1: True, 2: True, 3: False}


def as_map(panoptic):
    """Return COCO's form: the segment ids are those of ours, whose upper bits are the class."""
    return reference.PanopticMap(panoptic, [
        Segment(id=value, category_id=value >> 16, is_crowd=False, area=None)
        for value in np.unique(panoptic).tolist() if value], 'made up')


def panoptics(count):
    """Return a strategy for stacks of small label images whose segments often overlap."""
    values = [0, 1 << 16 | 1, 1 << 16 | 2, 2 << 16 | 1, 2 << 16 | 3, 3 << 16]
    return st_numpy.arrays(np.int32, (count, 2, 3, 4), elements=st.sampled_from(values))


@given(panoptics(2))
def test_equal_to_the_evaluation_of_data_sets(images):
    ours, theirs = PanopticQuality(), reference.PanopticQuality(CLASSES)
    for truth, prediction in images:
        ours.add(truth, prediction)
        theirs.add(as_map(truth), as_map(prediction))
    assert ours.compute() == pytest.approx(theirs.compute()['All']['pq'])


def test_no_image_and_perfect_image():
    quality = PanopticQuality()
    assert quality.compute() == 0.0
    image = np.array([[1 << 16 | 7, 40000 << 16 & 0x7fffffff, 0]], np.int32)
    quality.add(image, image)
    assert quality.compute() == 1.0


def test_class_ids_that_use_the_sign_bit():
    image = np.array([[0xffff0001]], np.uint32).view(np.int32)
    quality = PanopticQuality()
    quality.add(image, image)
    assert quality.compute() == 1.0


TRUTH = {1: 'floor', 2: 'red sofa', 3: 'blue sofa', 4: 'red traffic cone', 5: 'wall'}


@pytest.mark.parametrize(('words', 'expected'), [
    (['sofa', 'floor'], {1: 2, 2: 1, 3: 1, 4: 0, 5: 0}),
    (['couch', 'thing,pylon'], {1: 0, 2: 1, 3: 1, 4: 2, 5: 0}),
    (['red couch', 'sofa'], {1: 0, 2: 1, 3: 2, 4: 0, 5: 0}),
    (['red traffic cone'], {1: 0, 2: 0, 3: 0, 4: 1, 5: 0}),
    ([], {1: 0, 2: 0, 3: 0, 4: 0, 5: 0}),
])
def test_words_meet_the_truth_by_colour_then_by_category_or_synonym(words, expected):
    class_map = {number: word.split(',')[0] for number, word in enumerate(words, start=1)}
    assert true_classes(TRUTH, words, {0: 'unlabeled', **class_map}) == expected


def test_truth_without_a_word_or_with_few_pixels_does_not_count():
    truth = np.full((10, 10), 2 << 16 | 5, np.int32)
    truth[:4] = 1 << 16
    truth[4:6] = 9 << 16 | 6
    truth[6, :1] = 2 << 16 | 8
    result = countable_truth(truth, {1: 7, 2: 3, 9: 0})
    assert set(np.unique(result[:4])) == {7 << 16}
    assert (result[4:6] == 0).all()
    assert result[6, 0] == 0
    assert (result[7:] == 0).all(), '39 pixels are below 40'
    truth[6, 0] = 2 << 16 | 5
    assert (countable_truth(truth, {2: 3})[7:] == (3 << 16 | 5)).all()
