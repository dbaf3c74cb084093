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
import time
from types import SimpleNamespace

from cli_case import names_in
from download_case import FORM, QUOTA, ranged, Reply, Server, serving
import pytest
import torch

from eov_seg_core import EOVSeg, Segmenter
from eov_seg_core.app.cli import main
from eov_seg_core.pretrained import convert_weights
from eov_seg_core.weights.checkpoint import CheckpointError
from eov_seg_core.weights.choice import usable_sources
from eov_seg_core.weights.download import obtain as obtain_module
from eov_seg_core.weights.download.cache import read_record, weights_file
from eov_seg_core.weights.download.client import DownloadError, Patience
from eov_seg_core.weights.download.obtain import ChangedError, obtain, Request
from eov_seg_core.weights.download.table import Hosts, PUBLISHED, Published

TINY = Published('t', 'eov_seg_tiny.pth', 'ID')
NOWHERE = Hosts(drive='', use_gdown=False)
GOOD = b'good weights ' * 9000
PATIENCE = Patience(timeout_s=5.0, tries=2, first_wait_s=0.01)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    for name in ('http_proxy', 'https_proxy', 'all_proxy', 'HTTP_PROXY', 'HTTPS_PROXY',
                 'HF_HUB_OFFLINE', 'EOV_SEG_OFFLINE', 'EOV_SEG_WEIGHTS_URL', 'HF_ENDPOINT',
                 'EOV_SEG_HF_REPOSITORY'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('EOV_SEG_HOME', str(tmp_path / 'home'))
    return tmp_path / 'home'


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


def test_a_full_quota_says_what_to_do_by_hand(home):
    with (Server(lambda handler, number: Reply(QUOTA.encode(), 403)) as server,
          pytest.raises(DownloadError) as caught):
        obtain(request(drive=server.url))
    for words in ('too many people', 'https://drive.google.com/file/d/ID/view', TINY.file_name,
                  'eov-seg download t --from FILE', str(home), 'EOV_SEG_WEIGHTS_URL'):
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


@pytest.fixture(scope='module')
def published_file(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('published') / TINY.file_name
    EOVSeg.from_variant('t').save(path)
    return path


def test_a_published_file_becomes_the_same_weights_in_our_format(published_file):
    expected = EOVSeg.from_checkpoint(published_file).weights_digest
    path = obtain(replace(request(), convert=convert_weights, origin=str(published_file)))
    assert EOVSeg.from_checkpoint(path, 't').weights_digest == expected
    assert read_record('t').weights_digest == expected


def test_another_variant_a_cut_file_and_code_are_refused(published_file, tmp_path):
    take = replace(request(), convert=convert_weights)
    with pytest.raises(DownloadError, match="holds variant 't'"):
        obtain(replace(take, published=PUBLISHED['s'], origin=str(published_file)))
    (tmp_path / 'cut.pth').write_bytes(published_file.read_bytes()[:-1000])
    with pytest.raises(DownloadError, match='truncated'):
        obtain(replace(take, origin=str(tmp_path / 'cut.pth')))
    (tmp_path / 'code.pth').write_bytes(
        b"cos\nsystem\n(S'touch " + str(tmp_path / 'ran').encode() + b"'\ntR.")
    with pytest.raises(DownloadError, match='code.pth'):
        obtain(replace(take, origin=str(tmp_path / 'code.pth')))
    assert not (tmp_path / 'ran').exists()
    assert not weights_file('s').exists()


@pytest.fixture
def as_if_published(monkeypatch):
    """Let the command know variant `t`, whose files are small."""
    monkeypatch.setitem(PUBLISHED, 't', TINY)


def test_the_command(published_file, as_if_published, monkeypatch, capsys):
    with serving(published_file.read_bytes()) as server:
        monkeypatch.setenv('EOV_SEG_WEIGHTS_URL', server.url)
        assert main(['download', 't', '--verify']) == 2
        assert 'eov-seg download t' in capsys.readouterr().err
        assert main(['download', 't']) == 0
        output = capsys.readouterr().out
        for words in (str(weights_file('t')), 'mirror', 'Apache-2.0', 'sha256', 'recorded'):
            assert words in output
        assert main(['download', 't']) == 0
        assert 'already here' in capsys.readouterr().out
        assert len(server.asked) == 1
        assert main(['download', 't', '--verify']) == 0
        os.truncate(weights_file('t'), 1000)
        assert main(['download', 't', '--verify']) == 2
        assert main(['download', 't']) == 0
        assert 'fetching again' in capsys.readouterr().out
        assert len(server.asked) == 2
        assert main(['download', '--list']) == 0
        assert 'not here' in capsys.readouterr().out


@pytest.mark.parametrize(('arguments', 'words'), [
    (['t'], 'nothing to fetch'), (['xl'], "'xl'"), (['s', 'm', '--from', 'x'], 'one variant'),
    (['s', '--from', 'no/such.pth'], 'no/such.pth')])
def test_wrong_arguments_are_one_line(capsys, arguments, words):
    assert main(['download', *arguments]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if 'eov-seg: error:' in line]
    assert len(lines) == 1
    assert words in lines[0]


def test_the_library_finds_them_and_fetches_only_when_asked(published_file, monkeypatch):
    monkeypatch.setattr('eov_seg_core.weights.choice.has_builtin_weights', lambda variant: False)
    monkeypatch.setitem(PUBLISHED, 't', TINY)
    with serving(published_file.read_bytes()) as server:
        monkeypatch.setenv('EOV_SEG_WEIGHTS_URL', server.url)
        with pytest.raises(ValueError, match='eov-seg download t'):
            Segmenter.from_pretrained('t', device='cpu')
        assert server.asked == []
        seen = []
        segmenter = Segmenter.from_pretrained('t', device='cpu', download=True,
                                              progress=lambda *figures: seen.append(figures))
        assert seen[-1] == (published_file.stat().st_size,) * 2
        assert segmenter.model.weights_digest == read_record('t').weights_digest
        Segmenter.from_pretrained('t', device='cpu', download=True)
        assert len(server.asked) == 1
        assert usable_sources('t', ['built-in', 'published']) == ['published']


def test_without_weights_the_message_has_the_ways():
    with pytest.raises(ValueError, match='no weights') as caught:
        usable_sources('s', ['built-in', 'published'])
    for words in ('eov-seg download s', 'checkpoint', 'variant t', str(weights_file('s'))):
        assert words in str(caught.value)
