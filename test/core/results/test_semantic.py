# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The best class of every pixel against the argmax of the scores of all classes."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from eov_seg_core.results.merge import postprocess
from eov_seg_core.results.semantic import SemanticOrder
from eov_seg_core.results.thresholds import Thresholds
from eov_seg_core.vocabulary import Vocabulary


def make_masks(queries, height, width, seed, sharpness):
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(queries, max(height // 4, 2), max(width // 4, 2), generator=generator)
    return sharpness * F.interpolate(coarse[None], size=(height, width), mode='bicubic')[0]


def make_log_probs(queries, num_classes, seed, sharpness):
    generator = torch.Generator().manual_seed(seed + 1)
    logits = sharpness * torch.randn(queries, num_classes + 1, generator=generator)
    return (logits.softmax(-1) + 1e-8).log()


def run(log_probs, masks, padded, network, output, **options):
    num_classes = log_probs.shape[1] - 1
    return postprocess(
        log_probs, masks, padded_size=padded, network_size=network, output_size=output,
        vocabulary=Vocabulary(stuff=[f'name {index}' for index in range(num_classes)]),
        thresholds=Thresholds(), **options)


@settings(deadline=None, max_examples=60)
@given(queries=st.integers(1, 20), num_classes=st.integers(1, 40), seed=st.integers(0, 1000),
       sharpness=st.sampled_from([0.1, 2.0, 20.0]), order=st.sampled_from([True, 'late']))
@example(queries=1, num_classes=1, seed=0, sharpness=2.0, order=True)
@example(queries=20, num_classes=40, seed=0, sharpness=0.1, order='late')
@example(queries=2, num_classes=2, seed=110, sharpness=20.0, order=True)  # scores of 1e-9
def test_equals_the_argmax_of_the_scores(queries, num_classes, seed, sharpness, order):
    """Unlike the tiles, sizes are odd; where rounding decides, both scores must be the same."""
    sizes = (64, 160), (60, 150), (77, 301)
    masks = make_masks(queries, 16, 40, seed, sharpness)
    log_probs = make_log_probs(queries, num_classes, seed, sharpness)
    result = run(log_probs, masks, *sizes, keep_semantic=order, keep_semantic_argmax=order)
    best = result.semantic_argmax
    assert best.dtype == np.int32
    assert best.shape == sizes[2]
    chosen = np.take_along_axis(result.semantic_scores, best[None].astype(np.int64), 0)[0]
    # a score may lack 1e-7 of the largest possible one, which is at most the number of queries
    np.testing.assert_allclose(chosen, result.semantic_scores.max(axis=0), rtol=3e-5,
                               atol=1e-7 * queries)


@pytest.mark.parametrize('order', [True, 'late'])
def test_the_first_of_equal_classes_wins(order):
    """Classes 1 and 2 are the same, 0 and 3 are worse; the mask lies inside the right half."""
    log_probs = torch.tensor([[0.1, 0.4, 0.4, 0.09, 0.01]]).log()
    masks = torch.full((1, 8, 8), -9.0)
    masks[:, :, 4:] = 9.0
    result = run(log_probs, masks, (32, 32), (32, 32), (32, 32), keep_semantic_argmax=order)
    assert (result.semantic_argmax == 1).all()


def test_masks_that_are_full_everywhere_still_count():
    """Query 1 is the same at all pixels, so only its constant part says that class 1 wins."""
    log_probs = torch.tensor([[0.6, 0.3, 0.1], [0.1, 0.8, 0.1]]).log()
    masks = torch.full((2, 8, 8), 30.0)
    masks[0, :, :4] = -30.0
    result = run(log_probs, masks, (32, 32), (32, 32), (32, 32), keep_semantic_argmax=True)
    assert (result.semantic_argmax == 1).all()


def test_logits_that_are_no_numbers_raise_nothing():
    masks = make_masks(5, 16, 16, 0, 4.0)
    masks[2, :5] = float('nan')
    result = run(make_log_probs(5, 3, 0, 2.0), masks, (64, 64), (64, 64), (64, 64),
                 keep_semantic_argmax=True)
    assert set(np.unique(result.semantic_argmax)) <= {0, 1, 2}


@pytest.mark.parametrize(('value', 'order'), [
    (False, None), (np.False_, None), (True, SemanticOrder.RESIZE_FIRST),
    (np.True_, SemanticOrder.RESIZE_FIRST), ('late', SemanticOrder.SCORES_FIRST),
    (SemanticOrder.RESIZE_FIRST, SemanticOrder.RESIZE_FIRST),
    (SemanticOrder.SCORES_FIRST, SemanticOrder.SCORES_FIRST)])
def test_ways_to_ask_for_an_order(value, order):
    assert SemanticOrder.requested('keep_semantic', value) is order


@pytest.mark.parametrize('value', ['early', None, 2, ['late']])
def test_other_orders_are_refused(value):
    with pytest.raises(ValueError, match="keep_semantic must be False, True or 'late', got"):
        SemanticOrder.requested('keep_semantic', value)


def test_not_made_unless_asked_for():
    result = run(make_log_probs(2, 3, 0, 2.0), make_masks(2, 8, 8, 0, 4.0), (32, 32), (32, 32),
                 (32, 32))
    assert result.semantic_argmax is None
