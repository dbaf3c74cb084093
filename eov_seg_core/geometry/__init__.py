# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth, cameras and poses: boxes and clouds in metres.

    from eov_seg_core.geometry import CameraModel, depth_in_metres, segment_boxes

    camera = CameraModel.from_camera_info(info.width, info.height, info.k, info.p)
    depth_m = depth_in_metres(depth_image)                     # (H, W), registered to the image
    boxes = segment_boxes(result, depth_m, camera, camera_in_map)
    boxes[result.things[0].id].box.center                      # metres in the map

`_in_camera` is the frame of images (x right, y down, z along the optical axis), `_in_map` a frame
whose z is up; `camera_in_map` is the pose that takes points from the first to the second.
"""

from eov_seg_core.geometry.box import Box, box_iou, fit_box
from eov_seg_core.geometry.camera import CameraModel
from eov_seg_core.geometry.cloud import CLOUD_DTYPE, CLOUD_FIELDS, labelled_cloud
from eov_seg_core.geometry.depth import depth_in_metres
from eov_seg_core.geometry.pose import as_matrix, invert, LEVEL_CAMERA, Pose, transform
from eov_seg_core.geometry.segments import BoxOptions, segment_boxes, SegmentBox
from eov_seg_core.geometry.transforms import NoTransformError, TransformBuffer
from eov_seg_core.geometry.view import (
    box_in_camera,
    boxes_of,
    LEVEL_IN_CAMERA,
    space_view,
    SpaceView,
)

__all__ = ['Box', 'BoxOptions', 'CLOUD_DTYPE', 'CLOUD_FIELDS', 'CameraModel', 'LEVEL_CAMERA',
           'LEVEL_IN_CAMERA', 'NoTransformError', 'Pose', 'SegmentBox', 'SpaceView',
           'TransformBuffer', 'as_matrix', 'box_in_camera', 'box_iou', 'boxes_of',
           'depth_in_metres', 'fit_box', 'invert', 'labelled_cloud', 'segment_boxes', 'space_view',
           'transform']
