# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The images of a recording, in the order and with the times in which they were recorded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
import difflib
from pathlib import Path
import re
from typing import Any

from rosbags.interfaces import Connection, Qos, QosDurability
from rosbags.typesys import get_types_from_idl, get_types_from_msg, get_typestore, Stores
from rosbags.typesys.store import Typestore

from eov_seg_core.io.image_messages.decoding import (
    decode_compressed,
    decode_raw,
    DEPTH_ENCODINGS,
)
from eov_seg_core.io.image_messages.layouts import RGB
from eov_seg_core.io.image_messages.stamps import stamp_ns_of
from eov_seg_core.recordings.files.opening import damaged, Recording
from eov_seg_core.recordings.quality_of_service import node_qos

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
TRANSFORMS = 'tf2_msgs/msg/TFMessage'
TF, TF_STATIC = '/tf', '/tf_static'
_NO_COLORS = (*DEPTH_ENCODINGS, '32SC1')
"""Encodings of depth and labels, which no camera gives to pictures."""
_IDL = '=' * 80 + '\nIDL: '     # as recorders begin
_MOST_NAMED = 20
_NO_HASH = 'RIHS00_' + 64 * '0'
"""For a type that is not described; version 00 means that no hash was set."""


def image_typestore() -> Typestore:
    """Return the message types; those of images are the same from Humble to Kilted."""
    return get_typestore(Stores.ROS2_JAZZY)


class Source:
    """The image topics of a recording, and what is copied with them.

    Args:
        recording: Open.
        topics: With images; none: the only one with images, beside depth.
        copy: Pattern of the topics that are copied, as a whole; None: none.

    Raises:
        ValueError: There is no such topic, several could be meant, it has no message, or the
            pattern is no regular expression.

    Attributes:
        cameras: For each topic what tells its camera from others; '' where there is one only.
        copied: What is copied.
        count: Of images.
        start_ns: Log time of the first message.
        end_ns: After that of the last one.
    """

    def __init__(self, recording: Recording, topics: Sequence[str] = (),
                 copy: str | None = None) -> None:
        self._recording = recording
        self._types = image_typestore()
        self.cameras = camera_names(self._chosen(topics))
        self._connections = [entry for entry in recording.connections
                             if entry.topic in self.cameras]
        self.copied = [] if copy is None else [
            entry for entry in recording.connections if _matches(copy, entry.topic)]
        if copy is not None and not self.copied:
            raise ValueError(f'--copy {copy!r} matches no whole topic of {self.path}; they are '
                             f'{self._all_topics()}')
        self.count: int = sum(entry.msgcount for entry in self._connections)
        for topic in self.cameras:
            if not self._has_messages(topic):
                raise ValueError(f'{recording.path}: {topic} has no message')
        self.start_ns: int = recording.start_time
        self.end_ns: int = recording.end_time

    def _chosen(self, topics: Sequence[str]) -> list[str]:
        images = sorted({entry.topic for entry in self._recording.connections
                         if entry.msgtype in (IMAGE, COMPRESSED)})
        for topic in topics:
            if topic not in images:
                raise ValueError(self.no_such_topic(topic, 'image', images))
        if topics:
            return sorted(set(topics))
        if not images:
            raise ValueError(f'{self.path} has no {IMAGE} and no {COMPRESSED}; its topics are '
                             f'{self._all_topics() or "none"}')
        pictures = images if len(images) == 1 else [
            topic for topic in images if self._has_messages(topic) and not self._is_depth(topic)]
        if len(pictures) != 1:
            raise ValueError(f'{self.path}: its image topics are {", ".join(images)}; choose with '
                             '--image-topic')
        return pictures

    def _all_topics(self) -> str:
        topics = sorted({f'{entry.topic} ({entry.msgtype})'
                         for entry in self._recording.connections})
        rest = f' and {len(topics) - _MOST_NAMED} more' if topics[_MOST_NAMED:] else ''
        return ', '.join(topics[:_MOST_NAMED]) + rest

    def _has_messages(self, topic: str) -> bool:
        return any(entry.msgcount for entry in self._recording.connections if entry.topic == topic)

    def _is_depth(self, topic: str) -> bool:
        """Say whether the first message of a topic is of depth or labels."""
        message = self.first(topic)
        if message is None:
            return False
        encoding: str = message.encoding if message.__msgtype__ == IMAGE else message.format
        return encoding.startswith(_NO_COLORS)

    def no_such_topic(self, topic: str, what: str, there_are: Sequence[str]) -> str:
        """Return the sentence that says which topics there are instead, the nearest one first."""
        near = difflib.get_close_matches(topic, there_are, max(1, len(there_are)), cutoff=0)
        rest = f'has {", ".join(near)}, the most similar name first' if near else 'has none'
        return f'{self.path} has no {what} topic {topic}; it {rest}'

    @property
    def path(self) -> Path:
        """Of the recording."""
        return self._recording.path

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what is wrong with the files."""
        return self._recording.notes

    def topics_of(self, message_type: str) -> list[str]:
        """Return the topics of a type, in order."""
        return sorted({entry.topic for entry in self._recording.connections
                       if entry.msgtype == message_type})

    def connections_of(self, topic: str) -> list[Connection]:
        """Return what was recorded of a topic, one entry for each publisher."""
        return [entry for entry in self._recording.connections if entry.topic == topic]

    def first(self, topic: str) -> Any:
        """Return the first message of a topic; None where there is none that can be read."""
        for connection, _, data in self.messages_of(self.connections_of(topic)):
            try:
                return self.message(connection.msgtype, data)
            except ValueError:
                return None
        return None

    def all_different(self, topic: str) -> list[Any]:
        """Return the messages of a whole topic, each content once.

        Raises:
            ValueError: The recording is damaged.
        """
        connections = self.connections_of(topic)
        found = {bytes(data): connection.msgtype
                 for connection, _, data in self.messages_of(connections)}
        return [self.message(kind, data) for data, kind in found.items()]

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What tells this recording and topic from others, ready for JSON."""
        return {'topics': list(self.cameras), 'frames': self.count, 'start_ns': self.start_ns,
                'end_ns': self.end_ns, 'messages': self._recording.message_count}

    def messages(self, start_ns: int, stop_ns: int, others: Iterable[Connection] = ()
                 ) -> Iterator[tuple[Connection, int, bytes]]:
        """Yield connection, log time in nanoseconds and bytes of the messages of [start, stop).

        Those of images, those that are copied, and others.

        Raises:
            ValueError: The recording is damaged there.
        """
        yield from self.messages_of((*self._connections, *self.copied, *others), start_ns, stop_ns)

    def messages_of(self, connections: Iterable[Connection], start_ns: int | None = None,
                    stop_ns: int | None = None) -> Iterator[tuple[Connection, int, bytes]]:
        """Yield connection, log time in nanoseconds and bytes of the messages of [start, stop).

        Raises:
            ValueError: The recording is damaged there.
        """
        wanted = list({id(entry): entry for entry in connections}.values())
        if not wanted:      # which the reader takes for all
            return
        try:
            yield from self._recording.messages(wanted, start_ns, stop_ns)
        except Exception as error:  # noqa: BLE001  a damaged file fails in many ways
            raise damaged(self._recording.path, error) from error

    def latched(self, stop_ns: int) -> list[tuple[Connection, bytes]]:
        """Return the messages before a time that a late subscriber would still get.

        That is the last one of each copied topic whose publisher is latched, and all different
        ones of /tf_static, which many publishers share.

        Raises:
            ValueError: The recording is damaged there.
        """
        connections = [entry for entry in self.copied if _is_latched(entry)]
        kept: dict[object, tuple[Connection, bytes]] = {}
        for connection, _, data in self.messages_of(connections, stop_ns=stop_ns):
            is_shared = connection.topic == TF_STATIC
            kept[bytes(data) if is_shared else id(connection)] = connection, data
        return list(kept.values())

    def is_image(self, connection: Connection) -> bool:
        """Say whether a message of `messages` is to be labelled."""
        return connection.topic in self.cameras

    def qos_of(self, connection: Connection) -> list[Qos]:
        """Return the recorded QoS; that of its purpose for /tf_static without one."""
        as_meant = [node_qos(is_latched=True)] if _is_latched(connection) else []
        return _profiles(connection) or as_meant

    def definition_of(self, connection: Connection) -> tuple[str, str]:
        """Return the text that defines the type of a topic, and its hash.

        Recordings before Jazzy have neither, and .mcap files no hash.
        """
        kind, text = connection.msgtype, connection.msgdef.data
        if not text and kind in self._types.fielddefs:
            text = self._types.generate_msgdef(kind, ros_version=2)[0]
        return text, connection.digest or _hash_of(text, kind)

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


