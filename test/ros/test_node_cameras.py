# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Several cameras, two nodes, compressed images and simulated time, over real DDS."""

from __future__ import annotations

import cv2
from fake_segmenter import FakeSegmenter, POISON
import numpy as np
import pytest

pytestmark = pytest.mark.ros

WORDS = {'vocabulary__things': ['person', 'chair'], 'vocabulary__stuff': ['floor']}


@pytest.fixture
def cameras(client):
    """Return a function that publishes an image on `<name>/image_raw`."""
    from rclpy.qos import qos_profile_sensor_data
    from sensor_msgs.msg import Image

    publishers = {name: client.node.create_publisher(Image, f'{name}/image_raw',
                                                     qos_profile_sensor_data)
                  for name in ('left', 'right')}

    def send(name, number, **options):
        client.images = publishers[name]
        return client.send(number, **options)
    return send


def test_each_camera_gets_its_own_answers_and_waiting_frames_are_one_batch(
        client, start_node, cameras):
    segmenter = FakeSegmenter(delay_s=0.15)
    start_node(segmenter, **WORDS, camera_names=['left', 'right'])
    client.listen('left/instance', 'right/instance', 'right/detections', 'right/label_info')
    sizes = {'left': (48, 64), 'right': (32, 40)}
    last = {}
    number = 0
    while not (all(client.received.values()) and 2 in segmenter.batches):
        number += 1
        assert number < 200
        for name, size in sizes.items():
            last[name] = cameras(name, number + 1000 * (name == 'right'),
                                 pixels=np.full((*size, 3), 100, np.uint8))
        client.spin_for(0.05)
    for name, (height, width) in sizes.items():
        for message in client.received[f'{name}/instance']:
            assert (message.height, message.width) == (height, width)
            assert (message.header.stamp.sec > 1000) == (name == 'right')
    assert client.node.count_publishers('eov_seg/instance') == 0


@pytest.mark.parametrize(('bad', 'reason'), [
    ({'encoding': '64FC7'}, '64FC7'),
    ({'pixels': np.full((8, 8, 3), POISON, np.uint8)}, 'the fake model fails')])
def test_a_bad_camera_does_not_disturb_the_good_one(client, start_node, cameras, bad, reason):
    from diagnostic_msgs.msg import DiagnosticArray

    segmenter = FakeSegmenter(delay_s=0.02)     # so that frames wait together
    start_node(segmenter, **WORDS, camera_names=['left', 'right'], timeout_s=0.5)
    diagnostics = client.listen_to('/diagnostics', DiagnosticArray)
    client.listen('left/instance', 'right/instance')

    def is_seen():
        for _ in range(3):
            cameras('left', 1, **bad)
            cameras('right', 1)
        client.spin_for(0.05)
        texts = {status.name: status.message for status in diagnostics[-1].status
                 } if diagnostics else {}
        return (client.received['right/instance'] and 'left: frame dropped' in client.log
                and reason in texts.get('/eov_seg: left', '')
                and reason not in texts.get('/eov_seg: right', ''))
    client.wait_for(is_seen)
    assert not client.received['left/instance']
    assert 'encoding' in bad or 2 in segmenter.batches

    def names_the_silent_one():
        cameras('left', 2)
        client.spin_for(0.05)
        texts = {status.name: status.message for status in diagnostics[-1].status}
        return ('no image for' in texts['/eov_seg: right']
                and 'no image for' not in texts['/eov_seg: left'])
    client.wait_for(names_the_silent_one)


def test_camera_names_that_are_no_names_fail_configure(client, start_node):
    start_node(FakeSegmenter(), **WORDS, camera_names=['left camera'], autostart=False)
    assert not client.change_state('configure')
    client.wait_for(lambda: "'left camera'" in client.log)


def test_two_nodes_in_two_namespaces_do_not_meet(make_client, start_node):
    clients = [make_client('/one'), make_client('/two')]
    for client, words in zip(clients, (['cat'], ['dog', 'cow'])):
        start_node(FakeSegmenter(), vocabulary__things=words,
                   namespace=client.node.get_namespace())
    for client, count in zip(clients, (1, 2)):
        client.listen('detections', 'label_info')
        client.send_until(lambda client=client: client.received['detections'])
        assert len(client.received['detections'][-1].detections) == count
    clients[0].set(vocabulary__things=['cat', 'bird', 'fish'])
    clients[0].wait_for(lambda: len(clients[0].received['label_info'][-1].class_map) == 4)
    clients[1].spin_for(0.2)
    assert [len(m.class_map) for m in clients[1].received['label_info']] == [3]


