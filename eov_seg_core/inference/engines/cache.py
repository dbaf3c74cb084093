# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What engines are made of, kept on disk.

An entry is a folder that is named by what it depends on and appears as a whole; its manifest has
the digest of each file.  So another version, device or shape has an entry of its own, a damaged
one is made again, and of two processes one makes it and the other waits.  The kernel releases the
lock of a process that was killed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
import hashlib
import json
import logging
import os
from pathlib import Path
import shutil
import tempfile
import time
from typing import Any

import platformdirs

from eov_seg_core.io.files import held, save_json

_log = logging.getLogger(__name__)
Wait = Callable[[float], None]
"""Called again and again with the seconds since the start; raises if the work is given up."""

_MANIFEST = 'manifest.json'
_LOCK = '.lock'
_HALF_MADE = '.new_'
_POLL_S = 0.2


@dataclass(frozen=True)
class Entry:
    """Something that is kept.

    Attributes:
        folder: With its files.
        facts: That were found out when it was made.
        digest: Of what its files hold.
    """

    folder: Path
    facts: dict[str, Any]
    digest: str


class EngineCache:
    """Entries by key.

    Args:
        directory: Where; None: `engines` in EOV_SEG_HOME, by default in the user's cache folder.
    """

    def __init__(self, directory: str | os.PathLike[str] | None = None) -> None:
        home = os.environ.get('EOV_SEG_HOME') or platformdirs.user_cache_dir(
            'eov_seg', appauthor=False)
        self.directory = Path(directory or Path(home) / 'engines').expanduser()

    def find(self, key: Mapping[str, str]) -> Entry | None:
        """Return what is kept under a key; None: nothing, or it is damaged, which the log says."""
        folder = self._folder(key)
        if not os.path.lexists(folder):
            return None
        try:
            manifest = json.loads((folder / _MANIFEST).read_bytes())
            if manifest['key'] != dict(key):
                raise ValueError('it is of something else')
            for name, digest in manifest['files'].items():
                if _digest(folder / name) != digest:
                    raise ValueError(f'{name} is not what was written')
            return Entry(folder, dict(manifest['facts']), _name_of(manifest['files']))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            _log.warning('%s is damaged (%s: %s), so it is made again', folder,
                         type(error).__name__, error)
            return None

    def get(self, key: Mapping[str, str], make: Callable[[Path], Mapping[str, Any]],
            wait: Wait) -> Entry:
        """Return what is kept under a key; make it if there is nothing.

        Args:
            key: What the entry depends on, in words.
            make: Writes files to the folder that it is given, and returns facts.
            wait: Called while another process makes the same.

        Raises:
            OSError: The folder of the cache cannot be written to.
        """
        entry, start = self.find(key), time.monotonic()
        while entry is None:
            self.directory.mkdir(parents=True, exist_ok=True)
            with held(self._folder(key).with_suffix(_LOCK)) as is_mine:
                if is_mine:
                    entry = self.find(key) or self._make(key, make)
            if entry is None:
                wait(time.monotonic() - start)
                time.sleep(_POLL_S)
                entry = self.find(key)
        return entry

    def remove(self, key: Mapping[str, str]) -> None:
        """Remove what is kept under a key, unless another process is making it again."""
        with held(self._folder(key).with_suffix(_LOCK)) as is_mine:
            if is_mine:
                with suppress(OSError):
                    _remove(self._folder(key))

    def remove_leftovers(self) -> None:
        """Remove what processes that were killed left half-made.

        What is being made is not touched, because its lock is held.
        """
        with suppress(OSError):     # of a folder that cannot be written to, or is not there
            for path in self.directory.glob(f'{_HALF_MADE}*'):
                lock = path.name.removeprefix(_HALF_MADE).split('_')[0] + _LOCK
                with held(self.directory / lock) as is_mine:
                    if is_mine:
                        shutil.rmtree(path)

    def _make(self, key: Mapping[str, str], make: Callable[[Path], Mapping[str, Any]]) -> Entry:
        target = self._folder(key)
        with tempfile.TemporaryDirectory(
                prefix=f'{_HALF_MADE}{target.name}_', dir=self.directory) as temporary:
            folder = Path(temporary) / 'entry'
            folder.mkdir()
            facts = dict(make(folder))
            files = {path.name: _digest(path) for path in sorted(folder.iterdir())}
            save_json(folder / _MANIFEST, {'key': dict(key), 'facts': facts, 'files': files})
            _remove(target)     # it is damaged, if it is there
            folder.rename(target)
        return Entry(target, facts, _name_of(files))

    def _folder(self, key: Mapping[str, str]) -> Path:
        return self.directory / _name_of(key)


def _name_of(texts: Mapping[str, str]) -> str:
    """Return a short name that only equal texts have."""
    text = json.dumps(dict(texts), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _remove(path: Path) -> None:
    """Remove a folder, or whatever else stands in its place."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
