# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Published weights into the cache: sources in order, checks, trust, faults of this machine."""

from __future__ import annotations

from dataclasses import replace
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

from cli_case import names_in
from download_case import FORM, QUOTA, ranged, Reply, Server, serving
import pytest

from eov_seg_core.weights.checkpoint import CheckpointError
from eov_seg_core.weights.download import obtain as obtain_module
from eov_seg_core.weights.download.cache import only_one, read_record, weights_file
from eov_seg_core.weights.download.client import Patience
from eov_seg_core.weights.download.errors import ChangedError, DownloadError, StoppedError
from eov_seg_core.weights.download.obtain import obtain, Request
from eov_seg_core.weights.download.progress import LoggedProgress
from eov_seg_core.weights.download.table import Hosts, Published

TINY = Published('t', 'eov_seg_tiny.pth', 'ID')
NOWHERE = Hosts(drive='', use_gdown=False)
GOOD = b'good weights ' * 9000
PATIENCE = Patience(timeout_s=5.0, tries=2, first_wait_s=0.01)


def convert(source, variant, target):
    """Take what begins with "good"; the digest is the rest."""
    content = source.read_bytes()
    if not content.startswith(b'good'):
        raise CheckpointError(f'{source} is no EOV-Seg checkpoint')
    target.write_bytes(content)
    return str(hash(content))


def request(**hosts):
    return Request(TINY, convert, replace(NOWHERE, **hosts), patience=PATIENCE)


def left_over():
    return [path for path in names_in(weights_file('t').parent) if 'part' in path or 'tmp' in path]


def test_a_mirror_comes_first_then_the_hub_then_drive():
    with Server(lambda handler, number: Reply(status=404) if number < 3
                else ranged(GOOD, handler)) as server:
        path = obtain(request(mirror=f'{server.url}/m/', hub=server.url, hub_repository='o/n',
                              drive=server.url))
        assert [asked for asked, _ in server.asked] == [
            '/m/eov_seg_tiny.pth', '/o/n/resolve/main/eov_seg_tiny.pth',
            '/download?id=ID&export=download&confirm=t']
    assert path.read_bytes() == GOOD
    record = read_record('t')
    assert (record.size, record.weights_digest) == (len(GOOD), str(hash(GOOD)))
    assert left_over() == []


def test_what_comes_is_announced_once_before_its_first_byte():
    said = []

    def progress(received, total):
        said.append(received)

    with serving(GOOD) as server:
        obtain(replace(request(drive=server.url.replace('//', '//me:word@')), progress=progress,
                       announce=said.append))
    assert (said[1], said[-1]) == (0, len(GOOD))
    assert [type(entry) for entry in said].count(str) == 1
    for words in (TINY.file_name, 'variant t', '(1 MB)', f'from {server.url}/download?id=ID to ',
                  str(weights_file('t')), 'licence: Apache-2.0, https://github.com/nhw649'):
        assert words in said[0]
    assert read_record('t').url == f'{server.url}/download?id=ID'


def test_without_a_listener_it_is_logged(caplog):
    with Server(lambda handler, number: Reply(GOOD, length=None)) as server:
        obtain(request(drive=server.url))
    announced, = (record for record in caplog.records if 'licence' in record.message)
    assert announced.levelname == 'WARNING'     # what Python shows of a library
    assert '(of unknown size)' in announced.message


def test_progress_is_logged_every_tenth(caplog):
    caplog.set_level('INFO')
    log = LoggedProgress('s')
    for received in range(0, 1000_000_001, 1_000_000):
        log(received, 1000_000_000)
    lines = [record.message for record in caplog.records]
    assert len(lines) == 10
    assert lines[0] == 'fetching variant s: 100 of 1000 MB (10 %)'
    assert lines[-1] == 'fetching variant s: 1000 of 1000 MB (100 %)'
    caplog.clear()
    log = LoggedProgress('s')
    for received in (49_000_000, 49_900_000, 51_000_000, 99_000_000):
        log(received, None)
    assert [record.message for record in caplog.records] == ['fetching variant s: 51 MB']


