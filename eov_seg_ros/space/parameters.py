# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The parameters of depth, poses, tracking and memory, a part of those of `segment_node`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from eov_seg_core.geometry import BoxOptions
from eov_seg_core.tracking import TrackingOptions
from eov_seg_ros.parameter_spec import parameter

_ODOMETRY = 'odometry'


@dataclass(frozen=True)
class SpaceParameters:
    """Those parameters of the node that say what it knows of space and time."""

    depth_sync_s: float = parameter(
        0.005, 'Largest distance between the stamps of an image and its depth; 0: equal only.',
        bounds=(0.0, 1.0))
    depth_wait_s: float = parameter(
        0.1, 'Longest wait of an image for its depth; then it is published without 3D.',
        bounds=(0.0, 2.0))
    depth_range_m: tuple[float, float] = parameter(
        (0.15, 10.0), 'Nearest and farthest depth that counts; other depth is taken as unknown.',
        bounds=(0.0, 1000.0), items=float, lengths=(2,))
    pose_wait_s: float = parameter(
        0.1, 'Longest wait of a frame for the transform at its stamp.', bounds=(0.0, 2.0))
    image_rectified: bool = parameter(
        False, 'The images were rectified, and P of `camera_info` holds for them; else K and D.')
    cloud_stride: int = parameter(
        1, '`~/points` has every n-th row and column of the image.', bounds=(1, 16))
    cloud_organized: bool = parameter(
        True, "`~/points` keeps the image's grid, with NaN where there is no depth; false: only "
        'points with depth.')
    box_erode_px: int = parameter(
        -1, 'How wide the border of a mask is that a box does not trust, in pixels; -1: 3 at a '
        'width of 320, in proportion at others; 0: masks are taken as they are.',
        bounds=(-1, 50))
    box_min_points: int = parameter(
        20, 'Least pixels with depth that a thing needs for a box, and a quarter of its mask.',
        bounds=(3, 10000))

    depth: bool = parameter(
        False, 'Subscribe to `depth/image_raw` and `camera_info`, and publish `~/points` and '
        '`~/detections_3d`.', read_only=True)
    world_frame: str = parameter(
        'odom', "Frame of boxes and memory, with z up. Empty: boxes are in the camera's frame.",
        read_only=True)
    pose_source: str = parameter(
        'auto', 'Where the pose of the camera in `world_frame` comes from: `tf`, or the topic '
        '`odometry` with the place of the camera on the robot from `/tf_static` or '
        '`base_to_camera`; `auto`: `tf` if there is a `world_frame`; `none`: as without one.',
        read_only=True, choices=('auto', 'tf', _ODOMETRY, 'none'))
    base_to_camera: tuple[float, ...] = parameter(
        (), "With `pose_source: odometry`, the camera in the odometry's `child_frame_id`: x, y, z "
        'in metres and roll, pitch, yaw in radians; all 0 looks along x, with z up. Empty: from '
        '`/tf_static`.', read_only=True, bounds=(-1000.0, 1000.0), items=float, lengths=(0, 6))
    tracking: str = parameter(
        'auto', 'Ids that stay with objects: `2d` by the image alone; `3d` by depth and '
        'transforms, with a memory; `auto`: the second where an image has both, else the first; '
        '`off`: the ids of each frame.', read_only=True, choices=('auto', 'off', '2d', '3d'))
    track_iou: float = parameter(
        0.3, 'Least overlap of a segment with an object whose pixels were moved by depth and '
        'pose.', read_only=True, bounds=(0.0, 1.0))
    track_iou_2d: float = parameter(
        0.1, 'The same where the image was only shifted.', read_only=True, bounds=(0.0, 1.0))
    track_lost_s: float = parameter(
        3.0, 'How long an object is looked for in the image that is not seen.', read_only=True,
        bounds=(0.0, 60.0))
    reid_gate_m: float = parameter(
        0.5, 'How far from its remembered place an object may come back and be the same.',
        read_only=True, bounds=(0.0, 5.0))
    class_memory_s: float = parameter(
        1.0, 'Half-life of the votes for the class of an object; 0: the class of each frame.',
        read_only=True, bounds=(0.0, 60.0))
    reset_gap_s: float = parameter(
        10.0, 'After a longer silence no object is looked for in the image.', read_only=True,
        bounds=(0.0, 3600.0))
    memory_s: float = parameter(
        600.0, 'How long an object is remembered that is not seen; 0: as `track_lost_s`.',
        read_only=True, bounds=(0.0, 86400.0))
    missing_after: int = parameter(
        5, 'Looks at the free place of an object before it is missing.', read_only=True,
        bounds=(1, 1000))
    min_hits: int = parameter(
        3, 'Frames that show an object before it is in `~/objects`.', read_only=True,
        bounds=(1, 100))
    min_seen_part: float = parameter(
        0.25, 'Part of the frames with its surface in view in which an object must have been '
        'segmented to be in `~/objects`; 0 asks for none.', read_only=True, bounds=(0.0, 1.0))
    memory_file: str = parameter(
        '', 'JSON file that keeps the memory from one run to the next: read at configure, written '
        'once a minute and at deactivate. Empty: none.', read_only=True)

    def check_space(self) -> None:
        """Refuse values that contradict one another.

        Raises:
            ValueError: They do; says what to do.
        """
        nearest, farthest = self.depth_range_m
        if nearest >= farthest:
            raise ValueError('the first number of depth_range_m must be below the second, got '
                             f'{list(self.depth_range_m)}')
        if self.pose_source in ('tf', _ODOMETRY) and not self.world_frame:
            raise ValueError(f'pose_source: {self.pose_source} needs a world_frame')
        if self.base_to_camera and self.pose_source != _ODOMETRY:
            raise ValueError('base_to_camera needs pose_source: odometry; got pose_source: '
                             f'{self.pose_source}')
        if not self.tracks_in_space:
            for name, is_wanted in (('tracking: 3d', self.tracking == '3d'),
                                    ('memory_file', bool(self.memory_file))):
                if is_wanted:
                    raise ValueError(f'{name} needs depth: true, a world_frame, a pose_source '
                                     'other than none, and tracking: auto or 3d')

    @property
    def placed_in(self) -> str:
        """The frame that cameras are placed in; empty: they are not."""
        return self.world_frame if self.depth and self.pose_source != 'none' else ''

    @property
    def is_placed_by_odometry(self) -> bool:
        """Whether poses come from `odometry`, else from `/tf`."""
        return self.pose_source == _ODOMETRY

    @property
    def tracks_in_space(self) -> bool:
        """Whether frames are tracked by depth and poses where they have both."""
        return bool(self.placed_in) and self.tracking in ('auto', '3d')

    @cached_property
    def tracking_options(self) -> TrackingOptions:
        """Times and thresholds of tracker and memory."""
        return TrackingOptions(
            self.track_iou, self.track_iou_2d, track_lost_s=self.track_lost_s,
            reset_gap_s=self.reset_gap_s, reid_gate_m=self.reid_gate_m,
            class_memory_s=self.class_memory_s, memory_s=self.memory_s or self.track_lost_s,
            missing_after=self.missing_after, min_hits=self.min_hits,
            min_seen_part=self.min_seen_part)

    @cached_property
    def box_options(self) -> BoxOptions:
        """How masks are cleaned before a box is made of them."""
        return BoxOptions(self.box_erode_px, self.box_min_points)
