# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Boxes, ids and memory in a world frame over real DDS, and what is said without transforms."""

from __future__ import annotations

import itertools
import time

from diagnostic_msgs.msg import DiagnosticArray
from fake_segmenter import FakeSegmenter
from geometry_msgs.msg import PoseArray, TransformStamped
import pytest
from std_msgs.msg import Header
from test_node_depth import RGBD, values_of, WORDS
from vision_msgs.msg import Detection3DArray

from eov_seg_ros.parameters import Parameters
from eov_seg_ros.pipeline import depth_faults

pytestmark = pytest.mark.ros

TFMessage = pytest.importorskip(
    'tf2_msgs.msg', reason='tf2_msgs is not installed: scripts/setup_env.sh').TFMessage


class Robot(RGBD):
    """An RGB-D camera whose place is published: it looks along x of odom, 3 m from its origin."""

    def __init__(self, client) -> None:
        super().__init__(client)
        self.moved = client.node.create_publisher(TFMessage, '/tf', 10)

    def send(self, *, parent='odom', child='eye', beside=(), tf_late_s=0.0, has_tf=True,
             quaternion=(-0.5, 0.5, -0.5, 0.5), **changes) -> Header:
        """Publish the transform, then a picture."""
        if has_tf:
            stamp_ns = time.time_ns()
            places = [(parent, child), beside] if beside else [(parent, child)]
            for step_ns, (frame, placed) in itertools.product(
                    (-10**7, 10**8), places):   # before and after the picture
                entry = TransformStamped(child_frame_id=placed)
                entry.header.frame_id = frame
                entry.header.stamp.sec, entry.header.stamp.nanosec = divmod(
                    stamp_ns + step_ns + round(tf_late_s * 1e9), 10**9)
                entry.transform.translation.x = 3.0
                turn = entry.transform.rotation
                turn.x, turn.y, turn.z, turn.w = quaternion
                self.moved.publish(TFMessage(transforms=[entry]))
        return super().send(**changes)


@pytest.fixture
def robot(client) -> Robot:
    return Robot(client)


def test_boxes_and_memory_are_in_the_world_frame(client, start_node, robot):
    start_node(FakeSegmenter(), depth=True, tracking='3d', **WORDS)
    boxes = client.listen_to('eov_seg/detections_3d', Detection3DArray)
    client.listen('detections')
    robot.send_until(lambda: len(boxes) > 2)
    detection, = boxes[-1].detections
    assert boxes[-1].header.frame_id == detection.header.frame_id == 'odom'
    assert detection.bbox.center.position.x == pytest.approx(5.0, abs=0.1)
    flat = {entry.header.stamp.nanosec: entry for entry in client.received['detections']}
    last = next(entry for entry in reversed(boxes) if entry.header.stamp.nanosec in flat)
    assert [entry.id for entry in flat[last.header.stamp.nanosec].detections] == [
        entry.id for entry in last.detections]

    objects = client.listen_to('eov_seg/objects', Detection3DArray, latched=True)
    views = client.listen_to('eov_seg/viewpoints', PoseArray, latched=True)
    robot.send_until(lambda: objects and objects[-1].detections and views
                     and views[-1].header == objects[-1].header)
    remembered, = objects[-1].detections
    assert (remembered.id, remembered.header.frame_id) == (detection.id, 'odom')
    assert remembered.results[0].hypothesis.class_id == 'chair'
    assert remembered.results[0].hypothesis.score == pytest.approx(1.0)
    view, = views[-1].poses
    assert view.position.x == pytest.approx(3.0)
    assert abs(view.orientation.w) == pytest.approx(1.0)    # it looked along x

    late = client.listen_to('eov_seg/objects', Detection3DArray, latched=True)
    client.wait_for(lambda: late)       # without another image


