# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What comes out of the node for what goes in, over real DDS, with a fake segmenter."""

from __future__ import annotations

import os
import time

from fake_segmenter import FakeSegmenter
import numpy as np
import pytest

pytestmark = pytest.mark.ros

THINGS = ['person,pedestrian', 'chair']
STUFF = ['floor,ground', 'wall']
OUTPUTS = ('panoptic', 'semantic', 'instance', 'confidence', 'overlay', 'detections')
WORDS = {'vocabulary__things': THINGS, 'vocabulary__stuff': STUFF}


def pixels_of(message, dtype):
    return np.frombuffer(message.data, dtype).reshape(message.height, message.width)


def test_every_output_carries_the_exact_header_size_and_packed_rows(client, start_node):
    start_node(FakeSegmenter(), **WORDS)
    client.listen(*OUTPUTS)
    client.send_until(lambda: client.received['overlay'])
    client.received['overlay'].clear()
    sent = client.send(10**6)
    client.wait_for(lambda: all(got and got[-1].header == sent.header
                                for got in client.received.values()))
    encodings = {'panoptic': ('32SC1', 4), 'semantic': ('mono8', 1), 'instance': ('mono16', 2),
                 'confidence': ('mono8', 1), 'overlay': ('rgb8', 3)}
    for name, (encoding, pixel_bytes) in encodings.items():
        message = client.received[name][-1]
        assert message.encoding == encoding
        assert (message.height, message.width) == (sent.height, sent.width)
        assert message.step == sent.width * pixel_bytes
        assert len(message.data) == message.step * message.height
    assert all(detection.header == sent.header
               for detection in client.received['detections'][-1].detections)


def test_label_images_and_detections_tell_the_same_story(client, start_node):
    start_node(FakeSegmenter(), **WORDS, detections_include_stuff=True)
    client.listen(*OUTPUTS, 'label_info')
    number = client.send_until(lambda: all(client.received.values()))
    client.wait_for(lambda: all(
        any(message.header.stamp.sec == number for message in client.received[name])
        for name in OUTPUTS))
    message = {name: next(m for m in client.received[name] if m.header.stamp.sec == number)
               for name in OUTPUTS}
    instance = pixels_of(message['instance'], np.uint16)
    semantic = pixels_of(message['semantic'], np.uint8)
    panoptic = pixels_of(message['panoptic'], np.int32)
    class_map = {entry.class_id: entry.class_name
                 for entry in client.received['label_info'][-1].class_map}
    assert class_map == {0: 'unlabeled', 1: 'person', 2: 'chair', 3: 'floor', 4: 'wall'}
    np.testing.assert_array_equal(panoptic >> 16, semantic)
    is_thing = np.isin(semantic, [1, 2])
    np.testing.assert_array_equal(panoptic & 0xffff, np.where(is_thing, instance, 0))
    assert (instance == 0).any()
    assert ((semantic == 0) == (instance == 0)).all()
    assert len(message['detections'].detections) == 4
    for detection in message['detections'].detections:
        mask = instance == int(detection.id)
        hypothesis, = detection.results
        assert {class_map[value] for value in np.unique(semantic[mask])} == \
            {hypothesis.hypothesis.class_id}
        assert 0.0 <= hypothesis.hypothesis.score <= 1.0
        rows, columns = np.nonzero(mask)
        box = detection.bbox
        assert (box.size_x, box.size_y) == (np.ptp(columns) + 1, np.ptp(rows) + 1)
        assert (box.center.position.x, box.center.position.y) == (
            (columns.min() + columns.max() + 1) / 2, (rows.min() + rows.max() + 1) / 2)
        confidence = pixels_of(message['confidence'], np.uint8)[mask]
        np.testing.assert_allclose(confidence, 255 * hypothesis.hypothesis.score, atol=1)


def test_detections_are_things_only_unless_told_otherwise(client, start_node):
    start_node(FakeSegmenter(), **WORDS)
    client.listen('detections')
    client.send_until(lambda: client.received['detections'])
    names = [d.results[0].hypothesis.class_id
             for d in client.received['detections'][-1].detections]
    assert names == ['person', 'chair']
    client.set(detections_include_stuff=True)
    client.send_until(lambda: len(client.received['detections'][-1].detections) == 4)


def test_nothing_is_computed_without_a_subscriber(client, start_node):
    segmenter = FakeSegmenter()
    start_node(segmenter, **WORDS)
    client.listen('label_info')
    client.wait_for(lambda: client.received['label_info'])
    warm_up = segmenter.calls
    assert segmenter.warm_ups == [(480, 640)]
    for number in range(5):
        client.send(number)
    client.wait_for(lambda: client.state() == 'active')
    assert segmenter.calls == warm_up == 1


