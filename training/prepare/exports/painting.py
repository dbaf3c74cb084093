# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From shapes that may overlap to one segment for every pixel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from eov_seg_core.vocabulary import Vocabulary
from training.prepare.exports.shapes import Shape, Size


class Painted(NamedTuple):
    """Segments of one picture.

    Attributes:
        ids: (H, W) int32 segment ids 1, 2, ... without gaps; 0 = void.
        segments: Segment id -> class index and whether it is a crowd; all of them have pixels.
        covered: Number of objects without a visible pixel: covered entirely, or outside.
    """

    ids: npt.NDArray[np.int32]
    segments: dict[int, tuple[int, bool]]
    covered: int


def paint(shapes: Iterable[Shape], size: Size, vocabulary: Vocabulary,
          classes: Mapping[str, int]) -> Painted:
    """Paint crowds first, then large shapes, small ones on top; of equal ones the later on top.

    Stuff of a class is one segment, and so are shapes of one class and group.

    Args:
        shapes: With labels that have a class.
        size: Height and width of the picture.
        vocabulary: The classes.
        classes: Class index of each label.
    """
    ids = np.zeros(size, np.int32)
    numbers: dict[object, int] = {}
    segments = {}
    ordered = sorted(shapes, key=lambda shape: (not shape.is_crowd, -shape.area))
    for position, shape in enumerate(ordered):
        if shape.label is None:
            ids[shape.mask()] = 0
            continue
        index = classes[shape.label]
        is_thing = vocabulary.is_thing[index]
        is_crowd = shape.is_crowd and is_thing
        part = None if not is_thing else position if shape.group is None else (shape.group,)
        number = numbers.setdefault((index, part, is_crowd), len(numbers) + 1)
        segments[number] = index, is_crowd
        ids[shape.mask()] = number
    present = np.unique(ids[ids > 0])
    renumbered = np.zeros(len(segments) + 1, np.int32)
    renumbered[present] = np.arange(1, len(present) + 1)
    visible = {int(renumbered[number]): segments[number] for number in present.tolist()}
    return Painted(renumbered[ids], visible, len(segments) - len(visible))
