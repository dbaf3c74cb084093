# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Identities in a file, to go on with later exactly where they were.

Only the classes and types that are listed here are written and read: a file can hold wrong
numbers, but it cannot make this program run anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eov_seg_core.geometry import Box, CameraModel
from eov_seg_core.io.files import replacing
from eov_seg_core.tracking import (
    identity,
    mapped,
    memory,
    motion,
    options,
    picture,
    points,
    tracker,
)
from eov_seg_core.tracking.identities import Identities

_CLASSES: dict[str, type] = {kind.__name__: kind for kind in (
    Box, CameraModel, Identities, identity.ClassVotes, identity.IdPool, mapped.MappedObject,
    memory.ObjectMemory, motion.Space, options.TrackingOptions, picture.Picture,
    points.ObjectPoints, tracker.Track, tracker.Tracker)}
_FORMAT = 2     # counts up when one of them gets or loses an attribute
_GRAPH = 'graph'    # name of the array with the text; the others are called 0, 1, ...


def save_identities(path: Path, identities: Identities) -> None:
    """Write identities to an .npz file, complete or not at all; equal ones give equal bytes.

    Raises:
        OSError: It cannot be written.
    """
    encoder = _Encoder()
    text = json.dumps({'format': _FORMAT, 'identities': encoder.encode(identities)})
    arrays: dict[str, Any] = {str(number): array for number, array in enumerate(encoder.arrays)}
    arrays[_GRAPH] = np.frombuffer(text.encode(), np.uint8)
    with replacing(path) as temporary, temporary.open('wb') as file:
        np.savez_compressed(file, **arrays)
        file.flush()    # before it gets its name


def load_identities(path: Path) -> Identities:
    """Read what `save_identities` wrote; nothing in the file is executed.

    Raises:
        OSError: It cannot be read.
        ValueError: It is damaged, or of another version.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            graph = json.loads(arrays[_GRAPH].tobytes())
            if graph['format'] != _FORMAT:
                raise ValueError(f'its format is {graph["format"]}, and this is {_FORMAT}')
            loaded = _Decoder(arrays).decode(graph['identities'])
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001  a damaged file fails in many ways
        raise ValueError(f'{path} holds no state of a tracker ({error!r}); remove it') from error
    if not isinstance(loaded, Identities):
        raise ValueError(f'{path} holds no state of a tracker; remove it')
    return loaded


class _Encoder:
    """Turns objects into what JSON takes; arrays are kept beside it."""

    def __init__(self) -> None:
        self.arrays: list[npt.NDArray[Any]] = []
        self._numbers: dict[int, int] = {}

    def encode(self, value: Any) -> Any:
        """Return a value as JSON: a list that begins with its kind, or the value itself."""
        if isinstance(value, np.generic):
            return value.item()
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, np.ndarray):
            self.arrays.append(value)
            return ['array', len(self.arrays) - 1]
        if isinstance(value, Mapping):
            return ['dict', [[self.encode(key), self.encode(item)] for key, item in value.items()]]
        if isinstance(value, (list, tuple)):
            return [type(value).__name__, [self.encode(item) for item in value]]
        if isinstance(value, set):
            return ['set', sorted(value)]
        return self._encode_object(value)

    def _encode_object(self, value: Any) -> Any:
        name = type(value).__name__
        if _CLASSES.get(name) is not type(value):
            raise TypeError(f'{name} is not among the classes of a state')
        if id(value) in self._numbers:      # shared, as the memory by all trackers
            return ['same', self._numbers[id(value)]]
        self._numbers[id(value)] = len(self._numbers)
        return [name, {key: self.encode(item) for key, item in _contents(value).items()}]


class _Decoder:
    """Turns JSON of `_Encoder` into objects."""

    def __init__(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        self._arrays = arrays
        self._objects: list[Any] = []

    def decode(self, value: Any) -> Any:
        """Return the value."""
        if not isinstance(value, list):
            return value
        kind, content = value
        if kind == 'array':
            return self._arrays[str(content)]
        if kind == 'dict':
            return {self.decode(key): self.decode(item) for key, item in content}
        if kind == 'list':
            return [self.decode(item) for item in content]
        if kind == 'tuple':
            return tuple(self.decode(item) for item in content)
        if kind == 'set':
            return set(content)
        if kind == 'same':
            return self._objects[content]
        made: Any = object.__new__(_CLASSES[kind])
        self._objects.append(made)
        for key, item in content.items():
            object.__setattr__(made, key, self.decode(item))    # some are frozen
        return made


def _contents(value: Any) -> dict[str, Any]:
    """Return the attributes that make an object what it is, without what it has computed."""
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    found: dict[str, Any] = vars(value)
    return found
