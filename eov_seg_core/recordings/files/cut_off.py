# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MCAP files whose end is missing, as after a flat battery.

What is missing is the index.  It is made anew from what is there, and put behind the file while it
is read; the file itself is not changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
import io
from pathlib import Path
import struct
from typing import Any, BinaryIO

from mcap.data_stream import ReadDataStream, RecordBuilder
from mcap.opcode import Opcode
from mcap.records import (
    Channel,
    Chunk,
    ChunkIndex,
    DataEnd,
    Footer,
    Message,
    MessageIndex,
    Schema,
    Statistics,
)
from mcap.stream_reader import breakup_chunk

MAGIC = b'\x89MCAP0\r\n'
_HEAD = struct.Struct('<BQ')            # of a record: kind and length
_CHUNK = struct.Struct('<QQQII')        # times, uncompressed size, its CRC, length of a name
_MESSAGE = struct.Struct('<HIQ')        # channel, number, log time
_INDEX_HEAD = struct.Struct('<HI')      # channel, length
_INDEX_ENTRY = 16


def is_cut_off(path: Path) -> bool:
    """Say whether an MCAP file begins as such and does not end as such.

    Raises:
        OSError: It cannot be read.
    """
    with path.open('rb') as file:
        if file.read(len(MAGIC)) != MAGIC:
            return False
        file.seek(-len(MAGIC), io.SEEK_END)
        return file.tell() < len(MAGIC) or file.read() != MAGIC


class CutOffFile:
    """An MCAP file without its end, to be opened like a path.

    Args:
        path: Of the file.

    Raises:
        ValueError: Nothing in it can be read.
        OSError: It cannot be read.
    """

    suffix = '.mcap'

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open('rb') as file:
            content = _Content(file)
        if not content.counts:
            raise ValueError(f'{path} was cut off before its first message')
        self._end, self._tail = content.end, content.tail()

    def __str__(self) -> str:
        """Return the path."""
        return str(self._path)

    def exists(self) -> bool:
        """Say whether the file is there."""
        return self._path.exists()

    def is_dir(self) -> bool:
        """Say that it is no folder."""
        return False

    def open(self, *_: Any) -> BinaryIO:
        """Return what can be read, and then the index."""
        return io.BufferedReader(_Spliced(self._path.open('rb'), self._end, self._tail), 1 << 16)


