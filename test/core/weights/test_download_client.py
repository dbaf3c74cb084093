# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One file over HTTP from good and bad servers on this machine."""

from __future__ import annotations

import shutil
import threading
import time

from download_case import FORM, LOGIN, QUOTA, ranged, Reply, Server, serving
import pytest

from eov_seg_core.weights.download import client
from eov_seg_core.weights.download.client import fetch, Patience
from eov_seg_core.weights.download.errors import DownloadError, PageError
from eov_seg_core.weights.download.pages import Page

CONTENT = bytes(range(1, 251)) * 1200
PATIENCE = Patience(timeout_s=0.5, tries=3, first_wait_s=0.01, longest_wait_s=0.05)


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in ('http_proxy', 'https_proxy', 'all_proxy', 'HTTP_PROXY', 'HTTPS_PROXY'):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def part(tmp_path):
    return tmp_path / 'x.part'


def get(url, part, progress=lambda received, total: None):
    fetch(url, part, progress, PATIENCE, threading.Event())
    return part.read_bytes()


def test_a_whole_file_with_progress(part):
    seen = []
    with serving(CONTENT) as server:
        assert get(server.url, part, lambda *figures: seen.append(figures)) == CONTENT
    assert seen[0] == (0, len(CONTENT)), 'the size is known before the first byte'
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [received for received, _ in seen] == sorted(received for received, _ in seen)


@pytest.mark.parametrize('content', [b'', b'x'])
def test_none_and_one_byte(part, content):
    with serving(content) as server:
        assert get(server.url, part) == content


def test_no_length(part):
    with Server(lambda handler, number: Reply(CONTENT, length=None)) as server:
        assert get(server.url, part) == CONTENT


