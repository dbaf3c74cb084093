# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which depth image belongs to which image, by their stamps; without ROS."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

_DEPTHS, _IMAGES = 10, 3
_JUMP_NS = 10**8
_WINDOW = 100


@dataclass(frozen=True)
class PairCounts:
    """What became of the images.

    Attributes:
        matched: Handed on with a depth image.
        unmatched: Handed on without one.
        superseded: Left out, because a newer image was ready first.
        clock_jumps: How often stamps went back by more than 0.1 s, as when a recording starts
            again; what waited then was dropped.
    """

    matched: int = 0
    unmatched: int = 0
    superseded: int = 0
    clock_jumps: int = 0


class Pair(NamedTuple):
    """An image, and the depth that belongs to it; None: there is none."""

    image: Any
    depth: Any


class _Waiting(NamedTuple):
    stamp_ns: int
    image: Any
    since_s: float


class Pairing:
    """Hands on each image with the depth image nearest in time, the newest image first.

    An image is ready when a depth image of equal stamp is there, when a later depth image is
    there, so that no nearer one will come, or when it has waited long enough.  Each method that
    takes something returns what is ready then, or None.

    Args:
        sync_s: Largest distance between the stamps of a pair, seconds.
        wait_s: Longest wait of an image for its depth, seconds.
    """

    def __init__(self, sync_s: float, wait_s: float) -> None:
        self.counts = PairCounts()
        self._images: list[_Waiting] = []
        self._depths: deque[tuple[int, Any]] = deque(maxlen=_DEPTHS)
        self._last_ns: dict[str, int] = {}
        self._distances_ns: deque[int] = deque(maxlen=_WINDOW)
        self._periods_ns: dict[str, deque[int]] = {
            what: deque(maxlen=_WINDOW) for what in ('image', 'depth')}
        self.set_limits(sync_s, wait_s)

    def set_limits(self, sync_s: float, wait_s: float) -> None:
        """Use other limits from now on."""
        self._sync_ns, self._wait_s = round(sync_s * 1e9), wait_s

    @property
    def is_waiting(self) -> bool:
        """Whether an image waits for its depth."""
        return bool(self._images)

    @property
    def distances_ns(self) -> list[int]:
        """How far the nearest depth was from each of the last images, if there was any."""
        return list(self._distances_ns)

    @property
    def image_period_ns(self) -> int:
        """Median time between the stamps of images; 0 before there are two."""
        return self._period_ns('image')

    @property
    def depth_period_ns(self) -> int:
        """The same of depth images."""
        return self._period_ns('depth')

    def _period_ns(self, what: str) -> int:
        ordered = sorted(self._periods_ns[what])
        return ordered[len(ordered) // 2] if ordered else 0

    def image_came(self, stamp_ns: int, image: Any, now_s: float) -> Pair | None:
        """Take an image; `now_s` is of a steady clock."""
        self._follow_clock('image', stamp_ns)
        self._images.append(_Waiting(stamp_ns, image, now_s))
        self._supersede(len(self._images) - _IMAGES)
        return self.ready(now_s)

    def depth_came(self, stamp_ns: int, depth: Any, now_s: float) -> Pair | None:
        """Take a depth image."""
        self._follow_clock('depth', stamp_ns)
        self._depths.append((stamp_ns, depth))
        return self.ready(now_s)

    def ready(self, now_s: float) -> Pair | None:
        """Return the newest image that is ready; older ones are left out."""
        for number in reversed(range(len(self._images))):
            waiting = self._images[number]
            if self._is_ready(waiting, now_s):
                self._supersede(number)
                del self._images[0]
                return self._pair(waiting)
        return None

    def drop_waiting(self) -> None:
        """Leave out the images that wait."""
        self._supersede(len(self._images))

    def _is_ready(self, waiting: _Waiting, now_s: float) -> bool:
        return (any(stamp_ns >= waiting.stamp_ns for stamp_ns, _ in self._depths)
                or now_s - waiting.since_s >= self._wait_s)

    def _pair(self, waiting: _Waiting) -> Pair:
        nearest = min(self._depths, key=lambda entry: abs(entry[0] - waiting.stamp_ns),
                      default=None)
        if nearest is not None:
            distance_ns = abs(nearest[0] - waiting.stamp_ns)
            self._distances_ns.append(distance_ns)
            if distance_ns <= self._sync_ns:
                self._count(matched=1)
                return Pair(waiting.image, nearest[1])
        self._count(unmatched=1)
        return Pair(waiting.image, None)

    def _supersede(self, number: int) -> None:
        if number > 0:
            del self._images[:number]
            self._count(superseded=number)

    def _follow_clock(self, what: str, stamp_ns: int) -> None:
        """Forget everything when time goes back: old stamps would only be in the way."""
        if stamp_ns < self._last_ns.get(what, stamp_ns) - _JUMP_NS:
            self._last_ns.clear()
            self._depths.clear()
            self._distances_ns.clear()
            for periods in self._periods_ns.values():
                periods.clear()
            self.drop_waiting()
            self._count(clock_jumps=1)
        if what in self._last_ns:
            self._periods_ns[what].append(max(stamp_ns - self._last_ns[what], 0))
        self._last_ns[what] = max(stamp_ns, self._last_ns.get(what, stamp_ns))

    def _count(self, **added: int) -> None:
        self.counts = replace(self.counts, **{
            name: getattr(self.counts, name) + number for name, number in added.items()})