def camera_names(topics: Sequence[str]) -> dict[str, str]:
    """Return for each topic a name that tells it from the others; '' for a single one.

    >>> camera_names(['/image_raw'])
    {'/image_raw': ''}
    >>> camera_names(['/left/image_raw', '/front/right/image_raw/compressed'])
    {'/left/image_raw': 'left', '/front/right/image_raw/compressed': 'front/right'}
    >>> camera_names(['/rgb/a', '/rgb/b'])
    {'/rgb/a': 'rgb/a', '/rgb/b': 'rgb/b'}
    """
    if len(topics) == 1:
        return {topics[0]: ''}
    plain = [topic.removesuffix('/compressed').strip('/') for topic in topics]
    spaces = [topic.rpartition('/')[0] for topic in plain]
    names = spaces if all(spaces) and len(set(spaces)) == len(topics) else plain
    if len(set(names)) < len(topics):   # an image, and its compressed twin
        names = [topic.strip('/') for topic in topics]
    return dict(zip(topics, names))


def time_ns_of(header: Any, log_ns: int) -> int:
    """Return the stamp of a header; the time of the log for drivers that set none."""
    return stamp_ns_of(header) or log_ns


def _matches(pattern: str, topic: str) -> bool:
    try:
        return re.fullmatch(pattern, topic) is not None
    except re.error as error:
        raise ValueError(f'--copy {pattern!r} is no regular expression: {error}') from error


def _hash_of(definition: str, kind: str) -> str:
    """Return the hash of a type; that of none where its definition cannot be understood."""
    if not definition:
        return _NO_HASH
    types = get_typestore(Stores.EMPTY)
    try:
        types.register(get_types_from_idl(definition) if definition.startswith(_IDL)
                       else get_types_from_msg(definition, kind))
        return types.hash_rihs01(kind)
    except Exception:  # noqa: BLE001  a wrong definition fails in many ways; it is copied as it is
        return _NO_HASH


def _is_latched(connection: Connection) -> bool:
    profiles = _profiles(connection)
    return connection.topic == TF_STATIC or bool(profiles) and all(
        profile.durability is QosDurability.TRANSIENT_LOCAL for profile in profiles)


def _profiles(connection: Connection) -> list[Qos]:
    """Return the recorded QoS, one for each publisher; some recorders note none."""
    return list(getattr(connection.ext, 'offered_qos_profiles', ()))
