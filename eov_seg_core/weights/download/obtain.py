# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Weights of a variant: fetched from the first source that has them, checked, kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
import functools
import hashlib
import importlib
import importlib.util
import logging
from pathlib import Path
import shutil
import threading
from urllib.parse import urlsplit
from urllib.request import url2pathname

from eov_seg_core.io.files import replacing
from eov_seg_core.weights.download.cache import (
    is_offline,
    only_one,
    read_record,
    Record,
    weights_file,
    weights_folder,
    write_record,
)
from eov_seg_core.weights.download.client import fetch, Patience
from eov_seg_core.weights.download.connection import without_secrets
from eov_seg_core.weights.download.errors import (
    ChangedError,
    DownloadError,
    NoSourceError,
    PageError,
    StoppedError,
)
from eov_seg_core.weights.download.progress import LoggedProgress, megabytes, Progress
from eov_seg_core.weights.download.table import Hosts, Published

_log = logging.getLogger(__name__)
_CHUNK_BYTES = 1 << 20
_GDOWN = " (the library gdown knows more of its pages: pip install 'gdown>=6.5')"

Convert = Callable[[Path, str, Path], str]
"""Read a file strictly as weights of a variant, write ours, return the digest of the weights."""


@dataclass(frozen=True)
class Request:
    """What is fetched, and how.

    Attributes:
        published: The weights.
        convert: Checks and converts what came; raises ValueError if it is something else.
        hosts: Where to ask.
        origin: A file or URL to take instead; '' asks the hosts.
        keep: Whether the file is kept as it came, too.
        accept_changed: Whether weights that differ from the recorded ones are taken.
        only_if_missing: Whether weights that are here, perhaps since another process ended that
            was waited for, are taken as they are.
        progress: None logs a line every 10 %.
        announce: Is told what comes, how large, from where and under which licence, before its
            first byte.  By default it is logged as a warning, because Python shows the warnings of
            a library without any set-up, and nobody shall fetch hundreds of MB unknowingly.
        patience: With servers.
        stop: Ends it when it is set.
    """

    published: Published
    convert: Convert
    hosts: Hosts = field(default_factory=Hosts.from_environment)
    origin: str = ''
    keep: bool = False
    accept_changed: bool = False
    only_if_missing: bool = False
    progress: Progress | None = None
    announce: Callable[[str], None] = _log.warning
    patience: Patience = Patience()
    stop: threading.Event = field(default_factory=threading.Event)


def obtain(request: Request) -> Path:
    """Fetch weights into the cache; only complete and checked ones replace what is there.

    Args:
        request: What, and how.

    Returns:
        The path of our safetensors.

    Raises:
        NoSourceError: No source has them; says what each one said, and what to do by hand.
        ChangedError: They are not those of the first download.
        StoppedError: `stop` was set.
        ValueError: The record of the first download is damaged.
        OSError: The folder cannot be written, or is full.
    """
    variant = request.published.variant
    try:
        with only_one(variant, request.stop):
            path = weights_file(variant)
            if request.only_if_missing and path.is_file():
                return path
            return _obtain(request)
    except OSError as error:
        if error.errno is None:     # a sentence of ours
            raise
        raise OSError(f'weights of variant {variant!r} cannot be kept in {weights_folder()}: '
                      f'{error.strerror}; make room or set EOV_SEG_HOME to another '
                      'folder') from error


def _obtain(request: Request) -> Path:
    if request.origin:
        try:
            return _take(request, request.origin)
        except ValueError as error:
            raise DownloadError(str(error)) from error
    problems: list[str] = []
    for name, take in _sources(request).items():
        if problems:
            _log.warning('%s. Trying %s instead', problems[-1], name)
        try:
            return take()
        except (ChangedError, StoppedError):
            raise
        except (DownloadError, ValueError) as error:
            gdown = _GDOWN if isinstance(error, PageError) and name == 'Google Drive' else ''
            problems.append(f'{name}: {error}{gdown}')
    raise NoSourceError(request.published.variant, problems, _by_hand(request.published))


def _sources(request: Request) -> dict[str, Callable[[], Path]]:
    """Return what takes the weights from each source, best first."""
    sources: dict[str, Callable[[], Path]] = {
        name: functools.partial(_take, request, url)
        for name, url in request.hosts.urls(request.published).items()}
    if request.hosts.use_gdown and not is_offline() and _has_gdown():
        sources['gdown'] = functools.partial(_take_with_gdown, request)
    return sources


def _by_hand(published: Published) -> str:
    variant = published.variant
    return (f'What you can do: run "eov-seg download {variant}" on a machine with a network, and '
            f'copy its {weights_file(variant).name} into {weights_folder()} here; or open '
            f'{published.page} in a browser, save {published.file_name}, and run: eov-seg '
            f'download {variant} --from {published.file_name}; or name a mirror with --mirror or '
            'EOV_SEG_WEIGHTS_URL')


