# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files: written so that no reader sees half of one, JSON, and folders that are kept to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
import fcntl
import json
import logging
import os
from pathlib import Path
import secrets
import stat
from typing import Any

_LOGGER = logging.getLogger(__name__)
_LARGE_BYTES = 20 << 20
_LARGEST_BYTES = 4 << 30
UNFINISHED = f'.{"[0-9a-f]" * 16}.tmp'
"""Pattern of the names of files that are not complete, which a process that is killed leaves."""


def check_path(path: object) -> None:
    """Raise ValueError unless a path is a string or a `pathlib.Path`."""
    if not isinstance(path, (str, os.PathLike)):
        raise ValueError(f'a path must be a string or a pathlib.Path, got {path!r:.80} '
                         f'({type(path).__name__})')


def check_regular(path: Path) -> None:
    """Raise OSError if a path is a pipe, device or socket: reading it may never end."""
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):      # reading a folder is an error at once
        raise OSError(f'{path} is a pipe, a device or a socket; expected a file')


def read_file(path: Path) -> bytes:
    """Return what a file holds.

    Raises:
        OSError: It cannot be read, or is a pipe, device or socket, which may never end, or is
            larger than 4 GiB.
    """
    check_regular(path)
    size = path.stat().st_size
    if size > _LARGEST_BYTES:
        raise OSError(f'{path} has {size >> 30} GiB; expected at most '
                      f'{_LARGEST_BYTES >> 30} GiB; check that it is the file that you mean')
    return path.read_bytes()


def check_target(path: Path) -> None:
    """Raise OSError if a file cannot be written to a path; to be asked before long work.

    A disk that is full is not noticed here.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(f'{path} cannot be written: {path.parent} is no folder; make it '
                                'first')
    with suppress(FileNotFoundError):   # a name that is too long has another error
        if stat.S_ISDIR(path.stat().st_mode):
            raise IsADirectoryError(f'{path} cannot be written, because it is a folder; name a '
                                    'file in it')
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise PermissionError(f'{path} cannot be written: you may not write to {path.parent}, '
                              'by its permissions or because its file system is read-only; '
                              'choose another folder')


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside the target to write to; move it there if nothing went wrong.

    Args:
        path: The target; its folder must exist.

    Raises:
        OSError: As for `check_target`, or the file cannot be moved there.
    """
    check_target(path)
    # a short name of its own: the target's may be as long as the file system takes
    temporary = path.with_name(f'.{secrets.token_hex(8)}.tmp')
    try:
        with naming(path):
            yield temporary
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name a file in errors of the system that name none, as that of a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def replace_file(path: Path, content: bytes) -> None:
    """Write a file beside the target and move it there, so that no reader sees half of it."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def announce_large_files() -> None:
    """Let a command say on stderr that it reads a large file, and what is warned of."""
    logging.basicConfig(format='%(message)s')   # does nothing where logging is set up
    _LOGGER.setLevel(logging.INFO)


def read_json(path: str | Path) -> Any:
    """Read a JSON file; a large one, which takes seconds, is announced in the log.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no path, no JSON, or is nested too deep; the message names it.
    """
    check_path(path)
    path = Path(path)
    size = path.stat().st_size
    if size >= _LARGE_BYTES:
        _LOGGER.info('reading %s, %d MB', path, size >> 20)
    try:
        return json.loads(read_file(path))
    except ValueError as error:   # no JSON, or no text at all
        raise ValueError(f'{path} is no JSON: {error}') from error
    except RecursionError:
        raise ValueError(f'{path} has lists or objects that are nested too deep; expected a few '
                         'levels') from None


def save_json(path: Path, content: object) -> None:
    r"""Write a JSON file in UTF-8, complete or not at all.

    A byte of a file name that is no UTF-8 is written as Python has it in text, `\udc80` to
    `\udcff`: `json.loads` gives the name back, and `os.fsencode` the bytes.
    """
    text = json.dumps(content, ensure_ascii=False) + '\n'
    replace_file(path, text.encode('utf-8', 'backslashreplace'))


def inside(folder: Path, name: str) -> Path:
    """Return the path of a file of a folder that a file from elsewhere names.

    Args:
        folder: That was given; it may be a link itself.
        name: Relative to it.

    Raises:
        ValueError: The path is absolute, leads out of the folder, or is a link out of it.
    """
    path = folder / name
    # not Path.resolve, which raises on links that go round in circles
    real, root = (Path(os.path.realpath(entry)) for entry in (path, folder))
    if not real.is_relative_to(root):
        raise ValueError(f'{name!r} leads out of the folder {folder}, to {real}; only files '
                         'inside of it are read')
    return path


@contextmanager
def locked(folder: Path, work: str) -> Iterator[None]:
    """Hold a folder, so that no other process that asks for it writes there at the same time.

    Args:
        folder: That is there.
        work: What writes there, for the message of the one that comes second.

    Raises:
        ValueError: Another process holds it.
        OSError: The folder cannot be opened.
    """
    with _lock(os.open(folder, os.O_RDONLY)) as is_mine:
        if not is_mine:
            raise ValueError(f'another {work} is writing to {folder}; wait for it, or choose '
                             'another folder')
        yield


@contextmanager
def held(path: Path, *, wait: bool = False) -> Iterator[bool]:
    """Try to hold a file, made if needed, as a sign for other processes.

    The kernel lets go of it when the process ends, whatever ends it.

    Args:
        path: Of the file.
        wait: Until no other process holds it.

    Yields:
        Whether it is held; False: another process holds it.

    Raises:
        OSError: The file cannot be made.
    """
    with _lock(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), wait=wait) as is_mine:
        yield is_mine


@contextmanager
def _lock(descriptor: int, *, wait: bool = False) -> Iterator[bool]:
    owner = os.getpid()
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            is_mine = True
        except BlockingIOError:
            is_mine = False
        yield is_mine
    finally:
        # a process forked meanwhile, such as a data loader's, has the lock, too, and would keep it
        if os.getpid() == owner:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)
