# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Transforms between frames at a moment, from the messages of /tf; without ROS.

Only what was published is returned: between two stamps it is interpolated, and nothing is ever
taken from before the first or after the last one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
import difflib
import math
import threading
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from eov_seg_core.geometry.pose import as_matrix, invert

Matrix = npt.NDArray[np.float64]
_Moved = tuple[tuple[float, float, float], tuple[float, float, float, float]]

KEPT_NS = 10 * 10**9
"""How long transforms are kept, as tf2 does."""
_JUMP_NS = 10**9
_ALIVE_NS = 10**9       # transforms that are older than that will not come in time
_MOST_FRAMES, _MOST_KEPT = 10000, 20000     # 2 kHz; others may send whatever they like
_NAMED_FRAMES = 8


class NoTransformError(LookupError):
    """There is no transform at that moment.

    Attributes:
        kind: What errors of one cause have in common: `silent`: nothing has come at all;
            `unknown`: nothing about a frame; `apart`: the frames are in two trees; `late` and
            `early`: all transforms are older or newer; or another word.
        may_come: Whether it may be there a moment later.
    """

    def __init__(self, kind: str, text: str, *, may_come: bool = False) -> None:
        super().__init__(text)
        self.kind = kind
        self.may_come = may_come


class _Edge:
    """Where a frame was in its parent frame."""

    def __init__(self, parent: str) -> None:
        self.parent = parent
        self.fixed: Matrix | None = None
        self.stamps_ns: list[int] = []
        self._moved: list[_Moved] = []

    def add(self, stamp_ns: int, moved: _Moved) -> None:
        """Take in a transform; time that goes back by more than a second begins anew."""
        if self.stamps_ns and stamp_ns < self.stamps_ns[-1] - _JUMP_NS:
            self.stamps_ns, self._moved = [], []
        place = bisect_left(self.stamps_ns, stamp_ns)
        if place < len(self.stamps_ns) and self.stamps_ns[place] == stamp_ns:
            self._moved[place] = moved
            return
        self.stamps_ns.insert(place, stamp_ns)
        self._moved.insert(place, moved)
        half = len(self.stamps_ns) // 2
        old = bisect_left(self.stamps_ns, self.stamps_ns[-1] - KEPT_NS)
        if old > half or len(self.stamps_ns) > _MOST_KEPT:  # seldom, because it moves all others
            del self.stamps_ns[:max(old, half)], self._moved[:max(old, half)]

    def at(self, child: str, stamp_ns: int) -> Matrix:
        """Return the pose of the frame in its parent at a moment."""
        if self.fixed is not None:
            return self.fixed
        place = bisect_left(self.stamps_ns, stamp_ns)
        if place < len(self.stamps_ns) and self.stamps_ns[place] == stamp_ns:
            return as_matrix(self._moved[place])
        name = f'the transform from {self.parent!r} to {child!r}'
        if place == len(self.stamps_ns):
            late_ns = stamp_ns - self.stamps_ns[-1]
            advice = ('it stopped, or the clocks of camera and transforms differ'
                      if late_ns > _ALIVE_NS else 'it comes late, or too seldom')
            raise NoTransformError(
                'late', f'the newest of {name} is {_span(late_ns)} older than the image: '
                f'{advice}', may_come=late_ns <= _ALIVE_NS)
        if place == 0:
            early_ns = self.stamps_ns[0] - stamp_ns
            raise NoTransformError(
                'early', f'the oldest of {name} is {_span(early_ns)} newer than the image: '
                'images come late, or the clocks of camera and transforms differ')
        before, after = self.stamps_ns[place - 1:place + 1]
        return _between(self._moved[place - 1], self._moved[place],
                        (stamp_ns - before) / (after - before))


def _span(time_ns: int) -> str:
    """Return a time in words; days tell that a clock counts from another year."""
    seconds = time_ns / 1e9
    return f'{seconds:.3f} s' if seconds < 86400 else f'{seconds / 86400:.0f} days'


def _between(first: _Moved, second: _Moved, part: float) -> Matrix:
    """Return the pose on the straight way between two, the turn by slerp."""
    translation = [(1 - part) * a + part * b for a, b in zip(first[0], second[0])]
    cosine = sum(a * b for a, b in zip(first[1], second[1]))
    sign, cosine = (-1.0, -cosine) if cosine < 0 else (1.0, cosine)     # the shorter way
    angle = math.acos(min(cosine, 1.0))
    weights = ((1 - part, part) if angle < 1e-6
               else (math.sin((1 - part) * angle), math.sin(part * angle)))
    return as_matrix((translation, [weights[0] * a + sign * weights[1] * b
                                    for a, b in zip(first[1], second[1])]))


