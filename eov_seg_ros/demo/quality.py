# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How good `~/panoptic` is, where the truth is known: panoptic quality by panopticapi's rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eov_seg_core.world import COLORS, OBJECT_TYPES, SURFACE_NAMES

Panoptic = npt.NDArray[np.int32]
MIN_PIXELS = 40
"""Fewest pixels of an object that counts."""

_SYNONYMS = {names[0]: names for names in (*(kind.names for kind in OBJECT_TYPES), *SURFACE_NAMES)}


@dataclass
class _Tally:
    """Counts of one class over all images."""

    iou_sum: float = 0.0
    matched: int = 0
    missed: int = 0
    spurious: int = 0


class PanopticQuality:
    """Panoptic quality of a stream of images."""

    def __init__(self) -> None:
        self._tallies: dict[int, _Tally] = {}

    def add(self, truth: Panoptic, prediction: Panoptic) -> None:
        """Count one image.

        Args:
            truth: (H, W) int32 `(class_id << 16) | instance_id`; 0 = does not count.
            prediction: The same; 0 = nothing was found.
        """
        pairs = truth.astype(np.int64) << 32 | prediction.astype(np.int64) & 0xffffffff
        values, counts = np.unique(pairs, return_counts=True)
        overlaps = {(value >> 32 & 0xffffffff, value & 0xffffffff): count
                    for value, count in zip(values.tolist(), counts.tolist())}
        true_areas, areas = _areas(overlaps, 0), _areas(overlaps, 1)
        matched: set[tuple[int, int]] = set()
        for (true, found), overlap in overlaps.items():
            if not (true and found) or true >> 16 != found >> 16:
                continue
            union = true_areas[true] + areas[found] - overlap - overlaps.get((0, found), 0)
            if overlap / union > 0.5:
                matched |= {(0, true), (1, found)}
                tally = self._tally(true)
                tally.matched += 1
                tally.iou_sum += overlap / union
        for true in true_areas:
            self._tally(true).missed += (0, true) not in matched
        for found, area in areas.items():
            excused = overlaps.get((0, found), 0) / area > 0.5
            self._tally(found).spurious += (1, found) not in matched and not excused

    def compute(self) -> float:
        """Return the mean over the classes that occur, 0..1; 0 if none does."""
        qualities = [tally.iou_sum / (tally.matched + 0.5 * (tally.missed + tally.spurious))
                     for tally in self._tallies.values()
                     if tally.matched or tally.missed or tally.spurious]
        return sum(qualities) / max(len(qualities), 1)

    def _tally(self, segment: int) -> _Tally:
        return self._tallies.setdefault(segment >> 16, _Tally())


def _areas(overlaps: Mapping[tuple[int, int], int], side: int) -> dict[int, int]:
    areas: dict[int, int] = {}
    for pair, count in overlaps.items():
        if pair[side]:
            areas[pair[side]] = areas.get(pair[side], 0) + count
    return areas


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
