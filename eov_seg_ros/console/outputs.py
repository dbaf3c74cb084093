# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Subscriptions to what a node publishes for each image, put together by their stamps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import functools
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, LabelInfo

_QOS = QoSProfile(depth=2)
_LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
_PARTS = {'instance': CompressedImage, 'semantic': CompressedImage, 'confidence': CompressedImage,
          'detections': Detection2DArray}
_OVERLAY = '/overlay/compressed'
_KEPT_STAMPS = 8


@dataclass(frozen=True)
class Picture:
    """An overlay and what belongs to it.

    Attributes:
        header: Of the image.
        overlay: JPEG.
        parts: Other messages of the image by their topics; may still be filled.
    """

    header: Header
    overlay: bytes
    parts: dict[str, Any]


def segmenters(node: Node) -> list[str]:
    """Return the full names of the nodes that publish an overlay, as far as they are known."""
    topics = [name for name, _ in node.get_topic_names_and_types() if name.endswith(_OVERLAY)]
    return sorted({f'{info.node_namespace.rstrip("/")}/{info.node_name}' for topic in topics
                   for info in node.get_publishers_info_by_topic(topic)})


class OutputReader:
    """Reads the outputs of one camera of a node, or nothing.

    Args:
        node: Of this process.
        on_picture: Called for each overlay, after the rest of its image as a rule.
        on_class_names: Called with the name of each class id, without 0, when the map changes.
    """

    def __init__(self, node: Node, on_picture: Callable[[Picture], None],
                 on_class_names: Callable[[dict[int, str]], None]) -> None:
        self._node = node
        self._on_picture = on_picture
        self._on_class_names = on_class_names
        self._topics = ''
        self._subscriptions: list[Any] = []
        self._parts: dict[tuple[int, int], dict[str, Any]] = {}

    def follow(self, topics: str) -> None:
        """Read the topics below this prefix from now on; '': none."""
        if topics == self._topics:
            return
        self._topics = topics
        while self._subscriptions:
            self._node.destroy_subscription(self._subscriptions.pop())
        self._parts.clear()
        if not topics:
            return
        self._subscribe(LabelInfo, 'label_info', self._on_label_info, _LATCHED)
        for name, kind in _PARTS.items():
            self._subscribe(kind, f'{name}/compressed' if kind is CompressedImage else name,
                            functools.partial(self._on_part, name))
        # the node publishes the overlay last, and the executor takes subscriptions in their order
        self._subscribe(CompressedImage, _OVERLAY[1:], self._on_overlay)

    def _subscribe(self, kind: type, name: str, callback: Callable[[Any], None],
                   qos: QoSProfile = _QOS) -> None:
        self._subscriptions.append(self._node.create_subscription(
            kind, self._topics + name, callback, qos))

    def _parts_of(self, message: Any) -> dict[str, Any]:
        stamp = message.header.stamp
        parts = self._parts.setdefault((stamp.sec, stamp.nanosec), {})
        while len(self._parts) > _KEPT_STAMPS:
            del self._parts[next(iter(self._parts))]
        return parts

    def _on_part(self, name: str, message: Any) -> None:
        self._parts_of(message)[name] = message

    def _on_overlay(self, message: CompressedImage) -> None:
        self._on_picture(Picture(message.header, bytes(message.data), self._parts_of(message)))

    def _on_label_info(self, message: LabelInfo) -> None:
        self._on_class_names({entry.class_id: entry.class_name
                              for entry in message.class_map if entry.class_id})