def test_waiting_for_another_download_can_be_stopped(caplog):
    stop = threading.Event()
    with serving(GOOD) as server, only_one('t', threading.Event()):
        threading.Timer(0.3, stop.set).start()
        with pytest.raises(StoppedError):
            obtain(replace(request(drive=server.url), stop=stop))
        assert server.asked == []
    assert 'fetched already' in caplog.text


def test_what_another_process_fetched_meanwhile_is_taken():
    take = replace(request(), only_if_missing=True)
    weights_file('t').parent.mkdir(parents=True)
    weights_file('t').write_bytes(GOOD)
    assert obtain(take).read_bytes() == GOOD
    with pytest.raises(DownloadError):
        obtain(request())


def test_drives_form_is_followed_once():
    def answer(handler, number):
        if 'uuid' in handler.path:
            return ranged(GOOD, handler)
        return Reply(FORM.format(action='/elsewhere').encode(), Content_Type='text/html')

    with Server(answer) as server:
        assert obtain(request(drive=server.url)).read_bytes() == GOOD
        assert server.asked[1][0] == '/elsewhere?id=ID&confirm=t&uuid=1-2%263'


def test_a_form_that_leads_to_a_form_is_an_error():
    page = FORM.format(action='/').encode()
    with Server(lambda handler, number: Reply(page, Content_Type='text/html')) as server:
        with pytest.raises(DownloadError, match='Virus scan'):
            obtain(request(drive=server.url))
        assert len(server.asked) == 2


def test_a_full_quota_says_what_to_do_by_hand(home, monkeypatch):
    monkeypatch.setattr(obtain_module.importlib.util, 'find_spec', lambda name: None)
    with (Server(lambda handler, number: Reply(QUOTA.encode(), 403)) as server,
          pytest.raises(DownloadError) as caught):
        obtain(request(drive=server.url))
    for words in ('too many people', 'https://drive.google.com/file/d/ID/view', TINY.file_name,
                  f'download t --from {TINY.file_name}', "'gdown>=6.5'", str(home),
                  'EOV_SEG_WEIGHTS_URL'):
        assert words in str(caught.value)


def test_what_is_no_checkpoint_is_not_kept_and_the_next_source_is_asked(tmp_path):
    wrong = tmp_path / 'wrong.pth'
    wrong.write_bytes(b'bad')
    with serving(GOOD) as server:
        assert obtain(request(mirror=wrong.as_uri(), drive=server.url)).read_bytes() == GOOD
    assert wrong.exists()       # it is the user's
    with serving(b'bad') as server, pytest.raises(DownloadError, match='no EOV-Seg'):
        obtain(request(drive=server.url))
    assert weights_file('t').read_bytes() == GOOD
    assert left_over() == []


def test_other_weights_are_refused_until_they_are_accepted():
    other = GOOD + b'!'
    with serving(GOOD) as server:
        obtain(request(drive=server.url))
    weights_file('t').unlink()
    with serving(other) as server:
        with pytest.raises(ChangedError, match='--accept-changed'):
            obtain(request(drive=server.url))
        assert not weights_file('t').exists()
        assert left_over() == []
        obtain(replace(request(drive=server.url), accept_changed=True))
    assert weights_file('t').read_bytes() == other
    assert read_record('t').weights_digest == str(hash(other))


@pytest.mark.parametrize('name', ['EOV_SEG_OFFLINE', 'HF_HUB_OFFLINE'])
def test_offline_asks_nobody_but_takes_files(tmp_path, monkeypatch, name):
    monkeypatch.setenv(name, '1')
    with serving(GOOD) as server:
        with pytest.raises(DownloadError, match='EOV_SEG_OFFLINE'):
            obtain(replace(request(drive=server.url), hosts=Hosts(drive=server.url)))
        assert server.asked == []
    (tmp_path / TINY.file_name).write_bytes(GOOD)
    assert obtain(request(mirror=tmp_path.as_uri())).read_bytes() == GOOD


