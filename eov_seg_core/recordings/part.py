# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One part of a labelled recording, while it is made."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TYPE_CHECKING

from rosbags.interfaces import Connection
from rosbags.rosbag2 import Writer

from eov_seg_core.io.image_messages.layouts import RGB
from eov_seg_core.recordings.messages import LATCHED, MessageWriter, TOPICS
from eov_seg_core.recordings.options import LabelOptions
from eov_seg_core.recordings.quality_of_service import node_qos
from eov_seg_core.recordings.source import Source, time_ns_of
from eov_seg_core.recordings.space.feed import NoViewError, WAIT_NS
from eov_seg_core.recordings.space.session import LabelledFrame, SpaceSession

if TYPE_CHECKING:
    from eov_seg_core.geometry import SpaceView
    from eov_seg_core.recordings.dataset import PartPictures
    from eov_seg_core.segmenter import Segmenter


@dataclass
class _Camera:
    """One image topic, while its part is made."""

    topic: str
    outputs: dict[str, Connection]
    pictures: PartPictures | None
    frames: int = 0
    done: int = 0
    skipped: int = 0
    tick: int | None = None


@dataclass
class _Image:
    """An image that waits: for its depth and place, then for others of its batch."""

    camera: _Camera
    log_ns: int
    header: Any
    rgb: RGB
    view: SpaceView | None = None


def output_topics(options: LabelOptions, camera: str) -> dict[str, str]:
    """Return for each topic of a camera that is written its whole name."""
    name = f'{options.name}/{camera}' if camera else options.name
    topics = {topic: f'{name}/{topic}' for topic in ('label_info', *options.outputs)}
    if 'objects' in topics:     # cameras share the memory
        topics['objects'] = f'{options.name}/objects'
    return topics


def refuse_twins(source: Source, options: LabelOptions) -> None:
    """Raise ValueError if a topic is copied that is also written."""
    ours = {name for camera in source.cameras.values()
            for name in output_topics(options, camera).values()}
    twins = sorted(ours & {entry.topic for entry in source.copied})
    if twins:
        raise ValueError(f'{", ".join(twins)} would be copied, and written with new labels; '
                         'give the new ones another name with --name')


