# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One file over HTTP(S) into a part file, resumed where it stopped; standard library only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
import http.client
import json
from pathlib import Path
import re
import shutil
import ssl
import time
from typing import Any, NoReturn
import urllib.error
import urllib.request

from eov_seg_core.io.files import replace_file
from eov_seg_core.weights.download.pages import Page

Progress = Callable[[int, 'int | None'], None]
"""Is called with the bytes that are there, and with all there will be if that is known."""
_CHUNK_BYTES = 1 << 18
_PAGE_BYTES = 1 << 18
_LARGEST_BYTES = 8 << 30
"""More than any published file; ends a server that sends for ever."""
_PROGRESS_BYTES = 1 << 16
"""A try that brought fewer counts as failed."""
_LEAST_BYTES_PER_S = 1024


class DownloadError(RuntimeError):
    """A file could not be fetched; the message says why."""


class PageError(DownloadError):
    """A web page came instead of the file."""

    def __init__(self, page: Page) -> None:
        super().__init__(page.explain())
        self.page = page


class _TryAgainError(Exception):
    """What may work when it is tried again.

    Args:
        reason: For the message if it does not.
        wait_s: As the server wants, or None.
    """

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


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


def fetch(url: str, part: Path, progress: Progress, patience: Patience) -> None:
    """Fetch a file; what is there of an earlier try is used if it is of the same file.

    Args:
        url: http or https.
        part: Where the bytes go.  After a failure it stays, with its origin in PART.json.
        progress: May raise, which stops it.
        patience: With the server.

    Raises:
        PageError: A web page came.
        DownloadError: Anything else of the server or the network.
        OSError: The part cannot be written.
    """
    transfer = _Transfer(url, part, progress, patience.timeout_s)
    failed = 0
    while True:
        before = transfer.received
        try:
            transfer.run()
            return
        except _TryAgainError as error:
            failed = 1 if transfer.received >= before + _PROGRESS_BYTES else failed + 1
            if failed >= patience.tries:
                raise DownloadError(f'{error}; {failed} tries. What came is kept, the same '
                                    'command goes on from there') from error
            wanted = patience.first_wait_s * 2 ** (failed - 1)
            time.sleep(min(error.wait_s or wanted, patience.longest_wait_s))


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to http and https only, and never from https to http."""

    def redirect_request(self, req: urllib.request.Request, fp: Any, code: int, msg: str,
                         headers: Any, newurl: str) -> urllib.request.Request | None:
        allowed = ('https://',) if req.full_url.startswith('https://') else ('https://', 'http://')
        if not newurl.lower().startswith(allowed):
            raise DownloadError(f'the server leads to {newurl[:200]!r}, which is not followed; '
                                f'expected {" or ".join(allowed)}...')
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    """Return an opener without file:// and ftp://, which a server could lead to."""
    opener = urllib.request.OpenerDirector()
    for handler in (urllib.request.ProxyHandler(), urllib.request.HTTPHandler(),
                    urllib.request.HTTPSHandler(), urllib.request.HTTPDefaultErrorHandler(),
                    urllib.request.HTTPErrorProcessor(), urllib.request.UnknownHandler(),
                    _Redirects()):
        opener.add_handler(handler)
    return opener