def test_a_cut_body_is_resumed(part):
    def answer(handler, number):
        reply = ranged(CONTENT, handler)
        if number == 1:
            reply.body = CONTENT[:len(CONTENT) // 3]
        return reply

    with Server(answer) as server:
        assert get(server.url, part) == CONTENT
        assert server.asked[1][1] == f'bytes={len(CONTENT) // 3}-'


def test_a_later_run_goes_on_where_the_first_one_was_stopped(part):
    def interrupt(received, total):
        if received:
            raise KeyboardInterrupt

    with serving(CONTENT) as server:
        with pytest.raises(KeyboardInterrupt):
            get(server.url, part, interrupt)
        kept = part.stat().st_size
        assert 0 < kept < len(CONTENT)
        assert get(server.url, part) == CONTENT
        assert server.asked[1][1] == f'bytes={kept}-'


def test_a_file_that_changed_meanwhile_is_fetched_anew(part):
    other = CONTENT[::-1]

    def answer(handler, number):
        if number == 1:
            return Reply(CONTENT[:90_000], length=len(CONTENT), ETag='"1"')
        return ranged(other, handler, '"2"')

    with Server(answer) as server:
        assert get(server.url, part) == other


def test_a_part_of_another_file_is_not_used(part):
    part.write_bytes(b'old')
    part.with_name('x.part.json').write_text('{"url": "http://other/", "validator": "\\"1\\"", '
                                             '"total": 9}')
    with serving(CONTENT) as server:
        assert get(server.url, part) == CONTENT
        assert server.asked[0][1] is None


@pytest.mark.parametrize('origin', ['', '[]', '{"url": 1}', 'null'])
def test_a_damaged_origin_begins_again(part, origin):
    part.write_bytes(b'old')
    part.with_name('x.part.json').write_text(origin)
    with serving(CONTENT) as server:
        assert get(server.url, part) == CONTENT


@pytest.mark.parametrize('content_range', [None, 'bytes 0-9/10', 'nonsense', 'bytes 90000-1/7'])
def test_a_wrong_range_begins_again(part, content_range):
    def answer(handler, number):
        if number == 1:
            return Reply(CONTENT[:90_000], length=len(CONTENT), ETag='"1"')
        if handler.headers['Range']:
            headers = {} if content_range is None else {'Content_Range': content_range}
            return Reply(CONTENT[:10], 206, **headers)
        return Reply(CONTENT, ETag='"1"')

    with Server(answer) as server:
        assert get(server.url, part) == CONTENT


def test_a_part_that_is_longer_than_the_file_begins_again(part):
    with serving(CONTENT) as server:
        part.write_bytes(CONTENT + b'more')
        part.with_name('x.part.json').write_text(
            f'{{"url": "{server.url}", "validator": "\\"1\\"", "total": {len(CONTENT)}}}')
        assert get(server.url, part) == CONTENT


def test_a_connection_that_always_ends_is_given_up_and_the_part_kept(part):
    with (Server(lambda handler, number: Reply(b'x' * 1000, length=5_000_000, ETag='"1"')
                  if number == 1 else Reply(status=503)) as server,
          pytest.raises(DownloadError, match=r'503.*goes on from there')):
        get(server.url, part)
    assert part.stat().st_size == 1000


def test_a_server_that_always_cuts_and_resumes_wrongly_is_given_up(part):
    def answer(handler, number):
        reply = ranged(CONTENT, handler)
        if handler.headers.get('Range'):
            reply.headers['Content-Range'] = f'bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}'
        reply.body = reply.body[:len(CONTENT) // 2]
        return reply

    with Server(answer) as server:
        with pytest.raises(DownloadError, match='3 tries'):
            get(server.url, part)
        assert len(server.asked) <= 6


def test_a_cut_body_says_how_far_it_came(part):
    with (Server(lambda handler, number: Reply(b'x' * 1000, length=5_000_000)) as server,
          pytest.raises(DownloadError, match=r'ended; 3 tries\. 1 of 5 MB')):
        get(server.url, part)


@pytest.mark.parametrize('status', [500, 503, 429])
def test_a_server_that_recovers(part, status):
    def answer(handler, number):
        return Reply(status=status, Retry_After='9999') if number < 3 else Reply(CONTENT)

    with Server(answer) as server:
        assert get(server.url, part) == CONTENT


@pytest.mark.parametrize('status', [401, 403, 404, 410])
def test_a_refusal_is_not_repeated(part, status):
    with Server(lambda handler, number: Reply(b'no', status)) as server:
        with pytest.raises(DownloadError, match=str(status)):
            get(server.url, part)
        assert len(server.asked) == 1


def test_a_server_that_stalls(part):
    def answer(handler, number):
        time.sleep(1.0)

    with Server(answer) as server, pytest.raises(DownloadError, match=r'nothing for 0.5 s'):
        get(server.url, part)


def test_a_trickle_is_given_up(part):
    def answer(handler, number):
        handler.send_response(200)
        handler.end_headers()
        for _ in range(30):
            handler.wfile.write(b'x')
            time.sleep(0.05)

    with Server(answer) as server, pytest.raises(DownloadError, match='too slow'):
        get(server.url, part)


def test_endless_data_ends(part, monkeypatch):
    monkeypatch.setattr(client, '_LARGEST_BYTES', 200_000)
    with (Server(lambda handler, number: Reply(CONTENT, length=None)) as server,
          pytest.raises(DownloadError, match='more than')):
        get(server.url, part)
    assert not part.exists()


def test_an_absurd_length_is_refused(part):
    with (Server(lambda handler, number: Reply(b'x', length=10**15)) as server,
          pytest.raises(DownloadError, match='announces')):
        get(server.url, part)


def test_no_room_is_said_before_anything_is_written(part, monkeypatch):
    monkeypatch.setattr(shutil, 'disk_usage', lambda path: shutil._ntuple_diskusage(10, 9, 1))
    with (serving(CONTENT) as server,
          pytest.raises(OSError, match=r'no room: 1 MB needed .*EOV_SEG_HOME')):
        get(server.url, part)
    assert not part.exists()


def test_compressed_data_is_refused(part):
    with (Server(lambda handler, number: Reply(b'x', Content_Encoding='gzip')) as server,
          pytest.raises(DownloadError, match='gzip')):
        get(server.url, part)


def test_redirects_are_followed(part):
    def answer(handler, number):
        return Reply(CONTENT) if number == 4 else Reply(status=302, Location=f'/{number}')

    with Server(answer) as server:
        assert get(server.url, part) == CONTENT


@pytest.mark.parametrize('target', ['file:///etc/passwd', 'ftp://127.0.0.1/x', 'data:,x'])
def test_redirects_out_of_http_are_not_followed(part, target):
    with (Server(lambda handler, number: Reply(status=302, Location=target)) as server,
          pytest.raises(DownloadError, match=r'not (followed|allowed)')):
        get(server.url, part)


def test_redirects_in_a_circle_end(part):
    with (Server(lambda handler, number: Reply(status=302, Location='/')) as server,
          pytest.raises(DownloadError, match=r'302 \(it leads from one address .* end\)')):
        get(server.url, part)


@pytest.mark.parametrize(('page', 'words'), [
    (QUOTA, 'too many people'), (LOGIN, 'log-in'), ('<html><title>Hello</title>', "'Hello'"),
    ('<p>', "title is ''")])
@pytest.mark.parametrize('content_type', ['text/html; charset=utf-8', 'application/octet-stream'])
def test_pages_are_recognised(part, page, words, content_type):
    with (Server(lambda *_: Reply(page.encode(), Content_Type=content_type)) as server,
          pytest.raises(PageError, match=words)):
        get(server.url, part)
    assert not part.exists()


def test_numbers_that_begin_like_a_page_are_none(part):
    content = b'<h\0\0\0\0\0\0{}'      # a safetensors file whose header has 26684 bytes
    with serving(content) as server:
        assert get(server.url, part) == content


@pytest.mark.parametrize(('action', 'expected'), [
    ('/other/download', 'http://h/other/download?id=ID&confirm=t&uuid=1-2%263'),
    ('https://evil.example/', None), ('file:///etc/passwd', None)])
def test_the_form_leads_to_the_same_host_only(action, expected):
    assert Page(FORM.format(action=action), 'http://h/x').form_url == expected


def test_a_proxy_is_used(part, monkeypatch):
    with serving(CONTENT) as proxy:
        monkeypatch.setenv('http_proxy', proxy.url)
        monkeypatch.setenv('no_proxy', '')
        assert get('http://weights.invalid/x', part) == CONTENT
        assert proxy.asked[0][0] == 'http://weights.invalid/x'


@pytest.mark.parametrize('url', ['http://127.0.0.1:1/', 'http://[/', 'nonsense', 'ftp://a/b'])
def test_what_cannot_be_asked_is_an_error_at_once(part, url):
    with pytest.raises(DownloadError):
        get(url, part)
