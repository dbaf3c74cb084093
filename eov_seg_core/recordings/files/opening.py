# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A recording, whatever is left of its files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, ExitStack
import heapq
from pathlib import Path, PurePath
import re
from typing import Any

from mcap.reader import make_reader
from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader
import yaml

from eov_seg_core.recordings.files.cut_off import CutOffFile, is_cut_off
from eov_seg_core.recordings.metadata import read_metadata

_MESSAGE = tuple[Connection, int, bytes]
_JOURNALS = {'-wal': b'\x37\x7f\x06', '-journal': b'\xd9\xd5\x05\xf9'}
"""SQLite's files beside a database, and how they begin where they hold something."""
_SUFFIXES = ('.mcap', '.db3')
_ROS_1 = b'#ROSBAG V'


class Recording:
    """The messages of one or more files, merged by their log times.

    Args:
        path: Of the recording.
        readers: Open, one for each file.
        notes: Sentences on what is wrong with the files.

    Attributes:
        connections: One for each publisher, whatever the number of files.
        start_time: Log time of the first message, nanoseconds.
        end_time: After that of the last one.
        message_count: Of all messages.
    """

    def __init__(self, path: Path, readers: Sequence[Reader], notes: Sequence[str] = ()) -> None:
        self.path = path
        self.notes = tuple(notes)
        self._readers = list(readers)
        self.start_time = min(reader.start_time for reader in readers)
        self.end_time = max(reader.end_time for reader in readers)
        self.message_count = sum(reader.message_count for reader in readers)
        self._same: dict[object, list[Connection]] = {}
        for reader in readers:
            for entry in reader.connections:
                self._same.setdefault((entry.topic, entry.msgtype, repr(entry.ext)), []).append(
                    entry)
        self.connections = [
            entries[0]._replace(id=number, msgcount=sum(entry.msgcount for entry in entries))
            for number, entries in enumerate(self._same.values(), 1)]

    def messages(self, connections: Iterable[Connection], start_ns: int | None = None,
                 stop_ns: int | None = None) -> Iterator[_MESSAGE]:
        """Yield connection, log time in nanoseconds and bytes of the messages of [start, stop).

        Args:
            connections: Of this recording.
            start_ns: None: from the first message on.
            stop_ns: None: to the last message.
        """
        wanted = {id(entry) for entry in connections}
        merged = {id(entry): ours for ours, entries in zip(self.connections, self._same.values())
                  if id(ours) in wanted for entry in entries}
        streams = []
        for reader in self._readers:
            chosen = [entry for entry in reader.connections if id(entry) in merged]
            if chosen:      # none is taken for all
                streams.append(reader.messages(chosen, start_ns, stop_ns))
        for entry, log_ns, data in heapq.merge(*streams, key=_log_time):
            yield merged[id(entry)], log_ns, data


def _log_time(message: _MESSAGE) -> int:
    return message[1]


@contextmanager
def open_recording(path: Path) -> Iterator[Recording]:
    """Open a bag: a folder, an .mcap or a .db3 file, also where its end is missing.

    Raises:
        ValueError: It is no bag, or is damaged; says how to repair it.
        OSError: It cannot be read.
    """
    if not path.exists():
        raise FileNotFoundError(f'{path} does not exist; check the path')
    notes: list[str] = []
    with ExitStack() as stack:
        readers: list[Reader] = []
        files = _files(path, notes) if path.is_dir() else [path]
        for file in files:
            try:
                readers.append(_opened(file, notes))
            except ValueError as error:
                if not readers or file != files[-1]:
                    raise
                notes.append(f'{error}; it is the last file, and was left out')
            else:
                stack.callback(readers[-1].close)
        yield Recording(path, readers, notes)


def damaged(path: Any, error: Exception) -> ValueError:
    """Return the error that says how a damaged recording is repaired."""
    is_sqlite = PurePath(str(path)).suffix == '.db3'
    advice = ('recover what is left with sqlite3 FILE ".recover" | sqlite3 NEW.db3' if is_sqlite
              else 'recover what is left with "mcap recover"')
    return ValueError(f'{path} cannot be read as a bag ({error or repr(error)}); if it is damaged,'
                      f' {advice}')


