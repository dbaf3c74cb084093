# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where fetched weights are kept on this machine, and what was recorded of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
import fcntl
import json
import logging
import os
from pathlib import Path
import threading

import platformdirs

from eov_seg_core.io.files import save_json
from eov_seg_core.weights.download.errors import StoppedError

_log = logging.getLogger(__name__)
_LOOK_S = 0.2
"""Between two looks at whether somebody else's download has ended."""


@dataclass(frozen=True)
class Record:
    """What was fetched first; a later download must have the same weights.

    Attributes:
        url: Where the file came from.
        size: Of that file in bytes.
        sha256: Of that file.
        weights_digest: Of names, types and values, which is the same in each file format.
        date: When, in UTC, ISO 8601.
    """

    url: str
    size: int
    sha256: str
    weights_digest: str
    date: str


def weights_folder() -> Path:
    """Return EOV_SEG_HOME/weights, by default in the user's cache folder; it may not exist."""
    home = os.environ.get('EOV_SEG_HOME')
    default = platformdirs.user_cache_dir('eov_seg', appauthor=False)
    return Path(home or default).expanduser() / 'weights'


def weights_file(variant: str) -> Path:
    """Return where the fetched weights of a variant are, or would be."""
    return weights_folder() / f'eov_seg_{variant}.safetensors'


def read_record(variant: str) -> Record | None:
    """Return what was recorded at the first download; None if there was none.

    Raises:
        ValueError: The record is damaged.
    """
    path = _record_file(variant)
    try:
        entries = json.loads(path.read_bytes())
        return Record(**{field.name: entries[field.name] for field in fields(Record)})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f'{path} is damaged ({type(error).__name__}); it holds the digest of the '
                         'first download. Remove it to trust the next download') from error


def write_record(variant: str, record: Record) -> None:
    """Record what was fetched; replaces an earlier record."""
    save_json(_record_file(variant), asdict(record))


@contextmanager
def only_one(variant: str, stop: threading.Event) -> Iterator[None]:
    """Wait until nobody else fetches this variant, and keep others waiting.

    Args:
        variant: Of the weights.
        stop: Ends the waiting when it is set.

    Raises:
        StoppedError: `stop` was set.
        OSError: The folder cannot be written.
    """
    folder = weights_folder()
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / f'.eov_seg_{variant}.lock', os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if not _is_locked(descriptor):
            _log.warning('variant %s is being fetched already; waiting for the end of that',
                         variant)
            while not _is_locked(descriptor):
                if stop.wait(_LOOK_S):
                    raise StoppedError
        yield
    finally:
        os.close(descriptor)


def _is_locked(descriptor: int) -> bool:
    """Try to lock, and return whether it worked."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_offline() -> bool:
    """Return whether EOV_SEG_OFFLINE or HF_HUB_OFFLINE forbids the network."""
    return any(os.environ.get(name, '').lower() in ('1', 'true', 'yes', 'on')
               for name in ('EOV_SEG_OFFLINE', 'HF_HUB_OFFLINE'))


def _record_file(variant: str) -> Path:
    return weights_folder() / f'eov_seg_{variant}.json'
