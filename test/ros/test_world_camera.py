# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The built-in camera: what a driver publishes, and the truth beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed: scripts/setup_env.sh')

from sensor_msgs.msg import CameraInfo, Image  # noqa: E402
from vision_msgs.msg import Detection3DArray, LabelInfo  # noqa: E402

from eov_seg_core.geometry import TransformBuffer  # noqa: E402
from eov_seg_core.world import (  # noqa: E402
    camera_path,
    generate_scene,
    MovingThings,
    render,
)
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


def camera(spin_node, **values):
    from rclpy.parameter import Parameter
    spin_node(lambda: WorldCameraNode(parameter_overrides=[
        Parameter(name, value=value)
        for name, value in {**SIZE, 'seed': 3, 'path_frames': 4, **values}.items()]))


def test_places_and_true_boxes_are_those_of_the_picture(client, spin_node):
    tf2 = pytest.importorskip('tf2_msgs.msg', reason='tf2_msgs: scripts/setup_env.sh')
    fixed = client.listen_to('/tf_static', tf2.TFMessage, latched=True)
    moved = client.listen_to('/tf', tf2.TFMessage)
    boxes = client.listen_to('world_camera/truth/detections_3d', Detection3DArray)
    camera(spin_node, rate_hz=20.0)
    client.wait_for(lambda: fixed and len(moved) > 4
                    and any(message.detections for message in boxes))

    buffer = TransformBuffer()
    for message, is_static in ((fixed[0], True), *((entry, False) for entry in moved)):
        entry, = message.transforms
        place, turn = entry.transform.translation, entry.transform.rotation
        buffer.add(entry.header.frame_id, entry.child_frame_id, stamp_of(entry),
                   (place.x, place.y, place.z), (turn.x, turn.y, turn.z, turn.w),
                   is_static=is_static)
    poses = [camera.pose for camera in camera_path(generate_scene(3), 4, **SIZE)]
    found = buffer.pose('odom', 'camera_color_optical_frame', stamp_of(moved[-1].transforms[0]))
    assert min(np.abs(found - pose).max() for pose in poses) < 1e-9

    true = {str(item.id): item for item in generate_scene(3).objects}
    for entry in (entry for message in boxes for entry in message.detections):
        item = true[entry.id]
        center = entry.bbox.center.position
        assert (center.x, center.y, center.z) == pytest.approx(item.box.center)
        assert (entry.header.frame_id, entry.results[0].hypothesis.class_id) == (
            'odom', f'{item.color} {item.name}')


def test_faults_can_be_asked_for(client, spin_node):
    from rclpy.time import Time

    tf2 = pytest.importorskip('tf2_msgs.msg', reason='tf2_msgs: scripts/setup_env.sh')
    moved = client.listen_to('/tf', tf2.TFMessage)
    depths = client.listen_to('depth/image_raw', Image)
    boxes = client.listen_to('world_camera/truth/detections_3d', Detection3DArray)
    camera(spin_node, rate_hz=20.0, path_frames=8, dropout_s=0.3, depth_noise=0.01,
           pose_noise_m=0.1, pose_noise_deg=2.0, moving_objects=3)
    client.wait_for(lambda: len(moved) > 6 and len(depths) > 3 and boxes)
    times_s = [Time.from_msg(message.transforms[0].header.stamp).nanoseconds / 1e9
               for message in moved]
    assert max(np.diff(times_s)) > 0.3
    poses = [pose.pose for pose in camera_path(generate_scene(3), 8, **SIZE)]
    places = [message.transforms[0].transform.translation for message in moved]
    off_m = [min(np.linalg.norm(pose[:3, 3] - (place.x, place.y, place.z)) for pose in poses)
             for place in places]
    assert 0.01 < np.median(off_m) < 0.5
    exact = [view.depth for view in (Views(generate_scene(3), 8, 3, **SIZE)[number]
                                     for number in range(8))]
    errors = [np.abs(pixels(depths[-1], np.float32)[..., 0] - depth).mean() for depth in exact]
    assert 0.005 < min(errors) < 0.3
    assert MovingThings(generate_scene(3), 3).ids


def stamp_of(message) -> int:
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def test_the_documentation_has_its_parameters():
    text = (Path(__file__).parents[2] / 'docs/ros_api.md').read_text(encoding='utf-8')
    assert markdown_table(world_camera_node.SPECS) in text


def test_a_wrong_parameter_ends_it_with_a_message(start_process):
    process = start_process('-m', 'eov_seg_ros.world_camera_node', '--ros-args', '-p', 'width:=3')
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert 'width' in output
    assert 'Traceback' not in output
