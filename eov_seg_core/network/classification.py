# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Open-vocabulary classification: cosine logits and the geometric ensemble (section 3.5).

Where the published ensemble multiplies powers of probabilities and takes the logarithm, this works
on log-probabilities in float32: the same value where the product does not underflow, and finite
where it would (log 0 times the 0 of the other class group is NaN there).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
import torch.nn.functional as F

MAX_LOGIT_SCALE = 100.0
"""CLIP's clamp of exp(logit_scale)."""
PROBABILITY_EPSILON = 1e-8
"""Added before the final logarithm, as published."""


@dataclass(frozen=True)
class VocabularyEmbedding:
    """A vocabulary as the network sees it; all tensors on the model's device.

    Attributes:
        text_NE: (N + 1, E) L2-normalised rows: one for each synonym, void last.
        class_of_row_N: (N,) int64 class index 0..K-1 of each synonym.
        seen_K: (K,) bool, True for classes of the training vocabulary.
        guide_NE: (N + 1, E) rows projected for Vocabulary-Aware Selection.
    """

    text_NE: Tensor
    class_of_row_N: Tensor
    seen_K: Tensor
    guide_NE: Tensor

    @property
    def num_classes(self) -> int:
        """K, without void."""
        return self.seen_K.shape[0]


def class_logits(embedding_BQE: Tensor, vocabulary: VocabularyEmbedding,
                 logit_scale: Tensor) -> Tensor:
    """Compare embeddings with the vocabulary (EOV-Seg, equation of the class prediction).

    Args:
        embedding_BQE: Mask embeddings, any length; the zero vector gives logits of zero.
        vocabulary: The names to choose from.
        logit_scale: Scalar, logarithm of the temperature's inverse.

    Returns:
        (B, Q, K + 1) logits: the largest cosine among a class's synonyms times the scale; void
        last.
    """
    scale = logit_scale.exp().clamp(max=MAX_LOGIT_SCALE)
    logits_BQN = scale * (F.normalize(embedding_BQE, dim=-1) @ vocabulary.text_NE.t())
    return torch.cat([_max_over_synonyms(logits_BQN[..., :-1], vocabulary),
                      logits_BQN[..., -1:]], dim=-1)


def _max_over_synonyms(logits_BQN: Tensor, vocabulary: VocabularyEmbedding) -> Tensor:
    """Reduce (B, Q, N) synonym logits to (B, Q, K) class logits."""
    batch, queries, _ = logits_BQN.shape
    index_BQN = vocabulary.class_of_row_N.expand_as(logits_BQN)
    empty_BQK = logits_BQN.new_zeros(batch, queries, vocabulary.num_classes)
    return empty_BQK.scatter_reduce(2, index_BQN, logits_BQN, reduce='amax', include_self=False)


def ensemble_log_probs(in_logits_BQK: Tensor, out_logits_BQK: Tensor, seen_K: Tensor, *,
                       alpha: float, beta: float, valid_BQ: Tensor | None) -> Tensor:
    """Combine in-vocabulary and CLIP logits geometrically.

    Args:
        in_logits_BQK: (B, Q, K + 1) logits of the decoder, void last.
        out_logits_BQK: (B, Q, K + 1) logits of the mask-pooled CLIP embedding, void last.
        seen_K: (K,) bool.
        alpha: Weight of CLIP for seen classes, 0..1.
        beta: Weight of CLIP for unseen classes, 0..1.
        valid_BQ: Queries whose CLIP embedding means something; None for all of them.

    Returns:
        (B, Q, K + 1) float32 log-probabilities, void last.
    """
    in_logits_BQK, out_logits_BQK = in_logits_BQK.float(), out_logits_BQK.float()
    in_log = in_logits_BQK[..., :-1].log_softmax(dim=-1)
    out_log = out_logits_BQK[..., :-1].log_softmax(dim=-1)
    weight_K = torch.where(seen_K, alpha, beta)
    combined = (1 - weight_K) * in_log + weight_K * out_log
    if valid_BQ is not None:
        combined = torch.where(valid_BQ.unsqueeze(-1), combined, in_log)
    void_BQ1 = in_logits_BQK.softmax(dim=-1)[..., -1:]
    probs = torch.cat([combined.softmax(dim=-1) * (1 - void_BQ1), void_BQ1], dim=-1)
    return (probs + PROBABILITY_EPSILON).log()