def test_gdown_is_tried_last_if_it_is_there(monkeypatch):
    def download(*, id, output, quiet, use_cookies):
        assert (id, use_cookies) == ('ID', False)
        with open(output, 'wb') as file:
            file.write(GOOD)

    monkeypatch.setattr(obtain_module.importlib.util, 'find_spec', lambda name: object())
    monkeypatch.setitem(sys.modules, 'gdown', SimpleNamespace(download=download))
    assert obtain(request(use_gdown=True)).read_bytes() == GOOD
    assert left_over() == []


def test_keep_has_the_published_file_too():
    with serving(GOOD) as server:
        obtain(replace(request(drive=server.url), keep=True))
    assert (weights_file('t').parent / TINY.file_name).read_bytes() == GOOD


def test_a_file_size_limit_like_a_full_disk_is_one_sentence(home):
    home.mkdir()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with serving(GOOD) as server, pytest.raises(OSError, match='EOV_SEG_HOME'):
            obtain(request(drive=server.url))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert not weights_file('t').exists()


def test_a_folder_that_cannot_be_made_is_one_sentence(home):
    home.write_text('a file')       # a read-only folder does not stop root
    with pytest.raises(OSError, match=r'cannot be kept in .*EOV_SEG_HOME'):
        obtain(request())


def test_a_folder_that_is_removed_meanwhile_is_one_sentence():
    def remove(received, total):
        for path in weights_file('t').parent.iterdir():
            path.unlink()
        weights_file('t').parent.rmdir()

    with serving(b'good') as server, pytest.raises(OSError, match='EOV_SEG_HOME'):
        obtain(replace(request(drive=server.url), progress=remove))


def test_a_damaged_record_is_one_sentence(home):
    (home / 'weights').mkdir(parents=True)
    (home / 'weights' / 'eov_seg_t.json').write_text('{}')
    with serving(GOOD) as server, pytest.raises(DownloadError, match='record|damaged'):
        obtain(request(drive=server.url))


def test_two_processes_do_not_write_at_once():
    def slowly(handler, number):
        time.sleep(0.3)
        return ranged(GOOD, handler)

    with Server(slowly) as server:
        workers = [multiprocessing.get_context('fork').Process(
            target=obtain, args=(request(drive=server.url),)) for _ in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(30)
        assert [worker.exitcode for worker in workers] == [0, 0]
    assert weights_file('t').read_bytes() == GOOD
    assert left_over() == []


STOPPED = """
from pathlib import Path
import shutil, sys
from eov_seg_core.weights.download.obtain import obtain, Request
from eov_seg_core.weights.download.progress import LoggedProgress
from eov_seg_core.weights.download.table import Hosts, Published
obtain(Request(Published('t', 'x.pth', 'ID'), lambda source, variant, target: 'digest',
               Hosts(drive=sys.argv[1], use_gdown=False),
               progress=lambda received, total: print(received, flush=True)))
"""


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGKILL])
def test_what_a_stopped_process_received_is_used(checkout, number):
    def answer(handler, count):
        if count > 1:
            return ranged(GOOD, handler)
        handler.send_response(200)
        handler.send_header('ETag', '"1"')
        handler.send_header('Content-Length', str(len(GOOD)))
        handler.end_headers()
        handler.wfile.write(GOOD[:70_000])
        time.sleep(10)
        return None

    with Server(answer) as server:
        process = subprocess.Popen([sys.executable, '-c', STOPPED, server.url], cwd=checkout,
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        received = 0
        while received < 70_000:
            received = int(process.stdout.readline())
        os.kill(process.pid, number)
        assert process.wait(10) != 0
        assert obtain(request(drive=server.url)).read_bytes() == GOOD
        assert server.asked[1][1] == 'bytes=70000-'
