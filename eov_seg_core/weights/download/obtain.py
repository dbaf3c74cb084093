# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Weights of a variant: fetched from the first source that has them, checked, kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
import hashlib
import importlib
import importlib.util
import logging
from pathlib import Path
import shutil
import time
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
from eov_seg_core.weights.download.client import (
    DownloadError,
    fetch,
    megabytes,
    PageError,
    Patience,
    Progress,
)
from eov_seg_core.weights.download.table import Hosts, Published

_log = logging.getLogger(__name__)
_CHUNK_BYTES = 1 << 20
_LOG_S = 10.0

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
        progress: None logs a line every 10 s.
        patience: With servers.
    """

    published: Published
    convert: Convert
    hosts: Hosts = field(default_factory=Hosts.from_environment)
    origin: str = ''
    keep: bool = False
    accept_changed: bool = False
    progress: Progress | None = None
    patience: Patience = Patience()


class ChangedError(DownloadError):
    """The weights are not those of the first download."""


def obtain(request: Request) -> Path:
    """Fetch weights into the cache, whatever is there; only complete and checked ones replace it.

    Args:
        request: What, and how.

    Returns:
        The path of our safetensors.

    Raises:
        DownloadError: No source has them; says what each one said, and what to do by hand.
        ValueError: The record of the first download is damaged.
        OSError: The folder cannot be written, or is full.
    """
    variant = request.published.variant
    try:
        with only_one(variant):
            return _obtain(request)
    except OSError as error:
        if error.errno is None:     # a sentence of ours
            raise
        raise OSError(f'weights of variant {variant!r} cannot be kept in {weights_folder()}: '
                      f'{error.strerror}; make room or set EOV_SEG_HOME to another '
                      'folder') from error


def _obtain(request: Request) -> Path:
    published, problems = request.published, []
    sources = {'the given file': request.origin} if request.origin else (
        request.hosts.urls(published))
    for name, url in sources.items():
        try:
            return _take(request, url)
        except ChangedError:
            raise
        except (DownloadError, ValueError) as error:
            problems.append(f'{name}: {error}')
            _log.warning('%s: %s', name, error)
    if not request.origin and request.hosts.use_gdown and not is_offline():
        try:
            return _take_with_gdown(request)
        except ChangedError:
            raise
        except (DownloadError, ValueError) as error:
            problems.append(f'gdown: {error}')
    raise DownloadError(
        f'variant {published.variant!r} could not be fetched. {". ".join(problems)}. By hand: '
        f'open {published.page} in a browser, save {published.file_name}, and run: eov-seg '
        f'download {published.variant} --from FILE (it is kept in {weights_folder()}); or set '
        'EOV_SEG_WEIGHTS_URL to a mirror')


def _take(request: Request, url: str) -> Path:
    parts = urlsplit(url)
    if parts.scheme not in ('http', 'https'):
        path = Path(url2pathname(parts.path) if parts.scheme == 'file' else url).expanduser()
        if not path.is_file():
            raise DownloadError(f'{path} is not a file')
        return _keep(request, path, str(path), is_ours=False)
    if is_offline():
        raise DownloadError(f'{parts.hostname} is not asked: EOV_SEG_OFFLINE or HF_HUB_OFFLINE is '
                            'set')
    part = _part(request, url)
    progress = request.progress or _Logged(request.published.variant)
    _log.info('fetching weights of variant %s from %s (%s)', request.published.variant,
              parts.hostname, request.published.licence)
    try:
        fetch(url, part, progress, request.patience)
    except PageError as error:
        form = error.page.form_url
        if form is None:
            raise
        url = form
        fetch(url, part, progress, request.patience)
    return _keep(request, part, url, is_ours=True)


def _take_with_gdown(request: Request) -> Path:
    if importlib.util.find_spec('gdown') is None:
        raise DownloadError('it is not installed; it knows more of Google Drive: pip install '
                            "'gdown>=6.5'")
    part = _part(request, 'gdown')
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
    key = hashlib.sha256(url.encode()).hexdigest()[:8]
    return weights_folder() / f'eov_seg_{request.published.variant}.{key}.part'


def _keep(request: Request, path: Path, url: str, *, is_ours: bool) -> Path:
    """Check a file that came, and put what it holds into the cache.

    Args:
        request: What was asked for.
        path: The file.
        url: Where it came from.
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


class _Logged:
    """Progress as a line in the log every 10 s."""

    def __init__(self, variant: str) -> None:
        self._variant = variant
        self._next_s = 0.0

    def __call__(self, received: int, total: int | None) -> None:
        now_s = time.monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + _LOG_S
            of = '' if total is None else f' of {megabytes(total)}'
            _log.info('fetching variant %s: %d%s MB', self._variant, megabytes(received), of)
