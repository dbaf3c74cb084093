# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One object of a memory: its points, its name, and how often it was seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import math
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from eov_seg_core.geometry import Box, SegmentBox
from eov_seg_core.geometry.pose import as_matrix
from eov_seg_core.tracking.identity import ClassVotes, finite, MOST_IDS, number_in
from eov_seg_core.tracking.options import TrackingOptions
from eov_seg_core.tracking.points import ObjectPoints

State = Literal['visible', 'remembered', 'missing']
Matrix = npt.NDArray[np.float64]

_CONFIRMED_S, _CONFIRMED_TURN_RAD = 2.0, math.radians(10)
_REACH = 1.25       # of the largest distance from which it was seen
_SIDE_RAD = math.radians(100)    # beside the sides from which it was seen
_MOST_DEBT = 120    # misses beyond those that it may have


@dataclass(frozen=True, eq=False)
class RememberedObject:
    """What is known of one object at one moment.

    Attributes:
        id: Its id in all frames.
        name: What it is called; None since its name left the vocabulary.
        state: Seen in the last frame; not seen; or its place was seen to be free.
        box: In the map, from all views.
        share: Part of the votes that the name has, 0..1.
        hits: Frames it was seen in.
        first_seen_s: Stamp of the first of them.
        last_seen_s: Stamp of the last of them.
        viewpoint: (4, 4) pose of the camera in the map that saw most of it: a place to go to.
    """

    id: int
    name: str | None
    state: State
    box: Box
    share: float
    hits: int
    first_seen_s: float
    last_seen_s: float
    viewpoint: Matrix


