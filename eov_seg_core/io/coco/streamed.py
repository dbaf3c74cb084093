# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""JSON files that need not fit into the memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
import json
from pathlib import Path
from typing import TextIO

from eov_seg_core.io.files import replacing

ERRORS = 'backslashreplace'
"""How bytes of file names that are no text are written, as in `save_json`."""


def save_object(target: Path, lists: Mapping[str, Iterable[object]], **others: object
                ) -> dict[str, int]:
    """Write an object with lists, complete or not at all; one entry is in memory at a time.

    Args:
        target: The JSON file.
        lists: Name -> entries, ready for JSON.
        **others: What else it holds, ready for JSON.

    Returns:
        Name -> how many entries there were.

    Raises:
        OSError: The file cannot be written.
    """
    counts: dict[str, int] = {}
    with replacing(target) as temporary, temporary.open(
            'w', encoding='utf-8', errors=ERRORS) as file:
        for name, entries in lists.items():
            file.write(f'{", " if counts else "{"}{_json(name)}: ')
            counts[name] = _write_list(file, entries)
        for name, content in others.items():
            file.write(f', {_json(name)}: {_json(content)}')
        file.write('}\n')
        file.flush()    # before it gets its name
    return counts


def save_list(target: Path, entries: Iterable[object]) -> None:
    """Write a list, complete or not at all; one entry is in memory at a time.

    Args:
        target: The JSON file.
        entries: Ready for JSON.

    Raises:
        OSError: The file cannot be written.
    """
    with replacing(target) as temporary, temporary.open(
            'w', encoding='utf-8', errors=ERRORS) as file:
        _write_list(file, entries)
        file.write('\n')
        file.flush()    # before it gets its name


def _write_list(file: TextIO, entries: Iterable[object]) -> int:
    count = 0
    file.write('[')
    for entry in entries:
        file.write((',\n' if count else '\n') + _json(entry))
        count += 1
    file.write(']')
    return count


def _json(content: object) -> str:
    return json.dumps(content, ensure_ascii=False)
