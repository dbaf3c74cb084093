# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth and calibration of one camera: their subscriptions, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
import time
from typing import Any, NamedTuple

import numpy as np
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from eov_seg_core.geometry import NoTransformError
from eov_seg_core.io.image_messages.stamps import stamp_ns_of
from eov_seg_core.io.text import printable
from eov_seg_ros.log_bridge import kind_of, Repeats
from eov_seg_ros.middleware.qos import input_qos, QOS_OVERRIDES
from eov_seg_ros.parameters import Parameters
from eov_seg_ros.space.pairing import Pair, PairCounts, Pairing
from eov_seg_ros.text import describe

_LOOK_S = 0.02
"""How often waiting images are looked at."""
_FIRST_S = 3.0
"""How long the first depth image and camera_info may take before that is a warning."""
_OTHER_CLOCK_S = 1.0
_NAME_LENGTH = 80
_REPEAT_S = 10.0
"""Seconds between two log messages about the same fault."""


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


class Fault(NamedTuple):
    """Why images have no depth.

    Attributes:
        kind: What faults have in common that are said once in a while only.
        text: For the log and /diagnostics; empty: there is no fault.
    """

    kind: Hashable = None
    text: str = ''


class DepthInput:
    """Gives a camera's images their depth; used by the executor, but for `refused` and `lost`.

    Args:
        node: Owner of the subscriptions.
        parameters: The node's.
        prefix: Stands before the names of the topics.
    """

    def __init__(self, node: LifecycleNode, parameters: Parameters, prefix: str) -> None:
        self._node = node
        self._pairing = Pairing(parameters.depth_sync_s, parameters.depth_wait_s)
        self._sync_s = parameters.depth_sync_s
        self._topics = {'depth image': node.resolve_topic_name(f'{prefix}depth/image_raw'),
                        'camera_info': node.resolve_topic_name(f'{prefix}camera_info')}
        self._types = {'depth image': 'sensor_msgs/msg/Image',
                       'camera_info': 'sensor_msgs/msg/CameraInfo'}
        self._arrived = dict.fromkeys(self._topics, False)
        self._subscriptions: list[Any] = []
        self._timer: Any = None
        self._info: CameraInfo | None = None
        self._image_frame = ''
        self._since_s = time.monotonic()
        self._refusals, self._refusal = 0, Fault()
        self._lost, self._loss = 0, Fault()
        self._before = (PairCounts(), 0, 0)
        self._repeats = Repeats(_REPEAT_S)
        self._hand_on: Callable[[Shot], None] = lambda shot: None

    def use_parameters(self, parameters: Parameters) -> None:
        """Use other limits from the next image on."""
        self._sync_s = parameters.depth_sync_s
        self._pairing.set_limits(parameters.depth_sync_s, parameters.depth_wait_s)

    def subscribe(self, hand_on: Callable[[Shot], None]) -> None:
        """Subscribe to depth and camera_info; images go to the callback when they are ready."""
        self._hand_on = hand_on
        self._since_s = time.monotonic()
        self._arrived = dict.fromkeys(self._topics, False)
        self._subscriptions = [
            self._node.create_subscription(kind, self._topics[what], callback, input_qos(),
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

    def refused(self, error: Exception) -> None:
        """Note that a depth image could not be used and why; called by the frame thread."""
        self._refusal = Fault(kind_of(error), f'no 3D: {describe(error)}')
        self._refusals += 1

    def lost(self, error: NoTransformError) -> None:
        """Note that the camera's place is not known and why; called by the frame thread."""
        wait = '; raise pose_wait_s' if error.may_come else ''
        self._loss = Fault(error.kind, f'no boxes in the world: {describe(error)}{wait}; for '
                           "boxes in the camera's frame set world_frame: ''")
        self._lost += 1

    def facts(self) -> dict[str, Any]:
        """Return the figures for /diagnostics."""
        counts, distances = self._pairing.counts, self._pairing.distances_ns
        facts: dict[str, Any] = {
            'depth_matched': counts.matched, 'depth_unmatched': counts.unmatched,
            'depth_superseded': counts.superseded, 'depth_refused': self._refusals,
            'depth_clock_jumps': counts.clock_jumps, 'no_pose': self._lost}
        if distances:
            facts['depth_distance_p95_ms'] = f'{np.percentile(distances, 95) / 1e6:.1f}'
        return facts

    def fault(self) -> Fault:
        """Return why images had no depth or no place since the last call, if they had none."""
        counts, refusals, lost = self._pairing.counts, self._refusals, self._lost
        (counts_before, refusals_before, lost_before), self._before = (
            self._before, (counts, refusals, lost))
        unmatched = counts.unmatched - counts_before.unmatched
        matched = counts.matched - counts_before.matched
        if refusals > refusals_before:
            return self._refusal
        if time.monotonic() - self._since_s > _FIRST_S and unmatched + matched:
            for what, has_come in self._arrived.items():
                if not has_come:
                    return Fault(what, f'no 3D: {self._why_silent(what)}')
        if unmatched > matched and all(self._arrived.values()):
            return Fault('unmatched', f'no 3D: {self._why_unmatched()}')
        if lost > lost_before:
            return self._loss
        return self._doubt() if matched else Fault()

    def _doubt(self) -> Fault:
        """Return what makes 3D doubtful, though it is published."""
        period_s = self._pairing.image_period_ns / 1e9
        if self._sync_s > period_s / 2 > 0:
            return Fault('sync', f'3D may be wrong: depth_sync_s = {self._sync_s:g} is more than '
                         f'half of the {period_s:.3f} s between images, and one may get the depth '
                         f'of the next; set it to {period_s / 2:.3f} or less')
        info_frame = '' if self._info is None else self._info.header.frame_id
        if info_frame and info_frame != self._image_frame:
            return Fault('info', '3D may be wrong: camera_info has the frame_id '
                         f'{printable(info_frame, _NAME_LENGTH)!r} and the image '
                         f'{printable(self._image_frame, _NAME_LENGTH)!r}; give the camera_info '
                         'of this image')
        return Fault()

    def tell(self, label: str, fault: Fault) -> None:
        """Log a fault behind the camera's label, each kind once in a while."""
        if fault.text and self._repeats.is_due(fault.kind):
            self._node.get_logger().warning(f'{label}{fault.text}')

    def _why_silent(self, what: str) -> str:
        topic, expected = self._topics[what], self._types[what]
        types = {publisher.topic_type
                 for publisher in self._node.get_publishers_info_by_topic(topic)}
        if not types:
            return f'no {what} has come: nobody publishes {topic}; remap it'
        if expected not in types:
            return (f'no {what} has come: {topic} has the type {", ".join(sorted(types))}, '
                    f'expected {expected}')
        return f'no {what} has come, although {topic} is published: is its publisher idle?'

    def _why_unmatched(self) -> str:
        distances = self._pairing.distances_ns
        if not distances:
            return f'no depth image comes on {self._topics["depth image"]} any more'
        apart_s = float(np.median(distances)) / 1e9
        if apart_s > _OTHER_CLOCK_S:
            return ('the clocks of image and depth differ: their stamps are '
                    f'{apart_s:.1f} s apart; both must be stamped by the same clock')
        return (f'no depth image within depth_sync_s = {self._sync_s:g} s of most images: the '
                f'nearest is {1000 * apart_s:.1f} ms away; synchronise the streams in the '
                "camera's driver, or raise depth_sync_s if the camera moves slowly")

    def _depth_came(self, depth: Image) -> None:
        self._arrived['depth image'] = True
        self._pass_on(self._pairing.depth_came(stamp_ns_of(depth.header), depth, time.monotonic()))

    def _info_came(self, info: CameraInfo) -> None:
        self._arrived['camera_info'] = True
        self._info = info

    def _look(self) -> None:
        self._pass_on(self._pairing.ready(time.monotonic()))
        if not self._pairing.is_waiting:
            self._timer.cancel()

    def _pass_on(self, pair: Pair | None) -> None:
        if pair is None:
            return
        self._hand_on(Shot(pair.image, None if self._info is None else pair.depth, self._info))
