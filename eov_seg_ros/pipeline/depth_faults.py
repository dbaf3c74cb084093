# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Why images of one camera have no depth or no place, said once while it lasts."""

from __future__ import annotations

from collections.abc import Hashable
import time
from typing import NamedTuple

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo

from eov_seg_core.geometry import NoTransformError
from eov_seg_core.io.text import printable
from eov_seg_ros.log_bridge import kind_of
from eov_seg_ros.middleware.topics import why_unpublished
from eov_seg_ros.parameters import Parameters
from eov_seg_ros.space.pairing import PairCounts, Pairing

_FIRST_S = 3.0
"""How long depth, camera_info and transforms may take at the start before that is a warning."""
_OVER_S = 10.0
"""How long 3D must have come without a fault before the fault is over."""
_OTHER_CLOCK_S = 1.0
_SLOWER = 1.5
_NAME_LENGTH = 80
_ONE_CLOCK = ('stamp images and transforms with one clock: use_sim_time: true in all nodes with a '
              'simulator or a recording, synchronised clocks (chrony) with several machines')
_CURES = {
    'silent': 'start what publishes /tf and /tf_static (odometry, robot_state_publisher), or '
              'remap them',
    'unknown': "start what publishes it (odometry or SLAM for world_frame, the robot's URDF or "
               'static_transform_publisher for the camera), or correct world_frame or the '
               'frame_id of the images',
    'apart': 'publish the transform that joins them, for a camera its place on the robot '
             "(the robot's URDF or static_transform_publisher)",
    'early': _ONE_CLOCK,
    'extrapolation': 'if less than a second is missing, raise pose_wait_s or publish it sooner; '
                     f'else {_ONE_CLOCK}',
    'late': f'start it again, or {_ONE_CLOCK}',
}
_PLACES = {'silent': ('/tf', 'tf2_msgs/msg/TFMessage', 'tf'),
           'odometry': ('odometry', 'nav_msgs/msg/Odometry', '')}


class Fault(NamedTuple):
    """Why images have no depth.

    Attributes:
        kind: What faults have in common that are said once only.
        text: For the log and /diagnostics; empty: there is no fault.
    """

    kind: Hashable = None
    text: str = ''


class Input(NamedTuple):
    """What an image needs beside itself.

    Attributes:
        topic: Full name.
        type: Of its messages.
        argument: Of the launch file, that names the topic.
        part: What the names of such topics hold.
    """

    topic: str
    type: str
    argument: str
    part: str


