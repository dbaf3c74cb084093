# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The golden maps as a GPU makes them, in each precision, from CUDA graphs."""

from __future__ import annotations

from golden_case import CASES, GOLDEN, GoldenCase
import pytest
import torch

from benchmarks.random_weights import random_model
from eov_seg_core.inference.preprocess import preprocess
from eov_seg_core.segmenter import Segmenter

LEAST_EQUAL = {'fp32': 0.999, 'mixed': 0.99}
"""Precision -> share of equal pixels of the id map.  The whole network in half precision is judged
with trained weights (test_precision): random ones have edges everywhere, and lose most pixels."""
RUNS = [('cpu', 's', 'fp32')] + [
    pytest.param('cuda', variant, precision, marks=pytest.mark.skipif(
        not torch.cuda.is_available(), reason='needs CUDA'))
    for variant in CASES for precision in LEAST_EQUAL]


@pytest.mark.parametrize(('device', 'variant', 'precision'), RUNS)
def test_golden_maps(device, variant, precision, tmp_path):
    segmenter = Segmenter(random_model(variant), device, precision, input_size=None,
                          embedding_cache_dir=tmp_path)
    for name in CASES[variant]:
        case = GoldenCase(GOLDEN / f'{name}.npz')
        case.use_vocabulary(segmenter)
        batch = preprocess(case.images, output_sizes=None, input_size=None, max_input_size=2560,
                           device=segmenter.device)
        # float32 as it is meant, without TF32 in the convolutions, which is PyTorch's default
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=precision != 'fp32'):
            segmenter.network.prepare(batch.pixels_BCHW, segmenter._prepared.embedding)
            case.check_maps(segmenter, LEAST_EQUAL[precision])
    assert segmenter.fallbacks == {}