class _Spliced(io.RawIOBase):
    """The first bytes of a file, and others behind them."""

    def __init__(self, file: BinaryIO, end: int, tail: bytes) -> None:
        self._file = file
        self._end = end
        self._tail = tail
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position,
                 io.SEEK_END: self._end + len(self._tail)}[whence]
        self._position = start + offset
        return self._position

    def readinto(self, target: Any) -> int:
        if self._position < self._end:
            self._file.seek(self._position)
            data = self._file.read(min(len(target), self._end - self._position))
        else:
            start = self._position - self._end
            data = self._tail[start:start + len(target)]
        target[:len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


@dataclass
class _FoundChunk:
    """A chunk, and the indexes of its messages: channel -> offset and number."""

    offset: int
    length: int
    start_time: int
    end_time: int
    compression: str
    compressed_size: int
    uncompressed_size: int
    indexes: dict[int, tuple[int, int]] = field(default_factory=dict)
    index_end: int = 0


class _Content:
    """What is found in a file.

    Attributes:
        end: After the last whole record.
        counts: Channel -> number of messages.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._definitions: dict[tuple[int, int], Schema | Channel] = {}
        self._chunks: list[_FoundChunk] = []
        self._rebuilt = RecordBuilder()
        self._times: list[int] = []
        self.counts: dict[int, int] = {}
        self.end = file.seek(len(MAGIC))
        for offset, kind, length in _records(file):
            self._take(offset, kind, length)
            self.end = offset + _HEAD.size + length
        if self._chunks:
            self._chunks[-1].indexes.clear()     # some of them may be cut off
        self._chunks = [chunk for chunk in self._chunks if self._is_usable(chunk)]
        for chunk in self._chunks:
            self._times += [chunk.start_time, chunk.end_time]
            for channel, (_, count) in chunk.indexes.items():
                self.counts[channel] = self.counts.get(channel, 0) + count

    def _take(self, offset: int, kind: int, length: int) -> None:
        if kind in (Opcode.SCHEMA, Opcode.CHANNEL):
            stream = ReadDataStream(io.BytesIO(self._file.read(length)))
            self._define(Schema.read(stream) if kind == Opcode.SCHEMA else Channel.read(stream))
        elif kind == Opcode.MESSAGE:
            channel, _, log_time = _MESSAGE.unpack(self._file.read(_MESSAGE.size))
            self.counts[channel] = self.counts.get(channel, 0) + 1
            self._times = [min([*self._times, log_time]), max([*self._times, log_time])]
        elif kind == Opcode.CHUNK:
            start, end, size, _, name = _CHUNK.unpack(self._file.read(_CHUNK.size))
            compression = self._file.read(name).decode()
            packed, = struct.unpack('<Q', self._file.read(8))
            self._chunks.append(_FoundChunk(
                offset, _HEAD.size + length, start, end, compression, packed, size))
        elif kind == Opcode.MESSAGE_INDEX and self._chunks:
            channel, size = _INDEX_HEAD.unpack(self._file.read(_INDEX_HEAD.size))
            chunk = self._chunks[-1]
            chunk.indexes[channel] = offset, size // _INDEX_ENTRY
            chunk.index_end = offset + _HEAD.size + length

    def _define(self, record: Schema | Channel) -> None:
        self._definitions[isinstance(record, Channel), record.id] = record

    def _is_usable(self, chunk: _FoundChunk) -> bool:
        """Complete what is known of a chunk; say whether it has messages that can be read."""
        if chunk.indexes and all((True, channel) in self._definitions
                                 for channel in chunk.indexes):
            return True
        self._file.seek(chunk.offset + _HEAD.size)
        try:
            records = breakup_chunk(Chunk.read(ReadDataStream(self._file)), validate_crc=True)
        except Exception:  # noqa: BLE001  damaged bytes fail in many ways
            return False
        for record in records:
            if isinstance(record, (Schema, Channel)):
                self._define(record)
        if not chunk.indexes:
            self._index(chunk, [record for record in records if isinstance(record, Message)])
        return bool(chunk.indexes)

    def _index(self, chunk: _FoundChunk, messages: list[Message]) -> None:
        for channel in dict.fromkeys(message.channel_id for message in messages):
            # readers want the number only: chunks are read as a whole
            entries = [(message.log_time, 0) for message in messages
                       if message.channel_id == channel]
            chunk.indexes[channel] = self.end + self._rebuilt.count, len(entries)
            MessageIndex(channel, entries).write(self._rebuilt)
        chunk.index_end = self.end + self._rebuilt.count

    def tail(self) -> bytes:
        """Return what is to stand at `end`."""
        builder = self._rebuilt
        DataEnd(0).write(builder)
        summary = self.end + builder.count
        for _, record in sorted(self._definitions.items()):
            record.write(builder)
        for chunk in self._chunks:
            ChunkIndex(
                message_start_time=chunk.start_time, message_end_time=chunk.end_time,
                chunk_start_offset=chunk.offset, chunk_length=chunk.length,
                message_index_offsets={channel: offset for channel, (offset, _)
                                       in chunk.indexes.items()},
                message_index_length=chunk.index_end - chunk.offset - chunk.length,
                compression=chunk.compression, compressed_size=chunk.compressed_size,
                uncompressed_size=chunk.uncompressed_size).write(builder)
        channels = sum(is_channel for is_channel, _ in self._definitions)
        Statistics(
            message_count=sum(self.counts.values()), channel_message_counts=self.counts,
            schema_count=len(self._definitions) - channels, channel_count=channels,
            chunk_count=len(self._chunks), attachment_count=0, metadata_count=0,
            message_start_time=min(self._times), message_end_time=max(self._times)
            ).write(builder)
        Footer(summary, 0, 0).write(builder)
        rest: bytes = builder.end()  # type: ignore[no-untyped-call]
        return rest + MAGIC


def _records(file: BinaryIO) -> Iterator[tuple[int, int, int]]:
    """Yield offset, kind and length of the whole records; the file stands at their content."""
    size = file.seek(0, io.SEEK_END)
    offset = len(MAGIC)
    while offset + _HEAD.size <= size:
        file.seek(offset)
        kind, length = _HEAD.unpack(file.read(_HEAD.size))
        # zeros are what a file system leaves where a write did not reach the disk
        if kind in (0, Opcode.DATA_END) or offset + _HEAD.size + length > size:
            return
        yield offset, kind, length
        offset += _HEAD.size + length
