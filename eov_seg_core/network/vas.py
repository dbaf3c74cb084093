# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Vocabulary-Aware Selection: features weighted by how clearly one name wins (section 3.3)."""

from __future__ import annotations

from typing import cast

import torch
from torch import nn, Tensor
import torch.nn.functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights

from eov_seg_core.device.precision import widened

_CPU_CHUNK = 512
"""Pixels compared with the vocabulary at once: 512 x 1300 rows of float32 are 2.7 MB, which caches
hold."""
_GPU_CHUNK = 8192
"""The same elsewhere, where few launches count: 8192 x 1300 rows are 43 MB."""


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
        guide_EN = guide_NE.t() * guide_NE.shape[1] ** -0.5
        response_BL = (self._response_of_batch if self.training else self._response_by_chunks)(
            features_BDhw, guide_EN)
        weight_B1hw = response_BL.view(-1, 1, *features_BDhw.shape[2:])
        return features_BDhw * (weight_B1hw * self.scale + self.offset)

    def _response_of_batch(self, features_BDhw: Tensor, guide_EN: Tensor) -> Tensor:
        """Embed all pixels at once, which batch norm needs for its statistics: (B, h w)."""
        mixed_BDhw = F.gelu(self.depthwise_norm(self.depthwise(features_BDhw)))
        embedding_BEhw = F.gelu(self.pointwise_norm(self.pointwise(mixed_BDhw)))
        return _peak_response(embedding_BEhw.flatten(2).transpose(1, 2), guide_EN)

    def _response_by_chunks(self, features_BDhw: Tensor, guide_EN: Tensor) -> Tensor:
        """Embed and compare some pixels at a time, batch norms in the convolutions: (B, h w).

        The embedding has four times the channels of the features, in `s` 141 MB at 640 x 864: here
        neither it nor the distribution over the names ever exists as a whole.
        """
        weight_D133, bias_D = _folded(self.depthwise, self.depthwise_norm)
        weight_ED11, bias_E = _folded(self.pointwise, self.pointwise_norm)
        mixed_BDhw = F.conv2d(features_BDhw, weight_D133, bias_D, padding=1, groups=len(bias_D))
        mixed_LD = mixed_BDhw.flatten(2).transpose(1, 2).flatten(0, 1)
        if torch.compiler.is_exporting():   # engines divide their work themselves
            chunks: tuple[Tensor, ...] = (mixed_LD,)
        else:
            chunks = mixed_LD.split(_CPU_CHUNK if mixed_LD.device.type == 'cpu' else _GPU_CHUNK)
        responses = [
            _peak_response(
                F.gelu(F.linear(F.gelu(chunk_lD), weight_ED11.flatten(1), bias_E)), guide_EN)
            for chunk_lD in chunks]
        return torch.cat(responses).view(len(features_BDhw), -1)


def _folded(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return weight and bias of a convolution that does its batch norm's work, too."""
    mean, var = cast('tuple[Tensor, Tensor]', (norm.running_mean, norm.running_var))
    return fuse_conv_bn_weights(
        convolution.weight, None, mean, var, norm.eps, norm.weight, norm.bias)


def _peak_response(embedding_BLE: Tensor, guide_EN: Tensor) -> Tensor:
    """Return max over n of softmax_n(e . g_n) of every pixel; the last axis goes."""
    return widened(embedding_BLE @ guide_EN).softmax(dim=-1).amax(dim=-1)
