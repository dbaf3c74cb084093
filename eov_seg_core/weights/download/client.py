# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One file over HTTP(S) into a part file, resumed where it stopped; standard library only."""

from __future__ import annotations

from dataclasses import dataclass
import json
import logging
from pathlib import Path
import re
import shutil
import threading
import time
from typing import Any, NoReturn

from eov_seg_core.io.files import replace_file
from eov_seg_core.weights.download.connection import (
    connect,
    Connection,
    RefusedError,
    without_secrets,
)
from eov_seg_core.weights.download.errors import (
    DownloadError,
    PageError,
    StoppedError,
    TryAgainError,
)
from eov_seg_core.weights.download.progress import amount, megabytes, Progress

_log = logging.getLogger(__name__)
_CHUNK_BYTES = 1 << 18
_LARGEST_BYTES = 8 << 30
"""More than any published file; ends a server that sends for ever."""
_PROGRESS_BYTES = 1 << 16
"""A try that brought fewer counts as failed."""
_LEAST_BYTES_PER_S = 1024


@dataclass(frozen=True)
class Patience:
    """How long a server may take.

    Attributes:
        timeout_s: For the connection, and for the next bytes.
        tries: Without progress, before it is given up.
        first_wait_s: Before the second try; doubled each time.
        longest_wait_s: Of a server that says how long to wait.
    """

    timeout_s: float = 30.0
    tries: int = 5
    first_wait_s: float = 1.0
    longest_wait_s: float = 60.0


def fetch(url: str, part: Path, progress: Progress, patience: Patience,
          stop: threading.Event) -> None:
    """Fetch a file; what is there of an earlier try is used if it is of the same file.

    Args:
        url: http or https.
        part: Where the bytes go.  After a failure it stays, with its origin in PART.json.
        progress: See there.
        patience: With the server.
        stop: Ends it when it is set.

    Raises:
        PageError: A web page came.
        StoppedError: `stop` was set.
        DownloadError: Anything else of the server or the network.
        OSError: The part cannot be written.
    """
    transfer = _Transfer(url, part, progress, patience.timeout_s, stop)
    failed = furthest = 0
    while True:
        furthest = max(furthest, transfer.received)
        try:
            transfer.run()
            return
        except TryAgainError as error:
            # further than ever: else a server that makes us begin again would be asked for ever
            failed = 1 if transfer.received >= furthest + _PROGRESS_BYTES else failed + 1
            if failed >= patience.tries:
                raise DownloadError(f'{error}; {failed} tries. {transfer.state()} came and are '
                                    'kept: the next download goes on from there') from error
            wanted = error.wait_s or patience.first_wait_s * 2 ** (failed - 1)
            wait_s = min(wanted, patience.longest_wait_s)
            _log.warning('%s; trying again in %g s', error, wait_s)
            if stop.wait(wait_s):
                raise StoppedError from error


