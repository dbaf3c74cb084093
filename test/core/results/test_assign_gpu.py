# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The merge for GPUs, run on the CPU: the same as the merge for CPUs, and no look at any value.

The tests of `test_merge.py` that are marked `both_ways` hold for it as well.
"""

from __future__ import annotations

import warnings

from hypothesis import example, given, settings
from hypothesis import strategies as st
from merge_case import random_log_probs, run, run_flat, smooth_masks
import numpy as np
import pytest
import torch

from eov_seg_core.device.transfer import to_device, to_host
from eov_seg_core.results import assign_cpu, assign_gpu
from eov_seg_core.results.assign_cpu import assign_pixels
from eov_seg_core.results.assign_gpu import assign_on_device
from eov_seg_core.results.tiles import MaskResize

CPU = torch.device('cpu')
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason='needs CUDA')


@pytest.fixture(scope='module', autouse=True)
def as_on_a_gpu():
    """Let `postprocess` take the way of GPUs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assign_cpu, 'compete', assign_gpu.compete)
        yield


def test_no_query_at_all():
    result = run_flat(torch.zeros(0, 3), torch.zeros(0, 8, 9), [True, False])
    assert result.segments == []
    assert result.instance.shape == (8, 9)


@settings(deadline=None, max_examples=60)
@given(queries=st.integers(1, 20), size=st.tuples(st.integers(1, 150), st.integers(1, 150)),
       seed=st.integers(0, 10_000), sharpness=st.sampled_from([0.0, 0.1, 8.0, 60.0]),
       kept_share=st.sampled_from([0.0, 0.5, 1.0]), band=st.sampled_from([1, 1000, 1 << 24]))
@example(queries=1, size=(1, 1), seed=0, sharpness=8.0, kept_share=1.0, band=1)
@example(queries=3, size=(7, 200), seed=0, sharpness=0.0, kept_share=0.0, band=1)
def test_equals_the_merge_for_cpus_bit_by_bit(queries, size, seed, sharpness, kept_share, band):
    generator = torch.Generator().manual_seed(seed)
    masks = smooth_masks(queries, *size, seed, sharpness)
    scores = torch.rand(queries, generator=generator) * 0.9 + 0.1
    kept = torch.rand(queries, generator=generator) < kept_share
    masks[~kept] = float('nan')     # whatever a dropped query says, nobody listens
    resize = MaskResize(size, size, size, size, CPU)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assign_gpu, 'BAND_ELEMENTS', band)
        codes, statistics = assign_on_device(masks, scores, kept, resize)
    kept_q = kept.nonzero().squeeze(1)
    assert not statistics[~kept, :3].any()
    if len(kept_q) == 0:
        assert not (codes % 2).any()
        return
    expected = assign_pixels(masks[kept_q], scores[kept_q], resize)
    np.testing.assert_array_equal(
        codes, 2 * kept_q.numpy()[expected.codes // 2] + expected.codes % 2)
    won, original, owned, *_ = statistics[kept_q].T.numpy()
    np.testing.assert_array_equal(won, expected.won_q)
    np.testing.assert_array_equal(original, expected.original_q)
    np.testing.assert_array_equal(owned, expected.owned_q)
    np.testing.assert_array_equal(statistics[kept_q][owned > 0, 3:],
                                  expected.boxes_q4[owned > 0])


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 12), st.tuples(st.integers(1, 200), st.integers(1, 200)),
       st.integers(0, 1000))
def test_equals_the_merge_for_cpus_after_the_resize(queries, output_size, seed):
    masks = smooth_masks(queries, 16, 24, seed)
    scores = torch.linspace(0.9, 0.1, queries)
    resize = MaskResize((16, 24), (64, 96), (60, 70), output_size, CPU)
    codes, statistics = assign_on_device(masks, scores, torch.ones(queries, dtype=bool), resize)
    expected = assign_pixels(masks, scores, resize)
    # the two multiply windows of different sizes, which may round differently
    differing = int((codes.numpy() != expected.codes).sum())
    assert differing <= 1 + 1e-4 * codes.numel()
    assert abs(statistics[:, 0].numpy() - expected.won_q).max() <= differing


@pytest.mark.parametrize(('queries', 'dtype'), [
    (1, torch.uint8), (128, torch.uint8), (129, torch.int16), (16384, torch.int16),
    (16385, torch.int32)])
def test_codes_are_as_narrow_as_they_can_be(queries, dtype):
    found = assign_gpu._code_dtype(queries)
    assert found == dtype
    assert 2 * queries - 1 <= torch.iinfo(found).max


