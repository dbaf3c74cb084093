# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files of named tensors: PyTorch's `.pth`, old and new, and safetensors.

Files are read, never mapped: another process may cut or rewrite one at any time, and a page of a
mapped file that is gone ends the process.  A file is asked first what it declares, the caller then
chooses what is read, and no more is allocated than the chosen tensors have numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
import json
import math
import os
from pathlib import Path
import struct
from typing import Any, BinaryIO
import zipfile

import torch
from torch import Tensor

from eov_seg_core.weights.pickled import (
    DeclaredTensor,
    Foreign,
    plain_text,
    read_pickle,
    Storage,
)

_MAX_HEADER_BYTES = 1 << 23
"""Of a safetensors file; ours have less than 1 % of it."""
_CHUNK_BYTES = 1 << 22
"""Read at once."""
_DTYPES = {
    'F64': torch.float64, 'F32': torch.float32, 'F16': torch.float16, 'BF16': torch.bfloat16,
    'I64': torch.int64, 'I32': torch.int32, 'I16': torch.int16, 'I8': torch.int8,
    'U8': torch.uint8, 'BOOL': torch.bool}
_LEGACY_MAGIC = 0x1950a86a20f9469cfc6c
_WRAPPERS = ('model', 'state_dict', 'model_state_dict')
"""Entries below which programs keep the weights."""


@dataclass(frozen=True)
class TensorFile:
    """What a file holds.

    Attributes:
        tensors: By their names in the file; on the meta device where they are only declared.
        metadata: Of a safetensors file; empty for others.
        remarks: What else is in the file, for messages.
    """

    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]
    remarks: str = ''


Choice = Callable[[TensorFile], Container[str]]
"""Gets what a file declares, returns the names of the tensors to read; may refuse."""


def read_tensors(path: Path, choose: Choice) -> TensorFile:
    """Read the tensors of a file that are chosen.

    Args:
        path: Of the file.
        choose: Called once, before any tensor is read or allocated; its errors come through.

    Raises:
        ValueError: The file is not what it should be; says what it is as far as that is known.
            A damaged file may also raise other errors.
        OSError: It cannot be read.
    """
    with path.open('rb') as file:
        before = os.fstat(file.fileno())
        head = file.read(256)
        is_zip = zipfile.is_zipfile(file)
        file.seek(0)
        _refuse_others(head, is_zip)
        if head[8:9] == b'{':
            found = _read_safetensors(file, before.st_size, choose)
        elif is_zip:
            found = _read_zip(file, before.st_size, choose)
        else:
            found = _read_legacy(file, before.st_size, choose)
        after = os.fstat(file.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise ValueError('it was changed while it was read')
    return found


def _refuse_others(head: bytes, is_zip: bool) -> None:
    """Name what people often have instead of a checkpoint."""
    start = head.lstrip().lower()
    if head.startswith(b'PK') and not is_zip:
        raise ValueError('it is truncated: a ZIP archive without its end')
    if not head:
        raise ValueError('it is empty')
    if head.startswith(b'version https://git-lfs'):
        raise ValueError('it is a Git LFS pointer, not the file itself; run `git lfs pull`')
    if start.startswith((b'<!doctype html', b'<html', b'<?xml')):
        raise ValueError('it is an HTML page: the download gave a web page instead of the file; '
                         'open it in a browser to see what it says')


def _read_safetensors(file: BinaryIO, size: int, choose: Choice) -> TensorFile:
    length = int.from_bytes(file.read(8), 'little')
    if length > min(_MAX_HEADER_BYTES, size - 8):
        raise ValueError(f'its header should have {length} bytes, which is more than there are')
    header = json.loads(file.read(length))
    metadata = header.pop('__metadata__', {})
    start, end = 8 + length, size - 8 - length
    places = {str(name): _Place(entry, end) for name, entry in header.items()}
    if sum(place.end - place.begin for place in places.values()) != end:
        raise ValueError('its entries are not as long as the file')
    metadata = {str(name): str(value) for name, value in metadata.items()}
    chosen = choose(TensorFile({name: _declared(place.shape, place.dtype)
                                for name, place in places.items()}, metadata))
    tensors = {}
    for name, place in places.items():
        if name in chosen:
            file.seek(start + place.begin)
            flat = _read_numbers(file, place.end - place.begin, place.dtype)
            tensors[name] = flat.view(place.shape)
    return TensorFile(tensors, metadata)


class _Place:
    """Where a safetensors file has a tensor; refuses what contradicts itself."""

    def __init__(self, entry: Any, end: int) -> None:
        self.dtype: torch.dtype = _DTYPES[entry['dtype']]
        self.shape = tuple(entry['shape'])
        self.begin, self.end = entry['data_offsets']
        if not all(type(number) is int and number >= 0
                   for number in (*self.shape, self.begin, self.end)) or self.end > end:
            raise ValueError(f'an entry has the shape {self.shape} and lies at '
                             f'{self.begin}..{self.end} of {end} bytes')
        if math.prod(self.shape) * self.dtype.itemsize != self.end - self.begin:
            raise ValueError(f'an entry of shape {self.shape} has {self.end - self.begin} bytes')


def _read_zip(file: BinaryIO, size: int, choose: Choice) -> TensorFile:
    with zipfile.ZipFile(_Portions(file)) as archive:
        records = {info.filename: info for info in archive.infolist()}
        if sum(info.file_size for info in records.values()) > size:
            raise ValueError('its parts are larger than the file')
        root = next((name.removesuffix('data.pkl') for name in records
                     if name.endswith('data.pkl')), None)
        if root is None:
            raise ValueError('it is a ZIP archive without a data.pkl')
        if f'{root}byteorder' in records and archive.read(f'{root}byteorder') != b'little':
            raise ValueError('its numbers are big-endian')
        with archive.open(f'{root}data.pkl') as pickled:
            declared, remarks = _entries(read_pickle(pickled), choose)  # type: ignore[arg-type]
        flats = {storage.key: _read_part(archive, f'{root}data/{storage.key}', storage)
                 for storage in _storages(declared.values())}
    return TensorFile({name: _strided(tensor, flats) for name, tensor in declared.items()},
                      {}, remarks)


def _read_part(archive: zipfile.ZipFile, name: str, storage: Storage) -> Tensor:
    with archive.open(name) as part:
        return _read_numbers(part, storage.numel * storage.dtype.itemsize,  # type: ignore[arg-type]
                             storage.dtype)


def _read_legacy(file: BinaryIO, size: int, choose: Choice) -> TensorFile:
    """Read a `.pth` from before PyTorch 1.6: five pickles, then the numbers."""
    if read_pickle(file) != _LEGACY_MAGIC:
        raise ValueError('it does not begin like a PyTorch file')
    read_pickle(file)       # version
    read_pickle(file)       # sizes of C's integers
    content = read_pickle(file)
    keys = [plain_text(key) for key in read_pickle(file)]
    declared, remarks = _entries(content, choose)
    wanted = {storage.key: storage for storage in _storages(declared.values())}
    everything = {storage.key: storage for storage in _all_storages(content)}
    flats = {}
    for key in keys:
        numel, = struct.unpack('<q', file.read(8))
        dtype = everything[key].dtype
        if not 0 <= numel * dtype.itemsize <= size:
            raise ValueError('its parts are larger than the file')
        if key in wanted:
            if numel != wanted[key].numel:
                raise ValueError(f'a tensor has {numel} numbers instead of {wanted[key].numel}')
            flats[key] = _read_numbers(file, numel * dtype.itemsize, dtype)
        else:
            file.seek(numel * dtype.itemsize, os.SEEK_CUR)
    return TensorFile({name: _strided(tensor, flats) for name, tensor in declared.items()},
                      {}, remarks)


def _entries(content: Any, choose: Choice
             ) -> tuple[dict[str, DeclaredTensor], str]:
    """Find the chosen weights in what was pickled; also say what else there is."""
    remarks = ''
    if isinstance(content, dict):
        wrapper = next((name for name in _WRAPPERS if isinstance(content.get(name), dict)), None)
        if wrapper is not None:
            others = [f'{name} ({_kind(value)})' for name, value in content.items()
                      if name != wrapper][:5]
            remarks = f'below {wrapper!r}' + (f', beside {", ".join(others)}' if others else '')
            content = content[wrapper]
    if not isinstance(content, dict):
        raise ValueError(f'it holds a {_kind(content)}, expected a state dict, or a dictionary '
                         f'with an entry {" or ".join(map(repr, _WRAPPERS))}')
    tensors = {str(name): value for name, value in content.items()
               if isinstance(value, DeclaredTensor)}
    chosen = choose(TensorFile({name: _declared(tensor.shape, tensor.storage.dtype)
                                for name, tensor in tensors.items()}, {}, remarks))
    return {name: tensor for name, tensor in tensors.items() if name in chosen}, remarks


def _declared(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    return torch.empty(shape, dtype=dtype, device='meta')


def _kind(value: object) -> str:
    if isinstance(value, DeclaredTensor):
        return 'tensor'
    return value.name if isinstance(value, Foreign) else type(value).__name__


def _all_storages(content: Any) -> Iterable[Storage]:
    """Yield the storages of all tensors in what was pickled, however deep they lie."""
    waiting, seen = [content], set()
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, DeclaredTensor):
            yield value.storage
        elif isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, (list, tuple)):
            waiting += value


