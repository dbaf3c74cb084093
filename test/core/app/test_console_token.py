# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`eov-seg console --host ADDRESS`, which needs a token, in a real browser.

Nothing is opened to a network: the address is another one of this machine's loopback.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
import http.client
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
import re
import socket
import threading

from browser_case import free_port, OTHER_HOST, wait_for
from console_case import chips, serve, THINGS
import pytest

pytest.importorskip('nicegui', reason='the extra console is not installed')
_RESOURCES = ('return performance.getEntries().map((each) => each.name).concat('
              'location.href, document.cookie, document.documentElement.outerHTML).join(" ")')


@dataclass
class Console:
    """A running console; its address is with the token that it printed."""

    port: int
    log: Path

    @property
    def address(self) -> str:
        return wait_for(lambda: re.search(r'http://\S+', self.log.read_text()), 'no address')[0]

    @property
    def token(self) -> str:
        return self.address.partition('?token=')[2]


@pytest.fixture(scope='module')
def console(tmp_path_factory) -> Iterator[Console]:
    with socket.socket() as probe:
        try:
            probe.bind((OTHER_HOST, 0))
        except OSError:
            pytest.skip(f'this system has no address {OTHER_HOST}')
    folder, port = tmp_path_factory.mktemp('token'), free_port()
    with serve(port, folder, host=OTHER_HOST):
        yield Console(port, folder / 'log')


@pytest.fixture
def stranger(browser) -> Iterator[object]:
    """Give a browser that was never given a token."""
    browser.driver.execute_cdp_cmd('Network.clearBrowserCookies', {})
    yield browser
    browser.driver.get('about:blank')
    browser.problems()      # requests that were refused


def is_ready(page) -> bool:
    return 'Ready' in page.text('.status')


def test_the_address_without_its_token_shows_nothing_but_what_to_do(stranger, console) -> None:
    for query in ('', '?token=wrong-one', f'?Token={console.token}', 'frame/overlay'):
        stranger.driver.get(f'http://{OTHER_HOST}:{console.port}/{query}')
        assert 'open the address that the console printed' in stranger.text('body')
        assert stranger.driver.find_elements('css selector', 'img, input') == []


def test_the_address_with_its_token_opens_the_page_for_good(stranger, console) -> None:
    assert len(console.token) > 20
    stranger.driver.get(console.address)
    for _ in range(2):      # once more after a reload
        wait_for(lambda: is_ready(stranger), 'the page is not ready')
        assert stranger.count_colour((0, 0, 0)) >= 0     # there is a picture
        stranger.driver.refresh()
    wait_for(lambda: is_ready(stranger), 'the page is not ready')
    stranger.type(THINGS, 'bed')        # over the websocket
    wait_for(lambda: 'bed' in chips(stranger), 'the word was not taken')
    assert stranger.problems() == []


def test_the_token_is_neither_on_the_page_nor_in_the_log(stranger, console) -> None:
    for _ in range(2):      # also where the browser has its cookie already
        stranger.driver.get(console.address)
        wait_for(lambda: is_ready(stranger), 'the page is not ready')
    assert console.token not in stranger.script(_RESOURCES)
    assert console.log.read_text().count(console.token) == 1    # where it is printed


def upgrade(port: int, **headers: str) -> int:
    """Ask for a websocket; return the status of the answer."""
    connection = http.client.HTTPConnection(OTHER_HOST, port, timeout=10)
    connection.request('GET', '/_nicegui_ws/socket.io/?EIO=4&transport=websocket', headers={
        'Connection': 'Upgrade', 'Upgrade': 'websocket', 'Sec-WebSocket-Version': '13',
        'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==', **headers})
    return connection.getresponse().status


def test_a_websocket_needs_the_cookie_and_the_origin_of_the_page(stranger, console) -> None:
    stranger.driver.get(console.address)
    cookie, = stranger.driver.get_cookies()
    sent = {'Cookie': f'{cookie["name"]}={cookie["value"]}'}
    assert cookie['httpOnly']
    assert upgrade(console.port) == 403
    assert upgrade(console.port, **sent, Origin='http://evil.example') == 403
    assert upgrade(console.port, **sent, Origin=f'http://{OTHER_HOST}:{console.port}') == 101


@pytest.fixture
def other_site(console) -> Iterator[str]:
    """Serve a page of another site that has a link to the console, as a mail has."""
    class Mail(BaseHTTPRequestHandler):
        def do_GET(self) -> None:       # noqa: N802
            self.send_response(200)
            self.send_header('Content-Type', 'text/html')
            self.end_headers()
            self.wfile.write(f'<a href="{console.address}">robot</a>'.encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(('127.0.0.1', 0), Mail) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f'http://localhost:{server.server_port}/'
        server.shutdown()


def test_a_link_with_the_token_opens_the_page_from_any_site(stranger, console, other_site) -> None:
    stranger.driver.get(other_site)
    stranger.element('a').click()
    wait_for(lambda: is_ready(stranger), 'the page is refused', 20)


def test_two_consoles_of_one_machine_do_not_take_each_other_the_cookie(
        stranger, console, tmp_path) -> None:
    port = free_port()
    with serve(port, tmp_path, host=OTHER_HOST):
        for address in (console.address, Console(port, tmp_path / 'log').address):
            stranger.driver.get(address)
            wait_for(lambda: is_ready(stranger), 'the page is not ready')
        stranger.driver.get(f'http://{OTHER_HOST}:{console.port}/')
        wait_for(lambda: is_ready(stranger), 'the page is refused', 20)


def test_a_page_whose_console_has_another_token_now_says_so(stranger, tmp_path) -> None:
    port = free_port()
    for number in range(2):
        with serve(port, tmp_path, host=OTHER_HOST):
            if number == 0:
                stranger.driver.get(Console(port, tmp_path / 'log').address)
                wait_for(lambda: is_ready(stranger), 'the page is not ready')
            else:
                wait_for(lambda: 'needs its token' in stranger.text('body'), 'it says nothing')
