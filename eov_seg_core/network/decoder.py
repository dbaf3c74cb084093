# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The lightweight decoder: learned queries refined in three stages (section 3.4).

Kept as published because released weights depend on it: features are summed, not averaged, inside
the hard masks that update the queries, and the second dynamic convolution has the pooled features
as its residual, so the old queries only supply its filters.

Class logits and expert fusion of the stages before the last feed nothing at test time; they are
computed only when the caller asks for every stage, as training does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast, NamedTuple

import torch
from torch import nn, Tensor
import torch.nn.functional as F

from eov_seg_core.device.precision import float32_island, widened
from eov_seg_core.network.classification import class_logits, VocabularyEmbedding
from eov_seg_core.network.pooling import mask_pool, mask_sum
from eov_seg_core.network.spatial import SpatialUpscaler
from eov_seg_core.network.tdee import TwoWayDynamicEmbeddingExperts
from eov_seg_core.network.vas import VocabularyAwareSelection

INITIAL_LOGIT_SCALE = 2.6592600369327783
"""log(1 / 0.07), as in CLIP."""

INSIDE = 1.5 * 2 ** -24
"""Largest logit whose sigmoid rounds to 0.5 in float32, where `logit > INSIDE` is the published
`sigmoid(logit) > 0.5`; in bfloat16 the sigmoid of all logits below 0.008 is 0.5."""

PoolSpatial = Callable[[Tensor], Tensor]
"""Boolean masks (B, Q, h4, w4) -> mean spatial features (B, Q, C)."""


class StageOutput(NamedTuple):
    """What one decoder stage predicts.

    Attributes:
        class_logits_BQK: (B, Q, K + 1), void last.
        mask_logits_BQhw: (B, Q, h4, w4), positive inside.
    """

    class_logits_BQK: Tensor
    mask_logits_BQhw: Tensor


class MaskEmbeddings(NamedTuple):
    """Masks, and what the decoder knows of each before it hears which names are asked for.

    Attributes:
        embedding_BQE: (B, Q, E) class embeddings, of any length.
        mask_logits_BQhw: (B, Q, h4, w4), positive inside.
    """

    embedding_BQE: Tensor
    mask_logits_BQhw: Tensor


