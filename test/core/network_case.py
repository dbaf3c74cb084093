# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Inputs of the network that need no text tower."""

from __future__ import annotations

import torch

from eov_seg_core.network.classification import VocabularyEmbedding


def random_vocabulary(embed_dim, names=5, device='cpu'):
    text = torch.nn.functional.normalize(torch.randn(names + 1, embed_dim, device=device), dim=1)
    return VocabularyEmbedding(text, torch.arange(names, device=device),
                               torch.ones(names, dtype=torch.bool, device=device), text.clone())


def all_stages(model, pixels, vocabulary):
    """Predict with every decoder stage, as training does."""
    features = model.extract_features(pixels)
    return model.decoder.all_stages(features.aggregated_BDhw, features.tokens_BChw, vocabulary)