def _files(folder: Path, notes: list[str]) -> list[Path]:
    """Return the files of a folder, in order; the folder itself where they are compressed."""
    found = sorted((path for path in folder.iterdir() if path.suffix in _SUFFIXES),
                   key=lambda path: (_number(path), path.name))
    listed = _listed(folder, notes)
    if listed is None:
        stems = sorted({re.sub(r'_\d+$', '', path.stem) for path in found})
        if len(stems) != 1:
            raise ValueError(f'{folder} has no metadata.yaml, and ' + (
                f'holds files of several recordings, {", ".join(stems)}; name the files'
                if stems else 'no .mcap or .db3 file, so it is no bag; name the folder or the '
                'file of a recording'))
        return found
    if listed == [folder]:
        return listed
    missing = [path.name for path in listed if not path.exists()]
    if missing:
        raise ValueError(f'{folder}/metadata.yaml names {", ".join(missing)}, not in the folder; '
                         'fetch the whole recording, or remove metadata.yaml to label the rest')
    for path in found:
        if path not in listed:
            notes.append(f'{path} is not in metadata.yaml, and was left out; remove metadata.yaml '
                         'to have all files read')
    return listed


def _listed(folder: Path, notes: list[str]) -> list[Path] | None:
    """Return the files that metadata.yaml names; None where it is not there, or damaged."""
    try:
        content = read_metadata(folder)
        if str(content.get('compression_mode') or 'none').lower() != 'none':
            return [folder]
        names = [PurePath(name).name for name in content['relative_file_paths']]
    except FileNotFoundError:
        notes.append(f'{folder} has no metadata.yaml, as a recording that was cut off; its files '
                     'were read')
        return None
    except (yaml.YAMLError, UnicodeDecodeError, LookupError, TypeError, AttributeError):
        notes.append(f'{folder}/metadata.yaml is damaged; the files beside it were read')
        return None
    return [folder / name for name in names]


def _number(path: Path) -> int:
    """Return the number at the end of a name: recorders write NAME_9 before NAME_10."""
    match = re.search(r'_(\d+)$', path.stem)
    return int(match[1]) if match else -1


def _opened(path: Path, notes: list[str]) -> Reader:
    """Return an open reader."""
    if path.suffix == '.db3':
        _refuse_pending(path)
    if not path.stat().st_size:
        raise ValueError(f'{path} is empty; the recorder was ended before it wrote a message')
    source: Any = path
    if path.suffix == '.mcap' and is_cut_off(path):
        source = CutOffFile(path)
        notes.append(f'{path} was cut off; what is there was read')
    try:
        reader = Reader(source)
        reader.open()
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001  a damaged file fails in many ways
        raise _foreign(path) or damaged(path, error) from error
    return reader


def _foreign(path: Path) -> ValueError | None:
    """Return what is wrong with a recording that is none of ROS 2; None for other files."""
    if path.is_dir():
        return None
    if _begins_with(path, _ROS_1):
        return ValueError(f'{path} is a recording of ROS 1; convert it with "rosbags-convert '
                          f'--src {path} --dst FOLDER", and label the folder')
    try:
        with path.open('rb') as file:
            profile = make_reader(file).get_header().profile
    except Exception:   # noqa: BLE001  a damaged file fails in many ways
        return None
    return None if profile == 'ros2' else ValueError(
        f'{path} is no recording of ROS 2: the profile of this MCAP file is {profile!r}, expected '
        "'ros2'")


def _refuse_pending(path: Path) -> None:
    """Raise ValueError if messages stand in a journal of SQLite, which rosbags does not read."""
    for end, start in _JOURNALS.items():
        journal = path.with_name(path.name + end)
        if journal.exists() and _begins_with(journal, start):
            raise ValueError(
                f'{journal} shows that the recorder was killed while it wrote {path.name}; bring '
                f'both together: sqlite3 {path} "SELECT count(*) FROM messages"')


def _begins_with(path: Path, start: bytes) -> bool:
    with path.open('rb') as file:
        return file.read(len(start)) == start