def test_more_queries_than_a_byte_can_tell_apart():
    masks = torch.full((300, 10, 30), -9.0)
    masks.view(300, -1)[range(300), range(300)] = 9.0
    resize = MaskResize((10, 30), (10, 30), (10, 30), (10, 30), CPU)
    codes, statistics = assign_on_device(
        masks, torch.ones(300), torch.ones(300, dtype=bool), resize)
    assert codes.flatten().tolist() == list(range(1, 601, 2))
    assert statistics[299].tolist() == [1, 1, 1, 29, 9, 30, 10]


def test_the_host_asks_for_no_value():
    """A meta tensor has none to give: whatever looks at one raises."""
    device = torch.device('meta')
    resize = MaskResize((160, 216), (640, 864), (640, 853), (2160, 3840), device)
    codes, statistics = assign_on_device(
        torch.empty(100, 160, 216, device=device), torch.empty(100, device=device),
        torch.empty(100, dtype=torch.bool, device=device), resize)
    assert codes.shape == (2160, 3840)
    assert codes.dtype == torch.uint8
    assert statistics.shape == (100, 7)


def test_postprocessing_waits_only_where_the_result_is_fetched(monkeypatch):
    class FetchError(Exception):
        pass

    def fetch(*tensors):
        assert [tensor.device.type for tensor in tensors] == ['meta'] * 4
        raise FetchError

    monkeypatch.setattr(assign_gpu, 'to_host', fetch)
    with pytest.raises(FetchError):
        run(torch.empty(100, 151, device='meta'), torch.empty(100, 160, 216, device='meta'),
                  [True] * 150, (640, 864), (640, 853), (480, 640))


@pytest.mark.parametrize('output_size', [(480, 640), (2160, 3840)])
def test_memory_does_not_grow_with_the_output(output_size, monkeypatch):
    largest = []
    original = assign_gpu.resize_tile
    monkeypatch.setattr(assign_gpu, 'resize_tile', lambda *arguments: largest.append(
        original(*arguments)) or largest[-1])
    device = torch.device('meta')
    resize = MaskResize((160, 216), (640, 864), (640, 853), output_size, device)
    assign_on_device(torch.empty(100, 160, 216, device=device), torch.empty(100, device=device),
                     torch.empty(100, dtype=torch.bool, device=device), resize)
    assert 1 < len(largest) < 60, 'bands, but few launches'
    assert max(band.numel() for band in largest) <= assign_gpu.BAND_ELEMENTS


def test_a_compiler_can_make_one_kernel_of_the_competition():
    masks, scores = smooth_masks(7, 40, 50, 0), torch.linspace(0.9, 0.1, 7)
    resize = MaskResize((40, 50), (40, 50), (40, 50), (40, 50), CPU)
    arguments = masks, scores, torch.ones(7, dtype=bool), resize
    expected = assign_on_device(*arguments)
    torch._dynamo.reset()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assign_gpu, '_winners', torch.compile(
            assign_gpu._winners, fullgraph=True, dynamic=False, backend='aot_eager'))
        found = assign_on_device(*arguments)
    assert all(torch.equal(*pair) for pair in zip(found, expected))


def test_copies_on_a_cpu_are_no_copies():
    tensor = torch.arange(6)
    assert to_device(tensor, CPU) is tensor
    assert to_host(tensor)[0] is tensor


@needs_cuda
def test_on_a_gpu_it_is_the_same_within_rounding():
    masks, log_probs = smooth_masks(30, 160, 216, 3), random_log_probs(30, 5, 3)
    is_thing, sizes = [True, True, True, False, False], ((640, 864), (640, 853), (480, 640))
    on_gpu = log_probs.cuda(), masks.cuda()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter('always')
        torch.cuda.set_sync_debug_mode('warn')
        try:
            found = run(*on_gpu, is_thing, *sizes, overlap_threshold=0.05)
        finally:
            torch.cuda.set_sync_debug_mode('default')
    waits = [warning for warning in said if 'synchronizing' in str(warning.message)]
    assert len(waits) == 1, 'only for the result'
    expected = run(log_probs, masks, is_thing, *sizes, overlap_threshold=0.05)
    assert [segment.class_id for segment in found.segments] == [
        segment.class_id for segment in expected.segments]
    assert (found.instance != expected.instance).mean() < 1e-4


@needs_cuda
def test_on_a_gpu_copies_go_there_and_back():
    tensor = torch.arange(6).reshape(2, 3)
    there = to_device(tensor, torch.device('cuda'))
    assert there.is_cuda
    back, again = to_host(there, there + 1)
    assert back.is_pinned()
    assert torch.equal(back, tensor)
    assert torch.equal(again, tensor + 1)
