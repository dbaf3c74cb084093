# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where objects are in the room: what the top view shows, and the question where one is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
import math
import time

_ASPECT = 1.5       # of the top view: width to height
_MOST_CELLS = 12    # of the grid, along the width


@dataclass(frozen=True)
class Viewer:
    """Where the camera is, seen from above.

    Attributes:
        x: Metres, to the right.
        y: Metres, upwards.
        z: Metres above the ground.
        yaw_deg: Where it looks, counter-clockwise from x.
    """

    x: float
    y: float
    z: float
    yaw_deg: float


@dataclass(frozen=True)
class KnownObject:
    """An object that is remembered.

    Attributes:
        id: The same as that of its segment.
        name: What it is called.
        score: How sure the name is, 0..1.
        center: x, y, z of the middle of its box in metres.
        size_m: Of its box along its own axes.
        yaw_deg: Of the box, counter-clockwise.
        age_s: Seconds since it was seen last.
        distance_m: From the camera; None: it is not known where that is.
    """

    id: str
    name: str
    score: float
    center: tuple[float, float, float]
    size_m: tuple[float, float, float]
    yaw_deg: float
    age_s: float
    distance_m: float | None


@dataclass(frozen=True)
class TopView:
    """All that is known at a moment.

    Attributes:
        frame_id: The frame of all places.
        objects: The nearest first; by name where distances are not known.
        viewer: The camera; None: it is not known where that is.
    """

    frame_id: str = ''
    objects: Sequence[KnownObject] = ()
    viewer: Viewer | None = None


@dataclass(frozen=True)
class Search:
    """A question where something is.

    Attributes:
        query: The word.
        timeout_s: Longest time of looking for it.
        started_s: On the monotonic clock.
        lines: The answer; empty while it is looked for.
        found: Ids of the objects that were found, the best first.
    """

    query: str
    timeout_s: float
    started_s: float
    lines: Sequence[str] = ()
    found: Sequence[str] = ()

    @property
    def is_running(self) -> bool:
        """Whether there is no answer yet."""
        return not self.lines

    @property
    def progress(self) -> str:
        """How long it has been looked for."""
        seconds = min(time.monotonic() - self.started_s, self.timeout_s)
        return f'Looking for {self.query}: {seconds:.0f} of {self.timeout_s:.0f} s'


class Memory(ABC):
    """The memory of a node, as a page shows and asks it."""

    view: TopView
    """What is known now."""
    search: Search | None
    """The last question; None: there was none."""

    @abstractmethod
    def find(self, query: str) -> None:
        """Begin to look for an object; the answer comes with `search`.

        Raises:
            ValueError: Another object is looked for.
        """

    @abstractmethod
    def cancel(self) -> None:
        """End looking; the words of the node are restored."""


@dataclass(frozen=True)
class Extent:
    """The part of the ground that a top view shows.

    Attributes:
        left: x of the left edge in metres.
        top: y of the upper edge.
        width: In metres.
        height: In metres.
        cell: Width of a cell of the grid.
    """

    left: float
    top: float
    width: float
    height: float
    cell: float

    @classmethod
    def around(cls, view: TopView) -> Extent:
        """Return the part with all objects and the camera; it begins at lines of the grid.

        >>> Extent.around(TopView(viewer=Viewer(0.2, 0.1, 1.0, 0.0)))
        Extent(left=-1.0, top=1.0, width=3.0, height=2.0, cell=1.0)
        """
        spots = [(*item.center[:2], math.hypot(*item.size_m[:2]) / 2) for item in view.objects]
        if view.viewer is not None:
            spots.append((view.viewer.x, view.viewer.y, 0.5))
        spots = spots or [(0.0, 0.0, 0.5)]
        left, right = min(x - r for x, _, r in spots), max(x + r for x, _, r in spots)
        bottom, top = min(y - r for _, y, r in spots), max(y + r for _, y, r in spots)
        cell = _grid(max(right - left, (top - bottom) * _ASPECT) / _MOST_CELLS)
        # one cell more, because the left and the upper edge are moved to lines of the grid
        width = cell * math.ceil(max((right - left) / cell + 1,
                                     ((top - bottom) / cell + 1) * _ASPECT))
        height = width / _ASPECT
        return cls(round((left + right - width) / 2 / cell) * cell,
                   round((bottom + top + height) / 2 / cell) * cell, width, height, cell)

    def shares(self, x: float, y: float) -> tuple[float, float]:
        """Return where a place is: shares of the width from the left, of the height from above."""
        return (x - self.left) / self.width, (self.top - y) / self.height


def _grid(least: float) -> float:
    """Return 1, 2 or 5 times a power of ten, at least 1 and at least so much."""
    power = 10.0 ** max(math.floor(math.log10(max(least, 1.0))), 0)
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least)
