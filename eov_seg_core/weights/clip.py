# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Public CLIP weights for a model without a checkpoint, through open_clip."""

from __future__ import annotations

import logging
from typing import NamedTuple

import open_clip
from torch import nn, Tensor

from eov_seg_core.config import ModelConfig

_log = logging.getLogger(__name__)
VIT_NAME, VIT_TAG = 'ViT-B-16-quickgelu', 'openai'
"""The second CLIP of every published variant."""
_TEXT_PARTS = ('positional_embedding', 'text_projection', 'token_embedding.', 'transformer.',
               'ln_final.')


class CLIPWeights(NamedTuple):
    """What EOV-Seg keeps of its two CLIPs.

    Attributes:
        cnn: `visual.*` of the CNN CLIP.
        text: Its text tower.
        logit_scale: Its temperature, a scalar.
        vit: Patch embedding, positions, ln_pre and first block of the ViT CLIP.
    """

    cnn: dict[str, Tensor]
    text: dict[str, Tensor]
    logit_scale: Tensor
    vit: dict[str, Tensor]


def fetch_clip_weights(config: ModelConfig) -> CLIPWeights:
    """Fetch both CLIPs of a variant; open_clip downloads them or reads its cache.

    Raises:
        ValueError: The variant has no public CLIP weights (`t`).
        RuntimeError: The weights could not be fetched.
    """
    name, tag = config.clip_name, config.clip_tag
    if name is None or tag is None:
        raise ValueError(f'variant {config.variant!r} has no public CLIP weights; '
                         'load a checkpoint of it instead')
    state, vit_state = _fetch(name, tag), _fetch(VIT_NAME, VIT_TAG)
    return CLIPWeights(
        cnn={key: tensor for key, tensor in state.items() if key.startswith('visual.')},
        text={key: tensor for key, tensor in state.items() if key.startswith(_TEXT_PARTS)},
        logit_scale=state['logit_scale'], vit=_first_block(vit_state))


def _fetch(name: str, tag: str) -> dict[str, Tensor]:
    _log.info('taking CLIP weights %s (%s) through open_clip', name, tag)
    try:
        clip: nn.Module = open_clip.create_model(name, pretrained=tag)
    except Exception as error:  # open_clip and its hub clients raise many unrelated types
        raise RuntimeError(
            f'the CLIP weights {name} ({tag}) could not be fetched '
            f'({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ""}). '
            'Check the network, fill the cache of open_clip on a connected machine, or give '
            'a checkpoint') from error
    return clip.state_dict()


def _first_block(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename what lies before and in the first block of a ViT CLIP, and drop the other blocks."""
    renamed = {
        key.replace('visual.', '', 1).replace('transformer.resblocks.0.', 'block.'): tensor
        for key, tensor in state.items() if key.startswith('visual.')}
    return {key: tensor for key, tensor in renamed.items()
            if not key.startswith(('transformer.', 'ln_post.')) and key != 'proj'}
