# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Distractors: names of things that are not in the world, which a network must not find there."""

from __future__ import annotations

from eov_seg_core.vocabulary import Vocabulary
from eov_seg_core.world.materials import COLORS
from training.world.split import SYNONYMS

_ALMOST_RIGHT = frozenset((
    'apparel', 'armchair', 'art', 'ashcan', 'baby', 'backpack', 'bag', 'bags', 'baggage', 'board',
    'bookend', 'bowls', 'bowl', 'bucket', 'candlestick', 'canvas', 'carafe', 'carpet', 'case',
    'chest', 'crate', 'drawing', 'gas', 'glass', 'jar', 'jug', 'magazine', 'notebook', 'ottoman',
    'panel', 'paper', 'photo', 'pitcher', 'poster', 'pot', 'sconce', 'sculpture', 'tile',
    'television', 'tree', 'wardrobe', 'water', 'woman'))
"""Words of names that somebody might give to something in the world: no fair distractor."""


def distractor_names(*, for_training: bool) -> tuple[str, ...]:
    """Return names of ADE20K's 847 that have no word in common with the world's.

    About half of them are for the training, the others for the benchmark.
    """
    own = _ALMOST_RIGHT.union(COLORS, *(name.split() for first, others in SYNONYMS.items()
                                        for name in (first, *others)))
    foreign = sorted(name for name in Vocabulary.preset('ade20k_847').names
                     if own.isdisjoint(name.split())
                     and own.isdisjoint(word.rstrip('s') for word in name.split()))
    trained = foreign[1::2]
    return tuple(trained) if for_training else tuple(sorted({*foreign} - {*trained}))
