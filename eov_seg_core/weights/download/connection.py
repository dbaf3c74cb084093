# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One request over HTTP(S): what it may lead to, how long it may take, how it is stopped."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import Message
import functools
import http.client
import math
import socket
import ssl
import threading
import time
from typing import Any
import urllib.error
from urllib.parse import parse_qsl, SplitResult, unquote, urlencode, urlsplit
import urllib.request

from eov_seg_core.weights.download.errors import (
    DownloadError,
    PageError,
    StoppedError,
    TryAgainError,
)
from eov_seg_core.weights.download.pages import Page

_PAGE_BYTES = 1 << 18
_CHECK_S = 0.1
"""Between two looks at whether a connection is to end."""


class RefusedError(Exception):
    """The server answered with a status of 400 or more.

    Attributes:
        status: Of HTTP.
        reason: In the server's words.
        retry_after: The header, or None.
        page: What came with it.
    """

    def __init__(self, error: urllib.error.HTTPError) -> None:
        reason = str(error.reason)
        if reason.startswith(urllib.request.HTTPRedirectHandler.inf_msg):   # of several lines
            reason = 'it leads from one address to the next without end'
        super().__init__(f'the server answered {error.code} ({reason})')
        self.status, self.retry_after = error.code, error.headers.get('Retry-After')
        self.page = _read_page(error)


class Connection:
    """An answer of a server whose headers are here.

    Attributes:
        status: Of HTTP.
        headers: Of the answer.
    """

    def __init__(self, response: Any, guard: _Guard) -> None:
        self._response, self._guard = response, guard
        self.status: int = response.status
        self.headers: Message = response.headers

    def read(self, most: int) -> bytes:
        """Return the bytes that came next; none at the end."""
        self._guard.allow_time()        # whether they come fast enough is for the caller to say
        return bytes(self._response.read1(most))

    def page(self, begin: bytes = b'') -> PageError:
        """Read the rest of a web page, as much as comes in time."""
        self._guard.limit_time()
        return PageError(_read_page(self._response, begin))


@contextmanager
def connect(url: str, headers: dict[str, str], timeout_s: float,
            stop: threading.Event) -> Iterator[Connection]:
    """Ask for a URL, and turn what goes wrong until the end of the context into sentences.

    Args:
        url: http or https; a user and a password in it are sent to that server only.
        headers: Of the request.
        timeout_s: Until the next bytes come; all headers of an answer have twice this time.
        stop: Ends the connection when it is set.

    Raises:
        RefusedError: The server answered with a status of 400 or more.
        StoppedError: `stop` was set.
        TryAgainError: Something that may work when it is tried again.
        DownloadError: The rest.
    """
    with _Guard(timeout_s, stop) as guard:
        try:
            guard.check()
            with _opener(guard).open(_request(url, headers), timeout=timeout_s) as response:
                guard.check()
                yield Connection(response, guard)
        except urllib.error.HTTPError as error:
            with error:
                guard.check()       # headers that were cut say anything
                raise RefusedError(error) from error
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError,
                ConnectionError, ssl.SSLError) as error:
            guard.check()
            raise _explained(error, timeout_s) from error


def without_secrets(url: str) -> str:
    """Return a URL without user, password and query; of a query Google Drive's `id` stays.

    >>> without_secrets('https://me:word@example.org:8443/a.pth?token=x&id=3')
    'https://example.org:8443/a.pth?id=3'
    """
    try:
        parts = urlsplit(url)
        query = [item for item in parse_qsl(parts.query) if item[0] == 'id']
        return parts._replace(netloc=_host(parts), query=urlencode(query), fragment='').geturl()
    except ValueError:
        return url.rpartition('@')[2].partition('?')[0]


