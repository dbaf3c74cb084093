# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Who may talk to the console: checks of every request, before anything else sees it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
import hmac
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_UPLOAD_BYTES = 50 << 20
LOOPBACK = frozenset({'127.0.0.1', 'localhost', '::1'})
_CLOSED = ((b'x-frame-options', b'SAMEORIGIN'), (b'x-content-type-options', b'nosniff'),
           (b'cross-origin-resource-policy', b'same-origin'), (b'referrer-policy', b'no-referrer'))


class Guard:
    """ASGI middleware that refuses requests of other sites, of strangers and of excessive size.

    - Without a token the page is for this machine only, and `Host` must name it: a site of
      somebody else whose name was pointed to 127.0.0.1 (DNS rebinding) is refused.
    - A request, also for a websocket, that carries an `Origin` must come from the page itself.
    - With a token, `?token=...` gives a cookie once; without either nothing is shown.
    - Other sites can neither frame the page nor load its pictures.
    - What is sent must say its length, at most `MAX_UPLOAD_BYTES`.

    Args:
        app: What to guard.
        token: The secret that opens the page; None: none is needed.
        port: Of the server; names the cookie, because browsers do not tell the ports of a host
            apart, and a second console would take the first one its cookie.
    """

    def __init__(self, app: App, token: str | None = None, port: int = 0) -> None:
        self._app = app
        self._token = token
        self._cookie = f'eov_seg_console_{port}'

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a refused request; hand the others on."""
        if scope['type'] not in ('http', 'websocket'):
            await self._app(scope, receive, send)
            return
        headers = {name.decode('latin-1').lower(): value.decode('latin-1')
                   for name, value in scope['headers']}
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await _refuse(scope, send, *refusal)
        elif scope.get('method') == 'GET' and self._is_right(_given(scope)):
            await self._open(send, _given(scope))
        elif self._is_known(headers):
            await self._app(scope, receive, _closed(send))
        else:
            await _refuse(scope, send, 401, 'This console needs its token: open the address that '
                                            'the console printed, which ends in ?token=...')

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str] | None:
        host = headers.get('host', '')
        if self._token is None and _name(host) not in LOOPBACK:
            return 400, ('The name in the address is not one of this machine; open '
                         'http://127.0.0.1 with the port that the console printed.')
        origin = headers.get('origin')
        if origin is not None and urlsplit(origin).netloc != host:
            return 403, 'This request came from a page of another site and was refused.'
        if scope['type'] == 'http' and scope['method'] not in ('GET', 'HEAD'):
            return _refused_length(headers)
        return None

    def _is_known(self, headers: dict[str, str]) -> bool:
        if self._token is None:
            return True
        try:
            cookie = SimpleCookie(headers.get('cookie', '')).get(self._cookie)
        except CookieError:
            return False
        return cookie is not None and self._is_right(cookie.value)

    async def _open(self, send: Send, token: str) -> None:
        """Set the cookie, and load the page again without the token in its address."""
        # 'Strict' would not be sent after a click at a link in a mail, or on another site
        cookie = f'{self._cookie}={token}; HttpOnly; SameSite=Lax; Path=/'
        await _answer(send, 303, b'', [(b'location', b'/'), (b'set-cookie', cookie.encode())])

    def _is_right(self, given: str) -> bool:
        return self._token is not None and hmac.compare_digest(given.encode(),
                                                               self._token.encode())


def _name(host: str) -> str:
    """Return the name in 'name:port', in lower case; '' if there is none."""
    try:
        return (urlsplit(f'//{host}').hostname or '').lower()
    except ValueError:
        return ''


def _refused_length(headers: dict[str, str]) -> tuple[int, str] | None:
    length = headers.get('content-length', '')
    if not (length.isascii() and length.isdecimal()):
        return 411, 'What is sent must say how long it is (Content-Length).'
    if int(length[:20]) > MAX_UPLOAD_BYTES:
        return 413, f'{length[:20]} bytes were sent, at most {MAX_UPLOAD_BYTES} are taken.'
    return None


def _given(scope: Scope) -> str:
    query = parse_qs(scope.get('query_string', b'').decode('latin-1'))
    return str(query.get('token', [''])[0])


def _closed(send: Send) -> Send:
    """Let no other site show what is sent, in a frame of its page or as an image."""
    async def send_closed(message: MutableMapping[str, Any]) -> None:
        if message['type'] == 'http.response.start':
            message['headers'] = [*message.get('headers', ()), *_CLOSED]
        await send(message)
    return send_closed


async def _refuse(scope: Scope, send: Send, status: int, reason: str) -> None:
    if scope['type'] == 'websocket':
        await send({'type': 'websocket.close', 'code': 1008, 'reason': reason[:120]})
    else:
        await _answer(send, status, reason.encode(), [])


async def _answer(send: Send, status: int, body: bytes,
                  headers: list[tuple[bytes, bytes]]) -> None:
    await send({'type': 'http.response.start', 'status': status, 'headers': [
        (b'content-type', b'text/plain; charset=utf-8'), (b'cache-control', b'no-store'),
        (b'content-length', str(len(body)).encode()), *headers]})
    await send({'type': 'http.response.body', 'body': body})
