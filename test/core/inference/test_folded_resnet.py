# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The folded ResNet: equal features, and a model that does not know of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from eov_seg_core import Segmenter, Vocabulary
from eov_seg_core.inference.folded_resnet import FoldedResNet, inference_cnn
from eov_seg_core.network.model import EOVSeg

CPU = torch.device('cpu')


@pytest.fixture
def lived_in_model(tiny_model):
    """Return a model whose batch norms do something."""
    generator = torch.Generator().manual_seed(0)
    for module in tiny_model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for name, low in (('weight', 0.5), ('bias', -0.5), ('running_mean', -0.5),
                              ('running_var', 0.5)):
                values = low + torch.rand(module.num_features, generator=generator)
                getattr(module, name).data.copy_(values)
    return tiny_model


@pytest.mark.parametrize('size', [(1, 32, 32), (2, 64, 96)])
def test_features_are_equal_within_rounding(lived_in_model, size):
    cnn = lived_in_model.cnn
    pixels = torch.randn(size[0], 3, *size[1:], generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected = cnn(pixels)
        found = FoldedResNet(cnn)(pixels)
    for level, wanted in zip(found, expected):
        assert level.shape == wanted.shape
        assert (level - wanted).abs().max() <= 1e-5 * wanted.abs().max()
    assert any((level != wanted).any() for level, wanted in zip(found, expected))


def test_no_batch_norm_is_left(tiny_model):
    folded = FoldedResNet(tiny_model.cnn)
    assert not [module for module in folded.visual.modules()
                if isinstance(module, nn.BatchNorm2d)]
    assert folded.visual.attnpool is None


def test_the_model_does_not_know_of_it(lived_in_model, tmp_path):
    before = {name: value.clone() for name, value in lived_in_model.state_dict().items()}
    segmenter = Segmenter(lived_in_model, device='cpu', input_size=32,
                          embedding_cache_dir=tmp_path)
    segmenter.set_vocabulary(Vocabulary(things=['cup'], stuff=['wall']))
    segmenter(np.zeros((32, 32, 3), np.uint8))
    after = lived_in_model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert lived_in_model.cnn.visual.attnpool is not None


def test_the_model_uses_the_cnn_that_it_is_given(lived_in_model):
    pixels = torch.randn(1, 3, 32, 64, generator=torch.Generator().manual_seed(1))
    folded = FoldedResNet(lived_in_model.cnn)
    with torch.inference_mode():
        found = lived_in_model.extract_features(pixels, cnn=folded).res5_BChw
        assert torch.equal(found, folded(pixels).res5_BChw)
        assert not torch.equal(found, lived_in_model.extract_features(pixels).res5_BChw)


def test_what_has_no_batch_norms_or_is_elsewhere_runs_as_it_is(tiny_model):
    with torch.device('meta'):
        convnext = EOVSeg.from_variant('l').cnn
    assert inference_cnn(convnext, CPU) is convnext
    assert inference_cnn(tiny_model.cnn, torch.device('xpu')) is tiny_model.cnn
    assert isinstance(inference_cnn(tiny_model.cnn, torch.device('cuda')), FoldedResNet)