def _take(request: Request, url: str) -> Path:
    parts = urlsplit(url)
    if parts.scheme not in ('http', 'https'):
        path = Path(url2pathname(parts.path) if parts.scheme == 'file' else url).expanduser()
        if not path.is_file():
            raise DownloadError(f'{path} is not a file; check the path')
        _announcer(request, str(path))(0, path.stat().st_size)
        return _keep(request, path, str(path), is_ours=False)
    if is_offline():
        raise DownloadError(f'{parts.hostname} is not asked: EOV_SEG_OFFLINE or HF_HUB_OFFLINE is '
                            'set')
    part = _part(request, url)
    _log.info('asking %s for the weights of variant %s', parts.hostname,
              request.published.variant)
    progress = _announcer(request, without_secrets(url))
    try:
        fetch(url, part, progress, request.patience, request.stop)
    except PageError as error:
        form = error.page.form_url
        if form is None:
            raise
        url = form
        fetch(url, part, progress, request.patience, request.stop)
    return _keep(request, part, without_secrets(url), is_ours=True)


def _announcer(request: Request, origin: str) -> Progress:
    """Return the progress of a request that announces the weights first."""
    published = request.published
    progress = request.progress or LoggedProgress(published.variant)
    is_announced = False

    def note(received: int, total: int | None) -> None:
        nonlocal is_announced
        if not is_announced:
            is_announced = True
            size = 'of unknown size' if total is None else f'{megabytes(total)} MB'
            here = f', of which {megabytes(received)} are here' if received else ''
            request.announce(
                f'fetching {published.file_name}, the weights of variant {published.variant} '
                f'({size}{here}), from {origin} to {weights_file(published.variant)}; licence: '
                f'{published.licence}')
        progress(received, total)

    return note


def _has_gdown() -> bool:
    return importlib.util.find_spec('gdown') is not None


def _take_with_gdown(request: Request) -> Path:
    part = _part(request, 'gdown')
    _announcer(request, f'{request.published.page}, with gdown')(0, None)
    try:
        importlib.import_module('gdown').download(
            id=request.published.drive_id, output=str(part), quiet=True, use_cookies=False)
    except Exception as error:  # of its own and of requests' kinds
        raise DownloadError(' '.join(str(error).split())[:500]) from error
    if not part.is_file():
        raise DownloadError('it fetched nothing')
    return _keep(request, part, request.published.page, is_ours=True)


def _part(request: Request, url: str) -> Path:
    """Return where the bytes of a URL go, one place for each."""
    key = hashlib.sha256(without_secrets(url).encode()).hexdigest()[:8]
    return weights_folder() / f'eov_seg_{request.published.variant}.{key}.part'


def _keep(request: Request, path: Path, url: str, *, is_ours: bool) -> Path:
    """Check a file that came, and put what it holds into the cache.

    Args:
        request: What was asked for.
        path: The file.
        url: Where it came from, without secrets.
        is_ours: Whether the file is a part of ours, which is removed, also if it is wrong.
    """
    published, target = request.published, weights_file(request.published.variant)
    try:
        with replacing(target) as temporary:
            digest = request.convert(path, published.variant, temporary)
            record = Record(url, path.stat().st_size, _sha256(path), digest,
                            datetime.now(timezone.utc).isoformat(timespec='seconds'))
            earlier = read_record(published.variant)
            if earlier is not None and earlier.weights_digest != digest:
                _check_change(request, earlier, record)
        if earlier is None or earlier.weights_digest != digest:
            write_record(published.variant, record)
        if request.keep:
            with replacing(target.with_name(published.file_name)) as temporary:
                shutil.copyfile(path, temporary)
    except (ValueError, DownloadError):
        if is_ours:
            _remove(path)
        raise
    if is_ours:
        _remove(path)
    return target


def _check_change(request: Request, earlier: Record, record: Record) -> None:
    if request.accept_changed:
        _log.warning('the weights of variant %s changed since %s: accepted',
                     request.published.variant, earlier.date)
        return
    raise ChangedError(
        f'the weights of variant {request.published.variant!r} from {record.url} have the digest '
        f'{record.weights_digest[:16]}..., recorded on {earlier.date} was '
        f'{earlier.weights_digest[:16]}...: the file changed at its source. Nothing was replaced; '
        f'to take it: eov-seg download {request.published.variant} --accept-changed')


def _remove(part: Path) -> None:
    part.unlink(missing_ok=True)
    part.with_name(f'{part.name}.json').unlink(missing_ok=True)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()

