# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The truth of the built-in world in the classes of the node, so that the two can be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from eov_seg_core.quality import PanopticMap, Segment
from eov_seg_core.world import COLORS, OBJECT_TYPES, SURFACE_NAMES

Panoptic = npt.NDArray[np.int32]
MIN_PIXELS = 40
"""Fewest pixels of an object that counts."""

_SYNONYMS = {names[0]: names for names in (*(kind.names for kind in OBJECT_TYPES), *SURFACE_NAMES)}


def panoptic_map(panoptic: Panoptic, source: str) -> PanopticMap:
    """Return a label image of the node, or of the world's truth, as the map that is compared.

    Args:
        panoptic: (H, W) int32 `(class_id << 16) | instance_id`; 0 = nothing.
        source: Names it in errors.
    """
    ids = panoptic.view(np.uint32)
    return PanopticMap(ids, [Segment(value, value >> 16) for value in np.unique(ids).tolist()
                             if value], source)


def true_classes(truth_names: Mapping[int, str], words: Sequence[str],
                 class_map: Mapping[int, str]) -> dict[int, int]:
    """Say which class of the vocabulary each class of the truth is.

    Args:
        truth_names: Class id of the truth -> its name, `red chair` or `floor`.
        words: The vocabulary's entries, each `name,synonym,synonym`.
        class_map: The node's class id -> its name.

    Returns:
        Class id of the truth -> class id of the node: of the entry that names the object with its
        colour, or else of one that names its category or a synonym; 0 if no entry does.
    """
    id_of_name = {name: class_id for class_id, name in class_map.items()}
    id_of_word = {name: id_of_name[entry.split(',')[0]]
                  for entry in words for name in entry.split(',')}
    classes = {}
    for truth_id, truth_name in truth_names.items():
        color, _, category = truth_name.partition(' ')
        names = _SYNONYMS.get(category if color in COLORS else truth_name, ())
        colored = [f'{color} {name}' for name in names] if color in COLORS else []
        classes[truth_id] = next((id_of_word[name] for name in (*colored, *names)
                                  if name in id_of_word), 0)
    return classes


def countable_truth(truth: Panoptic, classes: Mapping[int, int]) -> Panoptic:
    """Return the truth in the node's class ids; objects that are tiny or have no word are 0."""
    values, inverse, counts = np.unique(truth, return_inverse=True, return_counts=True)
    table = [classes.get(value >> 16, 0) << 16 | value & 0xffff
             if classes.get(value >> 16, 0) and count >= MIN_PIXELS else 0
             for value, count in zip(values.tolist(), counts.tolist())]
    return np.array(table, np.int32)[inverse].reshape(truth.shape)