class _Transfer:
    """One file on its way, over several connections.

    Attributes:
        received: Bytes in the part.
    """

    def __init__(self, url: str, part: Path, progress: Progress, timeout_s: float) -> None:
        self._url, self._part, self._progress = url, part, progress
        self._timeout_s = timeout_s
        self._origin = part.with_name(f'{part.name}.json')
        self._opener = _opener()
        self._validator, self._total = _read_origin(self._origin, url)
        self.received = part.stat().st_size if part.is_file() and self._validator else 0

    def run(self) -> None:
        if self.received and self.received == self._total:
            return
        headers = {'User-Agent': 'eov-seg', 'Accept-Encoding': 'identity'}
        if self.received and self._validator:
            headers |= {'Range': f'bytes={self.received}-', 'If-Range': self._validator}
        try:
            with self._opener.open(self._request(headers), timeout=self._timeout_s) as response:
                self._begin(response, is_resumed='Range' in headers)
                self._receive(response)
        except urllib.error.HTTPError as error:
            with error:
                self._refused(error)
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError,
                ConnectionError, ssl.SSLError) as error:
            raise self._unreachable(error) from error

    def _request(self, headers: dict[str, str]) -> urllib.request.Request:
        try:
            return urllib.request.Request(self._url, headers=headers)
        except ValueError as error:
            raise DownloadError(f'{self._url!r} is no URL: {error}') from error

    def _begin(self, response: Any, *, is_resumed: bool) -> None:
        """Read the headers: what comes, how much, from which byte on."""
        headers: Message = response.headers
        encoding = headers.get('Content-Encoding', 'identity')
        if encoding != 'identity':
            raise DownloadError(f'the server compresses the file ({encoding[:50]}) although it '
                                'was asked not to')
        if headers.get_content_type() in ('text/html', 'application/xhtml+xml'):
            raise _page(response)
        length = _number(headers.get('Content-Length'))
        if response.status == 206 and is_resumed:
            found = re.fullmatch(r'bytes (\d+)-(\d+)/(\d+|\*)', headers.get('Content-Range', ''))
            total = found and _number(found[3])
            if not found or int(found[1]) != self.received or (
                    self._total is not None and total != self._total):
                self._forget()
                raise _TryAgainError('the server sent another part of the file than was asked '
                                     f'for ({headers.get("Content-Range")!r})')
            self._total = total
            return
        if response.status != 200:
            raise DownloadError(f'the server answered {response.status} to a request for a file')
        self._forget()
        etag = headers.get('ETag', '')
        self._validator = etag if etag.startswith('"') else headers.get('Last-Modified', '')
        self._total = length
        if length is not None:
            self._check_room(length)
        origin = {'url': self._url, 'validator': self._validator, 'total': length}
        replace_file(self._origin, json.dumps(origin).encode())

    def _receive(self, response: Any) -> None:
        window_s, window_bytes = time.monotonic(), self.received
        # not buffered: after a kill the part has what was received
        with self._part.open('ab' if self.received else 'wb', buffering=0) as file:
            while chunk := response.read1(_CHUNK_BYTES):
                if not self.received and _is_markup(chunk):
                    self._forget()
                    raise _page(response, chunk)
                if self.received + len(chunk) > _LARGEST_BYTES:
                    self._forget()
                    raise DownloadError(f'the server sends more than {_LARGEST_BYTES >> 30} GiB')
                _write(file, chunk)
                self.received += len(chunk)
                self._progress(self.received, self._total)
                now_s = time.monotonic()
                if now_s - window_s > self._timeout_s:
                    if self.received - window_bytes < _LEAST_BYTES_PER_S * self._timeout_s:
                        raise _TryAgainError(f'the server is too slow: {self._state()}')
                    window_s, window_bytes = now_s, self.received
        if self._total is not None and self.received < self._total:
            raise _TryAgainError(f'the connection ended after {self._state()}')
        if self._total is not None and self.received > self._total:
            self._forget()
            raise _TryAgainError('the server sent more than it had announced')

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

    def _state(self) -> str:
        of = '' if self._total is None else f' of {megabytes(self._total)}'
        return f'{megabytes(self.received)}{of} MB'

    def _refused(self, error: urllib.error.HTTPError) -> NoReturn:
        if error.code == 416:       # what is here is longer than the file
            self._forget()
            raise _TryAgainError('the server does not have the part that was asked for')
        if error.code == 429 or error.code >= 500:
            wait_s = _number(error.headers.get('Retry-After'))
            raise _TryAgainError(f'the server answered {error.code} ({error.reason})', wait_s)
        page = _page(error)
        if error.code == 403 and 'too many people' in str(page):
            raise page
        raise DownloadError(f'the server answered {error.code} ({error.reason})')

    def _unreachable(self, error: Exception) -> Exception:
        reason = getattr(error, 'reason', error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            return DownloadError(
                f'the certificate of the server is not valid ({reason.verify_message}); check the '
                'clock of this machine, or name the certificates of your network in SSL_CERT_FILE')
        if isinstance(reason, TimeoutError):
            return _TryAgainError(f'the server sent nothing for {self._timeout_s:g} s, after '
                                  f'{self._state()}')
        if isinstance(error, (urllib.error.URLError, http.client.InvalidURL)):
            return DownloadError(f'the server cannot be reached: {reason}')
        return _TryAgainError(f'the connection ended after {self._state()}: '
                              f'{type(error).__name__} {error}')


def megabytes(size: int) -> int:
    """Return bytes as megabytes, rounded up."""
    return -(-size // 1_000_000)


def _write(file: Any, chunk: bytes) -> None:
    """Write all of it; without a buffer, a nearly full disk takes only some."""
    view = memoryview(chunk)
    while view:
        view = view[file.write(view):]


def _is_markup(chunk: bytes) -> bool:
    return chunk[:256].lstrip()[:1] == b'<' and b'\0' not in chunk[:64]


def _page(response: Any, begin: bytes = b'') -> PageError:
    text = (begin + response.read(_PAGE_BYTES)).decode('utf-8', 'replace')
    return PageError(Page(text, response.geturl()))


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None


def _read_origin(path: Path, url: str) -> tuple[str, int | None]:
    """Return validator and size of the file that a part belongs to, if it is of this URL."""
    try:
        origin = json.loads(path.read_bytes())
        if origin['url'] == url:
            return str(origin['validator']), None if origin['total'] is None else int(
                origin['total'])
    except (OSError, ValueError, TypeError, KeyError):
        pass    # none, or not ours: begin again
    return '', None