def test_compressed_in_and_out(client, start_node):
    from sensor_msgs.msg import CompressedImage
    from std_msgs.msg import Header

    from eov_seg_ros.image_bridge import CvBridge

    start_node(FakeSegmenter(), **WORDS, image_transport='compressed')
    outputs = ('panoptic', 'semantic', 'instance', 'confidence', 'overlay')
    client.listen(*outputs, *(f'{name}/compressed' for name in outputs))
    images = client.node.create_publisher(CompressedImage, 'image_raw/compressed', 1)
    message = CvBridge().cv2_to_compressed_imgmsg(np.full((48, 64, 3), 90, np.uint8), 'jpg')
    message.header = Header(frame_id='eye')
    message.header.stamp.sec = 42

    def is_answered():
        images.publish(message)
        client.spin_for(0.1)
        return all(client.received.values())
    client.wait_for(is_answered)
    dtypes = {'panoptic': np.int32, 'semantic': np.uint8, 'instance': np.uint16,
              'confidence': np.uint8, 'overlay': np.uint8}
    for name, dtype in dtypes.items():
        plain = client.received[name][0]
        compressed = client.received[f'{name}/compressed'][0]
        assert compressed.header == plain.header == message.header
        pixels = cv2.imdecode(np.frombuffer(compressed.data, np.uint8), cv2.IMREAD_UNCHANGED)
        assert pixels.shape[:2] == (48, 64)
        if name != 'overlay':
            np.testing.assert_array_equal(np.frombuffer(pixels.tobytes(), dtype),
                                          np.frombuffer(plain.data, dtype))
            assert compressed.format == f'{plain.encoding}; png compressed '


def test_a_damaged_compressed_image_is_reported(client, start_node):
    from sensor_msgs.msg import CompressedImage

    start_node(FakeSegmenter(), **WORDS, image_transport='compressed')
    client.listen('instance')
    images = client.node.create_publisher(CompressedImage, 'image_raw/compressed', 1)

    def is_reported():
        images.publish(CompressedImage(format='jpeg', data=bytes(9)))
        client.spin_for(0.1)
        return "'jpeg' is damaged or no picture of a known kind (9 bytes)" in client.log
    client.wait_for(is_reported)


def test_remapping_the_image_moves_the_compressed_topic_too(client, spin_node):
    from rclpy.parameter import Parameter

    from eov_seg_ros.segment_node import SegmentNode

    spin_node(lambda: SegmentNode(
        lambda _: FakeSegmenter(), cli_args=['--ros-args', '-r', 'image_raw:=/camera/color'],
        parameter_overrides=[Parameter('image_transport', value='compressed')]))
    client.wait_for(lambda: client.node.count_subscribers('/camera/color/compressed'))


def test_simulated_time(client, start_node):
    from diagnostic_msgs.msg import DiagnosticArray
    from rosgraph_msgs.msg import Clock

    start_node(FakeSegmenter(), **WORDS, use_sim_time=True)
    clock = client.node.create_publisher(Clock, '/clock', 1)
    now = Clock()
    now.clock.sec = 1000
    diagnostics = client.listen_to('/diagnostics', DiagnosticArray)
    client.listen('instance', 'label_info')

    def is_seen():
        clock.publish(now)
        client.send(999)    # stamped 0.88 s before the simulated now
        client.spin_for(0.05)
        values = {value.key: value.value for status in diagnostics[-1:]
                  for value in status.status[0].values}
        return client.received['instance'] and 'latency_p50_ms' in values and (
            float(values['latency_p50_ms']) == pytest.approx(876.5, abs=1))
    client.wait_for(is_seen)
    assert diagnostics[-1].header.stamp.sec == 1000
    client.set(vocabulary__things=['cat'])
    client.wait_for(lambda: client.received['label_info'][-1].header.stamp.sec == 1000)
