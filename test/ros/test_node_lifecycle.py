# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The managed node: transitions, failures that say why, and its end."""

from __future__ import annotations

import os
import signal
import sys
import time
import types

from fake_segmenter import FakeSegmenter
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed: scripts/setup_env.sh')

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus  # noqa: E402

pytestmark = pytest.mark.ros
ERROR = DiagnosticStatus.ERROR

WORDS = {'vocabulary__things': ['person', 'chair']}
FAKE_NODE = 'test/ros/fake_segmenter.py'


def wait_for_line(process, text):
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return
    pytest.fail(f'{text!r} did not come; the process said\n{"".join(lines)}')


def test_without_autostart_a_manager_leads(client, start_node):
    segmenter = FakeSegmenter()
    start_node(segmenter, **WORDS, autostart=False)
    assert client.state() == 'unconfigured'
    assert client.change_state('configure')
    assert client.state() == 'inactive'
    assert segmenter.calls == 1, 'warmed up'
    client.listen('instance', 'label_info')
    for number in range(5):
        client.send(number)
        client.executor.spin_once(timeout_sec=0.02)
    assert not client.received['label_info'], 'an inactive node says nothing'
    assert segmenter.calls == 1
    assert client.change_state('activate')
    number = client.send_until(lambda: client.received['instance'], first=10)
    client.wait_for(lambda: client.received['label_info'])
    assert client.change_state('deactivate')
    assert client.change_state('activate')
    client.received['instance'].clear()
    client.send_until(lambda: client.received['instance'], first=number + 1)
    assert client.change_state('deactivate')
    assert client.change_state('cleanup')
    assert client.state() == 'unconfigured'
    assert client.change_state('configure')
    assert client.change_state('shutdown')
    assert client.state() == 'finalized'


def test_words_set_while_inactive_are_used_later(client, start_node):
    start_node(FakeSegmenter(), **WORDS, autostart=False)
    client.set(vocabulary__things=['cat'])
    assert client.change_state('configure')
    client.set(vocabulary__stuff=['grass'])
    assert client.change_state('activate')
    client.listen('label_info')
    client.wait_for(lambda: client.received['label_info'] and [
        entry.class_name for entry in client.received['label_info'][-1].class_map]
        == ['unlabeled', 'cat', 'grass'])


def test_failing_configure_says_why_and_can_be_tried_again(client, start_node):
    start_node(FakeSegmenter(), vocabulary__things=['a', 'a'], autostart=False)
    assert not client.change_state('configure')
    client.wait_for(lambda: 'on_configure failed: ' in client.log and "'a'" in client.log)
    assert client.state() == 'unconfigured'
    assert client.set(vocabulary__things=['a'])[0].successful
    assert client.change_state('configure')


@pytest.mark.slow
def test_a_missing_checkpoint_is_named_and_configure_works_once_it_is_there(
        client, spin_node, tmp_path):
    from rclpy.parameter import Parameter

    from eov_seg_core.network.model import EOVSeg
    from eov_seg_ros.segment_node import SegmentNode

    path = tmp_path / 'late.safetensors'
    values = {'variant': 't', 'checkpoint': str(path), 'device': 'cpu', 'input_size': 32,
              'vocabulary.things': ['cup'], 'autostart': False,
              'embedding_cache_dir': str(tmp_path / 'cache')}
    spin_node(lambda: SegmentNode(parameter_overrides=[
        Parameter(name, value=value) for name, value in values.items()]))
    assert not client.change_state('configure')
    client.wait_for(lambda: 'on_configure failed: ' in client.log and str(path) in client.log)
    assert client.state() == 'unconfigured'
    path.write_bytes(b'not a checkpoint')
    assert not client.change_state('configure')
    assert client.state() == 'unconfigured'
    EOVSeg.from_variant('t').save(path)
    assert client.change_state('configure', timeout_s=60)
    assert client.change_state('activate')
    client.listen('instance')
    client.send_until(lambda: client.received['instance'])


