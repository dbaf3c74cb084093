# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Lists of pictures that need not fit into the memory: from a user, and in the output."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
import hashlib
from itertools import islice
import json
import os
from pathlib import Path

from eov_seg_core.io.files import check_regular, replacing

_CHUNK_BYTES = 1 << 16
_LONGEST = 1 << 15
"""Bytes of a path in a list; Linux takes 4096."""
_BOM = b'\xef\xbb\xbf'
_CONTROL = bytes({*range(1, 32)} - set(b'\t\n\r'))
"""Bytes that a list hardly ever holds, and a picture in every tenth place."""
_UTF_16 = (b'\xff\xfe', b'\xfe\xff')


def read_list(path: str | Path) -> Iterator[str]:
    r"""Read paths from a file, one a line; or separated by null bytes, as `find -print0` does.

    Bytes that are no UTF-8 are kept, as `os.fsdecode` does.  Empty lines are left out, and so
    are a byte order mark and the `\r` before the end of a line.

    Args:
        path: Of the list.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no list of paths.
    """
    check_regular(Path(path))   # it is read twice, which a pipe cannot be
    with open(path, 'rb') as file:
        head = file.read(_CHUNK_BYTES)
        if head.startswith(_UTF_16):
            raise ValueError(f'{path} is a text in UTF-16; expected one path a line in UTF-8: '
                             'save it anew')
        if len(head) - len(head.translate(None, _CONTROL)) > len(head) / 50:
            raise ValueError(f'{path} is no list of paths, but a picture or another binary file; '
                             'expected one path a line; name a picture as INPUT')
        separator = b'\0' if b'\0' in head else b'\n'
        file.seek(len(_BOM) if head.startswith(_BOM) else 0)
        rest = b''
        while chunk := file.read(_CHUNK_BYTES):
            *lines, rest = (rest + chunk).split(separator)
            if len(rest) > _LONGEST:
                raise ValueError(f'{path} has a line of more than {_LONGEST} bytes; expected a '
                                 'list of paths, one a line')
            yield from _named(lines, separator)
        yield from _named([rest], separator)


def _named(lines: Iterable[bytes], separator: bytes) -> Iterator[str]:
    for line in lines:
        name = line.removesuffix(b'\r') if separator == b'\n' else line
        if name:
            yield os.fsdecode(name)


class PictureList:
    """A list of pictures in a file, of which one part is read at a time.

    Args:
        origins: Called for the paths of the pictures, from the folder of results; each time for
            the same.
        part_size: Pictures of a part.

    Attributes:
        digest: Tells lists apart.
    """

    def __init__(self, origins: Callable[[], Iterable[str]], part_size: int) -> None:
        self._origins = origins
        self._size = part_size
        self._count = 0
        self._offsets = array('Q')
        digest, offset = hashlib.sha256(), 0
        for line in self._lines():
            if self._count % part_size == 0:
                self._offsets.append(offset)
            digest.update(line)
            offset += len(line)
            self._count += 1
        self.digest = digest.hexdigest()

    def __len__(self) -> int:
        """How many pictures there are."""
        return self._count

    @property
    def parts(self) -> int:
        """How many parts there are."""
        return len(self._offsets)

    def save(self, path: Path) -> None:
        """Write the file, complete or not at all, if it is not there; forget the paths.

        Raises:
            OSError: It cannot be written.
        """
        if not path.exists():
            with replacing(path) as temporary, temporary.open('wb') as file:
                file.writelines(self._lines())
                file.flush()    # before it gets its name
        self._path = path
        self._origins = tuple   # what was called may hold all paths

    def part(self, index: int) -> list[str]:
        """Return the paths of a part, once the list is saved.

        Raises:
            OSError: The file cannot be read.
        """
        with self._path.open('rb') as file:
            file.seek(self._offsets[index])
            return [json.loads(line) for line in islice(file, self._size)]

    def _lines(self) -> Iterator[bytes]:
        # as JSON: a name may hold a line break, and bytes that are no text
        return (json.dumps(origin).encode() + b'\n' for origin in self._origins())