class _Transfer:
    """One file on its way, over several connections.

    Attributes:
        received: Bytes in the part.
    """

    def __init__(self, url: str, part: Path, progress: Progress, timeout_s: float,
                 stop: threading.Event) -> None:
        self._url, self._part, self._progress = url, part, progress
        self._timeout_s, self._stop = timeout_s, stop
        self._origin = part.with_name(f'{part.name}.json')
        self._validator, self._total = _read_origin(self._origin, url)
        self.received = part.stat().st_size if part.is_file() and self._validator else 0

    def run(self) -> None:
        if self.received and self.received == self._total:
            return
        headers = {'User-Agent': 'eov-seg', 'Accept-Encoding': 'identity'}
        if self.received and self._validator:
            headers |= {'Range': f'bytes={self.received}-', 'If-Range': self._validator}
        try:
            with connect(self._url, headers, self._timeout_s, self._stop) as answer:
                self._begin(answer, is_resumed='Range' in headers)
                self._progress(self.received, self._total)
                self._receive(answer)
        except RefusedError as error:
            self._refused(error)

    def _begin(self, answer: Connection, *, is_resumed: bool) -> None:
        """Read the headers: what comes, how much, from which byte on."""
        headers = answer.headers
        encoding = headers.get('Content-Encoding', 'identity')
        if encoding != 'identity':
            raise DownloadError(f'the server compresses the file ({encoding[:50]}) although it '
                                'was asked not to')
        if headers.get_content_type() in ('text/html', 'application/xhtml+xml'):
            raise answer.page()
        length = _number(headers.get('Content-Length'))
        if answer.status == 206 and is_resumed:
            found = re.fullmatch(r'bytes (\d+)-(\d+)/(\d+|\*)', headers.get('Content-Range', ''))
            total = found and _number(found[3])
            if not found or int(found[1]) != self.received or (
                    self._total is not None and total != self._total):
                self._forget()
                raise TryAgainError('the server sent another part of the file than was asked '
                                     f'for ({headers.get("Content-Range")!r})')
            self._total = total
            return
        if answer.status != 200:
            raise DownloadError(f'the server answered {answer.status} to a request for a file')
        self._forget()
        etag = headers.get('ETag', '')
        self._validator = etag if etag.startswith('"') else headers.get('Last-Modified', '')
        self._total = length
        if length is not None:
            self._check_room(length)
        origin = {'url': without_secrets(self._url), 'validator': self._validator, 'total': length}
        replace_file(self._origin, json.dumps(origin).encode())

    def _receive(self, answer: Connection) -> None:
        window_s, window_bytes = time.monotonic(), self.received
        # not buffered: after a kill the part has what was received
        with self._part.open('ab' if self.received else 'wb', buffering=0) as file:
            while chunk := answer.read(_CHUNK_BYTES):
                if not self.received and _is_markup(chunk):
                    self._forget()
                    raise answer.page(chunk)
                if self.received + len(chunk) > _LARGEST_BYTES:
                    self._forget()
                    raise DownloadError(f'the server sends more than {_LARGEST_BYTES >> 30} GiB')
                _write(file, chunk)
                self.received += len(chunk)
                self._progress(self.received, self._total)
                now_s = time.monotonic()
                if now_s - window_s > self._timeout_s:
                    if self.received - window_bytes < _LEAST_BYTES_PER_S * self._timeout_s:
                        raise TryAgainError('the server is too slow')
                    window_s, window_bytes = now_s, self.received
        if self._stop.is_set():
            raise StoppedError
        if self._total is not None and self.received < self._total:
            raise TryAgainError('the connection ended')
        if self._total is not None and self.received > self._total:
            self._forget()
            raise TryAgainError('the server sent more than it had announced')

    def _forget(self) -> None:
        """Begin again."""
        self._part.unlink(missing_ok=True)
        self._origin.unlink(missing_ok=True)
        self.received, self._validator, self._total = 0, '', None

    def _check_room(self, length: int) -> None:
        if length > _LARGEST_BYTES:
            raise DownloadError(f'the server announces {length} bytes, more than any published '
                                'file has')
        free, needed = shutil.disk_usage(self._part.parent).free, int(2.1 * length)
        if free < needed:
            raise OSError(f'no room: {megabytes(needed)} MB needed in {self._part.parent}, '
                          f'{megabytes(free)} MB free; set EOV_SEG_HOME to another folder')

    def state(self) -> str:
        """Return how much of the file is here."""
        return amount(self.received, self._total)

    def _refused(self, error: RefusedError) -> NoReturn:
        if error.status == 416:     # what is here is longer than the file
            self._forget()
            raise TryAgainError('the server does not have the part that was asked for')
        if error.status == 429 or error.status >= 500:
            raise TryAgainError(str(error), _number(error.retry_after))
        if error.status == 403 and 'too many people' in error.page.explain():
            raise PageError(error.page)
        raise DownloadError(str(error))


def _write(file: Any, chunk: bytes) -> None:
    """Write all of it; without a buffer, a nearly full disk takes only some."""
    view = memoryview(chunk)
    while view:
        view = view[file.write(view):]


def _is_markup(chunk: bytes) -> bool:
    return chunk[:256].lstrip()[:1] == b'<' and b'\0' not in chunk[:64]


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None


def _read_origin(path: Path, url: str) -> tuple[str, int | None]:
    """Return validator and size of the file that a part belongs to, if it is of this URL."""
    try:
        origin = json.loads(path.read_bytes())
        if origin['url'] == without_secrets(url):
            return str(origin['validator']), None if origin['total'] is None else int(
                origin['total'])
    except (OSError, ValueError, TypeError, KeyError):
        pass    # none, or not ours: begin again
    return '', None
