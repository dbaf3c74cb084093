# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The per-frame topics: one table, and nothing computed for a topic without a subscriber."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from eov_seg_ros import conversions
from eov_seg_ros.class_ids import LabelSpace
from eov_seg_ros.parameters import Parameters

if TYPE_CHECKING:
    from eov_seg_core.panoptic import PanopticResult


@dataclass(frozen=True)
class Frame:
    """One processed frame and all that its messages are made of.

    Attributes:
        header: The header of the input image; every message carries it.
        image_rgb: (H, W, 3) uint8 RGB.
        result: What the segmenter found.
        labels: The published class ids of the result's vocabulary.
        parameters: The parameters when the frame was started.
    """

    header: Header
    image_rgb: npt.NDArray[np.uint8]
    result: PanopticResult
    labels: LabelSpace
    parameters: Parameters


class _Output(NamedTuple):
    message_type: type
    build: Callable[[Frame], Any]


# The overlay comes last: drawing it is slow, and only people wait for it.
_OUTPUTS = {
    'panoptic': _Output(Image, lambda frame: conversions.panoptic_image(
        frame.header, frame.result, frame.labels)),
    'semantic': _Output(Image, lambda frame: conversions.semantic_image(
        frame.header, frame.result, frame.labels)),
    'instance': _Output(Image, lambda frame: conversions.instance_image(
        frame.header, frame.result)),
    'confidence': _Output(Image, lambda frame: conversions.confidence_image(
        frame.header, frame.result)),
    'detections': _Output(Detection2DArray, lambda frame: conversions.detections(
        frame.header, frame.result, frame.parameters.detections_include_stuff)),
    'overlay': _Output(Image, lambda frame: conversions.overlay_image(
        frame.header, frame.image_rgb, frame.result, frame.parameters.overlay_alpha)),
}


def input_qos() -> QoSProfile:
    """Return the QoS of image subscriptions: the newest only, from any publisher."""
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1,
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
        message_type, f'~/{name}', output_qos(latched),
        qos_overriding_options=QoSOverridingOptions.with_default_policies())


class Outputs:
    """The publishers of all per-frame topics.

    Args:
        node: The node that they belong to.
    """

    def __init__(self, node: LifecycleNode) -> None:
        self._node = node
        self._publishers = {name: create_publisher(node, output.message_type, name)
                            for name, output in _OUTPUTS.items()}

    def wanted(self) -> tuple[str, ...]:
        """Return the topics that somebody subscribes to."""
        return tuple(name for name, publisher in self._publishers.items()
                     if publisher.get_subscription_count())

    def publish(self, frame: Frame, names: tuple[str, ...]) -> None:
        """Build and publish the messages of the named topics."""
        for name in names:
            self._publishers[name].publish(_OUTPUTS[name].build(frame))

    def destroy(self) -> None:
        """Destroy the publishers."""
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)
