# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Panoptic quality (arXiv 1801.00868) of maps of segment ids, with numpy alone.

The figures are those of panopticapi, with its rules for void (id 0 of the ground truth) and crowd:

* a match has the same class and an IoU above 0.5; void under a prediction counts for neither side;
* crowd segments are never matched nor missed; an unmatched prediction of which more than half lies
  in void and in crowd of its class is not a false positive; of several crowd segments of one class
  in an image only the last one excuses predictions;
* classes that occur nowhere are not averaged.

Stricter than there: in the ground truth, too, map and list must name the same segments, and an
area that it states must be that of the map (there a wrong one may give a quality above 1).
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

VOID = 0
"""Segment id of pixels without a segment."""
Ids = npt.NDArray[np.integer[Any]]


class Segment(NamedTuple):
    """One segment as COCO's panoptic JSON describes it.

    Attributes:
        id: Its id in the map, 1..2**24 - 1 in a PNG.
        category_id: Id of its category.
        is_crowd: Whether it is a group of things that nobody told apart.
        area: Its pixels according to the JSON; None if that is not stated.  Tools that reckon it
            from outlines state fractions.
    """

    id: int
    category_id: int
    is_crowd: bool = False
    area: float | None = None


class PanopticMap(NamedTuple):
    """One image's segments.

    Attributes:
        ids_HW: (H, W) integer segment ids below 2**32, 0 where there is none.
        segments: What the ids stand for, each at least one pixel.
        source: Names the map in errors: a file, as a rule.
    """

    ids_HW: Ids
    segments: Sequence[Segment]
    source: str


@dataclass
class _Tally:
    """Counts of one class over all images."""

    matched: int = 0
    spurious: int = 0
    missed: int = 0
    iou_sum: float = 0.0

    @property
    def occurs(self) -> bool:
        return bool(self.matched or self.spurious or self.missed)

    def qualities(self) -> dict[str, float]:
        """Return PQ = SQ x RQ in 0..1; zeros for a class that has no match."""
        if not self.matched:
            return {'pq': 0.0, 'sq': 0.0, 'rq': 0.0}
        weight = self.matched + 0.5 * self.spurious + 0.5 * self.missed
        return {'pq': self.iou_sum / weight, 'sq': self.iou_sum / self.matched,
                'rq': self.matched / weight}


class Comparison(NamedTuple):
    """What one image counts for.

    Attributes:
        matches: Category id and IoU of each match.
        spurious: Category id of each prediction that is a false positive.
        missed: Category id of each true segment that nothing matches.
    """

    matches: tuple[tuple[int, float], ...]
    spurious: tuple[int, ...]
    missed: tuple[int, ...]


class PanopticQuality:
    """Panoptic quality of a stream of images; keeps four numbers for each class.

    Args:
        is_thing: Category id -> whether it is countable.
    """

    def __init__(self, is_thing: Mapping[int, bool]) -> None:
        self._is_thing = dict(is_thing)
        self._tallies = {category: _Tally() for category in is_thing}

    def add(self, truth: PanopticMap, prediction: PanopticMap) -> None:
        """Compare one image's prediction with its ground truth, and count it.

        Raises:
            ValueError: As for `compare`; nothing is counted then.
        """
        self.count(compare(truth, prediction, self._is_thing))

    def count(self, comparison: Comparison) -> None:
        """Count an image that was compared before."""
        for category, iou in comparison.matches:
            self._tallies[category].matched += 1
            self._tallies[category].iou_sum += iou
        for category in comparison.spurious:
            self._tallies[category].spurious += 1
        for category in comparison.missed:
            self._tallies[category].missed += 1

    def compute(self) -> dict[str, Any]:
        """Return `All`, `Things`, `Stuff` with PQ, SQ, RQ in 0..1 and n classes, and `per_class`.

        A group of which no class occurs has zeros and n = 0.
        """
        groups = {'All': list(self._is_thing),
                  'Things': [key for key, is_thing in self._is_thing.items() if is_thing],
                  'Stuff': [key for key, is_thing in self._is_thing.items() if not is_thing]}
        result: dict[str, Any] = {name: self._average(keys) for name, keys in groups.items()}
        result['per_class'] = {str(key): tally.qualities() for key, tally in self._tallies.items()}
        return result

    def occurring(self) -> set[int]:
        """Return the categories that are averaged: matched, missed or predicted in some image."""
        return {category for category, tally in self._tallies.items() if tally.occurs}

    def _average(self, categories: Iterable[int]) -> dict[str, float]:
        qualities = [self._tallies[category].qualities() for category in categories
                     if self._tallies[category].occurs]
        count = len(qualities)
        means = {name: sum(quality[name] for quality in qualities) / max(count, 1)
                 for name in ('pq', 'sq', 'rq')}
        return {**means, 'n': count}


