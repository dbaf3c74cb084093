# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The panoptic merge against the published loop, written down plainly, and golden data."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st
from merge_case import (
    check_consistency,
    golden_cases,
    one_hot_log_probs,
    published_panoptic,
    published_resize,
    random_log_probs,
    rectangles,
    run,
    run_flat,
    run_golden,
    smooth_masks,
)
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from eov_seg_core.results import assign_cpu, assign_gpu
from eov_seg_core.results.result import Segment

PARITY = Path(__file__).parents[4] / 'shared' / 'parity'
both_ways = pytest.mark.usefixtures('way')
"""The test is run with the merge for CPUs and with that for GPUs, which runs on a CPU, too."""


@pytest.fixture(scope='module', params=['for CPUs', 'for GPUs'])
def way(request):
    with pytest.MonkeyPatch.context() as patch:
        if request.param == 'for GPUs':
            patch.setattr(assign_cpu, 'compete', assign_gpu.compete)
        yield


@both_ways
@settings(deadline=None, max_examples=60)
@given(queries=st.integers(1, 20), num_classes=st.integers(1, 5), things=st.integers(0, 5),
       height=st.integers(1, 150), width=st.integers(1, 150), seed=st.integers(0, 10_000),
       score_threshold=st.sampled_from([0.0, 0.3, 0.6, 1.0]),
       overlap_threshold=st.sampled_from([0.0, 0.3, 0.8, 1.0]),
       sharpness=st.sampled_from([0.0, 0.1, 8.0, 60.0]))
def test_equals_the_published_loop(queries, num_classes, things, height, width, seed,
                                   score_threshold, overlap_threshold, sharpness):
    is_thing = [index < things for index in range(num_classes)]
    log_probs = random_log_probs(queries, num_classes, seed)
    # sharpness 0: ties everywhere, and a probability of exactly one half; 60: saturation
    masks = smooth_masks(queries, height, width, seed, sharpness)
    instance, segments, scores = published_panoptic(
        log_probs, masks, is_thing, score_threshold, overlap_threshold)
    result = run_flat(log_probs, masks, is_thing, score_threshold=score_threshold,
                      overlap_threshold=overlap_threshold)
    assert [(s.id, s.class_id - 1) for s in result.segments] == segments
    np.testing.assert_array_equal(result.instance, instance.numpy())
    np.testing.assert_allclose([s.score for s in result.segments], scores, rtol=1e-6)
    check_consistency(result, is_thing)


@both_ways
@settings(deadline=None, max_examples=40)
@given(st.tuples(st.integers(1, 4), st.integers(1, 4)), st.tuples(st.integers(0, 31),
       st.integers(0, 31)), st.tuples(st.integers(1, 200), st.integers(1, 200)),
       st.integers(0, 1000))
