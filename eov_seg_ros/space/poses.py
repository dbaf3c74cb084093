# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where cameras are in the world at the stamps of their images, from /tf."""

from __future__ import annotations

import functools
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import Header

from eov_seg_core.geometry import NoTransformError, TransformBuffer
from eov_seg_core.geometry.pose import Matrix
from eov_seg_core.io.text import printable
from eov_seg_ros.log_bridge import Repeats
from eov_seg_ros.text import describe

try:
    from tf2_msgs.msg import TFMessage
except ImportError:     # the wheels of ROS lack it
    TFMessage = None

_QUEUE = 100    # as tf2 has it
_REPEAT_S = 10.0


class PoseInput:
    """Listens to /tf and /tf_static; `pose` is called by the frame thread, the rest not.

    Args:
        node: Owner of the subscriptions.
        world_frame: The frame that poses are in; its z points up.
    """

    def __init__(self, node: Node, world_frame: str) -> None:
        self._node = node
        self._world_frame = world_frame
        self._buffer = TransformBuffer()
        self._subscriptions: list[Any] = []
        self._repeats = Repeats(_REPEAT_S)

    def subscribe(self) -> None:
        """Listen; static transforms come again to who subscribes."""
        if TFMessage is None:
            return
        latched = QoSProfile(depth=_QUEUE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._subscriptions = [
            self._node.create_subscription(
                TFMessage, topic, functools.partial(self._take, is_static), qos)
            for topic, qos, is_static in (('/tf', QoSProfile(depth=_QUEUE), False),
                                      ('/tf_static', latched, True))]

    def unsubscribe(self) -> None:
        """Stop listening."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []

    def pose(self, header: Header, wait_s: float) -> Matrix:
        """Return the (4, 4) pose of a frame in the world at the stamp of a header.

        Raises:
            NoTransformError: It is not known; says why.
        """
        if TFMessage is None:
            raise NoTransformError(
                'tf2_msgs', 'the package tf2_msgs is not installed, so that /tf cannot be read: '
                'run scripts/setup_env.sh again, or install ros-$ROS_DISTRO-tf2-msgs')
        stamp_ns = header.stamp.sec * 10**9 + header.stamp.nanosec
        if not stamp_ns:
            raise NoTransformError('stamp', 'the image has no stamp: when was the camera there?')
        return self._buffer.pose(self._world_frame, header.frame_id, stamp_ns, wait_s)

    def _take(self, is_static: bool, message: Any) -> None:
        for child, error in self._buffer.take(message, is_static=is_static):
            if self._repeats.is_due(child):
                self._node.get_logger().warning(
                    f'a transform of {printable(child)!r} is ignored: {describe(error)}')
