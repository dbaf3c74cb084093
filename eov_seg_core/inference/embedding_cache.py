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
import json
import logging
import os
from pathlib import Path
import threading
import zlib

import platformdirs
from safetensors import SafetensorError
from safetensors.torch import load, save
import torch
from torch import Tensor

from eov_seg_core.io.files import check_path, replacing

_log = logging.getLogger(__name__)
MAX_IN_MEMORY = 8192
"""Embeddings kept in memory, the least recently used go first: twice the largest vocabulary."""

_MAX_FILE_BYTES = 1 << 16
"""More than any file of ours has: the longest name, and an embedding of 1024 values."""
_NORM_TOLERANCE = 1e-3


class EmbeddingCache:
    """Embeddings by name and by embedding space.

    May be used by several threads.  A folder that cannot be written to is reported once; the cache
    then works in memory only.

    Args:
        directory: Folder of the files; None: `eov_seg/text_embeddings` in the user's cache folder.
    """

    def __init__(self, directory: str | os.PathLike[str] | None = None) -> None:
        if directory is not None:
            check_path(directory)
        default = Path(platformdirs.user_cache_dir('eov_seg', appauthor=False))
        self.directory = Path(directory) if directory else default / 'text_embeddings'
        self._memory: OrderedDict[tuple[str, str], Tensor] = OrderedDict()
        self._lock = threading.Lock()
        self._writable = True

    def get(self, space: str, names: Sequence[str], size: int) -> dict[str, Tensor]:
        """Return the embeddings that are known.

        Args:
            space: Digest of the text tower and the prompts.
            names: Names, in any order.
            size: E, of an embedding.

        Returns:
            Name -> (E,) float32 on the CPU, without the names that are not known.
        """
        with self._lock:
            damaged: list[str] = []
            found = {name: tensor for name in dict.fromkeys(names)
                     if (tensor := self._recall(space, name, size, damaged)) is not None}
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

    def _recall(self, space: str, name: str, size: int, damaged: list[str]) -> Tensor | None:
        """Look a name up; what is wrong with its file is appended to `damaged`."""
        tensor = self._memory.get((space, name))
        if tensor is None:
            tensor = self._read(space, name, size, damaged)
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

    def _read(self, space: str, name: str, size: int, damaged: list[str]) -> Tensor | None:
        path = self._path(space, name)
        if not path.is_file():
            return None
        try:
            # read, not mapped: another process may cut or rewrite the file at any time
            with path.open('rb') as file:
                content = file.read(_MAX_FILE_BYTES)
            tensor = load(content)['embedding']
            expected = {'space': space, 'name': name, 'crc32': _crc32(tensor)}
            if _metadata(content) != expected:
                problem = 'its content is not what was written'
            elif not _is_embedding(tensor, size):
                problem = f'it is no vector of {size} values and length 1'
            else:
                return tensor
        except (SafetensorError, OSError, KeyError, TypeError) as error:
            problem = f'{type(error).__name__}: {error}'
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


def _metadata(content: bytes) -> object:
    """Return the metadata of a safetensors file that `load` accepted."""
    size = int.from_bytes(content[:8], 'little')
    return json.loads(content[8:8 + size]).get('__metadata__')


def _is_embedding(tensor: Tensor, size: int) -> bool:
    return (tensor.dtype == torch.float32 and tensor.shape == (size,)
            and abs(float(tensor.norm()) - 1) < _NORM_TOLERANCE)    # false for NaN


def _crc32(tensor: Tensor) -> str:
    kind = f'{tensor.dtype} {tuple(tensor.shape)}'.encode()
    return f'{zlib.crc32(kind + tensor.contiguous().numpy().tobytes()):08x}'