class DynamicConvolution(nn.Module):
    """Filter every query's value along its channels with three taps that the query predicts.

    Args:
        dim: D, size of queries and values.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.taps = nn.Linear(dim, 3)
        self.norm = nn.LayerNorm(dim)

    def forward(self, query_BQD: Tensor, value_BQD: Tensor) -> Tensor:
        """Filter `value` (B, Q, D) by the taps of `query` (B, Q, D); same shape."""
        left, middle, right = self.taps(query_BQD).split(1, dim=-1)
        padded = F.pad(value_BQD, (1, 1))
        filtered = left * padded[..., :-2] + middle * value_BQD + right * padded[..., 2:]
        output: Tensor = self.norm(filtered)
        return output


class DecoderStage(nn.Module):
    """One stage: update the queries inside their masks, predict new masks, classify them.

    Args:
        dim: D, size of queries and features.
        ffn_dim: Width of the feed-forward network.
        num_heads: Heads of the self-attention among queries.
        spatial_dim: Channels of the spatial features.
        embed_dim: E, size of the CLIP embedding.
    """

    def __init__(self, dim: int, ffn_dim: int, num_heads: int, spatial_dim: int,
                 embed_dim: int) -> None:
        super().__init__()
        self.feature_filter = DynamicConvolution(dim)
        self.feature_filter_norm = nn.LayerNorm(dim)
        self.query_filter = DynamicConvolution(dim)
        self.query_filter_norm = nn.LayerNorm(dim)
        self.self_attention = nn.MultiheadAttention(dim, num_heads, batch_first=True)
        self.self_attention_norm = nn.LayerNorm(dim)
        self.ffn = nn.Sequential(nn.Linear(dim, ffn_dim), nn.ReLU(), nn.Linear(ffn_dim, dim))
        self.ffn_norm = nn.LayerNorm(dim)
        self.mask_branch = nn.Sequential(
            nn.Linear(dim, dim, bias=False), nn.LayerNorm(dim), nn.ReLU(), nn.Linear(dim, dim))
        self.semantic_projection = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, dim))
        self.spatial_projection = nn.Sequential(
            nn.LayerNorm(spatial_dim), nn.Linear(spatial_dim, dim))
        self.tdee = TwoWayDynamicEmbeddingExperts(dim)
        self.class_embedding = nn.Sequential(
            nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim), nn.ReLU(),
            nn.Linear(dim, embed_dim))
        self.logit_scale = nn.Parameter(torch.tensor(INITIAL_LOGIT_SCALE))
        self.apply(_init_linear)

    def update_queries(self, queries_BQD: Tensor, mask_logits_BQhw: Tensor,
                       features_BDhw: Tensor) -> Tensor:
        """Refine queries (B, Q, D) by the features inside their masks."""
        pooled = mask_sum(features_BDhw, mask_logits_BQhw > INSIDE)
        pooled = self.feature_filter_norm(pooled + self.feature_filter(queries_BQD, pooled))
        queries = self.query_filter_norm(pooled + self.query_filter(queries_BQD, pooled))
        attended = self.self_attention(queries, queries, queries, need_weights=False)[0]
        queries = self.self_attention_norm(queries + attended)
        refined: Tensor = self.ffn_norm(queries + self.ffn(queries))
        return refined

    def predict_masks(self, queries_BQD: Tensor, features_BDhw: Tensor) -> Tensor:
        """Predict mask logits (B, Q, h4, w4) of refined queries."""
        return mask_logits(self.mask_branch(queries_BQD), features_BDhw)

    def classify(self, queries_BQD: Tensor, mask_logits_BQhw: Tensor, features_BDhw: Tensor,
                 pool_spatial: PoolSpatial, vocabulary: VocabularyEmbedding) -> Tensor:
        """Predict class logits (B, Q, K + 1) from queries and what lies inside their masks."""
        embedding_BQE = self.embed(queries_BQD, mask_logits_BQhw, features_BDhw, pool_spatial)
        return class_logits(embedding_BQE, vocabulary, self.logit_scale)

    def embed(self, queries_BQD: Tensor, mask_logits_BQhw: Tensor, features_BDhw: Tensor,
              pool_spatial: PoolSpatial) -> Tensor:
        """Return class embeddings (B, Q, E), of any length."""
        mask_BQhw = mask_logits_BQhw > 0
        semantic = self.semantic_projection(mask_pool(features_BDhw, mask_BQhw))
        spatial = self.spatial_projection(pool_spatial(mask_BQhw))
        embedding: Tensor = self.class_embedding(self.tdee(semantic, spatial) + queries_BQD)
        return embedding


def mask_logits(kernels_BQD: Tensor, features_BDhw: Tensor) -> Tensor:
    """Multiply mask kernels (B, Q, D) with features (B, D, h, w): (B, Q, h, w)."""
    with float32_island(features_BDhw.device):
        logits_BQL = widened(kernels_BQD) @ widened(features_BDhw).flatten(2)
    return logits_BQL.view(*logits_BQL.shape[:2], *features_BDhw.shape[2:])


def _init_linear(module: nn.Module) -> None:
    """Initialise as published: truncated normal, standard deviation 0.02, no bias."""
    if not isinstance(module, nn.Linear):
        return
    nn.init.trunc_normal_(module.weight, std=0.02)
    if module.bias is not None:
        nn.init.zeros_(module.bias)


class Decoder(nn.Module):
    """Vocabulary-aware features, learned queries, and the stages that refine them.

    Args:
        dim: D.
        ffn_dim: Width of the feed-forward networks.
        num_heads: Heads of the self-attention.
        num_queries: Q.
        num_stages: Stages, each with weights of its own.
        spatial_dim: Channels of the ViT tokens.
        embed_dim: E.
    """

    def __init__(self, dim: int, ffn_dim: int, num_heads: int, num_queries: int, num_stages: int,
                 spatial_dim: int, embed_dim: int) -> None:
        super().__init__()
        self.vas = VocabularyAwareSelection(dim, embed_dim)
        self.spatial_upscaler = SpatialUpscaler(spatial_dim)
        self.queries = nn.Embedding(num_queries, dim)
        self.stages = nn.ModuleList(
            DecoderStage(dim, ffn_dim, num_heads, spatial_dim, embed_dim)
            for _ in range(num_stages))

    def forward(self, aggregated_BDhw: Tensor, tokens_BChw: Tensor, guide_NE: Tensor,
                upscaling_dtype: torch.dtype | None = None) -> MaskEmbeddings:
        """Predict with the last stage only: what inference needs.

        Args:
            aggregated_BDhw: Output of the aggregator, stride 4.
            tokens_BChw: ViT tokens, stride 16.
            guide_NE: Of the names to look for, as in `VocabularyEmbedding`.
            upscaling_dtype: In which the spatial features are upscaled; None for the weights' own.
        """
        features = self.vas(aggregated_BDhw, guide_NE)
        queries, masks = self.initial(features)
        for stage in self._stages():
            queries = stage.update_queries(queries, masks, features)
            masks = stage.predict_masks(queries, features)

        def pool_spatial(mask_BQhw: Tensor) -> Tensor:
            return self.spatial_upscaler.pool(tokens_BChw, mask_BQhw, upscaling_dtype)

        return MaskEmbeddings(stage.embed(queries, masks, features, pool_spatial), masks)

    def all_stages(self, aggregated_BDhw: Tensor, tokens_BChw: Tensor,
                   vocabulary: VocabularyEmbedding) -> list[StageOutput]:
        """Predict with every stage, as the training loss needs; arguments as `forward`."""
        features = self.vas(aggregated_BDhw, vocabulary.guide_NE)
        return self.run_stages(*self.initial(features), features,
                               self.spatial_upscaler(tokens_BChw), vocabulary)

    def run_stages(self, queries_BQD: Tensor, mask_logits_BQhw: Tensor, features_BDhw: Tensor,
                   upscaled_BChw: Tensor, vocabulary: VocabularyEmbedding) -> list[StageOutput]:
        """Refine queries and masks, whatever they start from, and predict with every stage.

        Args:
            queries_BQD: Any number of queries.
            mask_logits_BQhw: The mask that each of them starts from.
            features_BDhw: Vocabulary-aware features, stride 4.
            upscaled_BChw: Spatial features, stride 4.
            vocabulary: The names to look for.
        """
        def pool_spatial(mask_BQhw: Tensor) -> Tensor:
            return mask_pool(upscaled_BChw, mask_BQhw)

        outputs = []
        for stage in self._stages():
            queries_BQD = stage.update_queries(queries_BQD, mask_logits_BQhw, features_BDhw)
            mask_logits_BQhw = stage.predict_masks(queries_BQD, features_BDhw)
            logits_BQK = stage.classify(
                queries_BQD, mask_logits_BQhw, features_BDhw, pool_spatial, vocabulary)
            outputs.append(StageOutput(logits_BQK, mask_logits_BQhw))
        return outputs

    def classify(self, embedding_BQE: Tensor, vocabulary: VocabularyEmbedding) -> Tensor:
        """Turn the embeddings that `forward` returned into class logits (B, Q, K + 1)."""
        return class_logits(embedding_BQE, vocabulary, self.logit_scale)

    @property
    def logit_scale(self) -> Tensor:
        """Of the last stage: scalar, logarithm of the temperature's inverse."""
        return self._stages()[-1].logit_scale

    def _stages(self) -> list[DecoderStage]:
        return cast('list[DecoderStage]', list(self.stages))

    def initial(self, features_BDhw: Tensor) -> tuple[Tensor, Tensor]:
        """Return the learned queries (B, Q, D) and the masks that they make."""
        queries = self.queries.weight.expand(features_BDhw.shape[0], -1, -1)
        return queries, mask_logits(queries, features_BDhw)
