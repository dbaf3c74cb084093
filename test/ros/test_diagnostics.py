# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the node says about itself."""

from __future__ import annotations

import time

from fake_segmenter import FakeSegmenter
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed: scripts/setup_env.sh')

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus  # noqa: E402

from eov_seg_ros.diagnostics import Monitor, Timing  # noqa: E402
from eov_seg_ros.worker import Counts  # noqa: E402


def values_of(status):
    return {value.key: value.value for value in status.values}


def status_of(monitor, counts=None, **options):
    options = {'is_active': True, 'fell_back': False, 'why_silent': lambda: 'nobody publishes it',
               'transport_advice': lambda: 'larger buffers', **options}
    return monitor.status('name', {'device': 'cpu'}, counts or Counts(), **options)


def test_no_frame_yet():
    status = status_of(Monitor(5.0))
    assert (status.level, status.message) == (DiagnosticStatus.OK, 'running')
    assert not [key for key in values_of(status) if key.startswith('latency')]


def test_percentiles_and_parts_by_hand():
    monitor = Monitor(5.0)
    for latency in range(1, 102):
        monitor.frame_done(Timing(float(latency), 2.0, 3.0, 4.0, 5.0))
    values = values_of(status_of(monitor))
    assert [values[f'latency_p{p}_ms'] for p in (50, 95, 99)] == ['51.0', '96.0', '100.0']
    assert values['inference_p50_ms'] == '4.0'
    assert int(values['host_memory_mb']) > 0


def test_rates_are_those_since_the_last_call():
    monitor = Monitor(5.0)
    status_of(monitor, Counts(received=100))
    monitor.frame_done(Timing(1.0, 1.0, 1.0, 1.0, 1.0))
    time.sleep(0.1)
    values = values_of(status_of(monitor, Counts(received=102, skipped=1)))
    assert 10 < float(values['input_rate_hz']) <= 20
    assert 5 < float(values['output_rate_hz']) <= 10
    assert values['skipped_frames'] == '1'


def test_warnings():
    monitor = Monitor(0.01)
    time.sleep(0.02)
    assert 'no image for 0 s: nobody publishes it' in status_of(monitor).message
    assert status_of(monitor, is_active=False).message == 'inactive'
    assert monitor.image_came(-200.0)
    assert not monitor.image_came(-20.0)
    monitor.images_lost(3)
    status = status_of(monitor, fell_back=True)
    assert status.level == DiagnosticStatus.WARN
    assert 'stamps lie in the future' in status.message
    assert '3 images were sent and lost on the way: larger buffers' in status.message
    values = values_of(status)
    assert (values['future_stamps'], values['lost_images']) == ('1', '3')
    assert 'CPU' in status.message
    assert 'no image' not in status_of(Monitor(0.0)).message


def test_a_failure_is_a_warning_once_and_stays_as_last_error():
    monitor = Monitor(5.0)
    monitor.failed(ValueError('bad frame'))
    assert 'bad frame' in status_of(monitor).message
    status = status_of(monitor)
    assert status.message == 'running'
    assert values_of(status)['failed_frames'] == '1'
    assert values_of(status)['last_error'] == 'bad frame [ValueError]'
    monitor.vocabulary_failed(RuntimeError('no text'))
    assert 'old vocabulary stays: no text' in status_of(monitor).message


@pytest.mark.ros
def test_published_once_a_second(client, start_node):
    start_node(FakeSegmenter(), vocabulary__things=['person'], timeout_s=0.5)
    got = []
    client.node.create_subscription(DiagnosticArray, '/diagnostics', got.append, 10)
    client.listen('instance')
    client.send_until(lambda: client.received['instance'])
    client.wait_for(lambda: got and 'latency_p50_ms' in values_of(got[-1].status[0]))
    status, = got[-1].status
    assert status.name == '/eov_seg: segmentation'
    values = values_of(status)
    assert (values['variant'], values['precision'], values['vocabulary_version']) == (
        't', 'fp32', '1')
    assert values['fallbacks'] == 'none'
    client.wait_for(lambda: 'no image for' in got[-1].status[0].message)
    assert got[-1].status[0].level == DiagnosticStatus.WARN
