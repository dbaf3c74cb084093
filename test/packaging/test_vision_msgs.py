# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The messages that scripts/vision_msgs builds are the published ones: equal type hashes."""

from __future__ import annotations

import json
from pathlib import Path
import sysconfig

import pytest

CHECKOUT = Path(__file__).parents[2]
HASHES = json.loads((CHECKOUT / 'test/golden/vision_msgs_hashes.json').read_text())
DEFINITIONS = CHECKOUT / 'scripts/vision_msgs/msg'

pytest.importorskip('vision_msgs', reason='vision_msgs is not installed: scripts/setup_env.sh')


def installed_definitions() -> Path:
    """Find share/vision_msgs/msg: below the environment, or of a sourced ROS installation."""
    below_environment = Path(sysconfig.get_path('data'), 'share', 'vision_msgs', 'msg')
    if below_environment.is_dir():
        return below_environment
    from ament_index_python import get_package_share_directory
    return Path(get_package_share_directory('vision_msgs'), 'msg')


@pytest.mark.parametrize('name', sorted(HASHES))
def test_type_hash_equals_the_published_one(name: str) -> None:
    path = installed_definitions() / f'{name.rsplit("/", 1)[1]}.json'
    type_hash = json.loads(path.read_text())['type_hashes'][0]
    assert type_hash == {'type_name': name, 'hash_string': HASHES[name]}


def test_no_message_is_missing_or_extra() -> None:
    defined = {f'vision_msgs/msg/{path.stem}' for path in DEFINITIONS.glob('*.msg')}
    assert defined == set(HASHES)


def test_tf2_msgs_is_that_of_the_distribution() -> None:
    share = Path(pytest.importorskip(
        'tf2_msgs', reason='tf2_msgs is not installed: scripts/setup_env.sh').__file__).parents[4]
    found = json.loads((share / 'share/tf2_msgs/msg/TFMessage.json').read_text())
    assert found['type_hashes'][0] == {
        'type_name': 'tf2_msgs/msg/TFMessage', 'hash_string':
        'RIHS01_e369d0f05a23ae52508854b66f6aa0437f3449d652e8cbf22d5abe85d020f087'}


def test_a_message_survives_serialisation() -> None:
    from rclpy.serialization import deserialize_message, serialize_message
    from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose

    result = ObjectHypothesisWithPose()
    result.hypothesis.class_id = 'Bürostuhl'
    result.hypothesis.score = 0.25
    result.pose.covariance[35] = 2.5
    detection = Detection2D(id='7', results=[result])
    detection.bbox.center.position.x = 319.5
    detection.bbox.size_y = 12.0
    message = Detection2DArray(detections=[detection, Detection2D()])
    message.header.frame_id = 'camera'

    copy = deserialize_message(serialize_message(message), Detection2DArray)

    assert copy == message
    assert copy.detections[0].results[0].hypothesis.class_id == 'Bürostuhl'
    assert copy.detections[0].results[0].pose.covariance[35] == 2.5


def test_an_empty_array_survives_serialisation() -> None:
    from rclpy.serialization import deserialize_message, serialize_message
    from vision_msgs.msg import BoundingBox2DArray

    copy = deserialize_message(serialize_message(BoundingBox2DArray()), BoundingBox2DArray)

    assert list(copy.boxes) == []
