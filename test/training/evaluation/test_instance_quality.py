# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Mask AP by hand, and the encoding of masks against pycocotools."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from pycocotools import mask as coco_mask
import pytest

from training.evaluation.instance_quality import (
    Detection,
    encode_masks,
    InstanceQuality,
    TrueInstance,
)

SIZE = (1, 10)
CAT, DOG, SKY = 0, 1, 2
IS_THING = (True, True, False)


def counts(*pixels):
    """Encode a mask of one row from the columns inside."""
    mask = np.zeros((1, *SIZE), np.bool_)
    mask[0, 0, list(pixels)] = True
    return encode_masks(np.packbits(mask, axis=2), SIZE[1])[0]


def true(class_index, *pixels, crowd=False):
    return TrueInstance(class_index, counts(*pixels), crowd)


def found(class_index, score, *pixels):
    return Detection(class_index, counts(*pixels), score)


def quality_of(*images):
    quality = InstanceQuality(IS_THING)
    for truth, detections in images:
        quality.add(SIZE, truth, detections)
    return quality.compute()


def test_no_image():
    result = quality_of()
    assert result['n'] == 0
    assert result['ap'] is result['ap50'] is None
    assert result['per_class'] == [None, None, None]


def test_nothing_to_find():
    assert quality_of(([], [found(CAT, 1.0, 0)])) == quality_of()


def test_nothing_found():
    result = quality_of(([true(CAT, 0)], []))
    assert (result['ap'], result['ap50'], result['n']) == (0.0, 0.0, 1)
    assert result['per_class'] == [0.0, None, None]


def test_one_perfect_instance():
    result = quality_of(([true(DOG, 0, 1)], [found(DOG, 0.2, 0, 1)]))
    assert [result[key] for key in ('ap', 'ap50', 'ap75')] == [pytest.approx(1.0)] * 3
    assert result['ap_small'] == pytest.approx(1.0)
    assert result['ap_medium'] is result['ap_large'] is None
    assert result['per_class'] == [None, pytest.approx(1.0), None]


def test_all_wrong():
    assert quality_of(([true(CAT, 0)], [found(DOG, 1.0, 0)]))['ap'] == 0.0
    assert quality_of(([true(CAT, 0)], [found(CAT, 1.0, 1)]))['ap'] == 0.0


def test_three_quarters_pass_six_of_ten_thresholds():
    """IoU 3 / 4 matches at 0.50, 0.55, ... 0.75."""
    result = quality_of(([true(CAT, 0, 1, 2, 3)], [found(CAT, 1.0, 0, 1, 2)]))
    assert result['ap'] == pytest.approx(0.6)
    assert (result['ap50'], result['ap75']) == (pytest.approx(1.0), pytest.approx(1.0))


def test_a_better_scored_false_alarm_halves_the_precision():
    wrong, right = found(CAT, 0.9, 5, 6), found(CAT, 0.8, 0, 1)
    assert quality_of(([true(CAT, 0, 1)], [wrong, right]))['ap'] == pytest.approx(0.5)
    assert quality_of(([true(CAT, 0, 1)], [right._replace(score=0.95), wrong])
                      )['ap'] == pytest.approx(1.0)


def test_half_of_the_instances():
    """Precision 1 at the recalls 0, 0.01, ... 0.5: 51 of 101."""
    result = quality_of(([true(CAT, 0, 1), true(CAT, 3, 4)], [found(CAT, 1.0, 0, 1)]))
    assert result['ap'] == pytest.approx(51 / 101)


def test_classes_that_occur_are_averaged():
    result = quality_of(([true(CAT, 0), true(DOG, 1)], [found(CAT, 1.0, 0)]))
    assert result['per_class'] == [pytest.approx(1.0), 0.0, None]
    assert (result['ap'], result['n']) == (pytest.approx(0.5), 2)


def test_crowd_is_neither_missed_nor_is_what_lies_in_it_wrong():
    crowd = true(CAT, 5, 6, 7, 8, crowd=True)
    result = quality_of(([true(CAT, 0, 1), crowd],
                         [found(CAT, 1.0, 5, 6), found(CAT, 0.9, 0, 1)]))
    assert result['ap'] == pytest.approx(1.0)
    assert quality_of(([crowd], [found(CAT, 1.0, 5, 6)]))['n'] == 0


def test_images_do_not_mix():
    result = quality_of(([true(CAT, 0)], []), ([], [found(CAT, 1.0, 0)]))
    assert result['ap'] == 0.0


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 4), st.integers(1, 12), st.integers(1, 20), st.integers(0, 2 ** 32 - 1),
       st.sampled_from([0.0, 0.1, 0.5, 1.0]))
def test_encoding_equals_pycocotools(number, height, width, seed, share):
    masks = np.random.default_rng(seed).random((number, height, width)) < share
    expected = [coco_mask.encode(np.asfortranarray(mask, np.uint8))['counts'].decode()
                for mask in masks]
    assert encode_masks(np.packbits(masks, axis=2), width) == expected
