# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Networks without one of their parts."""

from typing import get_args

from network_case import all_stages
import pytest
import torch

from eov_seg_core import EOVSeg, Segmenter, Vocabulary
from training.ablation import ablate, PARTS, TrainedPart


@pytest.fixture
def model():
    torch.manual_seed(0)
    return EOVSeg.from_variant('t')


@pytest.fixture
def inputs(model):
    text = torch.nn.functional.normalize(torch.randn(3, model.embed_dim), dim=-1)
    return torch.randn(1, 3, 64, 96), model.embed_vocabulary(text, [0, 1, 1], (True, False))


def test_nothing_taken_out_changes_nothing(model, inputs):
    before = model(*inputs)
    ablate(model, ())
    assert all(map(torch.equal, before, model(*inputs)))


@pytest.mark.parametrize(('part', 'moves_masks'), [
    ('vas', True), ('tdee', False), ('ensemble', False)])
def test_each_part_reaches_what_it_is_there_for(model, inputs, part, moves_masks):
    before = model(*inputs)
    ablate(model, [part])
    after = model(*inputs)
    assert not torch.equal(before.class_log_probs_BQK, after.class_log_probs_BQK)
    assert torch.equal(before.mask_logits_BQhw, after.mask_logits_BQhw) != moves_masks


def test_without_the_ensemble_the_decoder_has_the_last_word(model, inputs):
    ablate(model, ['ensemble'])
    features = model.extract_features(inputs[0])
    output = model.decoder(features.aggregated_BDhw, features.tokens_BChw, inputs[1].guide_NE)
    logits = model.decoder.classify(output.embedding_BQE, inputs[1])
    torch.testing.assert_close(model(*inputs).class_log_probs_BQK.exp(),
                               logits.softmax(dim=-1), atol=2e-6, rtol=1e-4)


@pytest.mark.parametrize('part', get_args(TrainedPart))
def test_what_is_taken_out_is_not_trained_and_keeps_its_weights(model, inputs, part):
    names = set(model.state_dict())
    ablate(model, [part])
    assert set(model.state_dict()) == names
    untrained = [name for name, weight in model.named_parameters()
                 if name.startswith('decoder.') and not weight.requires_grad]
    assert untrained
    assert all(f'.{part}.' in name for name in untrained)
    output = all_stages(model.train(), *inputs)
    torch.stack([stage.class_logits_BQK.sum() + stage.mask_logits_BQhw.sum()
                 for stage in output]).sum().backward()
    assert all(weight.grad is not None for weight in model.parameters() if weight.requires_grad
               and weight is not model.void_embedding.weight)


def test_another_part_is_refused(model):
    with pytest.raises(ValueError, match="'vit' is no part .*vas, tdee, ensemble"):
        ablate(model, ['vit'])
    assert set(get_args(TrainedPart)) < set(PARTS)


def test_a_segmenter_runs_without_parts(model, tmp_path):
    ablate(model, PARTS)
    segmenter = Segmenter(model, 'cpu', input_size=None, embedding_cache_dir=tmp_path)
    segmenter.set_vocabulary(Vocabulary(things=['chair'], stuff=['floor']))
    assert segmenter(torch.zeros(64, 96, 3, dtype=torch.uint8).numpy()).instance.shape == (64, 96)