class DepthFaults:
    """Finds out why there is no 3D; used by the executor, but for `refused` and `lost`.

    Args:
        node: Asks for publishers, and logs.
        parameters: The node's.
        pairing: Of images and depth.
        inputs: What is needed beside the image: its name -> where it comes from.

    Attributes:
        refusals: Depth images that could not be used.
        losses: Images whose place is not known.
    """

    def __init__(self, node: Node, parameters: Parameters, pairing: Pairing,
                 inputs: dict[str, Input]) -> None:
        self._node = node
        self._parameters = parameters
        self._pairing = pairing
        self._inputs = inputs
        self.refusals, self._refusal = 0, Fault()
        self.losses, self._loss = 0, Fault()
        self._before = (PairCounts(), 0, 0)
        self._told: set[Hashable] = set()
        self._told_s, self._told_matched = 0.0, 0
        self.begin()

    def begin(self) -> None:
        """Expect depth and camera_info from now on."""
        self._since_s = time.monotonic()
        self._arrived = dict.fromkeys(self._inputs, False)

    def use_parameters(self, parameters: Parameters) -> None:
        """Use other limits from now on."""
        self._parameters = parameters

    def arrived(self, what: str) -> None:
        """Note that a message has come."""
        self._arrived[what] = True

    def refused(self, error: Exception) -> None:
        """Note that a depth image could not be used and why; called by the frame thread."""
        self._refusal = Fault(kind_of(error), f'no 3D: {printable(str(error))}')
        self.refusals += 1

    def lost(self, error: NoTransformError) -> None:
        """Note that the camera's place is not known and why; called by the frame thread."""
        cure = _CURES.get(error.kind, '')
        if error.may_come:
            cure = (f'raise pose_wait_s, which is {self._parameters.pose_wait_s:g}, or publish it '
                    'sooner or more often')
        text = '; '.join(filter(None, (printable(str(error)), cure)))
        self._loss = Fault(error.kind, f'no boxes in the world: {text}; or start with '
                           "world_frame: '', for boxes in the camera's frame")
        self.losses += 1

    def now(self, info: CameraInfo | None, image_frame: str) -> Fault:
        """Return why images had no depth or no place since the last call, if they had none.

        Args:
            info: The calibration that came last.
            image_frame: The frame of the last image.
        """
        counts, refusals, losses = self._pairing.counts, self.refusals, self.losses
        (counts_before, refusals_before, losses_before), self._before = (
            self._before, (counts, refusals, losses))
        unmatched = counts.unmatched - counts_before.unmatched
        matched = counts.matched - counts_before.matched
        has_begun = time.monotonic() - self._since_s > _FIRST_S
        if refusals > refusals_before:
            return self._refusal
        missing = [what for what, has_come in self._arrived.items() if not has_come]
        if missing and has_begun and unmatched + matched:
            return Fault(missing[0], f'no 3D: {self._why_silent(missing[0])}')
        if losses > losses_before and has_begun:
            return self._with_publishers(self._loss)
        if unmatched and not missing and (fault := self._why_unmatched(unmatched > matched)):
            return fault
        return self._doubt(info, image_frame) if matched else Fault()

    def tell(self, label: str, fault: Fault) -> None:
        """Log a fault behind the camera's label once, and when 3D has come back for a while."""
        now_s, matched = time.monotonic(), self._pairing.counts.matched
        if fault.text:
            self._told_s, self._told_matched = now_s, matched
            if fault.kind not in self._told:
                self._told.add(fault.kind)
                self._node.get_logger().warning(f'{label}{fault.text}')
        elif self._told and now_s > self._told_s + _OVER_S and matched > self._told_matched:
            self._told.clear()
            self._node.get_logger().info(f'{label}3D has come without a fault for {_OVER_S:g} s')

    def _with_publishers(self, loss: Fault) -> Fault:
        """Say too whether nobody publishes what would give the place."""
        if loss.kind not in _PLACES:
            return loss
        topic, expected, part = _PLACES[loss.kind]
        why = why_unpublished(self._node, self._node.resolve_topic_name(topic), expected, part)
        return Fault(loss.kind, f'{loss.text} ({why})') if why else loss

    def _why_silent(self, what: str) -> str:
        topic, expected, argument, part = self._inputs[what]
        fault = why_unpublished(self._node, topic, expected, part)
        if fault:
            return f'no {what} has come: {fault}; name the topic at the launch, {argument}:=...'
        return f'no {what} has come, although {topic} is published: is its publisher idle?'

    def _why_unmatched(self, is_most: bool) -> Fault | None:
        distances = self._pairing.distances_ns
        sync_s = self._parameters.depth_sync_s
        image_s = self._pairing.image_period_ns / 1e9
        depth_s = self._pairing.depth_period_ns / 1e9
        if distances and min(distances) <= sync_s * 1e9 and depth_s > _SLOWER * image_s > 0:
            return Fault('rates', '3D for a part of the images only: images come every '
                         f'{image_s:.3f} s and depth every {depth_s:.3f} s; set both streams of '
                         'the camera to one rate')
        if not is_most:
            return None
        if not distances:
            return Fault('unmatched', 'no 3D: no depth image comes on '
                         f'{self._inputs["depth image"].topic} any more')
        apart_s = float(np.median(distances)) / 1e9
        if apart_s > _OTHER_CLOCK_S:
            return Fault('unmatched', 'no 3D: the clocks of image and depth differ, or depth '
                         f'stopped: their stamps are {apart_s:.1f} s apart; both must be stamped '
                         'by the same clock')
        return Fault('unmatched', f'no 3D: no depth image within depth_sync_s = {sync_s:g} s of '
                     f'most images: the nearest is {1000 * apart_s:.1f} ms away; synchronise the '
                     "streams in the camera's driver, or raise depth_sync_s if the camera moves "
                     'slowly')

    def _doubt(self, info: CameraInfo | None, image_frame: str) -> Fault:
        """Return what makes 3D doubtful, though it is published."""
        period_s, sync_s = self._pairing.image_period_ns / 1e9, self._parameters.depth_sync_s
        if sync_s > period_s / 2 > 0:
            return Fault('sync', f'3D may be wrong: depth_sync_s = {sync_s:g} is more than '
                         f'half of the {period_s:.3f} s between images, and one may get the depth '
                         f'of the next; set it to {period_s / 2:.3f} or less')
        info_frame = '' if info is None else info.header.frame_id
        if info_frame and info_frame != image_frame:
            return Fault('info', '3D may be wrong: camera_info has the frame_id '
                         f'{printable(info_frame, _NAME_LENGTH)!r} and the image '
                         f'{printable(image_frame, _NAME_LENGTH)!r}; give the camera_info '
                         'of this image')
        return Fault()
