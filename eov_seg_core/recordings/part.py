# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One part of a labelled recording, while it is made."""

from __future__ import annotations

from collections import Counter
from typing import Any, TYPE_CHECKING

from rosbags.rosbag2 import Writer

from eov_seg_core.recordings.messages import LATCHED, MessageWriter, node_qos, TOPICS
from eov_seg_core.recordings.options import LabelOptions
from eov_seg_core.recordings.source import Source

if TYPE_CHECKING:
    from eov_seg_core.recordings.dataset import PartPictures
    from eov_seg_core.segmenter import Segmenter


class LabelledPart:
    """The messages and counts of one part."""

    def __init__(self, messages: MessageWriter, segmenter: Segmenter, options: LabelOptions,
                 names: tuple[str, ...], pictures: PartPictures | None) -> None:
        self.failures: Counter[str] = Counter()
        self._messages = messages
        self._segmenter = segmenter
        self._options = options
        self._names = names
        self._pictures = pictures
        self._done = self._skipped = 0
        self._tick: int | None = None

    def open(self, writer: Writer) -> None:
        """Declare the topics."""
        self._writer = writer
        self._connections = {
            topic: writer.add_connection(
                f'{self._options.name}/{topic}', message_type, typestore=self._messages.types,
                offered_qos_profiles=[node_qos(is_latched=topic in LATCHED)])
            for topic, message_type in TOPICS.items()}

    def add(self, log_ns: int, message_type: str, data: bytes, source: Source) -> None:
        """Label one message."""
        try:
            message = source.message(message_type, data)
            if self._is_too_soon(message.header.stamp):
                self._skipped += 1
                return
            image_rgb = source.decode(message, self._options.max_megapixels)
        except ValueError as error:
            self.failures[str(error)] += 1
            return
        result = self._segmenter(image_rgb)
        threshold = self._segmenter.thresholds.score_threshold
        if not self._done:  # in each part, because players start anywhere
            self._write('label_info', log_ns, self._messages.label_info(
                message.header, self._names, threshold))
        self._write('panoptic', log_ns, self._messages.panoptic(message.header, result))
        self._write('detections', log_ns, self._messages.detections(message.header, result))
        if self._pictures is not None:
            self._pictures.offer(image_rgb, result, message.header.stamp, log_ns)
        self._done += 1

    def _is_too_soon(self, stamp: Any) -> bool:
        """Say whether the rate leaves an image out; if not, it is the one of its period."""
        if self._options.rate_hz is None:
            return False
        tick = int((stamp.sec + stamp.nanosec / 1e9) * self._options.rate_hz)
        before, self._tick = self._tick, tick
        return tick == before

    def counts(self) -> dict[str, Any]:
        """Return what became of the frames, ready for JSON."""
        failed = sum(self.failures.values())
        return {'frames': self._done + failed + self._skipped, 'done': self._done,
                'failed': failed, 'skipped': self._skipped, 'failures': dict(self.failures)}

    def _write(self, topic: str, log_ns: int, data: bytes) -> None:
        self._writer.write(self._connections[topic], log_ns, data)