class LabelledPart:
    """The messages and counts of one part.

    Args:
        writer: Open.
        source: The recording.
        messages: Makes messages.
        segmenter: With its vocabulary.
        options: How.
        session: Gives frames ids and places.
        pictures: For each topic what takes images for a data set, if there is one.

    Attributes:
        failures: (topic, reason) -> frames that could not be labelled.
        flat: (topic, reason) -> frames that were labelled without depth or place.
    """

    def __init__(self, writer: Writer, source: Source, messages: MessageWriter,
                 segmenter: Segmenter, options: LabelOptions, session: SpaceSession,
                 pictures: Mapping[str, PartPictures]) -> None:
        self.failures: Counter[tuple[str, str]] = Counter()
        self.flat: Counter[tuple[str, str]] = Counter()
        self._writer = writer
        self._source = source
        self._messages = messages
        self._segmenter = segmenter
        self._options = options
        self._session = session
        self._names = [] if segmenter.vocabulary is None else segmenter.vocabulary.names
        self._connections: dict[str, Connection] = {}
        self._without_view: deque[_Image] = deque()
        self._waiting: list[_Image] = []
        self._last: tuple[_Camera, int, LabelledFrame] | None = None
        self._cameras = {
            topic: _Camera(topic, self._outputs(camera), pictures.get(topic))
            for topic, camera in source.cameras.items()}
        self._copies = {id(entry): self._copy_of(entry) for entry in source.copied}

    def _outputs(self, camera: str) -> dict[str, Connection]:
        topics = output_topics(self._options, camera)
        for topic, name in topics.items():
            if name not in self._connections:
                self._connections[name] = self._writer.add_connection(
                    name, TOPICS[topic], typestore=self._messages.types,
                    offered_qos_profiles=[node_qos(is_latched=topic in LATCHED)])
        return {topic: self._connections[name] for topic, name in topics.items()}

    def _copy_of(self, connection: Connection) -> Connection:
        definition, digest = self._source.definition_of(connection)
        return self._writer.add_connection(
            connection.topic, connection.msgtype, msgdef=definition, rihs01=digest,
            offered_qos_profiles=self._source.qos_of(connection))

    def copy(self, connection: Connection, log_ns: int, data: bytes) -> None:
        """Take a message over as it is, if its topic is copied."""
        target = self._copies.get(id(connection))
        if target is not None:
            self._writer.write(target, log_ns, data)

    def add(self, connection: Connection, log_ns: int, data: bytes) -> None:
        """Label one image, or let it wait for its depth and for others of its batch."""
        camera = self._cameras[connection.topic]
        camera.frames += 1
        try:
            if (camera.frames - 1) % self._options.every:
                camera.skipped += 1
                return
            message = self._source.message(connection.msgtype, data)
            if self._is_too_soon(camera, message.header, log_ns):
                camera.skipped += 1
                return
            image_rgb = self._source.decode(message, self._options.max_megapixels)
        except ValueError as error:
            self.failures[connection.topic, str(error)] += 1
            return
        self._without_view.append(_Image(camera, log_ns, message.header, image_rgb))
        self.look(log_ns)

    def look(self, now_ns: int) -> None:
        """Look whether images that wait have their depth and place.

        Args:
            now_ns: Everything that was recorded before was read; who waits longer goes without.
        """
        while self._without_view:
            image = self._without_view[0]
            if self._session.feed.has(image.camera.topic) and not self._has_view(
                    image, is_final=now_ns >= image.log_ns + WAIT_NS):
                return
            self._waiting.append(self._without_view.popleft())
            if len(self._waiting) == self._options.batch:
                self._label()

    def _has_view(self, image: _Image, *, is_final: bool) -> bool:
        """Say whether depth and place are there, or will not come any more."""
        topic = image.camera.topic
        try:
            image.view = self._session.feed.view(
                topic, image.header, image.rgb.shape[:2], is_final=is_final)
        except NoViewError as error:
            if error.may_come and not is_final:
                return False
            image.view = error.view
            self.flat[topic, str(error)] += 1
        return True

    def flush(self) -> None:
        """Label the images that wait; nothing comes any more."""
        if self._without_view:
            self.look(self._without_view[-1].log_ns + WAIT_NS)
        self._label()
        if self._last is not None:      # the whole memory, also where the last second changed it
            camera, log_ns, frame = self._last
            objects = self._session.changed_objects(log_ns)
            if objects is not None:
                self._writer.write(camera.outputs['objects'], log_ns,
                                   self._messages.objects(frame, objects))

    def _label(self) -> None:
        waiting, self._waiting = self._waiting, []
        results = self._segmenter([image.rgb for image in waiting]) if waiting else []
        for image, result in zip(waiting, results):
            try:
                frame = self._session.frame(image.camera.topic, image.log_ns, image.header,
                                            image.rgb, result, image.view)
            except ValueError as error:     # with tracking: not newer than the one before
                self.failures[image.camera.topic, str(error)] += 1
                continue
            self._write(image.camera, image.log_ns, frame)

    def _write(self, camera: _Camera, log_ns: int, frame: LabelledFrame) -> None:
        if not camera.done:  # in each part, because players start anywhere
            threshold = self._segmenter.thresholds.score_threshold
            self._writer.write(camera.outputs['label_info'], log_ns, self._messages.label_info(
                frame.header, self._names, threshold))
        for topic in self._options.outputs:
            data = self._messages.make(topic, frame, len(self._names))
            if data is not None:
                self._writer.write(camera.outputs[topic], log_ns, data)
        if camera.pictures is not None:
            camera.pictures.offer(frame, log_ns)
        camera.done += 1
        self._last = camera, log_ns, frame

    def _is_too_soon(self, camera: _Camera, header: Any, log_ns: int) -> bool:
        """Say whether the rate leaves an image out; if not, it is the one of its period."""
        if self._options.rate_hz is None:
            return False
        tick = int(time_ns_of(header, log_ns) / 1e9 * self._options.rate_hz)
        before, camera.tick = camera.tick, tick
        return tick == before

    def counts(self) -> dict[str, Any]:
        """Return what became of the frames, ready for JSON."""
        topics = {topic: {
            'frames': camera.frames, 'done': camera.done, 'skipped': camera.skipped,
            'failed': sum(count for (failed, _), count in self.failures.items()
                          if failed == topic)}
            for topic, camera in self._cameras.items()}
        return {key: sum(counts[key] for counts in topics.values())
                for key in ('frames', 'done', 'failed', 'skipped')} | {
            'topics': topics,
            'failures': _listed(self.failures), 'flat': _listed(self.flat)}


def _listed(counts: Counter[tuple[str, str]]) -> list[list[Any]]:
    return [[*what, count] for what, count in counts.items()]
