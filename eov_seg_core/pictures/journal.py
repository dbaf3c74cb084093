# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What has become of the pictures of a part, line by line; survives a kill."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
import json
from pathlib import Path
from typing import Any

from eov_seg_core.io.coco.streamed import ERRORS
from eov_seg_core.io.files import replace_file

Entry = dict[str, Any]


class Journal:
    """A file with a line for each picture of a part, in order.

    Args:
        path: Of the file; what an earlier process wrote is kept as far as it is whole.
        group: Pictures that the network gets at once.  A group is kept as a whole or not at all,
            since the results depend on all of it.
        total: Pictures of the part.
        is_there: Whether the files of a picture are there.

    Attributes:
        entries: The lines.

    Raises:
        OSError: The file cannot be read or written.
    """

    def __init__(self, path: Path, group: int, total: int,
                 is_there: Callable[[Entry], bool]) -> None:
        self._path = path
        lines = path.read_bytes().split(b'\n')[:-1] if path.exists() else []
        self.entries: list[Entry] = []
        for line in lines[:total]:
            entry = _parsed(line)
            if entry is None or not is_there(entry):
                break
            self.entries.append(entry)
        if len(self.entries) < total:
            del self.entries[len(self.entries) // group * group:]
        replace_file(path, b''.join(line + b'\n' for line in lines[:len(self.entries)]))

    def add(self, entries: Sequence[Entry]) -> None:
        """Write what has become of a group, whose files are there.

        Raises:
            OSError: The file cannot be written.
        """
        text = ''.join(json.dumps(entry, ensure_ascii=False) + '\n' for entry in entries)
        with self._path.open('ab') as file:
            file.write(text.encode('utf-8', ERRORS))
        self.entries += entries

    def counts(self) -> dict[str, int]:
        """Return how many pictures are done, failed and skipped."""
        counts = Counter(next(key for key in ('image', 'failed', 'skipped') if key in entry)
                         for entry in self.entries)
        return {'done': counts['image'], 'failed': counts['failed'], 'skipped': counts['skipped']}


def _parsed(line: bytes) -> Entry | None:
    try:
        entry = json.loads(line)
    except ValueError:      # of a machine that lost its power
        return None
    return entry if isinstance(entry, dict) else None
