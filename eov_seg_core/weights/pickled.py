# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The content of PyTorch's pickles, read without executing anything.

A pickle is a program that builds objects.  Here its instructions are followed on plain values
only: a call of a function becomes a tensor's description if it is one of PyTorch's that make
tensors, a note of its name if it is known to be harmless, and an error otherwise.  Nothing is
imported, nothing is called, and nothing is allocated because a file says that it is large.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import pickletools
from typing import Any, BinaryIO

import torch

_MAX_BYTES = 1 << 22
"""Of one pickle: thousands of entries take less than a quarter of it."""
_DTYPES = {
    'FloatStorage': torch.float32, 'DoubleStorage': torch.float64, 'HalfStorage': torch.float16,
    'BFloat16Storage': torch.bfloat16, 'LongStorage': torch.int64, 'IntStorage': torch.int32,
    'ShortStorage': torch.int16, 'CharStorage': torch.int8, 'ByteStorage': torch.uint8,
    'BoolStorage': torch.bool, 'ComplexFloatStorage': torch.complex64,
    'ComplexDoubleStorage': torch.complex128}
_HARMLESS = ('numpy.', 'collections.', 'torch.', '_codecs.encode', 'argparse.Namespace',
             'pathlib.', 'datetime.', 'builtins.set', 'builtins.slice', 'builtins.complex',
             'builtins.bytearray', '__builtin__.set')
"""Beginnings of names that may stand beside the weights; such objects are left out."""


@dataclass(frozen=True)
class Storage:
    """Numbers in the file.

    Attributes:
        key: Their name in the file.
        dtype: Their kind.
        numel: How many there are, as the file says.
    """

    key: str
    dtype: torch.dtype
    numel: int


@dataclass(frozen=True)
class DeclaredTensor:
    """A tensor as the file describes it; nothing is checked.

    Attributes:
        storage: Its numbers.
        offset: Of the first one in the storage.
        shape: As for `torch.as_strided`.
        stride: As for `torch.as_strided`.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(frozen=True)
class Foreign:
    """An object that is left out.

    Attributes:
        name: Of its type, or of what makes it.
    """

    name: str


def plain_text(value: object) -> str:
    """Return the text of a text or a number; others could be tuples of tuples without end."""
    if not isinstance(value, (str, int)):
        raise ValueError(f'it has a {type(value).__name__} where a name was expected')
    return str(value)


def read_pickle(file: BinaryIO) -> Any:
    """Follow the pickle that begins at the position of a file, and stop behind it.

    Returns:
        Dictionaries, lists, tuples and plain values, with `DeclaredTensor` and `Foreign` in them.

    Raises:
        ValueError: It is no pickle, or it asks for something that is not read; also other errors,
            whatever a damaged file makes of the instructions.
    """
    return _Reader(file).run()


class _Reader:
    def __init__(self, file: BinaryIO) -> None:
        self._file = _Bounded(file)
        self._stack: list[Any] = []
        self._marks: list[int] = []     # where on the stack a list of arguments begins
        self._memo: dict[int, Any] = {}

    def run(self) -> Any:
        for opcode, argument, _ in pickletools.genops(self._file):  # type: ignore[arg-type]
            name = opcode.name
            if name == 'STOP':
                return self._stack.pop()
            if name in _SILENT:
                continue
            if name in _STEPS:
                _STEPS[name](self, argument)
            elif opcode.stack_before == [] and len(opcode.stack_after) == 1:
                self._stack.append(_CONSTANTS.get(name, argument))
            else:
                raise ValueError(f'it has the instruction {name}, which PyTorch does not write')
        raise ValueError('it has no end')

    def get(self, index: int) -> None:
        self._stack.append(self._memo[int(index)])

    def put(self, index: int) -> None:
        self._memo[int(index)] = self._stack[-1]

    def memoize(self, _: object) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def mark(self, _: object) -> None:
        self._marks.append(len(self._stack))

    def pop(self, _: object) -> None:
        self._stack.pop()

    def pop_mark(self, _: object) -> None:
        self.items()

    def items(self) -> list[Any]:
        """Take all that lies above the last mark, and the mark."""
        return self.take(len(self._stack) - self._marks.pop())

    def take(self, count: int) -> list[Any]:
        if not 0 <= count <= len(self._stack):
            raise ValueError('its instructions do not fit each other')
        taken = self._stack[len(self._stack) - count:]
        del self._stack[len(self._stack) - count:]
        return taken

    def fill(self, values: list[Any]) -> None:
        """Put keys and values, or elements, into the object on top."""
        target = self._stack[-1]
        if isinstance(target, dict):
            for key, value in zip(values[::2], values[1::2], strict=True):
                # a tuple of tuples would take for ever to hash
                target[key if isinstance(key, (str, int, float, bytes)) else Foreign(
                    type(key).__name__)] = value
        elif isinstance(target, list):
            target.extend(values)
        elif not isinstance(target, Foreign):
            raise ValueError(f'it puts something into a {type(target).__name__}')

    def named(self, name: object) -> None:
        self._stack.append(_Global(str(name).replace(' ', '.', 1)))

    def named_from_stack(self, _: object) -> None:
        module, name = self.take(2)
        self._stack.append(_Global(f'{plain_text(module)}.{plain_text(name)}'))

    def call(self, _: object) -> None:
        function, arguments = self.take(2)
        self._stack.append(_called(function, arguments))

    def build(self, _: object) -> None:
        self.take(1)        # attributes of an object, which are of no use here

    def storage(self, _: object) -> None:
        kind, storage_type, key, _, numel, *rest = self.take(1)[0]
        name = getattr(storage_type, 'name', '')
        dtype = _DTYPES.get(name.removeprefix('torch.'))
        if kind != 'storage' or any(entry is not None for entry in rest):
            raise ValueError('it stores tensors in a way that PyTorch has not used for years')
        self._stack.append(Foreign(name) if dtype is None else Storage(
            plain_text(key), dtype, int(numel)))


@dataclass(frozen=True)
class _Global:
    name: str


def _called(function: Any, arguments: Any) -> Any:
    """Return what stands for the result of a call."""
    name = function.name if isinstance(function, (_Global, Foreign)) else type(function).__name__
    if name == 'torch._utils._rebuild_tensor_v2' and isinstance(arguments[0], Storage):
        storage, offset, shape, stride = arguments[:4]
        return DeclaredTensor(storage, int(offset), tuple(map(int, shape)),
                              tuple(map(int, stride)))
    if name in ('torch._utils._rebuild_parameter', 'torch._tensor._rebuild_from_type_v2'):
        is_typed = name.endswith('_v2')
        return _called(arguments[0], arguments[2]) if is_typed else arguments[0]
    if name == 'collections.OrderedDict' and not arguments:
        return {}
    if not name.startswith(_HARMLESS):
        raise ValueError(f'it holds a {name!r}, which is not read because it could execute '
                         "anything; save the tensors alone: torch.save({'model': "
                         'model.state_dict()}, FILE)')
    return Foreign(name)


class _Bounded:
    """A file of which no more is read at once than a pickle may have."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = _MAX_BYTES

    def read(self, size: int) -> bytes:
        return self._count(self._file.read(min(size, self._left)))

    def readline(self) -> bytes:
        return self._count(self._file.readline(self._left))

    def tell(self) -> int:
        return self._file.tell()

    def _count(self, content: bytes) -> bytes:
        self._left -= len(content)
        if self._left <= 0:
            raise ValueError(f'its list of entries has more than {_MAX_BYTES >> 20} MiB')
        return content


