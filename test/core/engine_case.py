# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A network of few layers for tests of engines, whose export takes seconds per layer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from eov_seg_core.config import ResNetConfig, variant_config
from eov_seg_core.inference.engines.graph import OUTPUTS
from eov_seg_core.network.model import EOVSeg
from eov_seg_core.pretrained import load_pretrained


def small_network():
    """Return a network with every kind of layer once, with the weights that `t` has for them.

    Masks of untrained weights are nearly zero everywhere, so that roundings change their sign.
    """
    config = replace(variant_config('t'), num_stages=1, cnn=ResNetConfig(
        layers=(1, 1, 1, 1), width=20, image_size=224))
    model = EOVSeg(config)
    trained = load_pretrained('t').model.state_dict()
    model.load_state_dict({name: trained[name] for name in model.state_dict()})
    return model.requires_grad_(False)


def guide_rows(model, rows, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, model.embed_dim, generator=generator)


@torch.inference_mode()
def expected_outputs(model, pixels, guide):
    """Return PyTorch's float32 outputs by their names."""
    return dict(zip(OUTPUTS, model.embed(model.extract_features(pixels), guide)))


def assert_same_outputs(found, expected, tolerance=1e-4):
    """Compare arrays by name; an error is relative to the largest value.

    One value in a thousand may differ by more: a pixel at the edge of a mask is in or out of it.
    """
    assert set(found) == set(expected)
    for name, tensor in expected.items():
        wanted, array = tensor.numpy(), found[name]
        assert array.shape == wanted.shape
        assert array.dtype == wanted.dtype
        assert np.isfinite(array).all()
        error = abs(array.astype(float) - wanted.astype(float))
        wrong = error > tolerance * max(abs(wanted.astype(float)).max(), 1e-6)
        assert wrong.mean() < 1e-3, (name, error.max())
