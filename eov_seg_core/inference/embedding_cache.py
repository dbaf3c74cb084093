# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Text embeddings that are known already, in memory and on disk.

On disk every embedding is a safetensors file of its own, named by what it depends on and written
by renaming a finished file.  So a look-up opens only the files that it wants, a damaged file costs
one name, and processes share a folder without locks: whoever writes last writes the same bytes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
import hashlib
import logging
import os
from pathlib import Path
import threading
import zlib

import platformdirs
from safetensors import safe_open, SafetensorError
from safetensors.torch import save
from torch import Tensor

from eov_seg_core.io.files import replacing

_log = logging.getLogger(__name__)
MAX_IN_MEMORY = 8192
"""Embeddings kept in memory, the least recently used go first: twice the largest vocabulary."""


class EmbeddingCache:
    """Embeddings by name and by embedding space.

    May be used by several threads.  A folder that cannot be written to is reported once; the cache
    then works in memory only.

    Args:
        directory: Folder of the files; None: `eov_seg/text_embeddings` in the user's cache folder.
    """

    def __init__(self, directory: str | os.PathLike[str] | None = None) -> None:
        default = Path(platformdirs.user_cache_dir('eov_seg', appauthor=False))
        self.directory = Path(directory) if directory else default / 'text_embeddings'
        self._memory: OrderedDict[tuple[str, str], Tensor] = OrderedDict()
        self._lock = threading.Lock()
        self._writable = True

    def get(self, space: str, names: Sequence[str]) -> dict[str, Tensor]:
        """Return the embeddings that are known.

        Args:
            space: Digest of the text tower and the prompts.
            names: Names, in any order.

        Returns:
            Name -> (E,) float32 on the CPU, without the names that are not known.
        """
        with self._lock:
            damaged: list[str] = []
            found = {name: tensor for name in dict.fromkeys(names)
                     if (tensor := self._recall(space, name, damaged)) is not None}
        if damaged:
            _log.warning('%d text embeddings in %s are damaged, first that of %s; they are '
                            'made again', len(damaged), self.directory, damaged[0])
        return found

    def put(self, space: str, embeddings: Mapping[str, Tensor]) -> None:
        """Remember embeddings: name -> (E,) float32 on the CPU."""
        with self._lock:
            for name, tensor in embeddings.items():
                self._remember(space, name, tensor)
                if self._writable:
                    self._write(space, name, tensor)

    def _recall(self, space: str, name: str, damaged: list[str]) -> Tensor | None:
        """Look a name up; what is wrong with its file is appended to `damaged`."""
        tensor = self._memory.get((space, name))
        if tensor is None:
            tensor = self._read(space, name, damaged)
        if tensor is not None:
            self._remember(space, name, tensor)
        return tensor

    def _remember(self, space: str, name: str, tensor: Tensor) -> None:
        self._memory[space, name] = tensor
        self._memory.move_to_end((space, name))
        if len(self._memory) > MAX_IN_MEMORY:
            self._memory.popitem(last=False)

    def _path(self, space: str, name: str) -> Path:
        digest = hashlib.sha256(f'{space}\n{name}'.encode()).hexdigest()
        return self.directory / space[:16] / f'{digest}.safetensors'

    def _read(self, space: str, name: str, damaged: list[str]) -> Tensor | None:
        path = self._path(space, name)
        if not path.is_file():
            return None
        try:
            with safe_open(path, framework='pt') as file:
                tensor: Tensor = file.get_tensor('embedding')
                expected = {'space': space, 'name': name, 'crc32': _crc32(tensor)}
                if file.metadata() == expected:
                    return tensor
                problem = 'its content is not what was written'
        except (SafetensorError, OSError) as error:
            problem = str(error)
        damaged.append(f'{name!r} ({problem})')
        return None

    def _write(self, space: str, name: str, tensor: Tensor) -> None:
        path = self._path(space, name)
        content = save({'embedding': tensor.contiguous()},
                       metadata={'space': space, 'name': name, 'crc32': _crc32(tensor)})
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary:
                temporary.write_bytes(content)
        except OSError as error:
            self._writable = False
            _log.warning('text embeddings cannot be kept on disk (%s); they are encoded again '
                            'after a restart', error)


def _crc32(tensor: Tensor) -> str:
    kind = f'{tensor.dtype} {tuple(tensor.shape)}'.encode()
    return f'{zlib.crc32(kind + tensor.contiguous().numpy().tobytes()):08x}'
