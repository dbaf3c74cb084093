# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A server on 127.0.0.1 that imitates Google Drive, a hub, and servers with faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import re
import ssl
import threading
from typing import Any

FORM = """<!DOCTYPE html><html><head><title>Drive - Virus scan warning</title></head><body>
<p>The file is too large to be scanned.</p><form id="download-form" action="{action}" method="get">
<input type="submit" value="Download anyway"><input type="hidden" name="id" value="ID">
<input type="hidden" name="confirm" value="t"><input type="hidden" name="uuid" value="1-2&amp;3">
</form></body></html>"""
QUOTA = """<html><head><title>Drive - Quota exceeded</title></head><body>
<p class="uc-error-subcaption">Too many users have viewed or downloaded this file.</p>
</body></html>"""
LOGIN = '<html><head><title>Accounts</title></head><body><h1>Sign in</h1></body></html>'


class Reply:
    """What a test's function answers with; see the attributes.

    Attributes:
        status: Of HTTP.
        body: Bytes that are sent.
        headers: Beside Content-Length.
        length: Announced; None announces none.
    """

    def __init__(self, body: bytes = b'', status: int = 200, length: Any = ...,
                 **headers: str) -> None:
        self.status, self.body = status, body
        self.headers = {name.replace('_', '-'): value for name, value in headers.items()}
        self.length = len(body) if length is ... else length


Answer = Callable[[BaseHTTPRequestHandler, int], 'Reply | None']


class Server:
    """Runs in threads of its own.

    Args:
        answer: Is called with the handler and the number of the request.
        tls: For https.

    Attributes:
        url: Without a slash at the end.
        asked: Path and Range of each request.
    """

    def __init__(self, answer: Answer, tls: ssl.SSLContext | None = None) -> None:
        server = self
        self.asked: list[tuple[str, str | None]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append((self.path, self.headers['Range']))
                reply = answer(self, len(server.asked))
                if reply is None:       # it has answered itself
                    return
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                if reply.length is not None:
                    self.send_header('Content-Length', str(reply.length))
                self.end_headers()
                self.wfile.write(reply.body)

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f'http{"s" if tls else ""}://127.0.0.1:{self._server.server_port}'

    def __enter__(self) -> Server:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def ranged(content: bytes, handler: BaseHTTPRequestHandler, etag: str = '"1"') -> Reply:
    """Answer as a good server does, with the rest that was asked for."""
    wanted = re.fullmatch(r'bytes=(\d+)-', handler.headers['Range'] or '')
    if wanted is None or handler.headers['If-Range'] != etag:
        return Reply(content, ETag=etag)
    start = int(wanted[1])
    if start >= len(content):
        return Reply(status=416)
    return Reply(content[start:], 206, ETag=etag,
                 Content_Range=f'bytes {start}-{len(content) - 1}/{len(content)}')


@contextmanager
def serving(content: bytes) -> Iterator[Server]:
    """Serve the same content at each path."""
    with Server(lambda handler, number: ranged(content, handler)) as server:
        yield server
