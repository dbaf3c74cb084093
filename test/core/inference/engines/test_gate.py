# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The gate tells an engine that rounds from one that is broken, whatever the weights are."""

from __future__ import annotations

import copy

import pytest
import torch

from eov_seg_core import Segmenter, Vocabulary
from eov_seg_core.inference.engines.gate import compare, FACTS, fault

SIZE = (96, 128)


def run(model, pixels, guide):
    return model.embed(model.extract_features(pixels), guide)


def in_bfloat16(model):
    """Return the whole network in bfloat16, as OpenVINO runs it on a CPU that has it."""
    def engine(pixels, guide):
        with torch.autocast('cpu', dtype=torch.bfloat16):
            output = run(model, pixels, guide)
        return type(output)(*(tensor.float() if tensor.is_floating_point() else tensor
                              for tensor in output))
    return engine


def test_pytorch_itself_passes_and_rounding_passes_where_it_may(model, words):
    facts = compare(model, lambda *inputs: run(model, *inputs), words, SIZE)
    assert facts == pytest.approx(dict.fromkeys(FACTS, 1.0), abs=1e-6)
    assert fault(facts, 'fp32') is None
    rounded = compare(model, in_bfloat16(model), words, SIZE)
    assert fault(rounded, 'bf16') is None, rounded
    assert fault(rounded, 'fp32') is not None, rounded


def damaged(model, kind):
    """Return an engine that is wrong in bfloat16 in one of several ways."""
    if kind == 'one layer':
        other = copy.deepcopy(model)
        torch.nn.init.zeros_(other.aggregator.lateral[0].weight)
        return in_bfloat16(other)
    engine = in_bfloat16(model)
    changes = {'nan': lambda output: output._replace(
                   mask_logits_BQhw=output.mask_logits_BQhw * float('nan')),
               'mirrored': lambda output: output._replace(
                   mask_logits_BQhw=output.mask_logits_BQhw.flip(3)),
               'shifted': lambda output: output._replace(
                   mask_logits_BQhw=output.mask_logits_BQhw.roll(4, 2)),
               'other queries': lambda output: output._replace(
                   embedding_BQE=output.embedding_BQE.roll(1, 1)),
               'no CLIP': lambda output: output._replace(
                   clip_embedding_BQE=torch.zeros_like(output.clip_embedding_BQE))}
    return lambda *inputs: changes[kind](engine(*inputs))


@pytest.mark.parametrize('kind', ['nan', 'mirrored', 'shifted', 'other queries', 'no CLIP',
                                  'one layer'])
def test_what_is_broken_is_refused_in_half_precision_too(model, words, kind):
    facts = compare(model, damaged(model, kind), words, SIZE)
    assert fault(facts, 'bf16') is not None, facts


@torch.no_grad()
def test_a_wrong_layer_that_few_rooms_need_is_seen():
    segmenter = Segmenter.from_pretrained('t', device='cpu', runtime='torch')
    other = copy.deepcopy(segmenter.model)
    weight = other.aggregator.top_down[0].deform.weight.data
    weight.copy_(weight.flip(1))
    words = segmenter.prepare_vocabulary(Vocabulary.preset('world')).embedding
    facts = compare(segmenter.model, lambda *inputs: run(other, *inputs), words, (288, 384))
    assert fault(facts, 'fp32') is not None, facts
