# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ids that stay with objects, for the frames of the node's cameras; without ROS."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import NamedTuple

from eov_seg_core.results.result import PanopticResult
from eov_seg_core.tracking import ObjectMemory, Tracker
from eov_seg_core.vocabulary import Vocabulary


class Named(NamedTuple):
    """A result with ids that last.

    Attributes:
        result: As it was segmented, but things have the class that most of their views had.
        ids: The lasting id of each segment, 1..65535.
    """

    result: PanopticResult
    ids: list[int]


class Identities:
    """Gives segments ids that stay with objects; used by the frame thread only.

    Each camera has a tracker; all draw their ids from one pool.

    Args:
        vocabulary: Of the first results.
        cameras: Their names.
    """

    def __init__(self, vocabulary: Vocabulary, cameras: Collection[str]) -> None:
        memory = ObjectMemory()
        self._trackers = {name: Tracker(vocabulary, memory=memory) for name in cameras}

    def use_vocabulary(self, vocabulary: Vocabulary) -> None:
        """Follow a change of the words; call it before their first result."""
        for tracker in self._trackers.values():
            tracker.set_vocabulary(vocabulary)

    def update(self, camera: str, result: PanopticResult, stamp_s: float) -> Named:
        """Name the segments of a camera's next frame.

        Raises:
            ValueError: Its stamp is not newer than that of the frame before.
        """
        tracked = self._trackers[camera].update(result, stamp_s=stamp_s)
        if tracked is None:
            raise ValueError(
                f'the stamp {stamp_s:.3f} s is not newer than that of the image before; with '
                'tracking, images must be in order: stamp each with its own time, or start the '
                'node with tracking:=off')
        segments = [replace(new, id=old.id)
                    for new, old in zip(tracked.segments, result.segments)]
        return Named(PanopticResult(result.instance, segments),
                     [segment.id for segment in tracked.segments])
