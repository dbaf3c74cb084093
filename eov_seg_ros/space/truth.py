# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the built-in camera knows of space: its own place, and the boxes of the things it sees."""

from __future__ import annotations

from collections.abc import Iterable
import math
from typing import Any

from geometry_msgs.msg import Transform, TransformStamped, Vector3
import numpy as np
import numpy.typing as npt
from std_msgs.msg import Header
from vision_msgs.msg import Detection3DArray

from eov_seg_core.geometry import Box, LEVEL_CAMERA
from eov_seg_core.world import VisibleObject
from eov_seg_ros.space.messages import body_pose, detection, pose_in_world, quaternion

try:
    from nav_msgs.msg import Odometry
except ImportError:
    Odometry = None
try:
    from tf2_msgs.msg import TFMessage
except ImportError:
    TFMessage = None

ODOMETRY_TYPE, TF_TYPE = Odometry, TFMessage
"""None where their packages are not installed."""
Matrix = npt.NDArray[np.float64]


def moving_transform(header: Header, camera_in_world: Matrix, body: str) -> Any:
    """Return the TFMessage of the camera's body (x forward, z up) in the frame of the header."""
    pose = body_pose(camera_in_world)
    place = pose.position
    return TFMessage(transforms=[TransformStamped(
        header=header, child_frame_id=body, transform=Transform(
            translation=Vector3(x=place.x, y=place.y, z=place.z), rotation=pose.orientation))])


def fixed_transform(header: Header, optical: str) -> Any:
    """Return the TFMessage of the frame of the images in the body, which the header names."""
    return TFMessage(transforms=[TransformStamped(
        header=header, child_frame_id=optical,
        transform=Transform(rotation=quaternion(LEVEL_CAMERA)))])


def odometry(header: Header, camera_in_world: Matrix, body: str) -> Any:
    """Return the Odometry of the camera's body; velocities are not given."""
    message = Odometry(header=header, child_frame_id=body)
    message.pose.pose = body_pose(camera_in_world)
    return message


def true_boxes(header: Header, objects: Iterable[VisibleObject]) -> Detection3DArray:
    """Return the whole boxes of the visible things, with the names and ids of `truth/panoptic`."""
    return Detection3DArray(header=header, detections=[
        detection(header, item.id, f'{item.color} {item.name}' if item.color else item.name, 1.0,
                  pose_in_world(Box(item.box.center, item.box.size, item.box.yaw_rad)),
                  item.box.size)
        for item in objects if item.is_thing and item.area])


def inexact(camera_in_world: Matrix, noise_m: float, noise_deg: float, dice: np.random.Generator
            ) -> Matrix:
    """Return a pose as odometry would give it: off by normal noise in place and heading."""
    turn = math.radians(noise_deg) * dice.standard_normal()
    sine, cosine = math.sin(turn), math.cos(turn)
    pose = camera_in_world.copy()
    pose[:3, :3] = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]]) @ pose[:3, :3]
    pose[:3, 3] += noise_m * dice.standard_normal(3)
    return pose
