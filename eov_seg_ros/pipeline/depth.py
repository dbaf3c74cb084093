# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth and calibration of one camera: their subscriptions, and images that wait for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import time
from typing import Any

import numpy as np
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from eov_seg_core.io.image_messages.stamps import stamp_ns_of
from eov_seg_ros.middleware.qos import input_qos, QOS_OVERRIDES
from eov_seg_ros.parameters import Parameters
from eov_seg_ros.pipeline.depth_faults import DepthFaults, Fault, Input
from eov_seg_ros.space.pairing import Pair, Pairing

_LOOK_S = 0.02
"""How often waiting images are looked at."""


@dataclass(frozen=True)
class Shot:
    """An image, with what belongs to it.

    Attributes:
        image: Raw or compressed.
        depth: Of the same moment; None: there is none.
        info: Of the image; None: none has come.
    """

    image: Image | CompressedImage
    depth: Image | None = None
    info: CameraInfo | None = None


class DepthInput:
    """Gives a camera's images their depth; used by the executor.

    Args:
        node: Owner of the subscriptions.
        parameters: The node's.
        prefix: Stands before the names of the topics.

    Attributes:
        faults: Knows why images have no depth or no place.
    """

    def __init__(self, node: LifecycleNode, parameters: Parameters, prefix: str) -> None:
        self._node = node
        self._pairing = Pairing(parameters.depth_sync_s, parameters.depth_wait_s)
        self._inputs = {
            'depth image': Input(node.resolve_topic_name(f'{prefix}depth/image_raw'),
                                 'sensor_msgs/msg/Image', 'depth_image', 'depth'),
            'camera_info': Input(node.resolve_topic_name(f'{prefix}camera_info'),
                                 'sensor_msgs/msg/CameraInfo', 'camera_info', '')}
        self.faults = DepthFaults(node, parameters, self._pairing, self._inputs)
        self._subscriptions: list[Any] = []
        self._timer: Any = None
        self._info: CameraInfo | None = None
        self._image_frame = ''
        self._hand_on: Callable[[Shot], None] = lambda shot: None

    def use_parameters(self, parameters: Parameters) -> None:
        """Use other limits from the next image on."""
        self._pairing.set_limits(parameters.depth_sync_s, parameters.depth_wait_s)
        self.faults.use_parameters(parameters)

    def subscribe(self, hand_on: Callable[[Shot], None]) -> None:
        """Subscribe to depth and camera_info; images go to the callback when they are ready."""
        self._hand_on = hand_on
        self.faults.begin()
        self._subscriptions = [
            self._node.create_subscription(kind, self._inputs[what].topic, callback, input_qos(),
                                           qos_overriding_options=QOS_OVERRIDES)
            for what, kind, callback in (('depth image', Image, self._depth_came),
                                         ('camera_info', CameraInfo, self._info_came))]
        # A steady clock, because simulated time may stand still.
        self._timer = self._node.create_timer(
            _LOOK_S, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._timer.cancel()

    def unsubscribe(self) -> None:
        """Stop listening."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []
        if self._timer is not None:
            self._node.destroy_timer(self._timer)
            self._timer = None
        self._pairing.drop_waiting()

    def image_came(self, image: Image | CompressedImage) -> None:
        """Take an image that needs its depth."""
        self._image_frame = image.header.frame_id
        self._pass_on(self._pairing.image_came(stamp_ns_of(image.header), image, time.monotonic()))
        if self._pairing.is_waiting and self._timer is not None and self._timer.is_canceled():
            self._timer.reset()

    @property
    def info(self) -> CameraInfo | None:
        """The calibration that came last."""
        return self._info

    def drop_waiting(self) -> None:
        """Leave out the images that wait, because a newer one needs no depth."""
        self._pairing.drop_waiting()

    def facts(self) -> dict[str, Any]:
        """Return the figures for /diagnostics."""
        counts, distances = self._pairing.counts, self._pairing.distances_ns
        facts: dict[str, Any] = {
            'depth_matched': counts.matched, 'depth_unmatched': counts.unmatched,
            'depth_superseded': counts.superseded, 'depth_refused': self.faults.refusals,
            'depth_clock_jumps': counts.clock_jumps, 'no_pose': self.faults.losses}
        if distances:
            facts['depth_distance_p95_ms'] = f'{np.percentile(distances, 95) / 1e6:.1f}'
        return facts

    def fault(self) -> Fault:
        """Return why images had no depth or no place since the last call, if they had none."""
        return self.faults.now(self._info, self._image_frame)

    def _depth_came(self, depth: Image) -> None:
        self.faults.arrived('depth image')
        self._pass_on(self._pairing.depth_came(stamp_ns_of(depth.header), depth, time.monotonic()))

    def _info_came(self, info: CameraInfo) -> None:
        self.faults.arrived('camera_info')
        self._info = info

    def _look(self) -> None:
        self._pass_on(self._pairing.ready(time.monotonic()))
        if not self._pairing.is_waiting:
            self._timer.cancel()

    def _pass_on(self, pair: Pair | None) -> None:
        if pair is None:
            return
        self._hand_on(Shot(pair.image, None if self._info is None else pair.depth, self._info))