_SILENT = {'PROTO', 'FRAME'}
_CONSTANTS = {'NONE': None, 'NEWTRUE': True, 'NEWFALSE': False}
_STEPS: dict[str, Callable[[_Reader, Any], None]] = {
    'MARK': _Reader.mark, 'POP': _Reader.pop, 'POP_MARK': _Reader.pop_mark,
    'GET': _Reader.get, 'BINGET': _Reader.get, 'LONG_BINGET': _Reader.get,
    'PUT': _Reader.put, 'BINPUT': _Reader.put, 'LONG_BINPUT': _Reader.put,
    'MEMOIZE': _Reader.memoize,
    'GLOBAL': _Reader.named, 'STACK_GLOBAL': _Reader.named_from_stack,
    'REDUCE': _Reader.call, 'NEWOBJ': _Reader.call, 'BUILD': _Reader.build,
    'BINPERSID': _Reader.storage,
    'EMPTY_DICT': lambda reader, _: reader._stack.append({}),
    'EMPTY_LIST': lambda reader, _: reader._stack.append([]),
    'EMPTY_TUPLE': lambda reader, _: reader._stack.append(()),
    'EMPTY_SET': lambda reader, _: reader._stack.append(Foreign('builtins.set')),
    'DICT': lambda reader, _: _fresh(reader, {}), 'LIST': lambda reader, _: _fresh(reader, []),
    'FROZENSET': lambda reader, _: _replace(reader, Foreign('builtins.frozenset')),
    'TUPLE': lambda reader, _: reader._stack.append(tuple(reader.items())),
    'TUPLE1': lambda reader, _: reader._stack.append(tuple(reader.take(1))),
    'TUPLE2': lambda reader, _: reader._stack.append(tuple(reader.take(2))),
    'TUPLE3': lambda reader, _: reader._stack.append(tuple(reader.take(3))),
    'APPEND': lambda reader, _: reader.fill(reader.take(1)),
    'SETITEM': lambda reader, _: reader.fill(reader.take(2)),
    'APPENDS': lambda reader, _: reader.fill(reader.items()),
    'SETITEMS': lambda reader, _: reader.fill(reader.items()),
    'ADDITEMS': lambda reader, _: reader.fill(reader.items())}


def _fresh(reader: _Reader, target: Any) -> None:
    values = reader.items()
    reader._stack.append(target)
    reader.fill(values)


def _replace(reader: _Reader, value: Any) -> None:
    reader.items()
    reader._stack.append(value)
