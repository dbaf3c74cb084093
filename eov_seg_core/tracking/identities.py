# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ids that stay with objects, for the frames of several cameras."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any, NamedTuple

from eov_seg_core.geometry import Box, BoxOptions, SpaceView
from eov_seg_core.results.result import PanopticResult
from eov_seg_core.tracking.memory import ObjectMemory
from eov_seg_core.tracking.options import TrackingOptions
from eov_seg_core.tracking.tracker import Tracker
from eov_seg_core.vocabulary import Vocabulary


class Named(NamedTuple):
    """A result with ids that last.

    Attributes:
        result: As it was segmented, but things have the class that most of their views had.
        ids: The lasting id of each segment, 1..65535.
        boxes: Segment id of the result -> box of a thing in the world from all its views; None
            where the frame was tracked in the image only.
    """

    result: PanopticResult
    ids: list[int]
    boxes: dict[int, Box] | None = None


class Identities:
    """Gives segments ids that stay with objects; not safe to use from several threads.

    Each camera has a tracker; all draw their ids from one pool and share one memory.

    Args:
        vocabulary: Of the first results.
        cameras: Their names.
        options: Times and thresholds.

    Attributes:
        memory: Objects in the world; empty while frames are tracked in the image only.
    """

    def __init__(self, vocabulary: Vocabulary, cameras: Collection[str],
                 options: TrackingOptions | None = None) -> None:
        self.memory = ObjectMemory(options)
        self._trackers = {name: Tracker(vocabulary, options, self.memory) for name in cameras}

    def use_vocabulary(self, vocabulary: Vocabulary) -> None:
        """Follow a change of the words; call it before their first result."""
        for tracker in self._trackers.values():
            tracker.set_vocabulary(vocabulary)

    def update(self, camera: str, result: PanopticResult, stamp_s: float,
               view: SpaceView | None = None, box_options: BoxOptions | None = None) -> Named:
        """Name the segments of a camera's next frame.

        Args:
            camera: Its name.
            result: What was segmented.
            stamp_s: Of the image.
            view: Depth and pose; None, or a view without a pose: track in the image.
            box_options: How masks are cleaned; None for the defaults.

        Raises:
            ValueError: Its stamp is not newer than that of the frame before.
        """
        space: dict[str, Any] = {} if view is None else {
            'depth_m': view.depth_m, 'pose': view.camera_in_world, 'camera': view.camera}
        tracked = self._trackers[camera].update(
            result, stamp_s=stamp_s, box_options=box_options, **space)
        if tracked is None:
            raise ValueError(
                f'the stamp {stamp_s:.3f} s is not newer than that of the image before; with '
                'tracking, images must be in order: stamp each with its own time, or turn '
                'tracking off')
        segments = [replace(new, id=old.id)
                    for new, old in zip(tracked.segments, result.segments)]
        boxes = {number: tracked.boxes[track] for number, track in tracked.track_ids.items()
                 if track in tracked.boxes} if tracked.in_space else None
        return Named(PanopticResult(result.instance, segments),
                     [segment.id for segment in tracked.segments], boxes)
