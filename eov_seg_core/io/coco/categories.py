# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The classes of a vocabulary as COCO's files list them."""

from __future__ import annotations

from typing import Any

from eov_seg_core.visualization import class_color, Color
from eov_seg_core.vocabulary import Vocabulary
from eov_seg_core.wrong import wrong

_UNLABELED = (0, 0, 0)


def coco_categories(vocabulary: Vocabulary) -> list[dict[str, Any]]:
    """Return `categories` of COCO's panoptic format: id, name, supercategory, isthing, color.

    A category with synonyms lists them as `synonyms`, which COCO's tools ignore.

    Ids and colours are the data set's where the vocabulary knows them.  COCO's tools tell stuff
    apart by its colour, so no two categories have the same one: where a colour is taken, or the
    black of pixels without a label, the next free shade stands in for it.
    """
    if not isinstance(vocabulary, Vocabulary):
        raise wrong('the vocabulary', vocabulary, 'a Vocabulary')
    taken = {_UNLABELED}
    categories = []
    for key, category in zip(vocabulary.dataset_ids, vocabulary.categories):
        color = _free_color(category.color or class_color(category.name), taken)
        taken.add(color)
        entry = {'id': key, 'name': category.name, 'supercategory': category.name,
                 'isthing': int(category.is_thing), 'color': list(color)}
        if len(category.names) > 1:
            entry['synonyms'] = list(category.names[1:])
        categories.append(entry)
    return categories


def _free_color(color: Color, taken: set[Color]) -> Color:
    red, green, blue = color
    while (red, green, blue) in taken:
        blue = (blue + 1) % 256
        green = (green + (blue == 0)) % 256
    return red, green, blue
