# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The per-frame topics: one table, and nothing computed for a topic without a subscriber."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CompressedImage, Image, PointCloud2
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, Detection3DArray

from eov_seg_ros import conversions
from eov_seg_ros.class_ids import LabelSpace
from eov_seg_ros.parameters import Parameters
from eov_seg_ros.space import messages
from eov_seg_ros.space.view import SpaceView

if TYPE_CHECKING:
    from eov_seg_core.results.result import PanopticResult

QOS_OVERRIDES = QoSOverridingOptions.with_default_policies()
"""Lets parameters override history, depth and reliability of a publisher or subscription."""
_INPUT_DEPTH = 10
"""Images that may wait for the executor: a third of a second at 30 Hz."""


@dataclass(frozen=True)
class Frame:
    """One processed frame and all that its messages are made of.

    Attributes:
        header: The header of the input image; every message carries it.
        image_rgb: (H, W, 3) uint8 RGB.
        result: What the segmenter found.
        labels: The published class ids of the result's vocabulary.
        parameters: The parameters when the frame was started.
        ids: The published id of each segment; None: those of the result.
        view: Depth and camera; None: there is no depth, and nothing in space is published.
    """

    header: Header
    image_rgb: npt.NDArray[np.uint8]
    result: PanopticResult
    labels: LabelSpace
    parameters: Parameters
    ids: Sequence[int] | None = None
    view: SpaceView | None = None


class _Output(NamedTuple):
    message_type: type
    build: Callable[[Frame], Any]


class _SpaceOutput(NamedTuple):
    message_type: type
    build: Callable[[Frame, SpaceView], Any]


# The overlay comes last: drawing it is slow, and only people wait for it.
_OUTPUTS = {
    'panoptic': _Output(Image, lambda frame: conversions.panoptic_image(
        frame.header, frame.result, frame.labels, frame.parameters.panoptic_packing,
        frame.ids)),
    'semantic': _Output(Image, lambda frame: conversions.semantic_image(
        frame.header, frame.result, frame.labels)),
    'instance': _Output(Image, lambda frame: conversions.instance_image(
        frame.header, frame.result, frame.ids)),
    'confidence': _Output(Image, lambda frame: conversions.confidence_image(
        frame.header, frame.result)),
    'detections': _Output(Detection2DArray, lambda frame: conversions.detections(
        frame.header, frame.result, frame.parameters.detections_include_stuff, frame.ids)),
    'overlay': _Output(Image, lambda frame: conversions.overlay_image(
        frame.header, frame.image_rgb, frame.result, frame.parameters.overlay_alpha)),
}

# Those that need depth.
_IN_SPACE = {
    'points': _SpaceOutput(PointCloud2, lambda frame, view: messages.points(
        frame.header, frame.image_rgb, frame.result, frame.labels, view,
        ids=frame.ids, stride=frame.parameters.cloud_stride,
        organized=frame.parameters.cloud_organized)),
    'detections_3d': _SpaceOutput(
        Detection3DArray,
        lambda frame, view: messages.detections_3d(frame.header, frame.result, view, frame.ids)),
}


def input_qos() -> QoSProfile:
    """Return the QoS of image subscriptions: from any publisher.

    The queue holds what comes while the executor answers a request.  It does not delay images:
    the executor empties it at once, and the frame thread takes the newest and counts the others
    as skipped.  In a queue of one they would replace one another without being counted.
    """
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=_INPUT_DEPTH,
                      reliability=ReliabilityPolicy.BEST_EFFORT)


def output_qos(latched: bool = False) -> QoSProfile:
    """Return the QoS of publishers: reliable, because RViz asks for that.

    Args:
        latched: Late subscribers get the last message too.
    """
    durability = DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1, durability=durability,
                      reliability=ReliabilityPolicy.RELIABLE)


def create_publisher(node: LifecycleNode, message_type: type, name: str,
                     latched: bool = False) -> Any:
    """Create the publisher of `~/name`, whose QoS can be overridden by parameters."""
    return node.create_lifecycle_publisher(
        message_type, f'~/{name}', output_qos(latched), qos_overriding_options=QOS_OVERRIDES)


class Outputs:
    """The publishers of one camera's per-frame topics, images also compressed.

    Args:
        node: The node that they belong to.
        prefix: Stands before each topic's name below `~/`.
        with_depth: Whether there are the topics that need depth.
    """

    def __init__(self, node: LifecycleNode, prefix: str, with_depth: bool = False) -> None:
        self._node = node
        self._plain = {name: create_publisher(node, output.message_type, prefix + name)
                       for name, output in _OUTPUTS.items()}
        self._compressed = {
            name: create_publisher(node, CompressedImage, f'{prefix}{name}/compressed')
            for name, output in _OUTPUTS.items() if output.message_type is Image}
        self._in_space = {name: create_publisher(node, output.message_type, prefix + name)
                          for name, output in _IN_SPACE.items() if with_depth}

    def is_wanted(self, has_depth: bool = False) -> bool:
        """Return whether somebody subscribes to a topic that can be published.

        Args:
            has_depth: Whether the image has depth.
        """
        return has_depth and self.is_space_wanted() or any(
            publisher.get_subscription_count()
            for publisher in (*self._plain.values(), *self._compressed.values()))

    def is_space_wanted(self) -> bool:
        """Return whether somebody subscribes to a topic that needs depth."""
        return any(publisher.get_subscription_count() for publisher in self._in_space.values())

    def publish(self, frame: Frame) -> None:
        """Build and publish the messages that somebody subscribes to."""
        for name, output in _OUTPUTS.items():
            is_plain_wanted = self._plain[name].get_subscription_count()
            is_compressed_wanted = (name in self._compressed
                                    and self._compressed[name].get_subscription_count())
            if not (is_plain_wanted or is_compressed_wanted):
                continue
            message = output.build(frame)
            if is_plain_wanted:
                self._plain[name].publish(message)
            if is_compressed_wanted:
                self._compressed[name].publish(conversions.compress(message))
        for name, publisher in self._in_space.items():
            if frame.view is not None and publisher.get_subscription_count():
                publisher.publish(_IN_SPACE[name].build(frame, frame.view))

    def destroy(self) -> None:
        """Destroy the publishers."""
        for publisher in (*self._plain.values(), *self._compressed.values(),
                          *self._in_space.values()):
            self._node.destroy_lifecycle_publisher(publisher)
