# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The memory over real DDS: forgotten on demand, kept in a file, and placed by odometry."""

from __future__ import annotations

import json

from diagnostic_msgs.msg import DiagnosticArray
from fake_segmenter import FakeSegmenter
import pytest
from std_srvs.srv import Trigger
from test_node_depth import RGBD, WORDS
from test_node_world import Robot
from vision_msgs.msg import Detection3DArray

from eov_seg_ros.parameters import Parameters

pytestmark = pytest.mark.ros

Odometry = pytest.importorskip(
    'nav_msgs.msg', reason='nav_msgs is not installed: scripts/setup_env.sh').Odometry


def listen(client) -> list[Detection3DArray]:
    return client.listen_to('eov_seg/objects', Detection3DArray, latched=True)


def test_the_memory_is_forgotten_on_demand_and_ids_go_on(client, start_node, tmp_path):
    file = tmp_path / 'memory.json'
    start_node(FakeSegmenter(), depth=True, memory_file=str(file), **WORDS)
    objects = listen(client)
    robot = Robot(client)
    robot.send_until(lambda: objects and objects[-1].detections)
    first = int(objects[-1].detections[0].id)
    assert client.call(Trigger, 'eov_seg/forget', Trigger.Request()).success
    client.wait_for(lambda: not objects[-1].detections)     # without another image
    assert json.loads(file.read_text())['objects'] == []
    robot.send_until(lambda: objects[-1].detections)
    assert int(objects[-1].detections[0].id) >= first


def test_a_node_without_a_memory_says_so(client, start_node):
    start_node(FakeSegmenter(), **WORDS)
    answer = client.call(Trigger, 'eov_seg/forget', Trigger.Request())
    assert not answer.success
    assert 'depth:=true' in answer.message


def test_a_node_that_starts_again_remembers(client, start_node, tmp_path):
    file = tmp_path / 'memory.json'
    parameters = {'depth': True, 'memory_file': str(file), **WORDS}
    start_node(FakeSegmenter(), **parameters)
    objects = listen(client)
    robot = Robot(client)
    robot.send_until(lambda: objects and objects[-1].detections)
    before, = objects[-1].detections
    assert client.change_state('deactivate')    # writes it
    assert json.loads(file.read_text())['world_frame'] == 'odom'
    assert client.change_state('cleanup')
    assert client.change_state('configure')
    count = len(objects)
    assert client.change_state('activate')
    client.wait_for(lambda: len(objects) > count)       # without an image
    after, = objects[-1].detections
    assert (after.id, after.header.stamp) == (before.id, before.header.stamp)
    assert after.results[0].hypothesis.class_id == 'chair'


def test_a_file_that_is_not_ours_stays_and_is_named(client, start_node, tmp_path):
    file = tmp_path / 'recipe.json'
    file.write_text('{"cake": 3}')
    diagnostics = client.listen_to('/diagnostics', DiagnosticArray)
    start_node(FakeSegmenter(), depth=True, memory_file=str(file), **WORDS)
    objects = listen(client)
    robot = Robot(client)
    robot.send_until(lambda: objects and objects[-1].detections)
    client.wait_for(lambda: diagnostics and 'is no memory of objects'
                    in diagnostics[-1].status[0].message)
    assert client.change_state('deactivate')
    assert file.read_text() == '{"cake": 3}'


def test_a_folder_that_is_not_there_is_said_at_once(client, start_node, tmp_path):
    start_node(FakeSegmenter(), depth=True, autostart=False,
               memory_file=str(tmp_path / 'none/m.json'), **WORDS)
    assert not client.change_state('configure')
    client.wait_for(lambda: 'is no folder; make it first' in client.log)


class Rover(RGBD):
    """An RGB-D camera on a robot that tells its place by odometry: 3 m from the origin."""

    def __init__(self, client) -> None:
        super().__init__(client)
        self._moved = client.node.create_publisher(Odometry, 'odometry', 10)

    def send(self, **changes):
        header = super().send(**changes)
        for step_ns in (-10**7, 10**8):     # before and after the picture
            message = Odometry(child_frame_id='base')
            message.header.frame_id = 'odom'
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(
                header.stamp.sec * 10**9 + header.stamp.nanosec + step_ns, 10**9)
            message.pose.pose.position.x = 3.0
            message.pose.pose.orientation.w = 1.0
            self._moved.publish(message)
        return header


def test_odometry_places_the_camera(client, start_node):
    start_node(FakeSegmenter(), depth=True, pose_source='odometry', pose_wait_s=0.5,
               base_to_camera=[0.0, 0.0, 1.0, 0.0, 0.0, 1.5707963], **WORDS)
    boxes = client.listen_to('eov_seg/detections_3d', Detection3DArray)
    Rover(client).send_until(lambda: boxes)
    assert boxes[-1].header.frame_id == 'odom'
    center = boxes[-1].detections[0].bbox.center.position
    assert center.y == pytest.approx(2.0, abs=.1)       # it looks to the left of the robot
    assert center.x == pytest.approx(3.0, abs=1.0)
    assert client.node.count_subscribers('/tf') == 0


def test_without_odometry_one_sentence_says_so(client, start_node):
    start_node(FakeSegmenter(), depth=True, pose_source='odometry', **WORDS)
    client.listen('detections')
    boxes = client.listen_to('eov_seg/detections_3d', Detection3DArray)
    RGBD(client).send_until(lambda: 'no odometry has come on /odometry' in client.log)
    assert not boxes


@pytest.mark.parametrize(('values', 'reason'), [
    ({'pose_source': 'odometry', 'world_frame': ''}, 'needs a world_frame'),
    ({'base_to_camera': (0.,) * 6}, 'needs pose_source: odometry'),
    ({'base_to_camera': (0.,) * 5, 'pose_source': 'odometry'}, '0 or 6 numbers'),
    ({'base_to_camera': (0.,) * 6, 'pose_source': 'odometry', 'camera_names': ('a', 'b')},
     'the place of one camera'),
    ({'memory_file': 'm.json'}, 'memory_file needs depth: true'),
    ({'tracking': '3d', 'depth': True, 'pose_source': 'none'}, 'tracking: 3d needs'),
])
def test_parameters_that_contradict_one_another_are_refused(values, reason):
    with pytest.raises(ValueError, match=reason):
        Parameters(**values)
