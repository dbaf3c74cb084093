# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The first start of the node: weights from the cache, from a server here, or what to do."""

from __future__ import annotations

import os
import re
import signal
import threading
import time

from download_case import ranged, Reply, Server, serving
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed: scripts/setup_env.sh')

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402

from eov_seg_core.network.model import EOVSeg  # noqa: E402
from eov_seg_core.weights.download.cache import weights_file  # noqa: E402
from eov_seg_core.weights.download.table import PUBLISHED, Published  # noqa: E402
from eov_seg_ros.segment_node import SegmentNode  # noqa: E402

pytestmark = pytest.mark.ros

PLAIN_LAUNCH = ('-m', 'eov_seg_ros.segment_node', '--ros-args', '--params-file',
                'config/segment.yaml', '-r', '__node:=eov_seg')
NO_NETWORK = {'https_proxy': 'http://127.0.0.1:1', 'http_proxy': '', 'HF_HUB_OFFLINE': '',
              'EOV_SEG_OFFLINE': '', 'EOV_SEG_WEIGHTS_URL': '', 'HF_ENDPOINT': '',
              'EOV_SEG_HF_REPOSITORY': '', 'no_proxy': '127.0.0.1'}
"""The environment of a machine that reaches servers on itself only."""
CONTENT = b'\1not weights\2' * 75_000
WAYS = ('(1) on a machine with a network run "eov-seg download s"', 'eov_seg_s.safetensors',
        '(2) set checkpoint:=FILE', '(3) set variant:=t')