@pytest.mark.parametrize(('changes', 'reason', 'cure'), [
    ({'has_tf': False}, "no transform has come at all; expected those from 'odom' to 'eye'",
     'start what publishes /tf'),
    ({'parent': 'base'}, "no transform has come for the frame 'odom' (known frames: ",
     'correct world_frame'),
    ({'child': 'lens'}, "no transform has come for the frame 'eye' (known frames: ",
     'static_transform_publisher for the camera'),
    ({'parent': 'base', 'beside': ('odom', 'robot')}, "the frames 'odom' and 'eye' are in two "
     "trees that do not join, one below 'odom' and one below 'base'", 'its place on the robot'),
    ({'tf_late_s': -0.5}, 'it comes late, or too seldom', 'raise pose_wait_s, which is 0.1'),
    ({'tf_late_s': -3600.0}, 's older than the image: it stopped, or the clocks',
     'use_sim_time: true in all nodes'),
    ({'tf_late_s': -1.7e9}, ' is 19676 days older than the image', 'synchronised clocks'),
    ({'tf_late_s': 3600.0}, 's newer than the image', 'use_sim_time: true in all nodes'),
    ({'quaternion': (0.0,) * 4}, "and a transform of 'eye' is ignored: ", 'that is not zero'),
    ({'image_frame': '', 'frame': ''}, 'the image has no frame_id',
     "set it in the camera's driver"),
])
def test_without_a_transform_no_box_is_published_and_one_sentence_says_why(
        client, start_node, robot, changes, reason, cure):
    start_node(FakeSegmenter(), depth=True, **WORDS)
    boxes = client.listen_to('eov_seg/detections_3d', Detection3DArray)
    objects = client.listen_to('eov_seg/objects', Detection3DArray, latched=True)
    diagnostics = client.listen_to('/diagnostics', DiagnosticArray)
    client.listen('detections', 'instance')
    robot.send_until(lambda: reason in client.log and client.received['detections'], **changes)
    robot.send_until(
        lambda: diagnostics and reason in diagnostics[-1].status[0].message, **changes)
    assert cure in diagnostics[-1].status[0].message
    assert int(values_of(diagnostics)['no_pose']) > 0
    assert not boxes
    assert not any(entry.detections for entry in objects)
    assert sum(reason in line for line in client.log.splitlines()) == 1
    count = len(client.received['instance'])
    robot.send_until(lambda: len(client.received['instance']) > count, **changes)   # in 2D
    robot.send_until(lambda: boxes)


def test_transforms_on_another_topic_are_named(client, start_node, robot):
    client.node.create_publisher(TFMessage, '/robot1/tf', 10)
    start_node(FakeSegmenter(), depth=True, **WORDS)
    client.node.destroy_publisher(robot.moved)
    client.listen_to('eov_seg/detections_3d', Detection3DArray)
    robot.send_until(lambda: 'nobody publishes /tf; of this type there is /robot1/tf'
                     in client.log, has_tf=False)


def test_a_start_before_the_transforms_is_no_fault(client, start_node, robot, monkeypatch):
    monkeypatch.setattr(depth_faults, '_FIRST_S', 15.0)     # for slow machines
    start_node(FakeSegmenter(), depth=True, **WORDS)
    boxes = client.listen_to('eov_seg/detections_3d', Detection3DArray)
    diagnostics = client.listen_to('/diagnostics', DiagnosticArray)
    robot.send_until(lambda: diagnostics and int(values_of(diagnostics).get('no_pose', 0)) > 0,
                     has_tf=False)
    robot.send_until(lambda: len(boxes) > 10)
    assert 'no boxes in the world' not in client.log


def test_tracking_in_space_needs_depth():
    with pytest.raises(ValueError, match='tracking: 3d needs depth: true'):
        Parameters(tracking='3d')


def test_without_depth_nobody_listens_to_transforms(client, start_node):
    start_node(FakeSegmenter(), **WORDS)
    client.listen('detections')
    assert client.node.count_subscribers('/tf') == 0
    assert client.node.count_publishers('eov_seg/objects') == 0


def test_an_object_is_remembered_over_an_edit_of_the_words(client, start_node, robot):
    start_node(FakeSegmenter(), depth=True, **WORDS)
    objects = client.listen_to('eov_seg/objects', Detection3DArray, latched=True)
    robot.send_until(lambda: objects and objects[-1].detections)
    first = objects[-1].detections[0].id
    client.set(vocabulary__things=['stool'])
    robot.send_until(lambda: objects[-1].detections and objects[-1].detections[0].results[0]
                     .hypothesis.class_id == 'stool')
    assert [entry.id for entry in objects[-1].detections] == [first]


def test_markers_are_in_the_world_frame(client, start_node, robot):
    array = pytest.importorskip('visualization_msgs.msg',
                                reason='visualization_msgs: scripts/setup_env.sh').MarkerArray
    start_node(FakeSegmenter(), depth=True, **WORDS)
    markers = client.listen_to('eov_seg/markers', array)
    robot.send_until(lambda: markers)
    assert [entry.header.frame_id for entry in markers[-1].markers] == ['odom'] * 3
