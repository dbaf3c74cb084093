# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A labelled bag holds, field for field, what the node would have published."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed')
from rclpy.serialization import deserialize_message, serialize_message  # noqa: E402
from std_msgs.msg import Header  # noqa: E402
from vision_msgs.msg import Detection3DArray  # noqa: E402

from eov_seg_core.geometry import as_matrix, boxes_of, CameraModel, SpaceView  # noqa: E402
from eov_seg_core.recordings.messages import MessageWriter  # noqa: E402
from eov_seg_core.recordings.space.session import LabelledFrame  # noqa: E402
from eov_seg_core.results.result import PanopticResult, Segment  # noqa: E402
from eov_seg_core.tracking import RememberedObject  # noqa: E402
from eov_seg_ros import conversions  # noqa: E402
from eov_seg_ros.class_ids import ClassIds  # noqa: E402
from eov_seg_ros.space import messages, world  # noqa: E402

NAMES = ['chair', 'floor']
CHAIR = Segment(1, 1, 'chair', True, 0.875, 3, (0, 0, 2, 2))
FLOOR = Segment(2, 2, 'floor', False, 0.5, 2, (1, 1, 3, 2))
ONE = PanopticResult(np.array([[1, 1, 0], [1, 2, 2]], np.int32), [CHAIR, FLOOR])
NONE = PanopticResult(np.zeros((2, 3), np.int32), [])


def headers(writer):
    ours = Header(frame_id='optical')
    ours.stamp.sec, ours.stamp.nanosec = 7, 9
    return ours, writer.types.deserialize_cdr(serialize_message(ours), 'std_msgs/msg/Header')


@pytest.mark.parametrize('ids', [None, [700, 9]], ids=['own', 'lasting'])
@pytest.mark.parametrize('result', [ONE, NONE], ids=['one', 'none'])
def test_messages_are_those_of_the_node(result, ids) -> None:
    writer = MessageWriter()
    header, recorded = headers(writer)
    labels = ClassIds().assign(NAMES)
    ids = ids and ids[:len(result.segments)]
    frame = LabelledFrame(recorded, None, result, ids)
    for data, expected in (
            (writer.panoptic(frame),
             conversions.panoptic_image(header, result, labels, ids=ids)),
            (writer.instance(frame), conversions.instance_image(header, result, ids)),
            (writer.detections(frame), conversions.detections(header, result, False, ids)),
            (writer.label_info(recorded, NAMES, 0.25),
             conversions.label_info(header, labels, 0.25))):
        assert deserialize_message(data, type(expected)) == expected
        assert len(data) == len(serialize_message(expected))    # padding bytes are random there


def same(data: bytes, expected) -> bool:
    """Compare a recorded message with the node's; NaN has no order, so bytes of points count."""
    ours = deserialize_message(data, type(expected))
    if hasattr(expected, 'point_step'):
        assert ours.data.tobytes() == expected.data.tobytes()
        ours.data = expected.data
    return ours == expected


@pytest.mark.parametrize('frame_id', ['odom', ''])
def test_points_boxes_and_objects_are_those_of_the_node(frame_id) -> None:
    writer = MessageWriter()
    header, recorded = headers(writer)
    rng = np.random.default_rng(0)
    instance = np.zeros((48, 64), np.int32)
    instance[10:30, 10:30] = 1
    result = PanopticResult(instance, [replace(CHAIR, area=400, bbox_xyxy=(10, 10, 30, 30))])
    pose = as_matrix(((1., 2., 3.), (0.1, 0.2, 0.3, 0.9)))
    depth = rng.uniform(1, 3, (48, 64)).astype(np.float32)
    depth[0, 0] = np.nan
    view = SpaceView(depth, CameraModel(64, 48, 50., 50., 32., 24.), frame_id,
                     pose if frame_id else None)
    image = rng.integers(0, 256, (48, 64, 3), np.uint8)
    boxes = boxes_of(result, view)
    assert boxes
    item = RememberedObject(700, 'chair', 'visible', boxes[1], 0.75, 4, 6.0, 7.25, np.eye(4))
    frame = LabelledFrame(recorded, image, result, [700], frame_id, view, boxes)
    assert same(writer.points(frame, view), messages.points(
        header, image, result, ClassIds().assign(NAMES), view, ids=[700]))
    assert same(writer.detections_3d(frame, boxes), messages.detections_3d(
        header, result, boxes, ids=[700], world_frame=frame_id))
    if frame_id:
        found = deserialize_message(writer.objects(frame, [item]), Detection3DArray)
        assert found.detections == [world._message(frame_id, item)]
        assert (found.header.stamp, found.header.frame_id) == (header.stamp, frame_id)
