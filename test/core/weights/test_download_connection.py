# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Slow headers, stopping, passwords and certificates of a download, from servers here."""

from __future__ import annotations

import base64
import json
import shutil
import ssl
import subprocess
import threading
import time
from urllib.request import Request

from download_case import ranged, Reply, Server, serving
import pytest

from eov_seg_core.weights.download.client import fetch, Patience
from eov_seg_core.weights.download.connection import _Redirects, without_secrets
from eov_seg_core.weights.download.errors import DownloadError, PageError, StoppedError

CONTENT = bytes(range(1, 251)) * 1200
PATIENCE = Patience(timeout_s=0.5, tries=2, first_wait_s=0.01)
PATIENT = Patience(timeout_s=30.0, tries=9, first_wait_s=30.0)


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in ('http_proxy', 'https_proxy', 'all_proxy', 'HTTP_PROXY', 'HTTPS_PROXY'):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def part(tmp_path):
    return tmp_path / 'x.part'


def get(url, part, patience=PATIENCE, stop=None):
    fetch(url, part, lambda received, total: None, patience, stop or threading.Event())
    return part.read_bytes()


def trickle(handler, first, piece, seconds=20.0):
    """Send something, and then a piece now and then until the client goes away."""
    end_s = time.monotonic() + seconds
    try:
        handler.wfile.write(first)
        while time.monotonic() < end_s:
            handler.wfile.write(piece)
            time.sleep(0.02)
    except OSError:
        pass    # as it should


@pytest.mark.parametrize('first', [b'', b'HTTP/1.0 200 OK\r\n', b'HTTP/1.0 302 Found\r\nX: '])
def test_headers_that_trickle_have_a_deadline(part, first):
    with (Server(lambda handler, number: trickle(handler, first, b'a')) as server,
          pytest.raises(DownloadError, match=r'did not finish its answer in 1 s; 2 tries')):
        get(server.url, part)
    assert not part.exists()


@pytest.mark.parametrize(('status', 'error'), [(b'200 OK', PageError), (b'404 No', DownloadError)])
def test_a_page_that_trickles_has_a_deadline(part, status, error):
    first = b'HTTP/1.0 ' + status + b'\r\nContent-Type: text/html\r\n\r\n<title>Hm</title>'
    started_s = time.monotonic()
    with (Server(lambda handler, number: trickle(handler, first, b'.')) as server,
          pytest.raises(error, match="'Hm'|404")):
        get(server.url, part)
    assert time.monotonic() - started_s < 5.0


def stall(handler, number):
    """Take a request and say nothing."""
    time.sleep(5.0)


def stall_in_headers(handler, number):
    handler.wfile.write(b'HTTP/1.0 200 OK\r\n')
    time.sleep(5.0)


def stall_in_body(handler, number):
    handler.send_response(200)
    handler.send_header('Content-Length', str(len(CONTENT)))
    handler.send_header('ETag', '"1"')
    handler.end_headers()
    handler.wfile.write(CONTENT[:90_000])
    time.sleep(5.0)


def stall_without_length(handler, number):
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(CONTENT[:90_000])
    time.sleep(5.0)


def be_busy(handler, number):
    return Reply(status=503)


@pytest.mark.parametrize('answer', [stall, stall_in_headers, stall_in_body, stall_without_length,
                                    be_busy])
def test_it_stops_at_once_wherever_it_is(part, answer):
    stop = threading.Event()
    with Server(answer) as server:
        threading.Timer(0.3, stop.set).start()
        started_s = time.monotonic()
        with pytest.raises(StoppedError):
            get(server.url, part, PATIENT, stop)
        assert time.monotonic() - started_s < 2.0
        assert len(server.asked) == 1
    if answer is stall_in_body:
        with Server(lambda handler, number: ranged(CONTENT, handler)) as server:
            origin = part.with_name('x.part.json')
            origin.write_text(json.dumps(json.loads(origin.read_text()) | {'url': server.url}))
            assert get(server.url, part) == CONTENT
            assert server.asked[0][1] == 'bytes=90000-'


def test_what_is_stopped_before_it_begins_asks_nobody(part):
    stop = threading.Event()
    stop.set()
    with serving(CONTENT) as server:
        with pytest.raises(StoppedError):
            get(server.url, part, stop=stop)
        assert server.asked == []


@pytest.mark.parametrize(('url', 'shown'), [
    ('https://me:word@h:8443/a.pth?token=x&id=3#f', 'https://h:8443/a.pth?id=3'),
    ('http://me@h/a', 'http://h/a'), ('http://h/a%20b', 'http://h/a%20b'),
    ('http://me:word@[h/a?token=x', '[h/a')])
def test_a_shown_url_has_no_secrets(url, shown):
    assert without_secrets(url) == shown


def test_a_password_is_sent_to_its_own_server_and_not_kept(part):
    logins = []

    def answer(handler, number):
        logins.append(handler.headers['Authorization'])
        return (ranged(CONTENT, handler) if number == 2 else
                Reply(status=302, Location='/elsewhere'))

    with Server(answer) as server:
        assert get(server.url.replace('//', '//me:w%40rd@') + '/x?token=3', part) == CONTENT
    assert logins == ['Basic ' + base64.b64encode(b'me:w@rd').decode()] * 2
    assert json.loads(part.with_name('x.part.json').read_text())['url'] == f'{server.url}/x'


def test_a_password_is_not_sent_to_where_the_server_leads(part):
    logins = []

    def foreign(handler, number):
        logins.append(handler.headers['Authorization'])
        return Reply(CONTENT)

    with Server(foreign) as other, Server(
            lambda handler, number: Reply(status=302, Location=other.url)) as server:
        assert get(server.url.replace('//', '//me:word@'), part) == CONTENT
    assert logins == [None]


def test_a_redirect_from_https_to_http_is_not_followed():
    with pytest.raises(DownloadError, match=r"'http://a/'.* expected https://"):
        _Redirects().redirect_request(Request('https://a/'), None, 302, '', {},
                                      'http://me:word@a/?token=x')


@pytest.fixture(scope='module')
def certificate(tmp_path_factory):
    """Return a file with the key and the certificate of a server that nobody vouches for."""
    if shutil.which('openssl') is None:
        pytest.skip('the command openssl is not installed')
    path = tmp_path_factory.mktemp('tls') / 'server.pem'
    subprocess.run(
        ['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj',
         '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', path, '-out',
         path.with_suffix('.crt')], check=True, capture_output=True)
    with path.open('ab') as file:
        file.write(path.with_suffix('.crt').read_bytes())
    return path


def test_a_certificate_that_nobody_vouches_for(part, certificate, monkeypatch):
    monkeypatch.delenv('SSL_CERT_FILE', raising=False)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with Server(lambda handler, number: ranged(CONTENT, handler), tls) as server:
        with pytest.raises(DownloadError, match=r'certificate .*self.signed.*SSL_CERT_FILE='):
            get(server.url, part)
        assert server.asked == []
        monkeypatch.setenv('SSL_CERT_FILE', str(certificate.with_suffix('.crt')))
        assert get(server.url, part) == CONTENT