class _Guard:
    """Ends the connection that is open when it is to stop, or when headers come too slowly.

    A server that sends a byte now and then never lets a socket time out.

    Args:
        timeout_s: Twice this is the time from a connection to the end of its headers.
        stop: Ends what is open when it is set.
    """

    def __init__(self, timeout_s: float, stop: threading.Event) -> None:
        self._limit_s, self._stop = 2 * timeout_s, stop     # the socket's own limit comes first
        self._deadline_s = math.inf
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._has_expired = False

    def __enter__(self) -> _Guard:
        threading.Thread(target=self._watch, name='download guard', daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._is_over.set()
        with self._lock:
            self._forget_socket()

    def begin(self, connected: socket.socket) -> None:
        """Watch a connection from now on, instead of an earlier one."""
        with self._lock:
            self._forget_socket()
            self._socket = connected.dup()      # TLS takes the original for itself
            self.limit_time()

    def limit_time(self) -> None:
        """End it when its time is over, which begins now."""
        self._deadline_s = time.monotonic() + self._limit_s

    def allow_time(self) -> None:
        """Let it take its time from now on."""
        self._deadline_s = math.inf

    def check(self) -> None:
        """Raise what was the reason if the connection was ended here."""
        if self._stop.is_set():
            raise StoppedError
        if self._has_expired:
            raise TryAgainError(f'the server did not finish its answer in {self._limit_s:g} s')

    def _watch(self) -> None:
        while not self._is_over.wait(_CHECK_S):
            self._has_expired |= time.monotonic() > self._deadline_s
            if self._has_expired or self._stop.is_set():
                with self._lock:
                    self._end()

    def _end(self) -> None:
        if self._socket is not None:
            with suppress(OSError):     # the server was faster
                self._socket.shutdown(socket.SHUT_RDWR)     # wakes who waits for bytes
            self._forget_socket()

    def _forget_socket(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class _Watched(http.client.HTTPConnection):
    """Tells the guard of its socket."""

    guard: _Guard

    def connect(self) -> None:
        super().connect()
        self.guard.begin(self.sock)


class _WatchedSecure(http.client.HTTPSConnection, _Watched):
    """TLS begins when the guard knows already: in this order of bases."""


def _watched(kind: type[_Watched], guard: _Guard, host: str, **options: Any) -> _Watched:
    connection = kind(host, **options)
    connection.guard = guard
    return connection


class _Http(urllib.request.HTTPHandler):
    def __init__(self, guard: _Guard) -> None:
        super().__init__()
        self._connection = functools.partial(_watched, _Watched, guard)

    def http_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(self._connection, req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, guard: _Guard) -> None:
        super().__init__()
        self._connection = functools.partial(_watched, _WatchedSecure, guard)

    def https_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(self._connection, req,
                            context=ssl.create_default_context())


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to http and https only, and never from https to http."""

    def redirect_request(self, req: urllib.request.Request, fp: Any, code: int, msg: str,
                         headers: Any, newurl: str) -> urllib.request.Request | None:
        allowed = ('https://',) if req.full_url.startswith('https://') else ('https://', 'http://')
        if not newurl.lower().startswith(allowed):
            raise DownloadError(f'the server leads to {without_secrets(newurl)[:200]!r}, which is '
                                f'not followed; expected {" or ".join(allowed)}...')
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        login = req.unredirected_hdrs.get('Authorization')
        if following is not None and login and (
                urlsplit(newurl)[:2] == urlsplit(req.full_url)[:2]):
            following.add_unredirected_header('Authorization', login)
        return following


def _opener(guard: _Guard) -> urllib.request.OpenerDirector:
    """Return an opener without file:// and ftp://, which a server could lead to."""
    opener = urllib.request.OpenerDirector()
    for handler in (urllib.request.ProxyHandler(), _Http(guard), _Https(guard),
                    urllib.request.HTTPDefaultErrorHandler(),
                    urllib.request.HTTPErrorProcessor(), urllib.request.UnknownHandler(),
                    _Redirects()):
        opener.add_handler(handler)
    return opener


def _request(url: str, headers: dict[str, str]) -> urllib.request.Request:
    try:
        parts = urlsplit(url)
        request = urllib.request.Request(parts._replace(netloc=_host(parts)).geturl(),
                                         headers=headers)
    except ValueError as error:
        raise DownloadError(f'{without_secrets(url)!r} is no URL: {error}') from error
    if parts.username is not None:
        login = f'{unquote(parts.username)}:{unquote(parts.password or "")}'
        request.add_unredirected_header(     # no other server gets it
            'Authorization', f'Basic {base64.b64encode(login.encode()).decode()}')
    return request


def _host(parts: SplitResult) -> str:
    return parts.netloc.rpartition('@')[2]


def _read_page(response: Any, begin: bytes = b'') -> Page:
    text = (begin + response.read(_PAGE_BYTES)).decode('utf-8', 'replace')
    return Page(text, response.geturl())


def _explained(error: Exception, timeout_s: float) -> Exception:
    reason = getattr(error, 'reason', error)
    if isinstance(reason, ssl.SSLCertVerificationError):
        return DownloadError(
            f'the certificate of the server is not trusted ({reason.verify_message}). Check the '
            'date of this machine. In a network with certificates of its own, name their file: '
            'SSL_CERT_FILE=/path/of/certificates.pem')
    if isinstance(reason, TimeoutError):
        return TryAgainError(f'the server sent nothing for {timeout_s:g} s')
    if isinstance(error, (urllib.error.URLError, http.client.InvalidURL)):
        why = getattr(reason, 'strerror', None) or reason
        return DownloadError(f'the server cannot be reached: {why}. Is there a network?')
    if isinstance(error, http.client.IncompleteRead):   # its text is its name and a byte count
        return TryAgainError('the connection ended in the middle of the file')
    return TryAgainError(f'the connection ended: {type(error).__name__} {error}')
