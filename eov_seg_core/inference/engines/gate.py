# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The gate: an engine is used only if it computes what PyTorch does in float32.

Float32 is judged by whole pictures.  Half precision moves the edges of masks and, where two names
are equally likely, turns whole segments: its equal pixels say how sure the network is of these
words, not whether the engine works.  So it is judged by what the network gives out, and the equal
pixels are reported beside it.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
import torch.nn.functional as F

from eov_seg_core.inference.engines.example import room_pixels
from eov_seg_core.inference.engines.runtimes.interface import Engine
from eov_seg_core.network.classification import VocabularyEmbedding
from eov_seg_core.network.model import EOVSeg, NetworkOutput, Prediction

MEASURE = '4'
"""Raised when what is measured changes."""
FACTS = {'equal_pixels': 'equal pixels', 'masks': 'correlation of masks',
         'embeddings': 'of embeddings', 'clip_embeddings': "of CLIP's embeddings"}
"""What is measured, by its name in the manifest; all are 1 at best."""
_HALF = {'masks': 0.9, 'embeddings': 0.8, 'clip_embeddings': 0.8}
LIMITS: dict[str, dict[str, float]] = {
    'fp32': {'equal_pixels': 0.999, 'masks': 0.99, 'embeddings': 0.99, 'clip_embeddings': 0.99},
    'mixed': _HALF, 'fp16': _HALF, 'bf16': _HALF}
"""Least values by precision.  Rounding to bfloat16 was measured at 0.988, 0.94 and 0.92 at worst
(`t`, and `s` with random weights); masks of another place, embeddings of other queries, or a layer
of zeros on the main way at less than 0.87, 0.65 or 0.75."""
_ROOMS = (0, 1, 2)
"""The first of them needs a layer of `t` that the others do not."""


def fault(facts: Mapping[str, float], precision: str) -> str | None:
    """Return why an engine must not be used; None: it may be.

    Args:
        facts: What `compare` found.
        precision: Of the engine.
    """
    too_low = [f'{FACTS[name]} {least:g}' for name, least in LIMITS[precision].items()
               if not facts[name] >= least]      # NaN is too low
    if not too_low:
        return None
    return f'beside PyTorch in float32 it has {describe(facts)}; needed are {", ".join(too_low)}'


def describe(facts: Mapping[str, float]) -> str:
    """Return what `compare` found, in words."""
    return ', '.join(f'{name} {facts[key]:.4f}' for key, name in FACTS.items())


@torch.inference_mode()
def compare(model: EOVSeg, engine: Engine, vocabulary: VocabularyEmbedding,
            size: tuple[int, int]) -> dict[str, float]:
    """Compare an engine with PyTorch in float32.

    Args:
        model: On the CPU.
        engine: For that size; on any device.
        vocabulary: The names to look for, on the CPU.
        size: (H, W) of the network's input.

    Returns:
        The entries of `FACTS`, each of the worst of several rooms of the built-in world: the share
        of pixels with the same segment and class; and the correlation of what the network gives
        out, which is the cosine after the mean is taken away, on average over the queries: of each
        mask the mean over its pixels, of embeddings that over the queries.
    """
    found = []
    for seed in _ROOMS:
        pixels_BCHW = room_pixels(size, seed)
        output = NetworkOutput(*(
            tensor.cpu() for tensor in engine(pixels_BCHW, vocabulary.guide_NE)))
        expected = model.embed(model.extract_features(pixels_BCHW), vocabulary.guide_NE)
        same = (_winners(model.finish(output, vocabulary))
                == _winners(model.finish(expected, vocabulary)))
        found.append((
            same.float().mean().item(),
            _correlation(output.mask_logits_BQhw.flatten(2),
                         expected.mask_logits_BQhw.flatten(2), 2),
            _correlation(output.embedding_BQE, expected.embedding_BQE, 1),
            _correlation(output.clip_embedding_BQE, expected.clip_embedding_BQE, 1)))
    worst = torch.tensor(found).amin(dim=0).tolist()      # NaN if one is
    return dict(zip(FACTS, worst, strict=True))


def _correlation(found_BQX: Tensor, expected_BQX: Tensor, mean_over: int) -> float:
    found, expected = (values - values.mean(mean_over, keepdim=True)
                       for values in (found_BQX, expected_BQX))
    return F.cosine_similarity(found, expected, dim=2).mean().item()


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
