# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where cameras are in the world at the stamps of their images, from /tf or odometry."""

from __future__ import annotations

from collections.abc import Sequence
import functools
import time
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import Header

from eov_seg_core.geometry import LEVEL_CAMERA, NoTransformError, TransformBuffer
from eov_seg_core.geometry.pose import from_roll_pitch_yaw, Matrix
from eov_seg_core.io.image_messages.stamps import stamp_ns_of
from eov_seg_core.io.text import printable
from eov_seg_ros.log_bridge import Repeats
from eov_seg_ros.space.tf2 import IS_INSTALLED, Tf2Buffer
from eov_seg_ros.text import describe

try:
    from tf2_msgs.msg import TFMessage
except ImportError:     # the wheels of ROS lack it
    TFMessage = None
try:
    from nav_msgs.msg import Odometry
except ImportError:
    Odometry = None

_QUEUE = 100    # as tf2 has it
_REPEAT_S = 10.0
_IGNORED_S = 2.0    # for so long an ignored transform is named as the reason


class PoseInput:
    """Listens to what places cameras; `pose` is called by the frame thread, the rest not.

    Transforms are kept by tf2 where it is installed, else by a buffer of our own, and so is
    odometry.

    Args:
        node: Owner of the subscriptions.
        world_frame: The frame that poses are in; its z points up.
        has_odometry: Whether they come from odometry, else from /tf.
        base_to_camera: With odometry, the place of the camera on the robot: x, y, z in metres,
            roll, pitch, yaw in radians, 0 for a level camera; empty: from /tf_static.
    """

    def __init__(self, node: Node, world_frame: str, *, has_odometry: bool = False,
                 base_to_camera: Sequence[float] = ()) -> None:
        self._node = node
        self._world_frame = world_frame
        self._has_odometry = has_odometry
        self._topic = node.resolve_topic_name('odometry')
        self._body = ''     # of the last odometry
        self._camera_in_body = (from_roll_pitch_yaw(*base_to_camera) @ LEVEL_CAMERA
                                if base_to_camera else None)
        self._buffer = TransformBuffer()
        self._tf2 = Tf2Buffer(node) if IS_INSTALLED and not has_odometry else None
        self._subscriptions: list[Any] = []
        self._repeats = Repeats(_REPEAT_S)
        self._ignored, self._ignored_s = '', -_IGNORED_S

    def subscribe(self) -> None:
        """Listen; static transforms come again to who subscribes."""
        if self._tf2 is not None:
            self._tf2.subscribe()
            return
        latched = QoSProfile(depth=_QUEUE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        sensor = QoSProfile(depth=_QUEUE, reliability=ReliabilityPolicy.BEST_EFFORT)
        moving: tuple[Any, ...] = (
            (Odometry, self._topic, self._take_odometry, sensor) if self._has_odometry else
            (TFMessage, '/tf', functools.partial(self._take, False), QoSProfile(depth=_QUEUE)))
        fixed = (TFMessage, '/tf_static', functools.partial(self._take, True), latched)
        self._subscriptions = [self._node.create_subscription(*entry) for entry in (moving, fixed)
                               if entry[0] is not None]

    def unsubscribe(self) -> None:
        """Stop listening."""
        if self._tf2 is not None:
            self._tf2.unsubscribe()
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []

    def destroy(self) -> None:
        """Free all that belongs to the node."""
        self.unsubscribe()
        if self._tf2 is not None:
            self._tf2.destroy()

    def pose(self, header: Header, wait_s: float) -> Matrix:
        """Return the (4, 4) pose of a frame in the world at the stamp of a header.

        Raises:
            NoTransformError: It is not known; says why.
        """
        stamp_ns = stamp_ns_of(header)
        if not stamp_ns:
            raise NoTransformError('stamp', 'the image has no stamp, which says when the camera '
                                   "was there; set it in the camera's driver")
        if not header.frame_id:
            raise NoTransformError('frame', 'the image has no frame_id, which names its frame in '
                                   "/tf; set it in the camera's driver")
        if self._tf2 is not None:
            return self._tf2.pose(self._world_frame, header.frame_id, stamp_ns, wait_s)
        self._refuse_gaps()
        try:
            if self._camera_in_body is None:
                return self._buffer.pose(self._world_frame, header.frame_id, stamp_ns, wait_s)
            return np.asarray(self._buffer.pose(self._world_frame, self._body, stamp_ns, wait_s)
                              @ self._camera_in_body)
        except NoTransformError as error:
            if time.monotonic() > self._ignored_s + _IGNORED_S:
                raise
            raise NoTransformError(error.kind, f'{error}, and {self._ignored}',
                                   may_come=error.may_come) from error

    def _refuse_gaps(self) -> None:
        """Raise NoTransformError if something was not installed or has never come."""
        if TFMessage is None and self._camera_in_body is None:
            raise NoTransformError(
                'tf2_msgs', 'the package tf2_msgs is not installed, so that /tf cannot be read: '
                'run scripts/setup_env.sh again, or install ros-$ROS_DISTRO-tf2-msgs')
        if self._has_odometry and Odometry is None:
            raise NoTransformError('nav_msgs', 'the package nav_msgs is not installed: install '
                                   'ros-$ROS_DISTRO-nav-msgs')
        if self._has_odometry and not self._body:
            raise NoTransformError(
                'odometry', f'no odometry has come on {self._topic}: remap odometry, or set '
                'pose_source: tf')

    def _take(self, is_static: bool, message: Any) -> None:
        for entry in message.transforms:
            self._add(entry.header, entry.child_frame_id, entry.transform.translation,
                      entry.transform.rotation, is_static=is_static)

    def _take_odometry(self, message: Any) -> None:
        self._add(message.header, message.child_frame_id, message.pose.pose.position,
                  message.pose.pose.orientation)
        self._body = message.child_frame_id

    def _add(self, header: Header, child: str, place: Any, turn: Any, *, is_static: bool = False
             ) -> None:
        try:
            self._buffer.add(
                header.frame_id, child, stamp_ns_of(header),
                (place.x, place.y, place.z), (turn.x, turn.y, turn.z, turn.w),
                is_static=is_static)
        except ValueError as error:
            self._ignored = f'a transform of {printable(child)!r} is ignored: {describe(error)}'
            self._ignored_s = time.monotonic()
            if self._repeats.is_due(child):
                self._node.get_logger().warning(self._ignored)