@example((4, 4), (0, 0), (128, 128), 0)
def test_resizes_as_published(blocks, margin, output_size, seed):
    padded = tuple(32 * n for n in blocks)
    network = tuple(side - cut for side, cut in zip(padded, margin))
    masks = smooth_masks(6, padded[0] // 4, padded[1] // 4, seed).double()
    log_probs = random_log_probs(6, 3, seed)
    exact = published_resize(masks, padded, network, output_size)
    instance, segments, _ = published_panoptic(log_probs.double(), exact, [True] * 3, 0.0, 0.0)
    result = run(log_probs, masks.float(), [True] * 3, padded, network, output_size,
                 overlap_threshold=0.0)
    # a pixel may differ where two queries, or a logit and zero, are closer than float32 resolves
    differing = (result.instance != instance.numpy()).sum()
    if len(result.segments) == len(segments):
        assert differing <= 2 + 1e-3 * instance.numel()


@both_ways
def test_large_output_is_exact_in_its_tiles():
    masks = smooth_masks(30, 160, 216, 3)
    log_probs = random_log_probs(30, 5, 3)
    is_thing = [True, True, True, False, False]
    sizes = ((640, 864), (640, 853), (480, 640))
    instance, segments, _ = published_panoptic(
        log_probs, published_resize(masks, *sizes), is_thing, 0.0, 0.05)
    result = run(log_probs, masks, is_thing, *sizes, overlap_threshold=0.05)
    assert [(s.id, s.class_id - 1) for s in result.segments] == segments
    assert len(segments) > 3
    assert (result.instance != instance.numpy()).mean() < 1e-4
    check_consistency(result, is_thing)


@both_ways
def test_one_query():
    result = run_flat(one_hot_log_probs([0], 1, 0.8), rectangles([(5, 6, 30, 20)]), [True])
    assert result.segments == [Segment(
        id=1, class_id=1, name='name 0', is_thing=True, score=pytest.approx(0.8),
        area=25 * 14, bbox_xyxy=(5, 6, 30, 20))]
    assert result.instance[6, 5] == result.semantic[19, 29] == 1
    assert result.confidence[6, 5] == 204
    assert result.instance.sum() == 25 * 14


@both_ways
@pytest.mark.parametrize('case', ['all void', 'below threshold', 'negative masks'])
def test_nothing_kept(case):
    labels = [2, 2] if case == 'all void' else [0, 1]
    masks = rectangles([(0, 0, 9, 9), (9, 9, 20, 20)])
    if case == 'negative masks':
        masks = -abs(masks)
    result = run_flat(one_hot_log_probs(labels, 2), masks, [True, False],
                      score_threshold=0.95 if case == 'below threshold' else 0.0)
    assert result.segments == []
    assert result.instance.shape == result.semantic.shape == (40, 60)
    assert not result.instance.any()
    assert not result.confidence.any()


@both_ways
def test_stuff_of_one_class_is_one_segment_and_things_are_several():
    boxes = [(0, 0, 10, 40), (20, 0, 30, 40), (40, 0, 50, 40), (52, 3, 55, 9)]
    result = run_flat(one_hot_log_probs([1, 0, 1, 0], 2), rectangles(boxes), [True, False])
    assert [(s.id, s.class_id, s.area) for s in result.segments] == [
        (1, 2, 800), (2, 1, 400), (3, 1, 18)]
    assert result.segments[0].bbox_xyxy == (0, 0, 50, 40)
    assert result.instance[5, 45] == 1


@both_ways
def test_stuff_that_fails_the_overlap_test_neither_joins_nor_opens_its_class():
    # the second query is mostly covered by the first, which scores higher
    boxes = [(0, 0, 30, 40), (0, 0, 32, 40), (40, 0, 60, 40)]
    log_probs = torch.cat([one_hot_log_probs([0], 2, 0.95), one_hot_log_probs([1, 1], 2, 0.8)])
    result = run_flat(log_probs, rectangles(boxes), [True, False])
    assert [(s.class_id, s.area) for s in result.segments] == [(1, 1200), (2, 800)]
    assert result.instance[0, 31] == 0
    assert result.segments[1].bbox_xyxy == (40, 0, 60, 40)


@both_ways
def test_the_first_of_equal_queries_wins():
    result = run_flat(one_hot_log_probs([1, 0], 2), rectangles([(0, 0, 9, 9)] * 2), [True, True])
    assert [s.class_id for s in result.segments] == [2]


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float64])
def test_other_float_types_are_accepted(dtype):
    result = run_flat(one_hot_log_probs([0], 2).to(dtype),
                      rectangles([(5, 6, 30, 20)]).to(dtype), [True, False])
    assert result.segments[0].area == 25 * 14


@both_ways
def test_logits_that_are_no_numbers_label_nothing_and_raise_nothing():
    masks = rectangles([(5, 6, 30, 20), (0, 30, 60, 40)])
    masks[1, :10] = float('nan')
    result = run_flat(one_hot_log_probs([0, 0], 1), masks, [True], overlap_threshold=0.0)
    assert not result.instance[:10].any()
    check_consistency(result, [True])


def test_the_number_of_threads_is_restored():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        run_flat(one_hot_log_probs([0], 1), rectangles([(5, 6, 30, 20)]), [True])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@both_ways
def test_inputs_are_not_changed():
    masks, log_probs = smooth_masks(8, 20, 20, 0), random_log_probs(8, 2, 0)
    copies = masks.clone(), log_probs.clone()
    run_flat(log_probs, masks, [True, False], keep_instances=True, keep_semantic=True)
    assert torch.equal(masks, copies[0])
    assert torch.equal(log_probs, copies[1])