def _storages(tensors: Iterable[DeclaredTensor]) -> list[Storage]:
    """Return each storage once, unless together they have more numbers than the tensors."""
    tensors = list(tensors)
    storages = list({tensor.storage.key: tensor.storage for tensor in tensors}.values())
    present = sum(storage.numel * storage.dtype.itemsize for storage in storages)
    needed = sum(math.prod(tensor.shape) * tensor.storage.dtype.itemsize for tensor in tensors)
    if any(storage.numel < 0 for storage in storages):
        raise ValueError('a tensor has less than no numbers')
    if present > needed:
        raise ValueError(f'it stores {present} bytes for tensors of {needed} bytes: they are '
                         'parts of larger ones; save a clone() of each')
    return storages


def _strided(tensor: DeclaredTensor, flats: Mapping[str, Tensor]) -> Tensor:
    flat = flats[tensor.storage.key]
    return torch.as_strided(flat, tensor.shape, tensor.stride, tensor.offset)


def _read_numbers(file: BinaryIO, size: int, dtype: torch.dtype) -> Tensor:
    """Read so many bytes into memory of its own: (size / size of a number,)."""
    flat = torch.empty(size, dtype=torch.uint8)
    view = flat.numpy()
    for start in range(0, size, _CHUNK_BYTES):
        wanted = min(_CHUNK_BYTES, size - start)
        content = file.read(wanted)
        if len(content) != wanted:
            raise ValueError('it is truncated')
        view[start:start + wanted] = memoryview(content)
    return flat.view(dtype)


class _Portions:
    """A file that is read in portions: `zipfile` reads a list of parts of any size at once."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(_CHUNK_BYTES + 1 if size < 0 else min(size, _CHUNK_BYTES + 1))
        if len(content) > _CHUNK_BYTES:
            raise ValueError(f'its list of parts has more than {_CHUNK_BYTES >> 20} MiB')
        return content