def test_newest_frame_wins_and_no_queue_builds_up(client, start_node):
    node = start_node(FakeSegmenter(delay_s=0.1), **WORDS)
    client.listen('instance')
    last = client.send_until(lambda: client.received['instance'])
    client.received['instance'].clear()
    sent_s, latencies_s = {}, {}
    for number in range(last + 1, last + 101):
        client.send(number)
        sent_s[number] = time.monotonic()
        client.executor.spin_once(timeout_sec=0.01)
        for message in client.received['instance']:
            stamp = message.header.stamp.sec
            latencies_s.setdefault(stamp, time.monotonic() - sent_s.get(stamp, time.monotonic()))
    client.wait_for_answer(last + 100, 'instance')
    stamps = [message.header.stamp.sec for message in client.received['instance']]
    assert stamps == sorted(stamps)
    seconds = sent_s[last + 100] - sent_s[last + 1]
    assert len(stamps) < 10 * seconds + 3, 'ten a second are processed'
    # At most the frame in work and its own time, however long the overload lasts.
    slowdown = max(1.0, os.getloadavg()[0] / os.cpu_count())
    assert max(latencies_s.values(), default=0) < 0.3 * slowdown
    counts = node._pipeline._frames.counts()
    assert counts.received == counts.taken + counts.skipped
    assert counts.skipped > 0


def test_rate_limit_is_live(client, start_node):
    start_node(FakeSegmenter(), **WORDS)
    client.listen('instance')
    last = client.send_until(lambda: client.received['instance'])
    assert client.set(max_rate_hz=5.0)[0].successful
    client.received['instance'].clear()
    for number in range(last + 1, last + 51):
        client.send(number)
        client.executor.spin_once(timeout_sec=0.02)
    client.wait_for_answer(last + 50, 'instance')
    assert len(client.received['instance']) < 15


def test_a_frame_keeps_the_thresholds_that_it_began_with(client, start_node):
    segmenter = FakeSegmenter(delay_s=0.3)
    start_node(segmenter, **WORDS, score_threshold=0.25)
    client.listen('instance', 'label_info')
    client.send_until(lambda: client.received['instance'])
    calls = len(segmenter.thresholds)
    client.send(10**6)
    client.wait_for(lambda: len(segmenter.thresholds) > calls or client.send(10**6) is None)
    assert client.set(score_threshold=0.5, overlap_threshold=0.75)[0].successful
    client.wait_for(lambda: client.received['label_info'][-1].threshold == 0.5)
    client.wait_for_answer(10**6, 'instance')
    assert segmenter.thresholds[calls] == {'score_threshold': 0.25, 'overlap_threshold': 0.8}
    client.send_until(lambda: segmenter.thresholds[-1] == {
        'score_threshold': 0.5, 'overlap_threshold': 0.75})


def test_set_enabled_pauses_and_resumes(client, start_node):
    from std_srvs.srv import SetBool

    segmenter = FakeSegmenter()
    start_node(segmenter, **WORDS)
    client.listen('instance')
    last = client.send_until(lambda: client.received['instance'])
    assert client.call(SetBool, 'eov_seg/set_enabled', SetBool.Request(data=False)).success

    def calls_after_five_images():
        for number in range(5):
            client.send(number)
        assert client.state() == 'active'
        return segmenter.calls

    calls = calls_after_five_images()   # an image taken before the pause may be among them
    assert calls_after_five_images() == calls
    assert client.call(SetBool, 'eov_seg/set_enabled', SetBool.Request(data=True)).success
    client.received['instance'].clear()
    client.send_until(lambda: client.received['instance'], first=last + 1)


@pytest.mark.parametrize('reliable', [True, False])
def test_any_camera_and_any_viewer_matches(client, start_node, reliable):
    from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
    from sensor_msgs.msg import Image

    qos = QoSProfile(depth=5, durability=DurabilityPolicy.VOLATILE,
                     reliability=(ReliabilityPolicy.RELIABLE if reliable
                                  else ReliabilityPolicy.BEST_EFFORT))
    start_node(FakeSegmenter(), **WORDS)
    client.images = client.node.create_publisher(Image, 'image_raw', qos)
    got = []
    client.node.create_subscription(Image, 'eov_seg/overlay', got.append, qos)
    client.send_until(lambda: got)


def test_qos_can_be_overridden(client, start_node):
    start_node(FakeSegmenter(), **WORDS,
               **{'qos_overrides./eov_seg/overlay.publisher.reliability': 'best_effort'})
    client.listen('overlay')
    info, = client.wait_for(
        lambda: client.node.get_publishers_info_by_topic('/eov_seg/overlay'))
    assert info.qos_profile.reliability.name == 'BEST_EFFORT'
