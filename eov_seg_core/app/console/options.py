# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The options of `eov-seg console` beside those for weights and inference."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
import errno
import re
import secrets
import socket

from eov_seg_core.app.arguments import port
from eov_seg_core.app.console.security import LOOPBACK

_ALL = ('0.0.0.0', '::')    # addresses to listen at that no browser can open


@dataclass(frozen=True)
class ServerAddress:
    """Where the page is.

    Attributes:
        host: Address to listen at.
        port: Port to listen at.
        token: Secret that opens the page; None: it is for this machine only, and needs none.
    """

    host: str = '127.0.0.1'
    port: int = 8080
    token: str | None = None

    @classmethod
    def of(cls, options: argparse.Namespace) -> ServerAddress:
        """Return what the options say; a token is made where one is needed and none is given."""
        needs_token = options.host not in LOOPBACK
        return cls(options.host, options.port,
                   options.token or (secrets.token_urlsafe(16) if needs_token else None))

    def check(self) -> None:
        """Check that a server can listen there.

        Raises:
            ValueError: It cannot, most often because another program does; the text says why.
        """
        family = socket.AF_INET6 if ':' in self.host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)     # as servers do
            try:
                probe.bind((self.host, self.port))
            except OSError as error:
                raise ValueError(f'the page cannot be at {self.host}, port {self.port}: '
                                 f'{error.strerror}; {_advice(error)}') from error

    @property
    def url(self) -> str:
        """What to type into a browser."""
        name = socket.gethostname() if self.host in _ALL else self.host
        host = f'[{name}]' if ':' in name else name
        return f'http://{host}:{self.port}/' + (f'?token={self.token}' if self.token else '')


def _advice(error: OSError) -> str:
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return ('give an address of this machine with --host; 0.0.0.0 is all of them, and without '
                '--host it is 127.0.0.1')
    if error.errno == errno.EACCES:
        return 'ports below 1024 are for the system: give another one with --port'
    return ('another console may be open there: look at it, or give this one another port with '
            '--port')


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add pictures, words, and where the page is."""
    parser.add_argument('inputs', nargs='*', metavar='PICTURE',
                        help='images, folders, or camera:0 (a room of the built-in world)')
    parser.add_argument('--vocabulary', metavar='NAME',
                        help='words to begin with: a preset, or a YAML or list file (world)')
    add_page_options(parser)


def add_page_options(parser: argparse.ArgumentParser) -> None:
    """Add where the page is."""
    page = parser.add_argument_group('page')
    page.add_argument('--host', default='127.0.0.1', metavar='ADDRESS',
                      help='where to listen; any other than this machine needs a token, which is '
                           'made and printed if none is given (127.0.0.1)')
    page.add_argument('--port', type=port, default=8080, metavar='N', help='(8080)')
    page.add_argument('--token', type=_token, help='secret that opens the page')
    page.add_argument('--no-browser', action='store_true', help='do not open the page')


def _token(text: str) -> str:
    if not re.fullmatch(r'[A-Za-z0-9_-]{8,200}', text):
        raise argparse.ArgumentTypeError('expected 8 to 200 letters, digits, - and _')
    return text
