# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bad frames: each is counted, logged once, shown in /diagnostics, and ends nothing."""

from __future__ import annotations

from fake_segmenter import FakeSegmenter, POISON, TOO_LARGE
import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed: scripts/setup_env.sh')

from diagnostic_msgs.msg import DiagnosticStatus  # noqa: E402
from std_msgs.msg import Header  # noqa: E402

pytestmark = pytest.mark.ros

WORDS = {'vocabulary__things': ['person', 'chair'], 'vocabulary__stuff': ['floor']}
POISONED = np.full((8, 8, 3), POISON, np.uint8)
OVERSIZED = np.full((8, 8, 3), TOO_LARGE, np.uint8)
# How to spoil an image, and what is then said about it.
BAD_FRAMES = (
    ({'encoding': '64FC7'}, "'64FC7' is not supported"),
    ({'height': 0, 'width': 0}, 'is empty'),
    ({'step': 1}, 'step is 1, but a row has'),
    ({'data': bytes(7)}, 'data has 7 bytes'),
    ({'data': bytes(48 * 64 * 3 + 1)}, 'data has 9217 bytes'),
    ({'width': 2**32 - 1}, 'but a row has'),
    ({'pixels': POISONED}, 'the fake model fails'),
    ({'pixels': OVERSIZED}, 'CUDA out of memory'),
)


@pytest.fixture
def diagnostics(client):
    from diagnostic_msgs.msg import DiagnosticArray
    return client.listen_to('/diagnostics', DiagnosticArray)


def values_of(diagnostics):
    return {value.key: value.value for value in diagnostics[-1].status[0].values}


def test_each_is_counted_logged_once_shown_and_ends_nothing(client, start_node, diagnostics):
    start_node(FakeSegmenter(), **WORDS)
    client.listen('instance')
    number = client.send_until(lambda: client.received['instance'])
    failed = 0
    for bad, reason in BAD_FRAMES:
        def is_reported(bad=bad, reason=reason, failed=failed):
            client.send(0, **bad)    # again and again: best effort may lose one
            client.spin_for(0.1)
            return (reason in client.log and diagnostics
                    and int(values_of(diagnostics)['failed_frames']) > failed
                    and reason in values_of(diagnostics)['last_error']
                    and reason in diagnostics[-1].status[0].message)
        client.wait_for(is_reported)
        failed = int(values_of(diagnostics)['failed_frames'])
        client.received['instance'].clear()
        number = client.send_until(lambda: client.received['instance'], first=number + 1)
    dropped = [line for line in client.log.splitlines() if line.startswith('frame dropped')]
    assert len(dropped) < 2 * len(BAD_FRAMES), 'each reason seldom, not once a frame'
    assert client.state() == 'active'


def test_the_message_about_an_encoding_names_the_accepted_ones(client, start_node):
    start_node(FakeSegmenter(), **WORDS)
    client.listen('instance')

    def is_reported():
        client.send(0, encoding='64FC7')
        client.spin_for(0.05)
        return '64FC7' in client.log
    client.wait_for(is_reported)
    for _ in range(10):
        client.send(0, encoding='64FC7')
        client.spin_for(0.02)
    line, = (line for line in client.log.splitlines() if '64FC7' in line)
    for encoding in ('rgb8', 'bayer_rggb8', 'nv12'):
        assert encoding in line


def test_stamps_in_the_future_are_counted_shown_and_processed(client, start_node, diagnostics):
    start_node(FakeSegmenter(), **WORDS)
    client.listen('instance')
    number = client.send_until(lambda: client.received['instance'], first=2**31 - 1000)
    assert client.received['instance'][-1].header.stamp.sec <= number
    client.wait_for(lambda: diagnostics and int(values_of(diagnostics)['future_stamps']) > 0)
    client.wait_for(lambda: 'in the future' in client.log)
    assert 'stamps lie in the future' in ' '.join(
        message.status[0].message for message in diagnostics)


def test_zero_stamps_are_named_and_have_no_latency(client, start_node, diagnostics):
    start_node(FakeSegmenter(), **WORDS)
    client.listen('instance')

    def is_named():
        client.send(0, header=Header())
        client.spin_for(0.05)
        return (diagnostics and client.received['instance']
                and 'images carry no time stamp' in diagnostics[-1].status[0].message)
    client.wait_for(is_named)
    assert diagnostics[-1].status[0].level == DiagnosticStatus.WARN
    assert 'latency_p50_ms' not in values_of(diagnostics)
    assert int(values_of(diagnostics)['zero_stamps']) > 0
    client.wait_for(lambda: 'images carry no time stamp' in client.log)


