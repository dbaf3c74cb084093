# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The images of a recording, in the order and with the times in which they were recorded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rosbags.rosbag2 import Reader
from rosbags.typesys import get_typestore, Stores
from rosbags.typesys.store import Typestore

from eov_seg_core.io.image_messages.decoding import decode_compressed, decode_raw
from eov_seg_core.io.image_messages.layouts import RGB

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
_NO_COLORS = ('16UC1', '32FC1', '32SC1')
"""Encodings of depth and labels, which no camera gives to pictures."""


def image_typestore() -> Typestore:
    """Return the message types; those of images are the same from Humble to Kilted."""
    return get_typestore(Stores.ROS2_JAZZY)


class Source:
    """One image topic of a recording.

    Args:
        reader: An open reader.
        topic: The topic; None: the only one with images, beside depth.

    Raises:
        ValueError: There is no such topic, several could be meant, or it has no message.
    """

    def __init__(self, reader: Reader, topic: str | None = None) -> None:
        self._reader = reader
        self._types = image_typestore()
        images = [entry for entry in reader.connections if entry.msgtype in (IMAGE, COMPRESSED)]
        topics = sorted({entry.topic for entry in images})
        found = f'its image topics are {", ".join(topics)}' if topics else 'it has no images'
        if topic is not None and topic not in topics:
            raise ValueError(f'{reader.path} has no images on {topic}; {found}')
        pictures = ([name for name in topics if not self._is_depth(name)]
                    if topic is None and len(topics) > 1 else topics)
        if topic is None and len(pictures) != 1:
            raise ValueError(f'{reader.path}: {found}; choose one with --image-topic')
        self.topic = pictures[0] if topic is None else topic
        self._connections = [entry for entry in images if entry.topic == self.topic]
        self.count: int = sum(entry.msgcount for entry in self._connections)
        if not self.count:
            raise ValueError(f'{reader.path}: {self.topic} has no message')
        self.start_ns: int = reader.start_time
        self.end_ns: int = reader.end_time

    def _is_depth(self, topic: str) -> bool:
        """Say whether the first message of a topic is of depth or labels."""
        connections = [entry for entry in self._reader.connections if entry.topic == topic]
        for connection, _, data in self._reader.messages(connections):
            try:
                message = self.message(connection.msgtype, data)
            except ValueError:
                return False
            is_image = message.__msgtype__ == IMAGE
            encoding: str = message.encoding if is_image else message.format
            return encoding.startswith(_NO_COLORS)
        return False

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What tells this recording and topic from others, ready for JSON."""
        return {'topic': self.topic, 'frames': self.count, 'start_ns': self.start_ns,
                'end_ns': self.end_ns, 'messages': self._reader.message_count}

    def messages(self, start_ns: int, stop_ns: int) -> Iterator[tuple[int, str, bytes]]:
        """Yield log time in nanoseconds, type and bytes of the messages of [start, stop).

        Raises:
            ValueError: The recording is damaged there.
        """
        try:
            for connection, log_ns, data in self._reader.messages(
                    self._connections, start_ns, stop_ns):
                yield log_ns, connection.msgtype, data
        except Exception as error:  # noqa: BLE001  a damaged file fails in many ways
            raise _damaged(self._reader.path, error) from error

    def message(self, message_type: str, data: bytes) -> Any:
        """Return a message of the typestore's type, with the fields of `message_type`.

        Raises:
            ValueError: The bytes are no such message.
        """
        try:
            return self._types.deserialize_cdr(data, message_type)
        except Exception as error:  # noqa: BLE001  rosbags has no error for damaged bytes
            raise ValueError(f'the message is no {message_type}: {error!r}') from error

    def decode(self, message: Any, max_megapixels: float) -> RGB:
        """Return the image of a message as (H, W, 3) uint8 RGB.

        Raises:
            ValueError: It is damaged, too large, or of an encoding that is not taken.
        """
        if message.__msgtype__ == COMPRESSED:
            return decode_compressed(message, max_megapixels)
        return decode_raw(message)


@contextmanager
def open_recording(path: Path) -> Iterator[Reader]:
    """Open a bag: a folder with metadata.yaml, an .mcap or a .db3 file.

    Raises:
        ValueError: It is no bag, or is damaged; says how to repair it.
        OSError: It cannot be read.
    """
    try:
        reader = Reader(path)
        reader.open()
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001  a damaged file fails in many ways
        raise _damaged(path, error) from error
    try:
        yield reader
    finally:
        reader.close()


def _damaged(path: Any, error: Exception) -> ValueError:
    return ValueError(f'{path} cannot be read as a bag ({error or repr(error)}); a recording that '
                      'was cut off is repaired with "mcap recover" or "ros2 bag reindex"')
