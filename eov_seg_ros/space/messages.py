# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Results with depth to messages: labelled points, and boxes in metres."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import math
from typing import TYPE_CHECKING

from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header
from vision_msgs.msg import Detection3D, Detection3DArray, ObjectHypothesisWithPose

from eov_seg_core.geometry import (
    Box,
    box_in_camera,
    CLOUD_DTYPE,
    CLOUD_FIELDS,
    labelled_cloud,
    LEVEL_IN_CAMERA,
    SpaceView,
)
from eov_seg_core.results.label_images import ids_of, paint
from eov_seg_ros.class_ids import LabelSpace

if TYPE_CHECKING:
    from eov_seg_core.results.result import PanopticResult


def points(header: Header, image_rgb: npt.NDArray[np.uint8], result: PanopticResult,
           labels: LabelSpace, view: SpaceView, *, ids: Sequence[int] | None = None,
           stride: int = 1, organized: bool = True) -> PointCloud2:
    """Return the points of the image in the camera's frame.

    Fields: x, y, z, rgb (FLOAT32), label (class id) and instance (as `~/instance`), both UINT32.

    Args:
        header: The header of the input image.
        image_rgb: (H, W, 3) uint8 RGB.
        result: What the segmenter found.
        labels: The published class ids.
        view: Depth and camera of the image.
        ids: Of each segment; None: those of the result.
        stride: Only every n-th row and column.
        organized: Keep the image's grid, with NaN where there is no depth.
    """
    class_ids = [labels.id_of(segment) for segment in result.segments]
    cloud = labelled_cloud(view.depth_m, view.camera, image_rgb,
                           paint(result, class_ids, np.int32),
                           paint(result, ids_of(result, ids), np.int32), stride=stride,
                           organized=organized)
    height, width = cloud.shape if organized else (1, len(cloud))
    message = PointCloud2(
        header=header, height=height, width=width, is_bigendian=False,
        fields=[PointField(name=name, offset=4 * number, datatype=kind, count=1)
                for number, (name, kind) in enumerate(CLOUD_FIELDS.items())],
        point_step=CLOUD_DTYPE.itemsize, row_step=CLOUD_DTYPE.itemsize * width,
        is_dense=not organized)
    message.data.frombytes(cloud.view(np.uint8))
    return message


def detections_3d(header: Header, result: PanopticResult, boxes: Mapping[int, Box], *,
                  ids: Sequence[int] | None = None, world_frame: str = '') -> Detection3DArray:
    """Return one detection per thing that has a box.

    Args:
        header: The header of the input image.
        result: What the segmenter found.
        boxes: Segment id of the result -> its box, as `boxes_of` returns them.
        ids: Of each segment; None: those of the result.
        world_frame: That of the boxes.  Empty: the boxes are published in the frame of the image,
            upright for a level camera: one of their axes is the image's y axis.
    """
    if world_frame:
        header = Header(stamp=header.stamp, frame_id=world_frame)
    pose_of = pose_in_world if world_frame else _pose_in_camera
    return Detection3DArray(header=header, detections=[
        detection(header, number, segment.name, segment.score, pose_of(boxes[segment.id]),
                  boxes[segment.id].size)
        for segment, number in zip(result.segments, ids_of(result, ids)) if segment.id in boxes])


def detection(header: Header, number: int, name: str, score: float, center: Pose,
              size: Sequence[float]) -> Detection3D:
    """Return the message of one object; RViz needs `results` to hold something."""
    message = Detection3D(header=header, id=str(number))
    message.bbox.center = center
    message.bbox.size = Vector3(**dict(zip('xyz', size)))
    hypothesis = ObjectHypothesisWithPose()
    hypothesis.hypothesis.class_id = name
    hypothesis.hypothesis.score = float(score)
    hypothesis.pose.pose = center
    message.results = [hypothesis]
    return message


def pose_in_world(box: Box) -> Pose:
    """Return the pose of a box in the frame whose z is up."""
    return _pose(box.center, box.quaternion())


def box_of(message: Detection3D) -> Box:
    """Return the box of a detection in a frame whose z is up.

    Raises:
        ValueError: It holds numbers that are no box.
    """
    place, turn, size = (message.bbox.center.position, message.bbox.center.orientation,
                         message.bbox.size)
    return Box((place.x, place.y, place.z), (size.x, size.y, size.z),
               2 * math.atan2(turn.z, turn.w))


def _pose_in_camera(box: Box) -> Pose:
    """Turn the pose of a box of the level frame (z up) into the camera's (y down)."""
    return _pose(*box_in_camera(box))


def _pose(center: Sequence[float], turn: Sequence[float]) -> Pose:
    return Pose(position=Point(**dict(zip('xyz', center))),
                orientation=Quaternion(**dict(zip('xyzw', turn))))


def body_pose(camera_in_world: npt.NDArray[np.float64]) -> Pose:
    """Return where a camera was, with x along its optical axis and z up, as robots have it."""
    matrix = camera_in_world @ LEVEL_IN_CAMERA
    x, y, z = matrix[:3, 3].tolist()
    return Pose(position=Point(x=x, y=y, z=z), orientation=quaternion(matrix))


def quaternion(matrix: npt.NDArray[np.float64]) -> Quaternion:
    """Return the turn of a (4, 4) pose."""
    # the eigenvector of Bar-Itzhack: exact for any rotation, and no case of four is special
    r = matrix[:3, :3]
    symmetric = np.array([
        [r[0, 0] - r[1, 1] - r[2, 2], r[1, 0] + r[0, 1], r[2, 0] + r[0, 2], r[2, 1] - r[1, 2]],
        [r[1, 0] + r[0, 1], r[1, 1] - r[0, 0] - r[2, 2], r[2, 1] + r[1, 2], r[0, 2] - r[2, 0]],
        [r[2, 0] + r[0, 2], r[2, 1] + r[1, 2], r[2, 2] - r[0, 0] - r[1, 1], r[1, 0] - r[0, 1]],
        [r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], np.trace(r)]])
    x, y, z, w = np.linalg.eigh(symmetric)[1][:, -1].tolist()
    return Quaternion(x=x, y=y, z=z, w=w)
