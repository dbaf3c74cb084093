# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a user should hear of the words of a vocabulary: those that the text tower cannot tell."""

from __future__ import annotations

from collections.abc import Sequence
import logging

from eov_seg_core.config import ModelConfig
from eov_seg_core.inference.text_encoder import TextEncoder

_LONGEST_SHOWN = 40
_MOST_SHOWN = 8
_log = logging.getLogger(__name__)


def warn_of_words(encoder: TextEncoder, names: Sequence[str], config: ModelConfig) -> None:
    """Log the names that the text tower never learned, and long ones that it cuts to the same."""
    unknown = encoder.unknown_words(names)
    if unknown:
        _log.warning(
            'variant %s never learned %d of the %d names, and such names look alike to it: %s. It '
            'knows the words of the vocabulary preset %s', config.variant, len(unknown),
            len(names), _first(unknown), config.training_vocabulary)
    for group in encoder.look_alikes(names):
        _log.warning('%d names are the same to CLIP, which reads about 70 tokens of each: %s. '
                     'Shorten them', len(group), _first(group))


def _first(names: Sequence[str]) -> str:
    """Return the first names, quoted and cut, and how many more there are."""
    shown = ', '.join(map(_quoted, names[:_MOST_SHOWN]))
    more = len(names) - _MOST_SHOWN
    return f'{shown} and {more} more' if more > 0 else shown


def _quoted(name: str) -> str:
    return repr(name) if len(name) <= _LONGEST_SHOWN else f'{name[:_LONGEST_SHOWN]!r}...'
