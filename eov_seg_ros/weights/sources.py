# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which weights the node may take; if there are none, what its user can do.  No PyTorch here."""

from __future__ import annotations

from pathlib import Path

from eov_seg_core.weights.choice import NoWeightsError, Source, usable_sources
from eov_seg_core.weights.download.cache import weights_file
from eov_seg_core.weights.download.table import PUBLISHED
from eov_seg_ros.parameters import Parameters


def sources(parameters: Parameters) -> list[Source]:
    """Return where weights can come from, best first, without network.

    Raises:
        ValueError: The checkpoint is not there, or there are no weights; says what to do.
    """
    if parameters.checkpoint_file and not Path(parameters.checkpoint_file).is_file():
        raise ValueError('the parameter checkpoint names a file that is not there: '
                         f'{parameters.checkpoint!r}; expected a path, or the word published')
    allowed: dict[Source, bool] = {
        'checkpoint': bool(parameters.checkpoint_file), 'built-in': True, 'published': True,
        # both draw masks that mean nothing
        'clip': parameters.clip_pretrained and parameters.allow_untrained,
        'untrained': parameters.allow_untrained}
    try:
        return usable_sources(parameters.variant, [name for name, is_allowed in allowed.items()
                                                   if is_allowed])
    except NoWeightsError as error:
        raise ValueError(no_weights(parameters)) from error


def no_weights(parameters: Parameters, failure: str = '') -> str:
    """Return what to say when there are no weights.

    Args:
        parameters: Of the node.
        failure: Why they could not be fetched; empty: that was not tried.
    """
    variant = parameters.variant
    return (f'there are no weights of variant {variant} on this machine'
            f'{_why_not_fetched(parameters, failure)}. {ways_out(variant)}{_clip(parameters)}')


def ways_out(variant: str) -> str:
    """Return the three ways to weights that need no network on this machine."""
    ways = []
    if variant in PUBLISHED:
        file = weights_file(variant)
        ways.append(f'on a machine with a network run "eov-seg download {variant}", and copy the '
                    f'{file.name} that it names into {file.parent} here')
    ways += ['set checkpoint:=FILE, a published .pth or our .safetensors',
             'set variant:=t, whose weights are in the package; it knows the built-in world only '
             '(its camera: ros2 run eov_seg_ros world_camera_node)']
    numbered = '; '.join(f'({number}) {way}' for number, way in enumerate(ways, start=1))
    return f'What you can do: {numbered}'


def _why_not_fetched(parameters: Parameters, failure: str) -> str:
    if failure:
        return f', and they could not be fetched ({failure[:300]})'
    if parameters.variant not in PUBLISHED:
        return ''
    if not parameters.wants_published:
        return ', and the parameter checkpoint does not ask for them: checkpoint:=published does'
    return ', and they are not fetched because the parameter download is false'


def _clip(parameters: Parameters) -> str:
    if not parameters.clip_pretrained:
        return ''
    return ("; clip_pretrained alone is not used, because CLIP's weights draw no masks that mean "
            'anything: allow_untrained:=true permits that')