def test_a_missing_device_is_named_and_a_managed_node_stays(client, spin_node):
    from rclpy.parameter import Parameter

    from eov_seg_ros.segment_node import SegmentNode

    values = {'variant': 't', 'allow_untrained': True, 'device': 'cuda:63', 'autostart': False}
    spin_node(lambda: SegmentNode(parameter_overrides=[
        Parameter(name, value=value) for name, value in values.items()]))
    diagnostics = client.listen_to('/diagnostics', DiagnosticArray)
    assert not client.change_state('configure', timeout_s=40)
    client.wait_for(lambda: "on_configure failed: device 'cuda:63'" in client.log)
    assert client.state() == 'unconfigured'
    client.wait_for(lambda: diagnostics and diagnostics[-1].status[0].level == ERROR
                    and "device 'cuda:63'" in diagnostics[-1].status[0].message)
    assert client.set(vocabulary__things=['cup'])[0].successful


def test_a_model_that_fails_to_warm_up_fails_configure(client, start_node):
    class Cold(FakeSegmenter):
        is_cold = True

        def __call__(self, image, **thresholds):
            if self.is_cold:
                raise RuntimeError('no kernel image is available')
            return super().__call__(image, **thresholds)

    segmenter = Cold()
    start_node(segmenter, **WORDS, autostart=False)
    assert not client.change_state('configure')
    client.wait_for(lambda: 'on_configure failed: no kernel image' in client.log)
    assert client.state() == 'unconfigured'
    assert client.node.count_publishers('eov_seg/instance') == 0
    segmenter.is_cold = False
    assert client.change_state('configure')
    assert client.change_state('activate')
    client.listen('instance')
    client.send_until(lambda: client.received['instance'])


def test_transition_that_the_state_does_not_allow_is_refused(client, start_node):
    from lifecycle_msgs.srv import ChangeState

    start_node(FakeSegmenter(), **WORDS, autostart=False)
    assert not client.change_state('activate')
    for transition_id in (2, 3, 99):  # cleanup, activate, and one that does not exist
        request = ChangeState.Request()
        request.transition.id = transition_id
        assert not client.call(ChangeState, 'eov_seg/change_state', request).success
    assert client.state() == 'unconfigured'


def test_a_bond_while_a_manager_has_it_active(client, start_node, monkeypatch):
    calls = []

    class Bond:
        def __init__(self, topic, name, node):
            calls.append((topic, name))

        def __getattr__(self, name):
            return lambda *values: calls.append((name, *values))

    monkeypatch.setitem(sys.modules, 'bondpy', types.ModuleType('bondpy'))
    module = types.ModuleType('bondpy.bondpy')
    module.Bond = Bond
    monkeypatch.setitem(sys.modules, 'bondpy.bondpy', module)
    start_node(FakeSegmenter(), **WORDS, autostart=False)
    assert client.change_state('configure')
    assert not calls
    assert client.change_state('activate')
    assert calls == [('bond', 'eov_seg'), ('set_heartbeat_period', 0.1),
                     ('set_heartbeat_timeout', 4.0), ('start',)]
    assert client.change_state('deactivate')
    assert calls[4:] == [('shutdown',)]


@pytest.fixture
def slow_node(spin_node):
    """Return a node whose model takes two seconds to load, and the segmenter that it will have."""
    from rclpy.parameter import Parameter

    from eov_seg_ros.segment_node import SegmentNode

    def start(**values):
        segmenter = FakeSegmenter()
        spin_node(lambda: SegmentNode(
            lambda _: time.sleep(2) or segmenter, parameter_overrides=[
                Parameter('vocabulary.things', value=['cat']),
                *(Parameter(name, value=value) for name, value in values.items())]))
        return segmenter
    return start


def test_it_answers_while_it_loads(client, slow_node):
    diagnostics = client.listen_to('/diagnostics', DiagnosticArray)
    slow_node()
    client.wait_for(lambda: diagnostics)
    status, = diagnostics[0].status
    assert status.name == '/eov_seg: segmentation'
    assert status.message.startswith('STARTING: the model is being loaded'), status.message
    started_s = time.monotonic()
    assert client.state() == 'unconfigured'
    assert not client.change_state('configure'), 'it is loading already'
    assert client.set(vocabulary__things=['dog'], score_threshold=0.5)[0].successful
    assert time.monotonic() - started_s < 1.5
    client.listen('instance', 'label_info')
    client.wait_for(lambda: client.state() == 'active')
    client.wait_for(lambda: client.received['label_info'] and [
        entry.class_name for entry in client.received['label_info'][-1].class_map]
        == ['unlabeled', 'dog'])
    assert client.received['label_info'][-1].threshold == 0.5
    client.wait_for(lambda: not diagnostics[-1].status[0].message.startswith('STARTING'))