class MappedObject:
    """An object of the memory while it is being collected; see `RememberedObject`."""

    def __init__(self, number: int, half_life_s: float) -> None:
        self.id = number
        self.votes = ClassVotes(half_life_s)
        self.points = ObjectPoints()
        self.hits = self.misses = 0
        self.first_seen_s = self.last_seen_s = 0.0
        self.free_looks = 0
        self.moved_looks = 0
        self.visible = False
        self.seen_with: set[int] = set()
        self.viewpoint: Matrix = np.eye(4)
        self.known_since_s = -math.inf      # of a memory that was stored: when it was restored
        self._best_area = -1
        self._farthest_m = 0.0      # distance from which it was seen
        self._span_s = 0.0
        self._first_bearing: float | None = None
        self._turn = 0.0
        self._last_view: npt.NDArray[np.float64] = np.zeros((0, 3))

    @property
    def box(self) -> Box:
        """The box from all views."""
        return self.points.box

    def see(self, view: SegmentBox, area: int, camera_in_map: Matrix, stamp_s: float,
            gate_m: float) -> None:
        """Take in one view; an object that was moved starts anew."""
        if self.hits and not view.is_cut and self.box.distance_m(view.box.center) > gate_m / 2:
            self.points = ObjectPoints()
        self._last_view = view.points_in_map
        self.points.add(self._last_view)
        self.first_seen_s = self.first_seen_s if self.hits else stamp_s
        self.hits += 1
        self.last_seen_s, self.free_looks, self.visible = stamp_s, 0, True
        self._span_s = max(self._span_s, stamp_s - self.first_seen_s)
        if area > self._best_area:
            self._best_area, self.viewpoint = area, camera_in_map
        eye = camera_in_map[:3, 3]
        self._farthest_m = max(self._farthest_m, math.dist(eye, view.box.center))
        if self._first_bearing is None:
            self._first_bearing = _bearing(view.box, eye)
        self._turn = max(self._turn, self._turn_to(view.box, eye))

    def begin_anew(self) -> None:
        """Leave out all views but the last one: the object has moved."""
        self.points = ObjectPoints()
        self.points.add(self._last_view)
        self.moved_looks = 0

    def could_be_seen_from(self, eye: npt.NDArray[np.float64]) -> bool:
        """Say whether it has a name that can be found, and was seen from about there.

        That is from about as far away, and from about that side: the back of a monitor is none.

        Args:
            eye: (3,) where a camera is in the map.
        """
        return (self.votes.leader is not None
                and math.dist(eye, self.box.center) <= _REACH * self._farthest_m
                and self._turn_to(self.box, eye) <= self._turn + _SIDE_RAD)

    def _turn_to(self, box: Box, eye: npt.NDArray[np.float64]) -> float:
        """Return the angle around a box from where it was seen first."""
        first = _bearing(box, eye) if self._first_bearing is None else self._first_bearing
        return abs(math.remainder(_bearing(box, eye) - first, 2 * math.pi))

    def miss(self, min_seen_part: float) -> None:
        """Note a frame that shows its surface, and in which it was not segmented.

        What is owed is limited: with a part of a quarter, 40 more frames that segment an object
        make it believed again, for however long it was missed before.
        """
        if min_seen_part * (self.hits + self.misses - _MOST_DEBT) < self.hits:
            self.misses += 1

    def take_over(self, other: MappedObject) -> None:
        """Become one object with another that was seen later."""
        self.points.add(other.points.reliable.astype(np.float64))
        # while the other one was seen, this one was not missed
        self.misses = max(self.misses - other.hits, 0)
        self.hits += other.hits
        self.last_seen_s = max(self.last_seen_s, other.last_seen_s)
        self.visible |= other.visible
        self.seen_with |= other.seen_with

    def as_plain(self) -> dict[str, Any]:
        """Return what JSON takes, for `from_plain`."""
        return {
            'id': self.id, 'votes': self.votes.as_plain(), 'points': self.points.as_plain(),
            'hits': self.hits, 'misses': self.misses, 'farthest_m': self._farthest_m,
            'first_seen_s': self.first_seen_s, 'last_seen_s': self.last_seen_s,
            'seen_with': sorted(self.seen_with), 'viewpoint': self.viewpoint.tolist(),
            'best_area': self._best_area, 'span_s': self._span_s,
            'first_bearing': self._first_bearing, 'turn': self._turn}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], half_life_s: float) -> MappedObject:
        """Return an object that was not seen since.

        Raises:
            ValueError: Something in it is of another kind.
            KeyError: Something is missing.
        """
        item = cls(number_in(plain['id'], 1, MOST_IDS), half_life_s)
        item.votes = ClassVotes.from_plain(plain['votes'], half_life_s)
        item.points = ObjectPoints.from_plain(plain['points'])
        item.hits = number_in(plain['hits'], 1)
        # files of before have neither
        item.misses = number_in(plain.get('misses', 0), 0)
        item._farthest_m = finite(plain.get('farthest_m', 0.0))
        item.first_seen_s, item.last_seen_s, item._span_s, item._turn = (
            finite(plain[name]) for name in ('first_seen_s', 'last_seen_s', 'span_s', 'turn'))
        item.seen_with = {number_in(number, 1, MOST_IDS) for number in plain['seen_with']}
        item.viewpoint = as_matrix(np.array(plain['viewpoint'], np.float64))
        item._best_area = number_in(plain['best_area'], 0)
        item._first_bearing = finite(plain['first_bearing'])
        return item

    def is_confirmed(self, options: TrackingOptions) -> bool:
        """Say whether it was seen often, for long enough or from different sides, and reliably."""
        return (self.hits >= options.min_hits
                and (self._span_s >= _CONFIRMED_S or self._turn >= _CONFIRMED_TURN_RAD)
                and self.hits >= options.min_seen_part * (self.hits + self.misses))

    def state(self, missing_after: int) -> State:
        """Say whether it is seen, remembered or missing."""
        if self.visible:
            return 'visible'
        return 'missing' if self.free_looks >= missing_after else 'remembered'


def _bearing(box: Box, eye: npt.NDArray[np.float64]) -> float:
    """Return in which direction of the map a camera is from the middle of a box."""
    return math.atan2(eye[1] - box.center[1], eye[0] - box.center[0])
