# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Who may talk to the console: the guard in front of the page, without a server."""

from __future__ import annotations

import argparse
import asyncio
import socket

import pytest

from eov_seg_core.app.console.options import add_page_options, ServerAddress
from eov_seg_core.app.console.security import Guard, MAX_UPLOAD_BYTES

HOST = (b'host', b'127.0.0.1:8080')


def test_a_browser_elsewhere_can_open_the_address_that_is_printed() -> None:
    assert ServerAddress('0.0.0.0', 81, 'secret-1').url == (
        f'http://{socket.gethostname()}:81/?token=secret-1')
    assert ServerAddress('::1', 81).url == 'http://[::1]:81/'


@pytest.mark.parametrize('host', ['127.0.0.1', 'localhost'])
def test_a_port_that_is_taken_is_told_before_the_page_is_promised(host: str) -> None:
    with socket.socket() as other:
        other.bind(('127.0.0.1', 0))
        other.listen()
        taken = ServerAddress(host, other.getsockname()[1])
        with pytest.raises(ValueError, match=f'at {host}, port {taken.port}: .*with --port'):
            taken.check()
    taken.check()


@pytest.mark.parametrize('host', ['no-such-host.invalid', '999.1.1.1', '192.0.2.1', '2001:db8::1'])
def test_an_address_of_no_part_of_this_machine_is_told_with_what_to_give(host: str) -> None:
    with pytest.raises(ValueError, match=f'at {host}, port 8080: .*an address of this machine'):
        ServerAddress(host, 8080).check()


@pytest.mark.parametrize('port', ['abc', '0', '99999', '80.5', ''])
def test_what_is_no_port_is_told_in_words(port: str, capsys) -> None:
    parser = argparse.ArgumentParser()
    add_page_options(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(['--port', port])
    assert f"--port: expected a whole number in 1..65535, got '{port}'" in capsys.readouterr().err


def ask(*headers, token=None, method='GET', kind='http', query=b''):
    """Return the status and headers that the guard answers, (200, {}) where it lets through."""
    sent = []

    async def app(scope, receive, send):
        await send({'type': 'http.response.start', 'status': 200, 'headers': []})

    async def send(message):
        sent.append(message)

    scope = {'type': kind, 'headers': list(headers), 'query_string': query}
    asyncio.run(Guard(app, token, 8080)(scope | ({'method': method} if kind == 'http' else {}),
                                  None, send))
    first = sent[0]
    return first.get('status') or first['type'], dict(first.get('headers', []))


@pytest.mark.parametrize('host', [b'127.0.0.1:8080', b'localhost', b'[::1]:8080', b'LocalHost:1'])
def test_this_machine_is_let_in(host: bytes) -> None:
    status, headers = ask((b'host', host))
    assert (status, headers[b'x-frame-options']) == (200, b'SAMEORIGIN')
    assert headers[b'cross-origin-resource-policy'] == b'same-origin'


@pytest.mark.parametrize('host', [
    b'evil.example', b'127.0.0.1.evil.example', b'', b'[', b'evil@', b'10.0.0.1:8080'])
def test_a_foreign_name_is_refused(host: bytes) -> None:
    assert ask((b'host', host))[0] == 400
    assert ask((b'host', host), kind='websocket')[0] == 'websocket.close'


@pytest.mark.parametrize('origin', [b'http://evil.example', b'null', b'http://127.0.0.1:9', b''])
def test_a_foreign_origin_is_refused(origin: bytes) -> None:
    length = (b'content-length', b'0')
    assert ask(HOST, length, (b'origin', origin), method='POST')[0] == 403
    assert ask(HOST, (b'origin', origin), kind='websocket')[0] == 'websocket.close'
    own = (b'origin', b'http://127.0.0.1:8080')
    assert ask(HOST, length, own, method='POST')[0] == 200
    assert ask(HOST, own, kind='websocket')[0] == 200


@pytest.mark.parametrize(('length', 'status'), [
    (b'0', 200), (str(MAX_UPLOAD_BYTES).encode(), 200), (str(MAX_UPLOAD_BYTES + 1).encode(), 413),
    (b'9' * 5000, 413), (b'-1', 411), (b'', 411)])
def test_uploads_are_limited(length: bytes, status: int) -> None:
    assert ask(HOST, (b'content-length', length), method='POST')[0] == status


def test_an_upload_of_unknown_length_is_refused() -> None:
    assert ask(HOST, method='POST')[0] == 411


def test_a_token_opens_the_page_and_nothing_else_does() -> None:
    host = (b'host', b'robot:8080')
    assert ask(host, token='secret-1')[0] == 401
    assert ask(host, token='secret-1', query=b'token=secret-2')[0] == 401
    assert ask(host, token='secret-1', query='token=gehe\u00efm'.encode())[0] == 401
    assert ask(host, (b'cookie', b'eov_seg_console_8080=wrong'), token='secret-1')[0] == 401
    assert ask(host, token='secret-1', kind='websocket')[0] == 'websocket.close'
    status, headers = ask(host, token='secret-1', query=b'token=secret-1')
    assert (status, headers[b'location']) == (303, b'/')
    assert b'HttpOnly; SameSite=Lax' in headers[b'set-cookie']
    cookie = (b'cookie', headers[b'set-cookie'].split(b';')[0])
    assert ask(host, cookie, token='secret-1')[0] == 200
    assert ask(host, cookie, token='secret-1', kind='websocket')[0] == 200