def test_contradictory_shapes_are_refused():
    with pytest.raises(ValueError, match=r'\(3, 3\), expected \(2, 3\)'):
        run_flat(random_log_probs(3, 2, 0), torch.zeros(2, 8, 8), [True, False])
    with pytest.raises(ValueError, match=r'\(2, 4\), expected \(2, 3\)'):
        run_flat(random_log_probs(2, 3, 0), torch.zeros(2, 8, 8), [True, False])


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 12), st.integers(1, 4), st.integers(0, 1000))
def test_semantic_and_instances_equal_their_definitions(queries, num_classes, seed):
    padded, network, output = (64, 96), (60, 70), (45, 83)
    masks = smooth_masks(queries, 16, 24, seed)
    log_probs = random_log_probs(queries, num_classes, seed)
    is_thing = [index % 2 == 0 for index in range(num_classes)]
    result = run(log_probs, masks, is_thing, padded, network, output, keep_semantic=True,
                 keep_instances=True)
    logits = published_resize(masks, padded, network, output)
    probs = log_probs.softmax(-1)[:, :-1]
    expected = torch.einsum('qk,qhw->khw', probs, logits.sigmoid()).numpy()
    np.testing.assert_allclose(result.semantic_scores, expected, atol=2e-5)

    late = run(log_probs, masks, is_thing, padded, network, output, keep_semantic='late')
    up = F.interpolate(masks[None], size=padded, mode='bilinear')[0].sigmoid()
    scores = torch.einsum('qk,qhw->khw', probs, up)[None, :, :network[0], :network[1]]
    expected = F.interpolate(scores, size=output, mode='bilinear')[0].numpy()
    np.testing.assert_allclose(late.semantic_scores, expected, atol=2e-5)

    top = probs.flatten().topk(min(100, probs.numel()))
    expected = sorted(
        (-float(score * (logits[q].sigmoid() * (logits[q] > 0)).sum()
                / ((logits[q] > 0).sum() + 1e-6)), k, q)
        for score, q, k in zip(top.values, (top.indices // num_classes).tolist(),
                               (top.indices % num_classes).tolist()) if is_thing[k])
    found = result.instances
    assert len(found) == len(expected)
    np.testing.assert_allclose(found.scores, [-score for score, _, _ in expected], atol=1e-5)
    assert sorted(zip(found.class_indices, found.queries)) == sorted(
        (k, q) for _, k, q in expected)
    assert found.masks.shape == (len(expected), *output)
    for index, (query, mask) in enumerate(zip(found.queries, found.masks)):
        assert (mask != (logits[query] > 0).numpy()).mean() < 1e-3
        np.testing.assert_array_equal(mask, found.mask(index))


def test_no_instances_without_things():
    result = run_flat(random_log_probs(4, 2, 0), smooth_masks(4, 9, 11, 0), [False, False],
                      keep_instances=True)
    assert len(result.instances) == 0
    assert result.instances.masks.shape == (0, 9, 11)


@pytest.fixture(scope='module')
def golden():
    if not PARITY.is_dir():
        pytest.skip('golden arrays are not beside this checkout')

    def load(name, index):
        with np.load(PARITY / f'{name}.npz') as file:
            meta = json.loads(file['meta_json'].tobytes())
            arrays = {key.split('/')[1]: file[key] for key in file.files
                      if key.startswith(f'img{index}/')}
            arrays['mask_logits'] = file['s2_mask'].reshape(meta['arrays']['s2_mask']['shape'])
            arrays['mask_logits'] = arrays['mask_logits'][index]
            arrays['padded_size'] = meta['arrays']['input_norm_padded']['shape'][2:]
        arrays['mask_cls'] = arrays['mask_cls'].reshape(len(arrays['mask_logits']), -1)
        return meta, arrays

    return load


@both_ways
@pytest.mark.parametrize(('name', 'index'), golden_cases())
def test_golden_panoptic(golden, name, index):
    meta, arrays = golden(name, index)
    for number, (score_threshold, overlap_threshold) in enumerate(meta['thresholds']):
        result = run_golden(meta, arrays, index, score_threshold=score_threshold,
                            overlap_threshold=overlap_threshold)
        expected = meta['segments_info'][f'img{index}/pan{number}']
        assert [(s.id, s.is_thing, s.class_id - 1) for s in result.segments] == [
            (s['id'], s['isthing'], s['category_id']) for s in expected]
        np.testing.assert_array_equal(result.instance, arrays[f'pan{number}'])


@pytest.mark.parametrize(('name', 'index'), golden_cases())
def test_golden_semantic_and_instances(golden, name, index):
    meta, arrays = golden(name, index)
    result = run_golden(meta, arrays, index, keep_semantic=True, keep_instances=True)
    late = run_golden(meta, arrays, index, keep_semantic='late')
    for key, scores in (('sem_seg', result.semantic_scores),
                        ('sem_seg_late', late.semantic_scores)):
        layout = meta['arrays'][f'img{index}/{key}']
        assert list(scores.shape) == layout['shape']
        np.testing.assert_allclose(scores.reshape(-1)[::layout['stride']],
                                   arrays[key].reshape(-1), atol=1e-5)
    assert (result.semantic_scores.argmax(0) != arrays['sem_argmax']).mean() < 1e-3
    found = result.instances
    np.testing.assert_allclose(found.scores, arrays['ins_scores'], atol=1e-6)
    # neighbours of nearly the same score may change places
    areas = found.masks.sum(axis=(1, 2))
    assert sorted(zip(found.class_indices, areas)) == sorted(
        zip(arrays['ins_classes'], arrays['ins_areas']))
    positive = np.unpackbits(arrays['mask_post_packed'], count=100 * found.masks[0].size)
    expected = positive.reshape(100, *found.size)[found.queries]
    np.testing.assert_array_equal(found.masks, expected)
