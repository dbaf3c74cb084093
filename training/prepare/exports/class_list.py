# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which value or colour of a label map is which class: the lists that tools write."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from eov_seg_core.io.yaml_text import read_text

FILES = ('labelmap.txt', 'class_names.txt', '_classes.csv', 'classes.txt', 'labels.txt')
"""Names of such lists, of CVAT, labelme, Roboflow and others."""
_VOID = frozenset({'__ignore__', '_background_', 'background', 'void', 'unlabeled'})
_VOID_VALUE = 255
_COLOR = 1 << 24
_VOID_COLOR = _COLOR + 224 + (224 << 8) + (192 << 16)
"""The colour of VOC's borders."""


class ClassList:
    """Names of values.

    Names as `background` and `__ignore__` are void, unless they are wanted as classes.

    Args:
        names_of_values: Name of each value; a colour is 2**24 + R + 256 G + 65536 B, or 0.
        wanted: Names that are classes in any case.
        path: Of the list.

    Attributes:
        names: Of the classes, in order.
        is_by_color: Whether colours stand for classes, also those of a palette.
    """

    def __init__(self, names_of_values: dict[int, str], wanted: Iterable[str], path: Path
                 ) -> None:
        void = _VOID - set(wanted)
        self._labels = {value: None if name in void else name
                        for value, name in names_of_values.items()}
        self._path = path
        self.is_by_color = max(names_of_values, default=0) >= _COLOR
        self.names = tuple(dict.fromkeys(name for name in self._labels.values() if name))
        if not self.names:
            raise ValueError(f'{path} names no class')

    def label(self, value: int, map_path: Path) -> str | None:
        """Return the class of a value, None for void; raise ValueError if it is none."""
        if value in self._labels:
            return self._labels[value]
        if value in (0, _VOID_VALUE, _VOID_COLOR):
            return None
        shown = (f'colour {value & 255},{value >> 8 & 255},{value >> 16 & 255}'
                 if value >= _COLOR else f'value {value}')
        raise ValueError(f'{map_path} has the {shown}, which {self._path} does not name')


def read_class_list(path: Path, wanted: Sequence[str] = ()) -> ClassList:
    """Read a list of classes.

    Args:
        path: Lines `name`, for the values 0, 1, ... (a first line `__ignore__` does not count);
            lines `value:name` or `value, name`, also below a heading; or CVAT's
            `name:r,g,b:parts:actions`.
        wanted: Names that are classes even if they say void.

    Raises:
        ValueError: It is none of these; the message names file and line.
        OSError: It cannot be read.
    """
    try:
        lines = [line.strip() for line in read_text(path).splitlines()]
        lines = [line for line in lines if line and not line.startswith('#')]
        names: dict[int, str] = {}
        for index, line in enumerate(lines):
            entry = _entry(line, index - (lines[0] == '__ignore__'))
            if entry is None and index == 0:
                continue
            if entry is None or entry[0] in names:
                raise ValueError(f'{line!r:.60} is no class, or its value or colour is there '
                                 'twice; expected lines `name`, `value:name` or '
                                 '`name:r,g,b:parts:actions`')
            names[entry[0]] = entry[1]
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from error
    return ClassList(names, wanted, path)


def _entry(line: str, number: int) -> tuple[int, str] | None:
    """Return value and name of a line; None for a heading such as `Pixel Value, Class`."""
    fields = line.split(':')
    if len(fields) == 4:        # CVAT
        channels = [int(part) for part in fields[1].split(',') if part.strip().isdecimal()]
        if len(channels) != 3 or max(channels) > 255:
            return None
        packed = channels[0] | channels[1] << 8 | channels[2] << 16
        return (_COLOR + packed if packed else 0), fields[0].strip()
    for separator in (':', ','):
        value, found, name = line.partition(separator)
        if found and value.strip().isdecimal():
            return int(value), name.strip()
        if found and 'value' in value.lower():
            return None
    return number, line
