# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where weights may come from, and which of these sources there are; needs no PyTorch.

The library, the command, the node and training say which sources they allow, best first; what
they get and what they are told is decided here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from eov_seg_core.config import variant_config
from eov_seg_core.weights.builtin import has_builtin_weights

DEFAULT_VARIANT = 's'

Source = Literal['checkpoint', 'built-in', 'clip', 'untrained']
"""A file that was named; the weights that come with this package, which only `t` has; CLIP's
weights through open_clip, the rest untrained; random weights, the same in every run."""

CAVEATS: dict[Source, str] = {
    'clip': 'CLIP WEIGHTS ONLY: CLIP knows the words, but the layers that draw masks are '
            'UNTRAINED. MASKS ARE MEANINGLESS.',
    'untrained': 'UNTRAINED WEIGHTS: ALL WEIGHTS ARE RANDOM. THE RESULTS ARE MEANINGLESS.'}
"""What a user must be told about the weights of a source."""


def usable_sources(variant: str, allowed: Sequence[Source]) -> list[Source]:
    """Return those of the allowed sources that can have weights of a variant, in their order.

    Whether CLIP's weights can be fetched shows only when it is tried.

    Raises:
        ValueError: The variant does not exist, or no allowed source has weights of it.
    """
    has_clip = variant_config(variant).clip_name is not None
    usable = {'checkpoint': True, 'built-in': has_builtin_weights(variant),
              'clip': has_clip, 'untrained': True}
    sources = [source for source in allowed if usable[source]]
    if not sources:
        lacks = ' and no public CLIP weights' if 'clip' in allowed else ''
        raise ValueError(
            f'there are no weights for variant {variant!r}: {variant!r} has no built-in weights'
            f'{lacks}. Set checkpoint to a published .pth or our .safetensors (docs/model_zoo.md '
            'says where they are); or use variant t, which has its own and knows the built-in '
            'world; or, to try without, allow random weights: --untrained, or allow_untrained of '
            'the node')
    return sources
