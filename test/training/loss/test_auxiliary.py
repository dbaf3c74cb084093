# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The two further losses of short trainings."""

import pytest
import torch
import torch.nn.functional as F

from eov_seg_core.network.model import EOVSeg
from training.data.samples import Target
from training.loss.auxiliary import (
    _disturbed,
    AuxiliaryConfig,
    AuxiliaryLosses,
    DecoderInputs,
    DenseTextLoss,
)
from training.loss.losses import LossConfig, PanopticLoss
from training.loss.point_sampling import draw_uniform

BOTH = AuxiliaryConfig(ground_truth_queries=3, dense_text_weight=2.0)


@pytest.fixture(scope='module')
def model():
    torch.manual_seed(0)
    return EOVSeg.from_variant('t').train()


def inputs(model, images=2):
    torch.manual_seed(1)
    text = F.normalize(torch.randn(4, model.embed_dim), dim=-1)
    vocabulary = model.embed_vocabulary(text, [0, 1, 1, 2], (True,) * 3)
    features = torch.randn(images, model.config.hidden_dim, 16, 24)
    upscaled = torch.randn(images, model.config.vit.width, 16, 24)
    return DecoderInputs(features.requires_grad_(), features, upscaled, vocabulary)


def target(*boxes):
    masks = torch.zeros(len(boxes), 64, 96, dtype=torch.bool)
    for mask, (top, left) in zip(masks, boxes):
        mask[top:top + 24, left:left + 24] = True
    return Target(torch.arange(len(boxes)) % 3, masks)


def terms(model, config, targets):
    losses = AuxiliaryLosses(config, model.config)
    result = losses(model.decoder, inputs(model, len(targets)), targets,
                    PanopticLoss(LossConfig(num_points=50)), [draw_uniform] * len(targets))
    return losses, result


def test_nothing_is_asked_for(model):
    losses, result = terms(model, AuxiliaryConfig(), [target((0, 0))])
    assert result == {}
    assert list(losses.parameters()) == []


@pytest.mark.parametrize('targets', [
    [target(), target()], [target(), target((0, 0))], [target((0, 0), (30, 40)), target((8, 8))],
    [target((0, 0), (0, 30), (30, 0), (30, 30), (0, 60))]])
def test_every_number_of_segments_trains(model, targets):
    losses, result = terms(model, BOTH, targets)
    assert set(result) == {'loss_ground_truth_queries', 'loss_dense_text'}
    total = sum(result.values())
    if any(len(item.labels_T) for item in targets):
        assert total.isfinite()
        total.backward()
        assert losses.queries.query.grad.abs().sum() > 0
        assert losses.dense_text.project.weight.grad.abs().sum() > 0


def test_a_batch_without_segments_has_a_finite_loss(model):
    losses, result = terms(model, BOTH, [target(), target()])
    total = sum(result.values())
    assert total.isfinite()
    total.backward()
    assert all(parameter.grad is not None for parameter in losses.parameters())


def test_segments_without_pixels_get_no_query(model):
    empty = Target(torch.tensor([1]), torch.zeros(1, 64, 96, dtype=torch.bool))
    assert sum(terms(model, BOTH, [empty])[1].values()).isfinite()


def test_disturbed_masks_stay_near_and_never_grow():
    masks = target((0, 0), (30, 40)).masks_Thw
    before = masks.clone()
    torch.manual_seed(0)
    for _ in range(30):
        disturbed = _disturbed(masks, draw_uniform)
        assert (disturbed.sum(dim=(1, 2)) <= masks.sum(dim=(1, 2))).all()
        overlap = (disturbed & masks)[1].sum() / masks[1].sum()
        assert overlap > 0.3
    assert torch.equal(masks, before)
    nothing = torch.zeros(1, 8, 8, dtype=torch.bool)
    assert torch.equal(_disturbed(nothing, draw_uniform), nothing)
    assert _disturbed(nothing[:0], draw_uniform).shape == (0, 8, 8)


def test_pixels_that_look_like_their_word_have_no_dense_loss(model):
    embed = model.embed_dim
    loss = DenseTextLoss(embed, embed)
    with torch.no_grad():
        loss.project.weight.copy_(torch.eye(embed).view(embed, embed, 1, 1))
        loss.project.bias.zero_()
        loss.logit_scale.fill_(5.0)
    vocabulary = inputs(model).vocabulary
    truth = target((0, 0))
    right = vocabulary.text_NE[0].detach().view(1, -1, 1, 1).expand(1, embed, 16, 24)
    wrong = vocabulary.text_NE[3].detach().view(1, -1, 1, 1).expand(1, embed, 16, 24)
    with torch.no_grad():
        assert loss(right, vocabulary, [truth]) < 0.01
        assert loss(wrong, vocabulary, [truth]) > 10
