# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth and poses of the images of a part, while it is read."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from rosbags.interfaces import Connection

from eov_seg_core.geometry import NoTransformError, space_view, SpaceView, TransformBuffer
from eov_seg_core.io.image_messages.stamps import stamp_ns_of
from eov_seg_core.recordings.options import SpaceOptions
from eov_seg_core.recordings.source import Source, TF, TF_STATIC, TRANSFORMS
from eov_seg_core.recordings.space.topics import DepthTopics

LEAD_NS = 10 * 10**9
"""Transforms of so long before a part are read: robots that stand still send few."""
WAIT_NS = 5 * 10**8
"""So long, by the times of the log, an image waits for depth and transforms that come later."""
_MOST_DEPTHS = 40
_NO_POSE = {
    'silent': 'it has no transforms',
    'unknown': 'no transform places {frame!r} or {world!r}',
    'apart': 'no transforms connect {frame!r} with {world!r}',
    'early': 'the transforms from {world!r} to {frame!r} begin after its stamp',
    'late': 'the transforms from {world!r} to {frame!r} end before its stamp',
}
"""Equal for all frames, which are counted by reason, and so without numbers."""


class NoViewError(Exception):
    """There is no depth for an image, or no place.

    Attributes:
        may_come: Whether it may be there a moment later.
        view: What is known all the same.
    """

    def __init__(self, text: str, *, may_come: bool = False, view: SpaceView | None = None
                 ) -> None:
        super().__init__(text)
        self.may_come = may_come
        self.view = view


class _Depth(NamedTuple):
    stamp_ns: int
    message: Any


class SpaceFeed:
    """Takes depth, calibrations and transforms, and gives the view of an image.

    Args:
        source: The recording.
        topics: For each image topic that has depth what belongs to it.
        options: How they are put together.

    Attributes:
        transforms: Those that move, to be taken from `LEAD_NS` before the images on.
        pictures: Depth and calibrations, to be taken from `WAIT_NS` before the images on.
    """

    def __init__(self, source: Source, topics: Mapping[str, DepthTopics], options: SpaceOptions
                 ) -> None:
        self._source = source
        self._topics = topics
        self._options = options
        self._first_infos = {entry.info: source.first(entry.info) for entry in topics.values()}
        wants_poses = bool(topics and options.world_frame)
        self._fixed = source.all_different(TF_STATIC) if wants_poses else []
        self.transforms = source.connections_of(TF) if wants_poses else []
        self.pictures = [entry for pair in topics.values() for topic in pair
                         for entry in source.connections_of(topic)]
        self._numbers = {id(entry) for entry in self.connections}
        self.start_part()

    @property
    def connections(self) -> list[Connection]:
        """All that is to be taken."""
        return [*self.transforms, *self.pictures]

    def start_part(self) -> None:
        """Forget what was read; static transforms hold for the whole recording."""
        self._infos = dict(self._first_infos)
        self._depths: dict[str, deque[_Depth]] = {
            entry.depth: deque(maxlen=_MOST_DEPTHS) for entry in self._topics.values()}
        self._transforms = TransformBuffer()
        for message in self._fixed:
            self._transforms.take(message, is_static=True)

    def take(self, connection: Connection, data: bytes) -> bool:
        """Take a message if it is of these topics; returns whether it is.

        One that cannot be read is left out: the images that need it will say that it is missing.
        """
        if id(connection) not in self._numbers:
            return False
        try:
            message = self._source.message(connection.msgtype, data)
        except ValueError:
            return True
        if connection.msgtype == TRANSFORMS:
            self._transforms.take(message, is_static=False)
        elif connection.topic in self._depths:
            self._depths[connection.topic].append(_Depth(stamp_ns_of(message.header), message))
        else:
            self._infos[connection.topic] = message
        return True

    def has(self, topic: str) -> bool:
        """Say whether the images of a topic have depth."""
        return topic in self._topics

    def view(self, topic: str, header: Any, size: tuple[int, int], *, is_final: bool
             ) -> SpaceView:
        """Return depth, camera and place of an image.

        Args:
            topic: Of the image.
            header: Of the image.
            size: Height and width.
            is_final: Take what there is; else, a nearer depth image may still come.

        Raises:
            NoViewError: There is none, or it has no place in the world frame; says why.
        """
        stamp_ns = stamp_ns_of(header)
        if not stamp_ns:
            raise NoViewError('the image has no stamp, so that its depth is not known')
        topics, options = self._topics[topic], self._options
        info = self._infos[topics.info]
        depth = self._nearest(topics.depth, stamp_ns, is_final)
        if info is None:
            raise NoViewError(f'{topics.info} has no message')
        try:
            view = space_view(header, size, depth, info, range_m=options.range_m,
                              is_rectified=options.is_rectified)
        except ValueError as error:
            raise NoViewError(str(error)) from error
        if not options.world_frame:
            return view
        view = replace(view, world_frame=options.world_frame)
        try:
            return replace(view, camera_in_world=self._transforms.pose(
                options.world_frame, header.frame_id, stamp_ns))
        except NoTransformError as error:
            # not its text, which has numbers of this frame: equal reasons are counted together
            raise NoViewError(_NO_POSE[error.kind].format(
                world=options.world_frame, frame=header.frame_id),
                may_come=error.kind != 'early', view=view) from error

    def _nearest(self, topic: str, stamp_ns: int, is_final: bool) -> Any:
        depths, most_ns = self._depths[topic], round(self._options.sync_s * 1e9)
        found = min(depths, key=lambda depth: abs(depth.stamp_ns - stamp_ns), default=None)
        is_decided = is_final or any(depth.stamp_ns >= stamp_ns for depth in depths)
        if found is None or not is_decided or abs(found.stamp_ns - stamp_ns) > most_ns:
            raise NoViewError(f'{topic} has no image within {self._options.sync_s:g} s of its '
                              'stamp; --depth-sync allows more', may_come=not is_decided)
        return found.message
