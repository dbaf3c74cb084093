# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How well variant `t`'s CLIP names true masks in new rooms: what a perfect decoder would get."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import nn, Tensor
import torch.nn.functional as F

from eov_seg_core.inference.text_encoder import TEMPLATES
from training.clip.views import CATEGORIES, Region, View, whole_view
from training.world.frames import CachedFrames, FrameSet
from training.world.split import HELD_OUT_PAIRS, NOVEL, PAIRS, STUFF

ROOMS = FrameSet(first_seed=900_000, rooms=60, views=1, forbidden_pairs=())
_BATCH = 12


class RegionEncoder(Protocol):
    """What `ClipTrainer` offers."""

    def eval(self) -> nn.Module:
        """Leave training mode."""
        ...

    def region_embeddings(self, views: Sequence[View]) -> tuple[Tensor, Tensor]:
        """Embed the regions of views by CNN and ViT."""
        ...

    def text_embeddings(self, texts: Sequence[str]) -> Tensor:
        """Embed captions."""
        ...


@torch.no_grad()
def dense_accuracy(encoder: RegionEncoder, cache: Path) -> dict[str, float]:
    """Classify the true masks of 60 new rooms among all names, and all pairs.

    Returns:
        Accuracy in percent: of base things, novel things and stuff among all names by the CNN,
        `vit` of all of them by the ViT; of trained and held-out pairs among all pairs.
    """
    encoder.eval()
    frames = CachedFrames(ROOMS, cache)
    views = [whole_view(frames[index]) for index in range(len(frames))]
    batches = [views[start:start + _BATCH] for start in range(0, len(views), _BATCH)]
    cnn_RE, vit_RE = (torch.cat(parts) for parts in zip(*map(encoder.region_embeddings, batches)))
    regions = [region for view in views for region in view.regions]
    names_TE = _mean_of_prompts(encoder, CATEGORIES)
    pairs_TE = _mean_of_prompts(encoder, [' '.join(pair) for pair in PAIRS])
    hits: dict[str, list[bool]] = defaultdict(list)
    for region, name, name_vit, pair in zip(
            regions, _best(cnn_RE, names_TE), _best(vit_RE, names_TE), _best(cnn_RE, pairs_TE)):
        hits['vit'].append(CATEGORIES[name_vit] == region.category)
        hits[_group(region)].append(CATEGORIES[name] == region.category)
        if region.category not in STUFF:
            truth = (region.color or '', region.category)
            hits['held_out_pairs' if truth in HELD_OUT_PAIRS else 'trained_pairs'].append(
                PAIRS[pair] == truth)
    return {name: 100 * sum(values) / len(values) for name, values in sorted(hits.items())}


def _group(region: Region) -> str:
    if region.category in STUFF:
        return 'stuff'
    return 'novel' if region.category in NOVEL else 'base'


def _best(region_RE: Tensor, text_TE: Tensor) -> list[int]:
    best: list[int] = (region_RE @ text_TE.t()).argmax(dim=1).tolist()
    return best


def _mean_of_prompts(encoder: RegionEncoder, names: Sequence[str]) -> Tensor:
    """Embed names as inference does: (N, E)."""
    prompts_NPE = torch.stack([encoder.text_embeddings([form.format(name) for form in TEMPLATES])
                               for name in names])
    return F.normalize(prompts_NPE.mean(dim=1), dim=-1)
