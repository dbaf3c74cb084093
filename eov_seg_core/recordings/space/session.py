# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a recording's frames know of each other: places, ids that last, and objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TYPE_CHECKING

from eov_seg_core.geometry import Box, boxes_of, SpaceView
from eov_seg_core.io.image_messages.layouts import RGB
from eov_seg_core.recordings.options import LabelOptions
from eov_seg_core.recordings.source import Source, time_ns_of
from eov_seg_core.recordings.space.feed import SpaceFeed
from eov_seg_core.recordings.space.topics import depth_topics
from eov_seg_core.tracking import Identities, RememberedObject
from eov_seg_core.tracking.storage.state import load_identities, save_identities

if TYPE_CHECKING:
    from eov_seg_core.results.result import PanopticResult
    from eov_seg_core.vocabulary import Vocabulary

_OBJECTS_NS = 10**9


@dataclass(frozen=True, eq=False)
class LabelledFrame:
    """A frame and all that its messages are made of.

    Attributes:
        header: Of the image; every message has it.
        image_rgb: (H, W, 3) uint8 RGB.
        result: What was found.
        ids: Of each segment; None: those of the result.
        world_frame: That of the boxes; empty: they are in `LEVEL_CAMERA`'s.
        view: Depth and camera; None: not known.
        boxes: Segment id of the result -> box of a thing; None: where they are is not known.
        objects: What the memory has to say now; None: nothing new.
    """

    header: Any
    image_rgb: RGB
    result: PanopticResult
    ids: Sequence[int] | None = None
    world_frame: str = ''
    view: SpaceView | None = None
    boxes: Mapping[int, Box] | None = None
    objects: list[RememberedObject] | None = None


class SpaceSession:
    """Gives frames their ids and boxes; frames come in the order of the recording.

    Args:
        source: The recording.
        options: How it is labelled.
        vocabulary: What is looked for.

    Raises:
        ValueError: Depth is needed and there is none, or several topics could be meant.

    Attributes:
        feed: Depth and places of the images.
        is_tracked: Whether ids last, so that a part needs the state after the part before it.
    """

    def __init__(self, source: Source, options: LabelOptions, vocabulary: Vocabulary) -> None:
        self.feed = SpaceFeed(source, depth_topics(source, options), options.space)
        self.is_tracked = options.tracking != 'off'
        self._make: Callable[[], Identities] = lambda: Identities(vocabulary, source.cameras)
        self._world_frame = options.space.world_frame
        self._in_space = options.tracking in ('auto', '3d')
        self._wants_objects = 'objects' in options.outputs
        self._identities: Identities | None = None
        self._published: object = None
        self._published_ns = 0

    def start_part(self, before: Path | None) -> None:
        """Begin a part.

        Args:
            before: The state after the part before; None: it is the first one.

        Raises:
            OSError: The state cannot be read.
            ValueError: It is damaged.
        """
        self.feed.start_part()
        self._published, self._published_ns = None, 0   # said in every part anew
        if self.is_tracked:
            self._identities = self._make() if before is None else load_identities(before)

    def save(self, path: Path) -> None:
        """Write the state after a part."""
        if self._identities is not None:
            save_identities(path, self._identities)

    def frame(self, topic: str, log_ns: int, header: Any, image_rgb: RGB, result: PanopticResult,
              view: SpaceView | None) -> LabelledFrame:
        """Put together what is known of a frame.

        Args:
            topic: Of the image.
            log_ns: When it was recorded.
            header: Of the image.
            image_rgb: (H, W, 3) uint8 RGB.
            result: What was found.
            view: Its depth and place, if they are known.

        Raises:
            ValueError: With tracking: its stamp is not newer than that of the frame before.
        """
        is_placed = view is not None and (not view.world_frame or view.camera_in_world is not None)
        if self._identities is None:
            boxes = boxes_of(result, view) if view is not None and is_placed else None
            return LabelledFrame(header, image_rgb, result, None, self._world_frame, view, boxes)
        stamp_s = time_ns_of(header, log_ns) / 1e9
        named = self._identities.update(topic, result, stamp_s, view if self._in_space else None)
        boxes = named.boxes
        if boxes is None and view is not None and is_placed:
            boxes = boxes_of(named.result, view)
        is_due = log_ns >= self._published_ns + _OBJECTS_NS
        return LabelledFrame(header, image_rgb, named.result, named.ids, self._world_frame, view,
                             boxes, self.changed_objects(log_ns) if is_due else None)

    def changed_objects(self, log_ns: int) -> list[RememberedObject] | None:
        """Return the memory as it is at a time; None: nobody wants it, or it has not changed."""
        if not self._wants_objects or self._identities is None:
            return None
        objects = self._identities.memory.objects()
        known = [(item.id, item.name, item.hits, item.last_seen_s) for item in objects]
        if known == self._published:
            return None
        self._published, self._published_ns = known, log_ns
        return objects
