# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The demo's panoptic quality: its label images as maps, and the truth in the node's classes."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
import numpy as np
import pytest

from eov_seg_core.quality import PanopticQuality
from eov_seg_ros.demo.quality import countable_truth, panoptic_map, true_classes


def old_quality(images):
    """Return what the demo's own counting gave before there was one for all: the plain rules."""
    iou_sum, weight = Counter(), Counter()
    for truth, prediction in images:
        overlaps = Counter(zip(truth.ravel().tolist(), prediction.ravel().tolist()))
        true_areas, areas = Counter(truth.ravel().tolist()), Counter(prediction.ravel().tolist())
        matched = set()
        for (true, found), overlap in overlaps.items():
            union = true_areas[true] + areas[found] - overlap - overlaps[0, found]
            if true and found and true >> 16 == found >> 16 and overlap / union > 0.5:
                matched |= {(0, true), (1, found)}
                iou_sum[true >> 16] += overlap / union
                weight[true >> 16] += 1
        for true in set(true_areas) - {0}:
            weight[true >> 16] += 0.5 * ((0, true) not in matched)
        for found in set(areas) - {0}:
            excused = overlaps[0, found] / areas[found] > 0.5
            weight[found >> 16] += 0.5 * ((1, found) not in matched and not excused)
    qualities = [iou_sum[key] / total for key, total in weight.items() if total]
    return sum(qualities) / max(len(qualities), 1)


def quality_of(images, classes=(1, 2, 3)):
    quality = PanopticQuality(dict.fromkeys(classes, True))
    for truth, prediction in images:
        quality.add(panoptic_map(truth, 'truth'), panoptic_map(prediction, 'prediction'))
    return quality.compute()['All']['pq']


def panoptics(count):
    """Return a strategy for stacks of small label images whose segments often overlap."""
    values = [0, 1 << 16 | 1, 1 << 16 | 2, 2 << 16 | 1, 2 << 16 | 3, 3 << 16]
    return st_numpy.arrays(np.int32, (count, 2, 3, 4), elements=st.sampled_from(values))


@given(panoptics(2))
def test_equal_to_the_plain_rules(images):
    assert quality_of(images) == pytest.approx(old_quality(images))


def test_no_image_and_perfect_image():
    assert quality_of([]) == 0.0
    image = np.array([[1 << 16 | 7, 30000 << 16, 0]], np.int32)
    assert quality_of([(image, image)], (1, 30000)) == 1.0


def test_class_ids_that_use_the_sign_bit():
    image = np.array([[0xffff0001, 0xffff0002]], np.uint32).view(np.int32)
    assert quality_of([(image, image)], (0xffff,)) == 1.0


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
