# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A labelled bag holds, field for field, what the node would have published."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not installed')
from rclpy.serialization import deserialize_message, serialize_message  # noqa: E402
from std_msgs.msg import Header  # noqa: E402

from eov_seg_core.recordings.messages import MessageWriter  # noqa: E402
from eov_seg_core.results.result import PanopticResult, Segment  # noqa: E402
from eov_seg_ros import conversions  # noqa: E402
from eov_seg_ros.class_ids import ClassIds  # noqa: E402

NAMES = ['chair', 'floor']
CHAIR = Segment(1, 1, 'chair', True, 0.875, 3, (0, 0, 2, 2))
FLOOR = Segment(2, 2, 'floor', False, 0.5, 2, (1, 1, 3, 2))
ONE = PanopticResult(np.array([[1, 1, 0], [1, 2, 2]], np.int32), [CHAIR, FLOOR])
NONE = PanopticResult(np.zeros((2, 3), np.int32), [])


def headers(writer):
    ours = Header(frame_id='optical')
    ours.stamp.sec, ours.stamp.nanosec = 7, 9
    return ours, writer.types.deserialize_cdr(serialize_message(ours), 'std_msgs/msg/Header')


@pytest.mark.parametrize('result', [ONE, NONE], ids=['one', 'none'])
def test_messages_are_those_of_the_node(result) -> None:
    writer = MessageWriter()
    header, recorded = headers(writer)
    labels = ClassIds().assign(NAMES)
    for data, expected in (
            (writer.panoptic(recorded, result),
             conversions.panoptic_image(header, result, labels)),
            (writer.detections(recorded, result), conversions.detections(header, result, False)),
            (writer.label_info(recorded, NAMES, 0.25),
             conversions.label_info(header, labels, 0.25))):
        assert deserialize_message(data, type(expected)) == expected
        assert len(data) == len(serialize_message(expected))    # padding bytes are random there