def test_shut_down_while_it_loads(client, slow_node):
    segmenter = slow_node(autostart=False)
    from lifecycle_msgs.srv import ChangeState
    service = client.node.create_client(ChangeState, 'eov_seg/change_state')
    client.wait_for(service.service_is_ready)
    request = ChangeState.Request()
    request.transition.label = 'configure'
    configured = service.call_async(request)
    client.spin_for(0.3)
    assert client.change_state('shutdown')
    client.wait_for(configured.done)
    assert not configured.result().success
    assert client.state() == 'finalized'
    assert segmenter.warm_ups, 'it was loaded, and nobody wanted it any more'


def test_without_weights_it_ends_at_once_and_names_the_ways_out(start_process):
    process = start_process('-m', 'eov_seg_ros.segment_node', '--ros-args', '-p', 'variant:=s')
    started_s = time.monotonic()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1, output
    line, = (line for line in output.splitlines() if 'there are no weights' in line)
    for way in ('checkpoint:=published', 'eov-seg download s', 'checkpoint:=FILE', 'variant:=t'):
        assert way in line
    assert 'autostart:=false' in output
    assert 'Traceback' not in output, output
    assert time.monotonic() - started_s < 4 * max(1.0, os.getloadavg()[0] / os.cpu_count())


def test_ids_start_again_after_cleanup(client, start_node):
    start_node(FakeSegmenter(), **WORDS)
    client.listen('label_info')
    client.wait_for(lambda: client.received['label_info'])
    client.set(vocabulary__things=['cat'])
    client.wait_for(lambda: client.received['label_info'][-1].class_map[-1].class_id == 3)
    assert client.change_state('deactivate')
    assert client.change_state('cleanup')
    client.received['label_info'].clear()
    assert client.change_state('configure')
    assert client.change_state('activate')
    client.wait_for(lambda: client.received['label_info'])
    assert client.received['label_info'][-1].class_map[-1].class_id == 1


@pytest.mark.parametrize('signals', [[signal.SIGINT, signal.SIGINT], [signal.SIGTERM],
                                     [signal.SIGINT, signal.SIGTERM]])
def test_signals_end_it_without_a_traceback(start_process, signals):
    process = start_process(FAKE_NODE, '0.3', '--ros-args', '-p', "vocabulary.things:=['a']")
    wait_for_line(process, 'ready on')
    time.sleep(0.3)
    for number in signals:
        process.send_signal(number)
        time.sleep(0.005)
    started_s = time.monotonic()
    output, _ = process.communicate(timeout=60)
    took_s = time.monotonic() - started_s
    assert process.returncode == 0, output
    assert 'Traceback' not in output, output
    assert took_s < 2 * max(1.0, os.getloadavg()[0] / os.cpu_count())


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_while_it_loads(start_process, number):
    process = start_process('-c', """
import sys, time
from eov_seg_ros.segment_node import run
sys.exit(run(segmenter_factory=lambda parameters: time.sleep(60)))
""")
    wait_for_line(process, 'loading variant')
    started_s = time.monotonic()
    process.send_signal(number)
    output, _ = process.communicate(timeout=40)
    assert process.returncode == 0, output
    assert 'Traceback' not in output, output
    assert time.monotonic() - started_s < 2 * max(1.0, os.getloadavg()[0] / os.cpu_count())


def test_wrong_type_of_a_parameter_ends_it_with_a_message(start_process):
    process = start_process(FAKE_NODE, '--ros-args', '-p', 'overlay_alpha:=much')
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert 'overlay_alpha' in output
    assert 'Traceback' not in output, output


def test_node_is_there_before_pytorch_is(start_process):
    process = start_process('-c', "import sys, eov_seg_ros.segment_node as node; "
                            "sys.exit('torch' in sys.modules)")
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0, output
