# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Who may see what: the categories and pairs of the built-in world in the two trainings.

CLIP's training sees boxes and captions of all categories; the training of the masks sees rooms of
base categories only.  Neither sees a held-out pair of colour and category.
"""

from __future__ import annotations

from eov_seg_core.vocabulary import Vocabulary
from eov_seg_core.world import OBJECT_TYPES
from eov_seg_core.world.furnishing.categories import SURFACE_NAMES
from eov_seg_core.world.materials import COLORS

Pair = tuple[str, str]
"""Colour and category."""

NOVEL = ('monitor', 'ball', 'traffic cone', 'suitcase', 'barrel')
"""Things that no mask was ever shown of."""
THINGS = tuple(kind.name for kind in OBJECT_TYPES if kind.is_thing)
BASE = tuple(name for name in THINGS if name not in NOVEL)
FURNISHING = tuple(kind.name for kind in OBJECT_TYPES if not kind.is_thing)
"""Stuff that is put into a room: the rug."""
STUFF = (*(names[0] for names in SURFACE_NAMES), *FURNISHING)
SYNONYMS = {names[0]: names[1:] for names in (
    *(kind.names for kind in OBJECT_TYPES), *SURFACE_NAMES)}
"""Name -> its other names, of which none was ever a mask label."""

PAIRS: tuple[Pair, ...] = tuple((color, name) for name in THINGS for color in COLORS)
HELD_OUT_PAIRS: tuple[Pair, ...] = tuple(
    (color, name) for i, name in enumerate(THINGS) for j, color in enumerate(COLORS)
    if (5 * i + 7 * j) % 8 == 0)
"""One or two colours of every thing: an eighth of all pairs, a rule instead of a choice."""
TRAINED_PAIRS: tuple[Pair, ...] = tuple(pair for pair in PAIRS if pair not in HELD_OUT_PAIRS)

MASK_CATEGORIES = (*BASE, *FURNISHING)
"""What is put into the rooms of the mask training."""


def base_vocabulary() -> Vocabulary:
    """Return the names of the mask training."""
    return Vocabulary(things=BASE, stuff=STUFF)
