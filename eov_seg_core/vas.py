# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Vocabulary-Aware Selection: features weighted by how clearly one name wins (section 3.3)."""

from __future__ import annotations

import torch
from torch import nn, Tensor
import torch.nn.functional as F

PIXELS_PER_CHUNK = 4096
"""Pixels compared with the vocabulary at once: 4096 x 1300 rows of float32 are 21 MB, which
bounds the memory of large vocabularies and keeps small ones in cache."""


class VocabularyAwareSelection(nn.Module):
    """Weight every pixel by its largest softmax response to the vocabulary.

    Args:
        hidden_dim: D, channels of the aggregated features.
        embed_dim: E, size of the text embeddings.
    """

    def __init__(self, hidden_dim: int, embed_dim: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(
            hidden_dim, hidden_dim, kernel_size=3, padding=1, groups=hidden_dim, bias=False)
        self.depthwise_norm = nn.BatchNorm2d(hidden_dim)
        self.pointwise = nn.Conv2d(hidden_dim, embed_dim, kernel_size=1, bias=False)
        self.pointwise_norm = nn.BatchNorm2d(embed_dim)
        self.guide = nn.Linear(embed_dim, embed_dim)
        self.scale = nn.Parameter(torch.ones(1, 1, 1, 1))
        self.offset = nn.Parameter(torch.zeros(1, 1, 1, 1))

    def guide_text(self, text_NE: Tensor) -> Tensor:
        """Project text rows (N, E), void row included, to the guide (N, E).

        It depends on the vocabulary only, so inference computes it once per vocabulary.
        """
        guide: Tensor = self.guide(text_NE)
        return guide

    def forward(self, features_BDhw: Tensor, guide_NE: Tensor) -> Tensor:
        """Weight features (B, D, h, w) by the vocabulary; same shape."""
        embedding = F.gelu(self.depthwise_norm(self.depthwise(features_BDhw)))
        embedding_BEhw = F.gelu(self.pointwise_norm(self.pointwise(embedding)))
        weight_B1hw = self._peak_response(embedding_BEhw, guide_NE)
        return features_BDhw * (weight_B1hw * self.scale + self.offset)

    @staticmethod
    def _peak_response(embedding_BEhw: Tensor, guide_NE: Tensor) -> Tensor:
        """Return max over n of softmax_n(e . g_n / sqrt(E)) at every pixel, (B, 1, h, w).

        The largest softmax value is 1 / sum(exp(l - max l)), so the distribution is never stored.
        """
        batch, channels, height, width = embedding_BEhw.shape
        guide_EN = guide_NE.t() * channels ** -0.5
        responses = []
        for embedding_EL in embedding_BEhw.flatten(2).unbind(0):
            for chunk_El in embedding_EL.split(PIXELS_PER_CHUNK, dim=1):
                logits_lN = chunk_El.t() @ guide_EN
                logits_lN = logits_lN - logits_lN.amax(dim=1, keepdim=True)
                responses.append(logits_lN.exp().sum(dim=1).reciprocal())
        return torch.cat(responses).view(batch, 1, height, width)