BUSY = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def lines_until(process, text):
    """Return the lines of a process up to one with a text, and when that one came."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return lines, time.monotonic()
    pytest.fail(f'{text!r} did not come; the process said\n{"".join(lines)}')


@pytest.mark.parametrize('offline', ['', '1'])
def test_a_plain_launch_without_network_ends_with_three_ways(start_process, tmp_path, offline):
    process = start_process(*PLAIN_LAUNCH, **{
        **NO_NETWORK, 'EOV_SEG_HOME': str(tmp_path), 'EOV_SEG_OFFLINE': offline})
    started_s = time.monotonic()
    output, _ = process.communicate(timeout=60)
    took_s = time.monotonic() - started_s
    assert process.returncode == 1, output
    line, = (line for line in output.splitlines() if 'What you can do' in line)
    for words in (*WAYS, str(tmp_path / 'weights'),
                  'EOV_SEG_OFFLINE' if offline else 'cannot be reached'):
        assert words in line
    assert 'Traceback' not in output, output
    assert took_s < 4 * BUSY, 'PyTorch was imported?'


def test_a_server_that_says_nothing_is_spoken_of_soon_and_ctrl_c_ends_it(start_process, tmp_path):
    with Server(lambda handler, number: time.sleep(20)) as server:
        process = start_process(*PLAIN_LAUNCH, **{
            **NO_NETWORK, 'EOV_SEG_HOME': str(tmp_path), 'EOV_SEG_WEIGHTS_URL': server.url})
        _, asked_s = lines_until(process, 'asking 127.0.0.1')
        lines, warned_s = lines_until(process, 'no server has answered')
        for words in (*WAYS, str(tmp_path / 'weights')):
            assert words in lines[-1]
        assert warned_s - asked_s < 2 * BUSY
        process.send_signal(signal.SIGINT)
        stopped_s = time.monotonic()
        output, _ = process.communicate(timeout=20)
        assert process.returncode == 0, output
        assert time.monotonic() - stopped_s < 2 * BUSY
        assert 'Traceback' not in output


class Slowly:
    """Answers with a tenth of the content at each `more.release()`."""

    def __init__(self):
        self.more = threading.Semaphore(0)
        self.ends = threading.Event()
        self.is_lost = threading.Event()

    def __call__(self, handler, number):
        whole = ranged(CONTENT, handler)
        handler.send_response(whole.status)
        for name, value in whole.headers.items():
            handler.send_header(name, value)
        handler.send_header('Content-Length', str(len(whole.body)))
        handler.end_headers()
        step = len(CONTENT) // 10
        try:
            for start in range(0, len(whole.body), step):
                while not self.more.acquire(timeout=0.05):
                    if self.ends.is_set():
                        return
                handler.wfile.write(whole.body[start:start + step])
        except OSError:
            self.is_lost.set()


def test_ctrl_c_while_it_downloads_keeps_what_came(start_process, tmp_path):
    slowly = Slowly()
    variables = {**NO_NETWORK, 'EOV_SEG_HOME': str(tmp_path)}
    with Server(slowly) as server:
        variables['EOV_SEG_WEIGHTS_URL'] = server.url
        process = start_process(*PLAIN_LAUNCH, **variables)
        slowly.more.release(3)
        lines, _ = lines_until(process, '(30 %)')
        tenths = [int(re.search(r'\((\d+) %\)', line)[1]) // 10 for line in lines
                  if ' of 1 MB (' in line]
        assert tenths == sorted(set(tenths)), 'a line for each tenth, if it is seen at all'
        announced, = (line for line in lines if 'licence' in line)
        for words in ('eov_seg_r50.pth', '1 MB', server.url, 'Apache-2.0', str(tmp_path)):
            assert words in announced
        process.send_signal(signal.SIGINT)
        stopped_s = time.monotonic()
        output, _ = process.communicate(timeout=20)
        assert process.returncode == 0, output
        assert time.monotonic() - stopped_s < 2 * BUSY
        slowly.ends.set()
        part, = (tmp_path / 'weights').glob('*.part')
        received = part.stat().st_size
        assert received >= 292_500

        slowly.more.release(10)
        output, _ = start_process(*PLAIN_LAUNCH, **variables).communicate(timeout=60)
        assert server.asked[-1][1] == f'bytes={received}-'
        assert 'of which 1 are here' in output
        line, = (line for line in output.splitlines() if 'What you can do' in line)
        assert 'mirror:' in line, 'it was no checkpoint'
        for words in WAYS:
            assert words in line


@pytest.fixture
def tiny_is_published(monkeypatch, tmp_path):
    """Let `t` be published and not in the package; nothing outside of this machine is asked."""
    monkeypatch.setattr('eov_seg_core.weights.choice.has_builtin_weights', lambda variant: False)
    monkeypatch.setitem(PUBLISHED, 't', Published('t', 'eov_seg_tiny.pth', 'ID'))
    for name, value in NO_NETWORK.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv('EOV_SEG_HOME', str(tmp_path))


def run_node(spin_node, tmp_path, **values):
    values = {'variant': 't', 'checkpoint': 'published', 'device': 'cpu', 'input_size': 32,
              'vocabulary.things': ['cup'], 'embedding_cache_dir': str(tmp_path / 'texts'),
              **values}
    return spin_node(lambda: SegmentNode(parameter_overrides=[
        Parameter(name, value=value) for name, value in values.items()]))


@pytest.mark.slow
def test_weights_are_fetched_once_and_the_node_is_active(
        tiny_is_published, client, spin_node, tmp_path, monkeypatch):
    EOVSeg.from_variant('t').save(tmp_path / 'source.safetensors')
    with serving((tmp_path / 'source.safetensors').read_bytes()) as server:
        monkeypatch.setenv('EOV_SEG_WEIGHTS_URL', server.url)
        run_node(spin_node, tmp_path)
        client.listen('instance')
        client.wait_for(lambda: client.state() == 'active', timeout_s=120)
        client.send_until(lambda: client.received['instance'])
        assert weights_file('t').is_file()
        assert 'licence: Apache-2.0' in client.log
        assert client.change_state('deactivate')
        assert client.change_state('cleanup')
        assert client.change_state('configure', timeout_s=120)
        assert len(server.asked) == 1, 'the second time they are here'


def test_it_answers_while_it_downloads_and_can_be_shut_down(
        tiny_is_published, client, spin_node, tmp_path, monkeypatch):
    slowly = Slowly()
    diagnostics = client.listen_to('/diagnostics', DiagnosticArray)
    with Server(slowly) as server:
        monkeypatch.setenv('EOV_SEG_WEIGHTS_URL', server.url)
        run_node(spin_node, tmp_path)
        slowly.more.release(4)
        client.wait_for(lambda: diagnostics and '(40 %)' in diagnostics[-1].status[0].message)
        assert diagnostics[-1].status[0].message.startswith(
            'STARTING: fetching variant t: 1 of 1 MB (40 %), for ')
        started_s = time.monotonic()
        assert client.set(vocabulary__things=['dog'])[0].successful
        assert client.state() == 'unconfigured'
        assert not client.change_state('cleanup'), 'there is nothing to clean up yet'
        assert not client.change_state('configure'), 'it is on its way already'
        assert not slowly.is_lost.is_set()
        assert client.change_state('shutdown')
        assert time.monotonic() - started_s < 2 * BUSY
        assert client.state() == 'finalized'
        client.spin_for(0.5)
        slowly.more.release(6)
        assert slowly.is_lost.wait(5), 'the server sends to nobody'
        client.wait_for(lambda: 'finalized' in diagnostics[-1].status[0].message)
    assert list(weights_file('t').parent.glob('*.part')), 'what came is kept'


def test_a_failed_download_can_be_tried_again(
        tiny_is_published, client, spin_node, tmp_path, monkeypatch):
    diagnostics = client.listen_to('/diagnostics', DiagnosticArray)
    with Server(lambda handler, number: Reply(b'no', 404)) as server:
        monkeypatch.setenv('EOV_SEG_WEIGHTS_URL', server.url)
        run_node(spin_node, tmp_path, autostart=False)
        for tries in (1, 2):
            assert not client.change_state('configure')
            assert client.state() == 'unconfigured'
            assert len(server.asked) == tries
    client.wait_for(lambda: diagnostics and 'answered 404' in diagnostics[-1].status[0].message)
    assert '(2) set checkpoint:=FILE' in diagnostics[-1].status[0].message


def test_random_weights_stand_in_where_they_are_allowed(
        tiny_is_published, client, spin_node, tmp_path):
    run_node(spin_node, tmp_path, allow_untrained=True)
    client.wait_for(lambda: client.state() == 'active', timeout_s=120)
    assert 'could not be fetched' in client.log
    assert 'ALL WEIGHTS ARE RANDOM' in client.log


def test_nothing_is_imported_that_a_download_does_not_need(start_process):
    process = start_process('-c', 'import sys, eov_seg_ros.weights.fetching; '
                            "sys.exit('torch' in sys.modules)")
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0, output
