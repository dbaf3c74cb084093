# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The gate: an engine is used only if it sees in whole pictures what PyTorch sees in float32."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from eov_seg_core.inference.engines.example import room_pixels
from eov_seg_core.network.classification import VocabularyEmbedding
from eov_seg_core.network.model import EOVSeg, NetworkOutput, Prediction

Engine = Callable[[Tensor, Tensor], NetworkOutput]
"""Normalised pixels (1, 3, H, W) and guide rows (N, E) -> masks and embeddings."""

LEAST_EQUAL = {'fp32': 0.999, 'fp16': 0.9, 'bf16': 0.9}
"""Share of the pixels that must be equal, by precision.  Half precision moves the edges of masks
and turns small segments, so its limit only tells a coarse engine from a broken one."""
_ROOMS = (1, 2)


@torch.inference_mode()
def equal_pixels(model: EOVSeg, engine: Engine, vocabulary: VocabularyEmbedding,
                 size: tuple[int, int]) -> float:
    """Return the share of pixels with the same segment and class as in PyTorch's float32.

    Args:
        model: On the CPU.
        engine: For that size.
        vocabulary: The names to look for.
        size: (H, W) of the network's input.

    Returns:
        0..1, of the worst of several rooms of the built-in world.
    """
    shares = []
    for seed in _ROOMS:
        pixels_BCHW = room_pixels(size, seed)
        found = model.finish(engine(pixels_BCHW, vocabulary.guide_NE), vocabulary)
        same = _winners(found) == _winners(model(pixels_BCHW, vocabulary))
        shares.append(same.float().mean().item())
    return min(shares)


def _winners(prediction: Prediction) -> Tensor:
    """Return a number for the query and the class that win each pixel, (B, h, w) int64."""
    probs_BQK = prediction.class_log_probs_BQK.softmax(dim=-1)
    scores_BQ, classes_BQ = probs_BQK.max(dim=-1)
    void = probs_BQK.shape[2] - 1
    scores_BQ = torch.where(classes_BQ == void, 0.0, scores_BQ)
    contest_BQhw = scores_BQ[..., None, None] * prediction.mask_logits_BQhw.sigmoid()
    best_Bhw, winner_Bhw = contest_BQhw.max(dim=1)
    class_Bhw = classes_BQ.gather(1, winner_Bhw.flatten(1)).view_as(winner_Bhw)
    return torch.where(best_Bhw > 0, winner_Bhw * (void + 1) + class_Bhw, -1)
