# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""mIoU by hand, and against sets of pixels."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from training.evaluation.semantic_quality import count_pairs, SemanticQuality


def row(*classes):
    return np.array([classes], np.int32)


def quality_of(num_classes, *pairs):
    quality = SemanticQuality(num_classes)
    for truth, prediction in pairs:
        quality.count(count_pairs(truth, prediction, num_classes))
    return quality.compute()


def test_no_image():
    assert quality_of(2) == {'miou': 0.0, 'fwiou': 0.0, 'macc': 0.0, 'pacc': 0.0, 'n': 0,
                             'per_class': [None, None]}


def test_no_judged_pixel():
    assert quality_of(2, (row(-1, -1), row(0, 1))) == quality_of(2)


@pytest.mark.parametrize('num_classes', [1, 2, 150])
def test_one_perfect_image(num_classes):
    result = quality_of(num_classes, (row(0, 0, -1), row(0, 0, 0)))
    assert (result['miou'], result['fwiou'], result['macc'], result['pacc']) == (1, 1, 1, 1)
    assert result['n'] == 1
    assert result['per_class'] == [1.0] + [None] * (num_classes - 1)


def test_all_wrong():
    result = quality_of(2, (row(0, 1), row(1, 0)))
    assert (result['miou'], result['fwiou'], result['macc'], result['pacc']) == (0, 0, 0, 0)
    assert result['n'] == 2


def test_by_hand():
    """Class 0: 2 of 3 found, one pixel too many: 2 / 4.  Class 1: 1 of 2, one too many: 1 / 3."""
    result = quality_of(3, (row(0, 0, 0, 1, 1), row(0, 0, 1, 0, 1)))
    assert result['per_class'] == [pytest.approx(1 / 2), pytest.approx(1 / 3), None]
    assert result['miou'] == pytest.approx((1 / 2 + 1 / 3) / 2)
    assert result['fwiou'] == pytest.approx((3 * 1 / 2 + 2 * 1 / 3) / 5)
    assert result['macc'] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert result['pacc'] == pytest.approx(3 / 5)


def test_predictions_on_pixels_that_are_not_judged_count_for_nobody():
    assert quality_of(2, (row(0, 0, -1), row(0, 0, 0)))['miou'] == 1.0


def test_a_class_that_only_predictions_show_lowers_others_but_is_not_averaged():
    result = quality_of(2, (row(0, 0), row(0, 1)))
    assert result['per_class'] == [0.5, None]
    assert result['miou'] == 0.5


def test_pixels_are_counted_over_all_images_before_dividing():
    """1 of 1 and 0 of 3: one IoU of 1 / 4, not the mean of 1 and 0."""
    result = quality_of(2, (row(0), row(0)), (row(0, 0, 0), row(1, 1, 1)))
    assert result['miou'] == 0.25


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 3)), min_size=1, max_size=12))
def test_equals_sets_of_pixels(pixels):
    truth, prediction = (row(*side) for side in zip(*pixels))
    ious = []
    for key in range(4):
        true = {place for place, (t, _) in enumerate(pixels) if t == key}
        found = {place for place, (t, p) in enumerate(pixels) if p == key and t >= 0}
        if true:
            ious.append(len(true & found) / len(true | found))
    expected = sum(ious) / len(ious) if ious else 0.0
    assert quality_of(4, (truth, prediction))['miou'] == pytest.approx(expected)


@pytest.mark.parametrize(('truth', 'prediction', 'message'), [
    (row(0), row(0, 0), r'shape \(1, 2\), but its truth \(1, 1\)'),
    (row(2), row(0), r'of the truth lie in 2\.\.2, expected -1\.\.1'),
    (row(-2), row(0), r'of the truth lie in -2\.\.-2, expected -1\.\.1'),
    (row(0), row(2), r'of the prediction lie in 2\.\.2, expected 0\.\.1'),
    (row(0), row(-1), r'of the prediction lie in -1\.\.-1, expected 0\.\.1'),
])
def test_contradictions_are_refused(truth, prediction, message):
    with pytest.raises(ValueError, match=message):
        count_pairs(truth, prediction, 2)
