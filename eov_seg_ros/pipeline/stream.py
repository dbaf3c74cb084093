# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One camera: its subscription, its topics and its figures."""

from __future__ import annotations

from collections.abc import Callable
import os
import time
from typing import Any, TypeAlias

import rclpy
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import qos_check_compatible, QoSCompatibility
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import LabelInfo, VisionInfo

from eov_seg_core.io.image_messages.stamps import stamp_ns_of
from eov_seg_core.io.text import printable
from eov_seg_ros.class_ids import LabelSpace
from eov_seg_ros.conversions import label_info
from eov_seg_ros.diagnostics import judge_stamp, Monitor, StampFault
from eov_seg_ros.middleware.qos import create_publisher, input_qos, QOS_OVERRIDES
from eov_seg_ros.middleware.topics import why_unpublished
from eov_seg_ros.middleware.transport import advice
from eov_seg_ros.parameters import Parameters
from eov_seg_ros.pipeline.depth import DepthInput
from eov_seg_ros.pipeline.outputs import Outputs

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

Message: TypeAlias = Image | CompressedImage

_RATE_S = 1.0
"""Least time over which the rate of a camera is measured."""


def stamp_fault(node: LifecycleNode, header: Header) -> StampFault | None:
    """Return what is wrong with a header's stamp by the node's clock."""
    return judge_stamp(stamp_ns_of(header), node.get_clock().now().nanoseconds)


def age_ms(node: LifecycleNode, header: Header) -> float | None:
    """Return the milliseconds from a header's stamp until now; None if the stamp is faulty."""
    stamp_ns, now_ns = stamp_ns_of(header), node.get_clock().now().nanoseconds
    return None if judge_stamp(stamp_ns, now_ns) else (now_ns - stamp_ns) / 1e6


def stamp_s(header: Header) -> float:
    """Return a header's stamp in seconds; for a stamp of 0 the time of a clock that never stops.

    The node's clock stands still where simulated time has not begun.
    """
    return (stamp_ns_of(header) or time.monotonic_ns()) / 1e9


def _description(message: Message) -> str:
    if isinstance(message, CompressedImage):
        return f'{printable(message.format, 80)!r}, {len(message.data)} bytes'
    return f'{message.width} x {message.height}, {printable(message.encoding, 80)}'


class Stream:
    """One camera of the node.

    Args:
        node: Owner of publishers and subscription.
        parameters: The node's.
        name: Of the camera; empty where there is only one.
        is_memory_wanted: As for `Outputs`.

    Attributes:
        label: Stands before what the log says about this camera; empty where there is only one.
        depth: Gives the images their depth; None: they have none.
    """

    def __init__(self, node: LifecycleNode, parameters: Parameters, name: str,
                 is_memory_wanted: Callable[[], bool] | None = None) -> None:
        prefix = f'{name}/' if name else ''
        self.name = name
        self.label = f'{name}: ' if name else ''
        self.monitor = Monitor(parameters.timeout_s)
        self.outputs = Outputs(node, prefix, parameters.depth, is_memory_wanted)
        self.depth = DepthInput(node, parameters, prefix) if parameters.depth else None
        self._node = node
        self._type = CompressedImage if parameters.image_transport == 'compressed' else Image
        self._topic = node.resolve_topic_name(f'{prefix}image_raw')
        if self._type is CompressedImage:
            self._topic += '/compressed'  # after remapping, as image_transport has it
        self._label_info = create_publisher(node, LabelInfo, f'{prefix}label_info', latched=True)
        self._vision_info = create_publisher(node, VisionInfo, f'{prefix}vision_info',
                                             latched=True)
        self._subscription: Any = None
        self._first_s: float | None = None
        self._images = 0
        self._first_image = ''
        self._has_told_first = False
        self._has_told_silence = False

    def subscribe(self, on_image: Callable[[Stream, Message], None]) -> None:
        """Subscribe to the camera; the callback gets this stream and the message."""
        def create(**options: Any) -> Any:
            return self._node.create_subscription(
                self._type, self._topic, lambda message: on_image(self, message), input_qos(),
                qos_overriding_options=QOS_OVERRIDES, **options)

        def on_lost(event: Any) -> None:
            self.monitor.images_lost(event.total_count_change)

        self._node.get_logger().info(
            f'{self.label}subscribing to {self._topic} (sensor_msgs/msg/{self._type.__name__})')
        self._first_s, self._has_told_first = None, False
        self.monitor.expect_images()
        try:
            self._subscription = create(
                event_callbacks=SubscriptionEventCallbacks(message_lost=on_lost))
        except RuntimeError:  # a middleware that does not report what it lost
            self._subscription = create()

    def image_came(self, message: Message, fault: StampFault | None) -> None:
        """Note an image, and what is wrong with its stamp."""
        self.monitor.image_came(fault)
        self._has_told_silence = False
        if self._first_s is None:
            self._first_s, self._images = time.monotonic(), 0
            self._first_image = _description(message)
        self._images += 1

    def tell(self, silence: str) -> None:
        """Log, once each, what images arrive, or that and why none does."""
        log = self._node.get_logger()
        if silence and not self._has_told_silence:
            self._has_told_silence = True
            log.warning(f'{self.label}{silence}')
        if self._has_told_first or self._first_s is None:
            return
        seconds = time.monotonic() - self._first_s
        if seconds >= _RATE_S:
            self._has_told_first = True
            log.info(f'{self.label}images arrive on {self._topic}: {self._first_image}, '
                     f'{(self._images - 1) / seconds:.1f} a second')

    def silence(self) -> str:
        """Return for how long no image came and why, if that is too long; else an empty text."""
        seconds = self.monitor.silent_s()
        return f'no image for {seconds:.0f} s: {self.why_silent()}' if seconds else ''

    def unsubscribe(self) -> None:
        """Stop listening to the camera."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None
        if self.depth is not None:
            self.depth.unsubscribe()

    def publish_vocabulary(self, header: Header, labels: LabelSpace, threshold: float,
                           method: str, version: int) -> None:
        """Publish the class map and what the labels come from."""
        self._label_info.publish(label_info(header, labels, threshold))
        self._vision_info.publish(VisionInfo(
            header=header, method=method, database_location=self._label_info.topic_name,
            database_version=version))

    def why_silent(self) -> str:
        """Return why no image comes, as far as can be seen from here."""
        fault = why_unpublished(self._node, self._topic, f'sensor_msgs/msg/{self._type.__name__}')
        if fault:
            return fault
        publishers = self._node.get_publishers_info_by_topic(self._topic)
        if self._subscription is not None and not any(
                qos_check_compatible(publisher.qos_profile, self._subscription.qos_profile)[0]
                != QoSCompatibility.ERROR for publisher in publishers):
            return (f'{self._topic} is published best effort and subscribed to reliable; remove '
                    'the qos_overrides of the subscription')
        return (f'{self._topic} is published; either its publisher is idle, or: '
                + self.transport_advice())

    @staticmethod
    def transport_advice() -> str:
        """Return why images may be lost on the way."""
        return advice(rclpy.get_rmw_implementation_identifier(), os.environ)

    def destroy(self) -> None:
        """Destroy subscription and publishers."""
        self.unsubscribe()
        self.outputs.destroy()
        for publisher in (self._label_info, self._vision_info):
            self._node.destroy_lifecycle_publisher(publisher)
