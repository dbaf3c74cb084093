# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the node says about itself."""

from __future__ import annotations

import time

from fake_segmenter import FakeSegmenter
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed: scripts/setup_env.sh')

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus  # noqa: E402
from std_msgs.msg import Header  # noqa: E402

from eov_seg_ros.diagnostics import (  # noqa: E402
    judge_stamp,
    Monitor,
    StampFault,
    Timing,
)
from eov_seg_ros.worker import Counts  # noqa: E402


def values_of(status):
    return {value.key: value.value for value in status.values}


def status_of(monitor, counts=None, **options):
    options = {'is_active': True, 'fell_back': False, 'silence': '',
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
    assert monitor.silent_s() > 0.01
    assert Monitor(0.0).silent_s() == 0 == Monitor(5.0).silent_s()
    assert 'no image for 6 s' in status_of(monitor, silence='no image for 6 s').message
    assert status_of(monitor, is_active=False).message == 'inactive'
    monitor.image_came(StampFault.FUTURE)
    monitor.image_came(None)
    assert monitor.silent_s() == 0
    monitor.images_lost(3)
    status = status_of(monitor, fell_back=True)
    assert status.level == DiagnosticStatus.WARN
    assert 'stamps lie in the future' in status.message
    assert '3 images sent and lost on the way: larger buffers' in status.message
    values = values_of(status)
    assert (values['future_stamps'], values['lost_images']) == ('1', '3')
    assert 'CPU' in status.message


@pytest.mark.parametrize(('stamp_s', 'now_s', 'expected'), [
    (0, 0, StampFault.ZERO), (0, 1e9, StampFault.ZERO), (5, 0, StampFault.NO_CLOCK),
    (5.04, 5, None), (5.06, 5, StampFault.FUTURE), (5, 5, None), (5, 3604, None),
    (5, 3606, StampFault.OLD), (1.7e9, 12, StampFault.FUTURE), (12, 1.7e9, StampFault.OLD)])
def test_what_is_wrong_with_a_stamp(stamp_s, now_s, expected):
    assert judge_stamp(round(stamp_s * 1e9), round(now_s * 1e9)) == expected


def test_times_of_faulty_stamps_are_left_out():
    monitor = Monitor(5.0)
    monitor.frame_done(Timing(None, None, 3.0, 4.0, 5.0))
    values = values_of(status_of(monitor))
    assert values['decoding_p50_ms'] == '3.0'
    assert not [key for key in values if key.startswith(('latency', 'waiting'))]
    monitor.frame_done(Timing(7.0, 2.0, 3.0, 4.0, 5.0))
    assert values_of(status_of(monitor))['latency_p99_ms'] == '7.0'


def test_what_others_send_is_one_short_line():
    monitor = Monitor(5.0)
    monitor.failed(ValueError('\x1b[31mred\n' + 'x' * 5_000_000))
    status = status_of(monitor)
    assert len(status.message) < 2000
    for text in (status.message, values_of(status)['last_error']):
        assert '\n' not in text
        assert '\x1b' not in text
        assert r'\x1b[31mred\n' in text
        assert 'characters)' in text


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
    segmenter = FakeSegmenter()
    segmenter.preparation = 'an engine'
    start_node(segmenter, vocabulary__things=['person'], timeout_s=0.5)
    got = []
    client.node.create_subscription(DiagnosticArray, '/diagnostics', got.append, 10)
    client.listen('instance')

    def is_measured():
        client.send(0, header=Header(stamp=client.node.get_clock().now().to_msg()))
        client.spin_for(0.1)
        return got and 'latency_p50_ms' in values_of(got[-1].status[0])
    client.wait_for(is_measured)
    assert 0 < float(values_of(got[-1].status[0])['latency_p50_ms']) < 5000
    status, = got[-1].status
    assert status.name == '/eov_seg: segmentation'
    values = values_of(status)
    assert (values['variant'], values['precision'], values['vocabulary_version']) == (
        't', 'fp32', '1')
    assert (values['fallbacks'], values['unknown_words']) == ('none', '')
    assert values['engine_preparation'] == 'an engine'
    client.wait_for(lambda: 'no image for' in got[-1].status[0].message)
    assert got[-1].status[0].level == DiagnosticStatus.WARN
