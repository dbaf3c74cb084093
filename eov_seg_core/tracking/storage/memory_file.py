# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A memory of objects as a JSON file.

Only numbers and names are read, and all of them are checked: nothing in a file is executed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from eov_seg_core.io.files import read_json, save_json
from eov_seg_core.tracking.memory import ObjectMemory

FORMAT = 'eov_seg object memory 1'
_MOST_BYTES = 512 << 20


class NotThisMemoryError(ValueError):
    """A file is there, but it does not hold the memory that is asked for; leave it alone."""


@dataclass(frozen=True)
class MemoryFile:
    """Where a memory is kept, and what it is valid for.

    Attributes:
        path: The file.
        world_frame: The frame that its places are in.
        weights: Digest of the weights that named its objects.
    """

    path: Path
    world_frame: str
    weights: str

    def load(self, memory: ObjectMemory) -> bool:
        """Fill a memory from the file; return whether there is a file.

        Raises:
            NotThisMemoryError: The file is of another kind, damaged, of another frame or of other
                weights; the memory is as it was.
            OSError: It cannot be read.
        """
        if not self.path.exists():
            return False
        if self.path.stat().st_size > _MOST_BYTES:
            raise NotThisMemoryError(f'{self.path} has more than {_MOST_BYTES >> 20} MB')
        try:
            content = read_json(self.path)
        except ValueError as error:
            raise NotThisMemoryError(str(error)) from error
        if not isinstance(content, dict) or content.get('format') != FORMAT:
            raise NotThisMemoryError(f'{self.path} is no memory of objects: it has no "format": '
                                     f'"{FORMAT}"')
        for key, wanted in (('world_frame', self.world_frame), ('weights', self.weights)):
            if content.get(key) != wanted:
                raise NotThisMemoryError(
                    f'{self.path} is the memory for {key} {content.get(key)!r:.80}, and this is '
                    f'{wanted!r:.80}')
        try:
            memory.restore(content)
        except ValueError as error:
            raise NotThisMemoryError(f'{self.path} is damaged: {error}') from error
        return True

    def save(self, memory: ObjectMemory) -> None:
        """Write a memory, complete or not at all.

        Raises:
            OSError: It cannot be written.
        """
        save_json(self.path, {'format': FORMAT, 'world_frame': self.world_frame,
                              'weights': self.weights, **memory.as_plain()})