class TransformBuffer:
    """The transforms of the last ten seconds; safe to use from several threads."""

    def __init__(self) -> None:
        self._edges: dict[str, _Edge] = {}
        self._changed = threading.Condition()

    def add(self, parent: str, child: str, stamp_ns: int, translation: Sequence[float],
            quaternion: Sequence[float], *, is_static: bool = False) -> None:
        """Take in the pose of a frame in its parent frame.

        Args:
            parent: A leading / is dropped from names.
            child: The frame that is placed; one that gets another parent begins anew.
            stamp_ns: When it was there.
            translation: x, y, z in metres.
            quaternion: x, y, z, w.
            is_static: It is there at all times.

        Raises:
            ValueError: A name is empty, both are equal, there are too many frames, or the numbers
                are no pose.
        """
        parent, child = parent.lstrip('/'), child.lstrip('/')
        if not parent or not child or parent == child:
            raise ValueError(f'a transform from {parent!r} to {child!r}; expected two names')
        x, y, z = translation
        norm = math.hypot(*quaternion)
        if not (norm > 1e-9 and all(map(math.isfinite, (x, y, z, norm)))):  # faster than as_matrix
            raise ValueError(f'{translation}, {quaternion} is no pose; expected finite numbers '
                             'and a quaternion x y z w that is not zero')
        a, b, c, d = (value / norm for value in quaternion)
        with self._changed:
            edge = self._edges.get(child)
            if edge is None or edge.parent != parent or (edge.fixed is None) == is_static:
                if edge is None and len(self._edges) >= _MOST_FRAMES:
                    raise ValueError(f'there are more than {_MOST_FRAMES} frames in /tf')
                edge = self._edges[child] = _Edge(parent)
            if is_static:
                edge.fixed = as_matrix(((x, y, z), (a, b, c, d)))
            else:
                edge.add(stamp_ns, ((x, y, z), (a, b, c, d)))
            self._changed.notify_all()

    def take(self, message: Any, *, is_static: bool) -> list[tuple[str, ValueError]]:
        """Take in a tf2_msgs/TFMessage; return the frames whose transform is none, and why."""
        ignored = []
        for entry in message.transforms:
            moved, turned, stamp = (entry.transform.translation, entry.transform.rotation,
                                    entry.header.stamp)
            try:
                self.add(entry.header.frame_id, entry.child_frame_id,
                         stamp.sec * 10**9 + stamp.nanosec, (moved.x, moved.y, moved.z),
                         (turned.x, turned.y, turned.z, turned.w), is_static=is_static)
            except ValueError as error:
                ignored.append((entry.child_frame_id, error))
        return ignored

    def pose(self, target: str, source: str, stamp_ns: int, wait_s: float = 0.0) -> Matrix:
        """Return the pose of a frame in another one: what takes points from source to target.

        Args:
            target: The frame that points are wanted in.
            source: The frame that they are in.
            stamp_ns: At which moment.
            wait_s: How long to wait for transforms that are only late.

        Raises:
            NoTransformError: There is none at that moment; says why.
        """
        deadline_s = time.monotonic() + wait_s
        with self._changed:
            while True:
                try:
                    return self._pose(target.lstrip('/'), source.lstrip('/'), stamp_ns)
                except NoTransformError as error:
                    left_s = deadline_s - time.monotonic()
                    if not error.may_come or left_s <= 0:
                        raise
                self._changed.wait(left_s)

    def _pose(self, target: str, source: str, stamp_ns: int) -> Matrix:
        up, down = self._ancestors(source), self._ancestors(target)
        common = next((frame for frame in up if frame in down), None)
        if common is None:
            raise self._reason(target, source)
        return np.asarray(invert(self._to(down, common, stamp_ns))
                          @ self._to(up, common, stamp_ns))

    def _reason(self, target: str, source: str) -> NoTransformError:
        if not self._edges:
            return NoTransformError('silent', 'no transform has come at all; expected those from '
                                    f'{target!r} to {source!r}')
        known = {*self._edges, *(edge.parent for edge in self._edges.values())}
        for frame in (source, target):
            if frame not in known:
                near = difflib.get_close_matches(frame, sorted(known), _NAMED_FRAMES, 0.0)
                return NoTransformError(
                    'unknown', f'no transform has come for the frame {frame!r} (known frames: '
                    f'{", ".join(near)})')
        return NoTransformError(
            'apart', f'the frames {target!r} and {source!r} are in two trees that do not join, '
            f'one below {self._ancestors(target)[-1]!r} and one below '
            f'{self._ancestors(source)[-1]!r}')

    def _ancestors(self, frame: str) -> list[str]:
        """Return a frame, its parent, and so on; a circle ends where it closes."""
        frames = [frame]
        while (edge := self._edges.get(frames[-1])) is not None and edge.parent not in frames:
            frames.append(edge.parent)
        return frames

    def _to(self, frames: Sequence[str], ancestor: str, stamp_ns: int) -> Matrix:
        """Return the pose of the first of a chain of frames in one of its ancestors."""
        matrix: Matrix = np.eye(4)
        for frame in frames[:frames.index(ancestor)]:
            matrix = self._edges[frame].at(frame, stamp_ns) @ matrix
        return matrix
