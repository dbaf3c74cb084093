# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth image and CameraInfo of an image: metres and a camera, or what is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
import math
from typing import Any, Protocol, TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from eov_seg_core.geometry.box import Box
from eov_seg_core.geometry.camera import CameraModel
from eov_seg_core.geometry.depth import depth_in_metres
from eov_seg_core.geometry.pose import invert, LEVEL_CAMERA, transform
from eov_seg_core.geometry.segments import BoxOptions, segment_boxes
from eov_seg_core.io.image_messages.decoding import decode_depth, RawImage
from eov_seg_core.io.text import printable

if TYPE_CHECKING:
    from eov_seg_core.results.result import PanopticResult

_REGISTER = ("use the camera driver's aligned depth (realsense2_camera: align_depth.enable:=true) "
             'or the node RegisterNode of depth_image_proc')
_NAME_LENGTH = 80
_LEAST_KNOWN_PART = 0.001
LEVEL_IN_CAMERA = invert(LEVEL_CAMERA)
"""Takes boxes that are upright for a level camera into the frame of its images."""


class Header(Protocol):
    """The field of std_msgs/Header that is read."""

    frame_id: str


class DepthImage(RawImage, Protocol):
    """The fields of sensor_msgs/Image that are read."""

    header: Any


class CameraInfo(Protocol):
    """The fields of sensor_msgs/CameraInfo that are read."""

    height: int
    width: int
    distortion_model: str
    d: Any
    k: Any
    p: Any


@dataclass(frozen=True, eq=False)
class SpaceView:
    """What is known of an image in space.

    Attributes:
        depth_m: (H, W) float32 metres along the optical axis, NaN where unknown.
        camera: Of the image.
        world_frame: The frame that boxes are in; empty: that of the image.
        camera_in_world: (4, 4) pose of the camera in the world frame at the image's stamp; None:
            it is not known.
    """

    depth_m: npt.NDArray[np.float32]
    camera: CameraModel
    world_frame: str = ''
    camera_in_world: npt.NDArray[np.float64] | None = None


def space_view(header: Header, size: tuple[int, int], depth: DepthImage, info: CameraInfo, *,
               range_m: tuple[float, float], is_rectified: bool) -> SpaceView:
    """Return an image's depth and camera.

    Args:
        header: Of the image.
        size: Height and width of the image.
        depth: Of the same moment, registered to the image.
        info: Of the image.
        range_m: What is nearer or farther counts as unknown.
        is_rectified: Whether the image was rectified.

    Raises:
        ValueError: They do not fit together, the encoding is no depth, or the camera is not
            calibrated; says what to do.
    """
    height, width = size
    if (depth.height, depth.width) != size:
        raise ValueError(
            f'the depth image has {depth.width} x {depth.height} pixels and the image {width} x '
            f'{height}: depth must be registered to the image; {_REGISTER}')
    if depth.header.frame_id != header.frame_id:
        raise ValueError(
            f'the depth image has the frame_id {_name(depth.header)} and the image '
            f'{_name(header)}: depth must be registered to the image; {_REGISTER}')
    if not np.any(info.k) and not np.any(info.p):
        raise ValueError('camera_info holds no calibration, K and P are all zero: calibrate the '
                         'camera, and give its driver the file')
    if (info.height, info.width) != size:
        raise ValueError(
            f'camera_info is for {info.width} x {info.height} pixels and the image has {width} x '
            f'{height}: give the camera_info of this image')
    try:
        camera = _camera(width, height, tuple(info.k), tuple(info.p), tuple(info.d),
                         info.distortion_model, is_rectified)
    except ValueError as error:
        raise ValueError(f'camera_info cannot be used: {error}') from error
    return SpaceView(_metres(depth, range_m), camera)


def _metres(depth: DepthImage, range_m: tuple[float, float]) -> npt.NDArray[np.float32]:
    """Return depth in metres; ValueError where nothing was measured, or in another unit."""
    samples = decode_depth(depth)
    depth_m = depth_in_metres(samples, range_m)
    known = np.count_nonzero(depth_m == depth_m)    # faster than isnan of them all
    if known >= _LEAST_KNOWN_PART * samples.size:
        return depth_m
    with np.errstate(invalid='ignore'):
        measured = samples[np.isfinite(samples) & (samples > 0)]
    if not measured.size:
        raise ValueError('the depth image is empty, all of it is 0, negative, NaN or infinite: is '
                         'the sensor covered, too near, too far, or off?')
    if known < _LEAST_KNOWN_PART * measured.size:
        unit, other = (('millimetres', 'metres') if samples.dtype == np.uint16
                       else ('metres', 'millimetres'))
        raise ValueError(
            f'nearly all depth is outside of {range_m[0]:g} to {range_m[1]:g} m '
            f'(depth_range_m): its median is {np.median(measured):g}, and {depth.encoding} is '
            f'in {unit}; does the publisher write {other}?')
    return depth_m


def boxes_of(result: PanopticResult, view: SpaceView, options: BoxOptions | None = None
             ) -> dict[int, Box]:
    """Return the boxes of the things of this frame alone, by the ids of the result.

    They are in the world frame; without one, in `LEVEL_CAMERA`'s.
    """
    pose = LEVEL_CAMERA if view.camera_in_world is None else view.camera_in_world
    return {number: found.box for number, found
            in segment_boxes(result, view.depth_m, view.camera, pose, options).items()}


def box_in_camera(box: Box) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return centre and quaternion x y z w, in the frame of the image, of a level frame's box."""
    # (0.5, -0.5, 0.5, 0.5), the turn from the level frame, times the box's turn about z
    sine, cosine = math.sin(box.yaw_rad / 2) / 2, math.cos(box.yaw_rad / 2) / 2
    return (tuple(transform(LEVEL_IN_CAMERA, np.array(box.center)).tolist()),
            (cosine - sine, -cosine - sine, cosine + sine, cosine - sine))


def _name(header: Header) -> str:
    return repr(printable(header.frame_id, _NAME_LENGTH))


@lru_cache(maxsize=16)      # the rays of a lens with distortion take a while to compute
def _camera(width: int, height: int, k: tuple[float, ...], p: tuple[float, ...],
            d: tuple[float, ...], model: str, is_rectified: bool) -> CameraModel:
    camera = CameraModel.from_camera_info(width, height, k, p, d, model, is_rectified=is_rectified)
    camera.check_distortion()
    return camera
