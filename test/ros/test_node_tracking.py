# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ids that last over real DDS: one id in all topics, or those of each frame."""

from __future__ import annotations

from dataclasses import replace

from fake_segmenter import FakeSegmenter
import numpy as np
import pytest
from std_msgs.msg import Header

pytestmark = pytest.mark.ros

WORDS = {'vocabulary__things': ['person', 'chair'], 'vocabulary__stuff': ['floor']}
TOPICS = ('instance', 'panoptic', 'detections')


class TurningSegmenter(FakeSegmenter):
    """Numbers its segments the other way around in every other frame."""

    def __call__(self, image, **thresholds):
        result = super().__call__(image, **thresholds)
        if self.calls % 2:
            result.segments.reverse()
            count = len(result.segments)
            result.instance[:] = np.where(result.instance, count + 1 - result.instance, 0)
            result.segments[:] = [replace(segment, id=number)
                                  for number, segment in enumerate(result.segments, 1)]
        return result


def ids_by_name(client, stamp) -> dict[str, list[int]]:
    """Return what each topic calls the things of one frame."""
    messages = {topic: next(entry for entry in client.received[topic]
                            if entry.header.stamp.sec == stamp) for topic in TOPICS}
    instance = np.frombuffer(messages['instance'].data, np.uint16).reshape(48, 64)
    panoptic = np.frombuffer(messages['panoptic'].data, np.int32).reshape(48, 64) & 0xffff
    found = {}
    for detection in messages['detections'].detections:
        column = int(detection.bbox.center.position.x)
        found[detection.results[0].hypothesis.class_id] = [
            int(detection.id), int(instance[5, column]), int(panoptic[5, column])]
    return found


def run(client, start_node, frames=4, **parameters) -> list[dict[str, list[int]]]:
    start_node(TurningSegmenter(), **WORDS, **parameters)
    client.listen(*TOPICS)
    first = client.send_until(lambda: all(client.received[topic] for topic in TOPICS)) + 1
    for number in range(first, first + frames):
        client.send(number)
        for topic in TOPICS:
            client.wait_for_answer(number, topic)
    return [ids_by_name(client, number) for number in range(first, first + frames)]


def test_every_topic_carries_the_id_that_lasts(client, start_node):
    frames = run(client, start_node)
    assert all(frame == frames[0] for frame in frames)
    assert set(frames[0]) == {'person', 'chair'}
    assert all(len(set(ids)) == 1 for ids in frames[0].values())


def test_without_tracking_ids_are_those_of_the_frame(client, start_node):
    frames = run(client, start_node, tracking='off')
    assert frames[0] != frames[1]
    assert {frozenset(ids) for ids in frames[0].values()} <= {
        frozenset({1}), frozenset({2}), frozenset({3})}


def test_an_image_out_of_order_is_dropped_and_said(client, start_node):
    start_node(FakeSegmenter(), **WORDS)
    client.listen('instance')
    last = client.send_until(lambda: client.received['instance'])
    client.wait_for_answer(last, 'instance')
    client.wait_for(lambda: client.send(last) and 'is not newer than that of the image before'
                    in client.log)
    client.send(last + 1)
    client.wait_for_answer(last + 1, 'instance')


@pytest.mark.parametrize('use_sim_time', [False, True])
def test_images_without_a_stamp_have_ids_too(client, start_node, use_sim_time):
    """Also where simulated time has not begun."""
    start_node(FakeSegmenter(), use_sim_time=use_sim_time, **WORDS)
    client.listen('instance')
    count = len(client.received['instance'])
    for _ in range(3):
        client.wait_for(lambda before=count: client.send(0, header=Header())
                        and len(client.received['instance']) > before)
        count = len(client.received['instance'])
    assert 'is not newer' not in client.log

