# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The consumer of the demo: collects what the node publishes and changes its words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import time
from typing import Any

import numpy as np
import numpy.typing as npt
from rcl_interfaces.srv import SetParametersAtomically
import rclpy
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray, LabelInfo

NODE = 'eov_seg'
_DTYPES = {'mono8': np.uint8, 'mono16': np.uint16, '32SC1': np.int32, 'rgb8': np.uint8}


@dataclass(frozen=True)
class Received:
    """All that came back for one picture.

    Attributes:
        name: The picture's file name, from the header's frame_id.
        stamp_ns: The header's stamp.
        latency_ms: From the stamp until the last message was here.
        messages: The message of each topic.
    """

    name: str
    stamp_ns: int
    latency_ms: float
    messages: dict[str, Any]

    def pixels(self, topic: str) -> npt.NDArray[Any]:
        """Return the image of a topic as (H, W) or (H, W, 3)."""
        message = self.messages[topic]
        shape = (message.height, message.width, 3)[:3 if message.encoding == 'rgb8' else 2]
        return np.frombuffer(message.data, _DTYPES[message.encoding]).reshape(shape)


class Collector:
    """Subscribes to the node's outputs.

    Args:
        is_alive: Asked while waiting; false ends the wait with an error.
    """

    TOPICS = {'panoptic': Image, 'semantic': Image, 'instance': Image, 'overlay': Image,
              'detections': Detection2DArray}

    def __init__(self, is_alive: Callable[[], bool]) -> None:
        self._is_alive = is_alive
        self.node = rclpy.create_node('demo_collector')
        self.frames: list[Received] = []
        self.class_map: dict[int, str] = {}
        self.labels_count = 0
        self._partial: dict[int, dict[str, Any]] = {}
        for topic, message_type in self.TOPICS.items():
            self.node.create_subscription(
                message_type, f'{NODE}/{topic}',
                lambda message, topic=topic: self._on_message(topic, message), 10)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.node.create_subscription(LabelInfo, f'{NODE}/label_info', self._on_labels, latched)

    def wait_for(self, condition: Callable[[], Any], what: str, timeout_s: float) -> Any:
        """Spin until a condition holds and return its value.

        Raises:
            RuntimeError: The time is up, or a process has ended.
        """
        end_s = time.monotonic() + timeout_s
        while not (value := condition()):
            if not self._is_alive():
                raise RuntimeError(f'a process ended while the demo waited for {what}; its last '
                                   'words are above')
            if time.monotonic() > end_s:
                raise RuntimeError(f'{what} did not come within {timeout_s:g} s')
            rclpy.spin_once(self.node, timeout_sec=0.1)
        return value

    def wait_for_frame(self, name: str, after_ns: int, timeout_s: float) -> Received:
        """Return the first complete frame of a picture that is stamped after a time."""
        def find() -> Received | None:
            return next((frame for frame in self.frames
                         if frame.name == name and frame.stamp_ns > after_ns), None)
        return self.wait_for(find, f'an answer to {name}', timeout_s)

    def set_words(self, things: list[str], stuff: list[str]) -> float:
        """Change both lists at once through the node's parameter service.

        Returns:
            Milliseconds until the node had accepted them.

        Raises:
            RuntimeError: The node refused them.
        """
        client = self.node.create_client(SetParametersAtomically,
                                         f'{NODE}/set_parameters_atomically')
        self.wait_for(client.service_is_ready, 'the parameter service', 10)
        started_s = time.monotonic()
        future = client.call_async(SetParametersAtomically.Request(parameters=[
            Parameter('vocabulary.things', value=things).to_parameter_msg(),
            Parameter('vocabulary.stuff', value=stuff).to_parameter_msg()]))
        self.wait_for(future.done, 'the answer of the parameter service', 10)
        accepted_ms = 1000 * (time.monotonic() - started_s)
        if not future.result().result.successful:
            raise RuntimeError(f'the node refused the words: {future.result().result.reason}')
        return accepted_ms

    def now_ns(self) -> int:
        """Return the ROS time in nanoseconds."""
        return self.node.get_clock().now().nanoseconds

    def _on_labels(self, message: LabelInfo) -> None:
        self.class_map = {entry.class_id: entry.class_name for entry in message.class_map}
        self.labels_count += 1

    def _on_message(self, topic: str, message: Any) -> None:
        stamp_ns = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
        messages = self._partial.setdefault(stamp_ns, {})
        messages[topic] = message
        if len(messages) == len(self.TOPICS):
            del self._partial[stamp_ns]
            self.frames.append(Received(message.header.frame_id, stamp_ns,
                                        (self.now_ns() - stamp_ns) / 1e6, messages))
