# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Networks without one of the paper's parts, to see what each is worth.

A part is taken out of the forward pass only: the network keeps its weights under their names, so
that checkpoints of all of them can be read, and a network that is ablated again is the same one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import cast, Literal

from torch import nn, Tensor

from eov_seg_core.network.decoder import DecoderStage
from eov_seg_core.network.model import EOVSeg

TrainedPart = Literal['vas', 'tdee']
"""Vocabulary-Aware Selection; Two-way Dynamic Embedding Experts."""
PARTS = ('vas', 'tdee', 'ensemble')
"""The same, and CLIP's part in the geometric ensemble, which no training sees."""


def ablate(model: EOVSeg, parts: Collection[str]) -> None:
    """Take parts out of a network.

    Without `vas` the features are not weighted by the vocabulary; without `tdee` the semantic and
    the spatial embedding are added; without `ensemble` the decoder's classes are the last word.

    Args:
        model: Is changed.
        parts: Some of `PARTS`, or none.

    Raises:
        ValueError: There is no such part.
    """
    unknown = sorted(set(parts) - set(PARTS))
    if unknown:
        raise ValueError(f'{unknown[0]!r} is no part that can be taken out; choose among '
                         f'{", ".join(PARTS)}')
    if 'vas' in parts:
        _replace_forward(model.decoder.vas, _unweighted)
    if 'tdee' in parts:
        for stage in cast('list[DecoderStage]', list(model.decoder.stages)):
            _replace_forward(stage.tdee, _added)
    if 'ensemble' in parts:
        model.config = replace(model.config, ensemble_alpha=0.0, ensemble_beta=0.0)


def _replace_forward(module: nn.Module, forward: object) -> None:
    """Bypass a module; what it no longer uses is not trained."""
    module.requires_grad_(False)
    module.forward = forward    # type: ignore[assignment]


def _unweighted(features_BDhw: Tensor, guide_NE: Tensor) -> Tensor:
    return features_BDhw


def _added(update_BQD: Tensor, input_BQD: Tensor) -> Tensor:
    return update_BQD + input_BQD
