# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One part of a labelled recording, while it is made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TYPE_CHECKING

from rosbags.interfaces import Connection
from rosbags.rosbag2 import Writer

from eov_seg_core.io.image_messages.layouts import RGB
from eov_seg_core.recordings.messages import LATCHED, MessageWriter, TOPICS
from eov_seg_core.recordings.options import LabelOptions
from eov_seg_core.recordings.quality_of_service import node_qos
from eov_seg_core.recordings.source import Source

if TYPE_CHECKING:
    from eov_seg_core.recordings.dataset import PartPictures
    from eov_seg_core.segmenter import Segmenter


@dataclass
class _Camera:
    """One image topic, while its part is made."""

    outputs: dict[str, Connection]
    pictures: PartPictures | None
    frames: int = 0
    done: int = 0
    skipped: int = 0
    tick: int | None = None


def output_topics(options: LabelOptions, camera: str) -> dict[str, str]:
    """Return for each topic of a camera that is written its whole name."""
    name = f'{options.name}/{camera}' if camera else options.name
    return {topic: f'{name}/{topic}' for topic in ('label_info', *options.outputs)}


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
        pictures: For each topic what takes images for a data set, if there is one.
    """

    def __init__(self, writer: Writer, source: Source, messages: MessageWriter,
                 segmenter: Segmenter, options: LabelOptions,
                 pictures: Mapping[str, PartPictures]) -> None:
        self.failures: Counter[tuple[str, str]] = Counter()
        self._writer = writer
        self._source = source
        self._messages = messages
        self._segmenter = segmenter
        self._options = options
        self._names = [] if segmenter.vocabulary is None else segmenter.vocabulary.names
        self._waiting: list[tuple[_Camera, int, Any, RGB]] = []
        self._cameras = {
            topic: _Camera(self._outputs(camera), pictures.get(topic))
            for topic, camera in source.cameras.items()}
        self._copies = {id(entry): self._copy_of(entry) for entry in source.copied}

    def _outputs(self, camera: str) -> dict[str, Connection]:
        return {
            topic: self._writer.add_connection(
                name, TOPICS[topic], typestore=self._messages.types,
                offered_qos_profiles=[node_qos(is_latched=topic in LATCHED)])
            for topic, name in output_topics(self._options, camera).items()}

    def _copy_of(self, connection: Connection) -> Connection:
        return self._writer.add_connection(
            connection.topic, connection.msgtype, msgdef=connection.msgdef.data,
            rihs01=connection.digest, offered_qos_profiles=self._source.qos_of(connection))

    def copy(self, connection: Connection, log_ns: int, data: bytes) -> None:
        """Take a message over as it is, if its topic is copied."""
        target = self._copies.get(id(connection))
        if target is not None:
            self._writer.write(target, log_ns, data)

    def add(self, connection: Connection, log_ns: int, data: bytes) -> None:
        """Label one image, or let it wait for others of its batch."""
        camera = self._cameras[connection.topic]
        camera.frames += 1
        try:
            if (camera.frames - 1) % self._options.every:
                camera.skipped += 1
                return
            message = self._source.message(connection.msgtype, data)
            if self._is_too_soon(camera, message.header.stamp):
                camera.skipped += 1
                return
            image_rgb = self._source.decode(message, self._options.max_megapixels)
        except ValueError as error:
            self.failures[connection.topic, str(error)] += 1
            return
        self._waiting.append((camera, log_ns, message.header, image_rgb))
        if len(self._waiting) == self._options.batch:
            self.flush()

    def flush(self) -> None:
        """Label the images that wait."""
        waiting, self._waiting = self._waiting, []
        results = self._segmenter([entry[-1] for entry in waiting]) if waiting else []
        for (camera, log_ns, header, image_rgb), result in zip(waiting, results):
            self._write(camera, log_ns, header, image_rgb, result)

    def _write(self, camera: _Camera, log_ns: int, header: Any, image_rgb: RGB,
               result: Any) -> None:
        if not camera.done:  # in each part, because players start anywhere
            threshold = self._segmenter.thresholds.score_threshold
            self._writer.write(camera.outputs['label_info'], log_ns, self._messages.label_info(
                header, self._names, threshold))
        for topic in self._options.outputs:
            data = self._messages.make(topic, header, image_rgb, result, len(self._names))
            self._writer.write(camera.outputs[topic], log_ns, data)
        if camera.pictures is not None:
            camera.pictures.offer(image_rgb, result, header.stamp, log_ns)
        camera.done += 1

    def _is_too_soon(self, camera: _Camera, stamp: Any) -> bool:
        """Say whether the rate leaves an image out; if not, it is the one of its period."""
        if self._options.rate_hz is None:
            return False
        tick = int((stamp.sec + stamp.nanosec / 1e9) * self._options.rate_hz)
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
            'failures': [[*what, count] for what, count in self.failures.items()]}
