# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where weights may come from, and which of these sources there are; needs no PyTorch.

The library, the command, the node and training say which sources they allow, best first; what
they get and what they are told is decided here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from eov_seg_core.config import variant_config
from eov_seg_core.weights.builtin import builtin_weights, has_builtin_weights
from eov_seg_core.weights.download.cache import weights_file
from eov_seg_core.weights.download.table import PUBLISHED

DEFAULT_VARIANT = 's'

Source = Literal['checkpoint', 'built-in', 'published', 'clip', 'untrained']
"""A file that was named; the weights that come with this package, which only `t` has; those that
`eov-seg download` fetched; CLIP's weights through open_clip, the rest untrained; random weights,
the same in every run."""

CAVEATS: dict[Source, str] = {
    'clip': 'CLIP WEIGHTS ONLY: CLIP knows the words, but the layers that draw masks are '
            'UNTRAINED. MASKS ARE MEANINGLESS.',
    'untrained': 'UNTRAINED WEIGHTS: ALL WEIGHTS ARE RANDOM. THE RESULTS ARE MEANINGLESS.'}
"""What a user must be told about the weights of a source."""


class NoWeightsError(ValueError):
    """No allowed source has weights of a variant."""


def is_here(variant: str) -> bool:
    """Return whether weights of a variant are on this machine: in the package or fetched."""
    return find_weights(variant).place != 'not here'


class Whereabouts(NamedTuple):
    """Where the weights of a variant are.

    Attributes:
        place: `package`, `cache` or `not here`.
        path: Of the file, or where it would be.
        size: In bytes; None: not here.
    """

    place: Literal['package', 'cache', 'not here']
    path: str
    size: int | None


def find_weights(variant: str) -> Whereabouts:
    """Return where the weights of a variant are that are used without a checkpoint."""
    if has_builtin_weights(variant):
        with builtin_weights(variant) as path:
            return Whereabouts('package', str(path), path.stat().st_size)
    path = weights_file(variant)
    if path.is_file():
        return Whereabouts('cache', str(path), path.stat().st_size)
    return Whereabouts('not here', str(path), None)


def usable_sources(variant: str, allowed: Sequence[Source]) -> list[Source]:
    """Return those of the allowed sources that can have weights of a variant, in their order.

    Whether CLIP's weights can be fetched shows only when it is tried.

    Raises:
        NoWeightsError: No allowed source has weights of this variant.
        ValueError: The variant does not exist.
    """
    has_clip = variant_config(variant).clip_name is not None
    usable = {'checkpoint': True, 'built-in': has_builtin_weights(variant),
              'published': weights_file(variant).is_file(), 'clip': has_clip, 'untrained': True}
    sources = [source for source in allowed if usable[source]]
    if not sources:
        raise NoWeightsError(
            f'there are no weights for variant {variant!r}: {_reasons(variant, allowed)}. '
            + '; or '.join(_ways_out(variant)))
    return sources


def _reasons(variant: str, allowed: Sequence[Source]) -> str:
    lacks = [f'no {kind} weights' for source, kind in (
        ('built-in', 'built-in'), ('clip', 'public CLIP')) if source in allowed]
    reasons = [f'{variant!r} has {" and ".join(lacks)}'] if lacks else []
    if 'published' in allowed and variant in PUBLISHED:
        reasons.append(f'{weights_file(variant)} is not there')
    return ', and '.join(reasons) or f'none of {", ".join(allowed)} has them'


def _ways_out(variant: str) -> list[str]:
    """Return what to do, for the command, the node and Python alike."""
    fetch = (f'Fetch them: eov-seg download {variant}, or Segmenter.from_pretrained({variant!r}, '
             'download=True) in Python (without a network: run that elsewhere, and copy the file '
             'here)')
    own = ('use variant t, whose weights are in the package, and which knows the built-in world '
           'only')
    return [fetch if variant in PUBLISHED else f'Take the built-in weights of variant {variant}',
            'give a checkpoint (--checkpoint), a published .pth or our .safetensors',
            *([] if has_builtin_weights(variant) else [own]),
            'to try the machinery, allow random weights (--untrained of the command, '
            f'EOVSeg.from_variant({variant!r}) in Python)']
