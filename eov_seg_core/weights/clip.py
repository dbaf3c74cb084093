# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Public CLIP weights for a model without a checkpoint, through open_clip."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import open_clip
from torch import nn, Tensor

if TYPE_CHECKING:
    from eov_seg_core.network.model import EOVSeg

_LOGGER = logging.getLogger(__name__)
VIT_NAME, VIT_TAG = 'ViT-B-16-quickgelu', 'openai'
"""The second CLIP of every published variant."""
_TEXT_PARTS = ('positional_embedding', 'text_projection', 'token_embedding.', 'transformer.',
               'ln_final.')


def load_clip_weights(model: EOVSeg) -> None:
    """Fetch both CLIPs of a variant and copy the parts that the model keeps.

    Raises:
        ValueError: The variant has no public CLIP weights (`t`).
        RuntimeError: The weights could not be fetched; the model is unchanged.
    """
    name, tag = model.config.clip_name, model.config.clip_tag
    if name is None or tag is None:
        raise ValueError(f'variant {model.config.variant!r} has no public CLIP weights; '
                         'load a checkpoint of it instead')
    cnn_state = _fetch(name, tag)
    vit_state = _fetch(VIT_NAME, VIT_TAG)
    _copy(model.cnn, {key: tensor for key, tensor in cnn_state.items()
                      if key.startswith('visual.')})
    model.clip_logit_scale.data.copy_(cnn_state['logit_scale'])
    if model.text_tower is not None:
        _copy(model.text_tower, {key: tensor for key, tensor in cnn_state.items()
                                 if key.startswith(_TEXT_PARTS)})
    _copy(model.vit, _vit_part(vit_state, set(model.vit.state_dict())))


def _fetch(name: str, tag: str) -> dict[str, Tensor]:
    """Return the state dict of a pretrained CLIP; open_clip downloads it or reads its cache."""
    _LOGGER.info('taking CLIP weights %s (%s) through open_clip', name, tag)
    try:
        clip: nn.Module = open_clip.create_model(name, pretrained=tag)
    except Exception as error:  # open_clip and its hub clients raise many unrelated types
        raise RuntimeError(
            f'the CLIP weights {name} ({tag}) could not be fetched '
            f'({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ""}). '
            'Check the network, fill the cache of open_clip on a connected machine, or give '
            'a checkpoint') from error
    return clip.state_dict()


def _vit_part(state: dict[str, Tensor], wanted: set[str]) -> dict[str, Tensor]:
    """Select patch embedding, positions, ln_pre and the first block of a ViT CLIP."""
    renamed = {
        key.replace('visual.', '', 1).replace('transformer.resblocks.0.', 'block.'): tensor
        for key, tensor in state.items() if key.startswith('visual.')}
    return {key: tensor for key, tensor in renamed.items() if key in wanted}


def _copy(module: nn.Module, state: dict[str, Tensor]) -> None:
    module.load_state_dict(state, strict=True)