def test_simulated_time_without_a_clock_is_named(client, start_node, diagnostics):
    start_node(FakeSegmenter(), **WORDS, use_sim_time=True)

    def is_named():
        client.send(5)
        client.spin_for(0.05)
        return diagnostics and 'no time comes on /clock' in diagnostics[-1].status[0].message
    client.wait_for(is_named)


def test_topic_first_image_and_silence_are_logged_once(client, start_node):
    start_node(FakeSegmenter(), **WORDS, timeout_s=1.2)
    client.wait_for(lambda: 'subscribing to /image_raw (sensor_msgs/msg/Image)' in client.log)

    def arrives():
        client.send(1)
        client.spin_for(0.05)
        return 'images arrive on /image_raw: 64 x 48, rgb8, ' in client.log
    client.wait_for(arrives)
    client.wait_for(lambda: 'no image for' in client.log)
    client.spin_for(1.5)
    assert client.log.count('no image for') == 1
    assert client.log.count('images arrive on') == 1


def test_words_and_encodings_cannot_forge_lines_or_fill_the_log(client, start_node, diagnostics):
    start_node(FakeSegmenter(), **WORDS)
    client.listen('instance')
    client.send_until(lambda: client.received['instance'])
    for number in range(60):
        client.send(0, encoding=f'\x1b[31m{number:05}' + 'x' * 20_000)
        client.spin_for(0.02)
    client.wait_for(lambda: diagnostics and int(values_of(diagnostics)['failed_frames']) > 20)
    dropped = [line for line in client.log.splitlines() if 'frame dropped' in line]
    assert len(dropped) <= 2, 'one kind, though every text is another one'
    assert '\x1b' not in client.log
    status = diagnostics[-1].status[0]
    assert len(status.message) + sum(len(value.value) for value in status.values) < 5000


def test_size_and_encoding_may_change_between_frames(client, start_node):
    start_node(FakeSegmenter(), **WORDS)
    client.listen('instance')
    number = 0
    for shape, encoding in (((48, 64, 3), 'rgb8'), ((30, 20), 'mono8'), ((1, 1, 4), 'bgra8'),
                            ((2, 16384, 3), 'bgr8'), ((48, 64, 3), 'rgb8')):
        def is_answered(shape=shape):
            messages = client.received['instance']
            return messages and (messages[-1].height, messages[-1].width) == shape[:2]
        client.received['instance'].clear()
        while not is_answered():
            number += 1
            assert number < 300
            client.send(number, np.full(shape, 100, np.uint8), encoding)
            client.spin_for(0.05)


def test_a_camera_that_stops_and_returns(client, start_node, diagnostics):
    start_node(FakeSegmenter(), **WORDS, timeout_s=0.3)
    client.listen('instance')
    last = client.send_until(lambda: client.received['instance'])
    client.wait_for(lambda: diagnostics and 'no image for' in diagnostics[-1].status[0].message)
    assert '/image_raw is published; either its publisher is idle' in \
        diagnostics[-1].status[0].message
    client.node.destroy_publisher(client.images)
    client.wait_for(lambda: 'nobody publishes /image_raw' in diagnostics[-1].status[0].message)
    from sensor_msgs.msg import Image
    client.images = client.node.create_publisher(Image, 'image_raw', 1)
    client.received['instance'].clear()
    client.send_until(lambda: client.received['instance'], first=last + 1)
    client.wait_for(lambda: 'no image' not in diagnostics[-1].status[0].message or
                    client.send(last + 2) is None)


def test_a_topic_of_another_type_is_named(client, start_node, diagnostics):
    from rclpy.context import Context
    from rclpy.node import Node
    from std_msgs.msg import String

    client.node.destroy_publisher(client.images)
    # In another context, because one DDS participant knows a topic by one type only.
    context = Context()
    context.init()
    other = Node('other', context=context)
    other.create_publisher(String, 'image_raw', 1)
    start_node(FakeSegmenter(), **WORDS, timeout_s=0.1)
    client.wait_for(lambda: diagnostics and 'has the type std_msgs/msg/String, expected '
                    'sensor_msgs/msg/Image' in diagnostics[-1].status[0].message)
    other.destroy_node()
    context.shutdown()


def test_a_best_effort_camera_and_a_reliable_override_are_named(client, start_node, diagnostics):
    start_node(FakeSegmenter(), **WORDS, timeout_s=0.1, **{
        'qos_overrides./image_raw.subscription.reliability': 'reliable'})
    client.wait_for(lambda: diagnostics and 'is published best effort and subscribed to reliable'
                    in diagnostics[-1].status[0].message)
