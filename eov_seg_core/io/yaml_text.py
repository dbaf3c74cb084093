# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reading the small text files that users write: UTF-8, and YAML of bounded size and depth.

YAML lets a file of 300 bytes stand for billions of entries (aliases of lists of aliases), lets
lists be nested deeper than Python can follow, and takes the last of two equal keys without a word.
None of this is needed in a vocabulary or a recipe, so all of it is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from eov_seg_core.io.files import check_regular

MAX_BYTES = 512 << 10
"""Largest file: 4096 names of usual length take 100 KiB; the costliest text takes seconds."""
MAX_DEPTH = 20
"""Most lists and mappings inside one another."""

_LOADER = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)


def read_text(path: Path) -> str:
    """Return the text of a file, without a byte order mark.

    Raises:
        ValueError: It is over 512 KiB, or no UTF-8; the message does not name the file.
        OSError: It cannot be read, or is no regular file.
    """
    check_regular(path)
    with path.open('rb') as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f'this file is larger than {MAX_BYTES >> 10} KiB, which no list of words '
                         'and no recipe needs; check that it is the file that you mean')
    return decode_text(content)


def decode_text(content: bytes) -> str:
    """Return the text of a file's content, without a byte order mark.

    Raises:
        ValueError: It is no UTF-8, or holds a null byte, which ends a word in messages of ROS.
    """
    if b'\0' in content:
        raise ValueError(f'this is no UTF-8 text (null byte at byte {content.index(0)})')
    try:
        return content.decode('utf-8-sig')
    except UnicodeDecodeError as error:
        raise ValueError(f'this is no UTF-8 text ({error.reason} at byte {error.start})'
                         ) from error


def parse_yaml(text: str) -> Any:
    """Return what a YAML text holds: dictionaries, lists, strings, numbers, None.

    Raises:
        ValueError: It is no YAML, holds more than one document, an alias, a key twice, or an
            object of Python, or is nested deeper than 20 levels.
    """
    try:
        _check_structure(text)
    except yaml.YAMLError as error:
        raise ValueError(f'this is no valid YAML: {error}') from error
    try:
        return yaml.load(text, Loader=_LOADER)
    except (yaml.YAMLError, ValueError) as error:    # an object of Python, an impossible date
        raise ValueError(f'this YAML holds a value that cannot be read: {error}') from error
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        # so fail `!!timestamp x`, `!!float ""` and `!!bool x`
        raise ValueError('this YAML holds a value that its tag contradicts; leave out what begins '
                         'with !!, or put the value into quotes') from error


def _check_structure(text: str) -> None:
    """Read the text event by event, which builds nothing, and refuse what is not needed."""
    open_nodes: list[_OpenNode] = []
    for event in yaml.parse(text, Loader=_LOADER):
        where = f'line {event.start_mark.line + 1}'
        if isinstance(event, yaml.AliasEvent):
            raise ValueError(f'{where} refers to an anchor (*{event.anchor}), which is not '
                             'allowed here; write the value out')
        if isinstance(event, yaml.CollectionEndEvent):
            open_nodes.pop()
        elif isinstance(event, yaml.NodeEvent):
            if open_nodes:
                open_nodes[-1].add(event, where)
            if isinstance(event, yaml.CollectionStartEvent):
                open_nodes.append(_OpenNode(isinstance(event, yaml.MappingStartEvent)))
        if len(open_nodes) > MAX_DEPTH:
            raise ValueError(f'{where} is nested deeper than {MAX_DEPTH} levels; remove brackets '
                             'or indentation')


class _OpenNode:
    """A list or mapping whose end has not come yet, and the keys that it has so far."""

    def __init__(self, is_mapping: bool) -> None:
        self._expects_key = is_mapping
        self._is_mapping = is_mapping
        self._keys: set[str] = set()

    def add(self, event: yaml.NodeEvent, where: str) -> None:
        """Note an entry: in a mapping, a key and a value take turns."""
        if self._expects_key and isinstance(event, yaml.ScalarEvent):
            if event.value in self._keys:
                raise ValueError(f'{where} has the key {event.value[:80]!r} for the second time; '
                                 'put both values under one key')
            self._keys.add(event.value)
        self._expects_key = self._is_mapping and not self._expects_key
