# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The built-in camera: what a driver publishes, and the truth beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed: scripts/setup_env.sh')

from sensor_msgs.msg import CameraInfo, Image  # noqa: E402
from vision_msgs.msg import LabelInfo  # noqa: E402

from eov_seg_core.world import camera_path, generate_scene, render  # noqa: E402
from eov_seg_ros import world_camera_node  # noqa: E402
from eov_seg_ros.parameter_spec import markdown_table  # noqa: E402
from eov_seg_ros.world_camera_node import Views, WorldCameraNode  # noqa: E402

pytestmark = pytest.mark.ros
SIZE = {'width': 64, 'height': 48}


def pixels(message, dtype):
    return np.frombuffer(message.data, dtype).reshape(message.height, message.width, -1)


def test_everything_of_one_picture_has_one_header_and_is_the_truth(client, spin_node):
    from rclpy.parameter import Parameter

    values = {**SIZE, 'seed': 3, 'path_frames': 4, 'rate_hz': 20.0, 'frame_id': 'eye'}
    spin_node(lambda: WorldCameraNode(parameter_overrides=[
        Parameter(name, value=value) for name, value in values.items()]))
    got = {name: [] for name in ('image_raw', 'depth/image_raw', 'camera_info',
                                 'world_camera/truth/panoptic')}
    for name, messages in got.items():
        kind = CameraInfo if name == 'camera_info' else Image
        client.node.create_subscription(kind, name, messages.append, 10)
    labels = client.listen_to('world_camera/truth/label_info', LabelInfo, latched=True)
    client.wait_for(lambda: labels and all(len(messages) > 2 for messages in got.values()))

    stamps = [{message.header.stamp.sec * 10**9 + message.header.stamp.nanosec: message
               for message in messages} for messages in got.values()]
    stamp = max(set.intersection(*(set(messages) for messages in stamps)))
    image, depth, info, truth = (messages[stamp] for messages in stamps)
    assert image.header == depth.header == info.header == truth.header
    assert image.header.frame_id == 'eye'
    assert (image.encoding, depth.encoding, truth.encoding) == ('rgb8', '32FC1', '32SC1')

    scene = generate_scene(3)
    frames = [render(scene, camera, noise_seed=number)
              for number, camera in enumerate(camera_path(scene, 4, **SIZE))]
    number = next(number for number, frame in enumerate(frames)
                  if np.array_equal(frame.rgb, pixels(image, np.uint8)))
    np.testing.assert_array_equal(pixels(depth, np.float32)[..., 0], frames[number].depth)
    names = {entry.class_id: entry.class_name for entry in labels[0].class_map}
    panoptic = pixels(truth, np.int32)[..., 0]
    for item in frames[number].objects:
        expected = f'{item.color} {item.name}' if item.color else item.name
        values = np.unique(panoptic[frames[number].ids == item.id])
        assert {names[value >> 16] for value in values.tolist()} <= {expected}
        assert {value & 0xffff for value in values.tolist()} <= {item.id if item.is_thing else 0}

    camera = camera_path(scene, 4, **SIZE)[0]
    np.testing.assert_array_equal(np.reshape(info.k, (3, 3)), camera.matrix)
    np.testing.assert_array_equal(np.reshape(info.p, (3, 4))[:, :3], camera.matrix)
    assert (info.width, info.height) == (64, 48)


def test_pictures_repeat_and_are_kept_only_as_far_as_memory_goes(monkeypatch):
    scene = generate_scene(0)
    views = Views(scene, 2, **SIZE)
    assert views[0] is views[2]
    assert not np.array_equal(views[0].rgb, views[1].rgb)
    monkeypatch.setattr(world_camera_node, 'KEPT_BYTES', 0)
    views = Views(scene, 2, **SIZE)
    assert views[0] is not views[2]
    np.testing.assert_array_equal(views[0].rgb, views[2].rgb)


def test_the_documentation_has_its_parameters():
    text = (Path(__file__).parents[2] / 'docs/ros_api.md').read_text(encoding='utf-8')
    assert markdown_table(world_camera_node.SPECS) in text


def test_a_wrong_parameter_ends_it_with_a_message(start_process):
    process = start_process('-m', 'eov_seg_ros.world_camera_node', '--ros-args', '-p', 'width:=3')
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert 'width' in output
    assert 'Traceback' not in output