def compare(truth: PanopticMap, prediction: PanopticMap, categories: Container[int]
            ) -> Comparison:
    """Compare one image's prediction with its ground truth.

    Args:
        truth: Ground truth.
        prediction: Of the same size.
        categories: Ids that a segment may have.

    Raises:
        ValueError: The two differ in size, a map and its list of segments contradict each other,
            or a category is unknown.
    """
    if truth.ids_HW.shape != prediction.ids_HW.shape:
        raise ValueError(f'{prediction.source} has {_size(prediction)} pixels, but its ground '
                         f'truth {truth.source} has {_size(truth)}; save predictions at the '
                         'size of the ground truth')
    overlaps = count_overlaps(truth.ids_HW, prediction.ids_HW)
    true_areas = _checked_areas(
        truth, [(ids[0], n) for ids, n in overlaps.items()], categories)
    areas = _checked_areas(
        prediction, [(ids[1], n) for ids, n in overlaps.items()], categories)
    _check_stated(truth, true_areas)
    return _compare(truth.segments, prediction.segments, overlaps, true_areas, areas)


def _checked_areas(panoptic: PanopticMap, counts: Iterable[tuple[int, int]],
                   categories: Container[int]) -> dict[int, int]:
    """Return the pixels of every segment; refuse a map that its list does not describe."""
    areas: dict[int, int] = {}
    for segment_id, pixels in counts:
        areas[segment_id] = areas.get(segment_id, 0) + pixels
    areas.pop(VOID, None)
    listed = {segment.id for segment in panoptic.segments}
    if areas.keys() - listed:
        raise ValueError(f'{panoptic.source} has segments {_some(areas.keys() - listed)} that '
                         'its JSON does not list')
    if listed - areas.keys():
        raise ValueError(f'{panoptic.source} has no pixel of segments '
                         f'{_some(listed - areas.keys())} that its JSON lists')
    for segment in panoptic.segments:
        if segment.category_id not in categories:
            raise ValueError(f'segment {segment.id} of {panoptic.source} is of category '
                             f'{segment.category_id}, which the ground truth does not define')
    return areas


def _check_stated(truth: PanopticMap, areas: Mapping[int, int]) -> None:
    for segment in truth.segments:
        if segment.area is not None and abs(segment.area - areas[segment.id]) >= 1:
            raise ValueError(f'segment {segment.id} of {truth.source} has {areas[segment.id]} '
                             f'pixels, but its JSON states an area of {segment.area:g}; correct '
                             'one of them, or leave the area out')


def _compare(truth: Sequence[Segment], prediction: Sequence[Segment],
             overlaps: Mapping[tuple[int, int], int], true_areas: Mapping[int, int],
             areas: Mapping[int, int]) -> Comparison:
    true_segments = {segment.id: segment for segment in truth}
    segments = {segment.id: segment for segment in prediction}
    iou_of_match: dict[tuple[int, int], float] = {}
    for (true_id, segment_id), overlap in overlaps.items():
        true, segment = true_segments.get(true_id), segments.get(segment_id)
        if true is None or segment is None or true.is_crowd \
                or true.category_id != segment.category_id:
            continue
        union = (true_areas[true_id] + areas[segment_id] - overlap
                 - overlaps.get((VOID, segment_id), 0))
        if overlap / union > 0.5:
            iou_of_match[true_id, segment_id] = overlap / union
    matched_true = {true_id for true_id, _ in iou_of_match}
    matched = {segment_id for _, segment_id in iou_of_match}
    crowds = {true.category_id: true.id for true in truth if true.is_crowd}

    def is_excused(segment: Segment) -> bool:
        excused = overlaps.get((VOID, segment.id), 0)
        if segment.category_id in crowds:
            excused += overlaps.get((crowds[segment.category_id], segment.id), 0)
        return excused / areas[segment.id] > 0.5

    return Comparison(
        matches=tuple((segments[segment_id].category_id, iou)
                      for (_, segment_id), iou in iou_of_match.items()),
        spurious=tuple(segment.category_id for segment in prediction
                       if segment.id not in matched and not is_excused(segment)),
        missed=tuple(true.category_id for true in truth
                     if not true.is_crowd and true.id not in matched_true))


def count_overlaps(first_HW: Ids, second_HW: Ids) -> dict[tuple[int, int], int]:
    """Count the pixels of every pair of ids of two maps of one size.

    Runs of equal pairs are found first: sorting them is much cheaper than sorting all pixels.
    """
    pairs = first_HW.astype(np.uint64).ravel() << 32 | second_HW.astype(np.uint64).ravel()
    starts = np.flatnonzero(np.append(True, pairs[1:] != pairs[:-1])[:pairs.size])
    values, run_value = np.unique(pairs[starts], return_inverse=True)
    pixels = np.bincount(run_value, np.diff(starts, append=pairs.size), len(values))
    return {(value >> 32, value & 0xFFFFFFFF): int(count)
            for value, count in zip(values.tolist(), pixels.tolist())}


def _size(panoptic: PanopticMap) -> str:
    height, width = panoptic.ids_HW.shape
    return f'{width} x {height}'


def _some(ids: Iterable[int]) -> str:
    """Name at most five ids."""
    ordered = sorted(ids)
    more = f' and {len(ordered) - 5} more' if len(ordered) > 5 else ''
    return ', '.join(map(str, ordered[:5])) + more
