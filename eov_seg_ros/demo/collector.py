# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The consumer of the demo: collects what the node publishes and changes its words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
import functools
import time
from typing import Any

import numpy as np
import numpy.typing as npt
from rcl_interfaces.srv import SetParametersAtomically
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray, LabelInfo, VisionInfo

from eov_seg_core.io.image_messages.stamps import stamp_ns_of

NODE = 'eov_seg'
UNTRAINED = ('UNTRAINED WEIGHTS: the segments in the pictures show nothing, or there are none. '
             'Give the demo a checkpoint: --checkpoint FILE')
_DTYPES = {'mono8': np.uint8, 'mono16': np.uint16, '32SC1': np.int32, 'rgb8': np.uint8}
_MOST_PARTIAL = 100
"""Stamps whose messages are kept while others are missing; the node skips frames."""


@dataclass(frozen=True)
class Received:
    """All that came back for one picture.

    Attributes:
        name: The picture's file name, from the header's frame_id.
        stamp_ns: The header's stamp.
        published_ns: When the last of them was published, by the middleware's clock.
        latency_ms: From the stamp until the last message was here.
        messages: The message of each topic.
    """

    name: str
    stamp_ns: int
    published_ns: int
    latency_ms: float
    messages: dict[str, Any]

    def pixels(self, topic: str) -> npt.NDArray[Any]:
        """Return the image of a topic as (H, W) or (H, W, 3)."""
        message = self.messages[topic]
        shape = (message.height, message.width, 3)[:3 if message.encoding == 'rgb8' else 2]
        return np.frombuffer(message.data, _DTYPES[message.encoding]).reshape(shape)


def latched(depth: int = 1) -> QoSProfile:
    """Return the QoS that gets the last messages of publishers that keep them."""
    return QoSProfile(depth=depth, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Collector:
    """Subscribes to topics and joins the messages of one stamp.

    Args:
        is_alive: Asked while waiting; false ends the wait with an error.
        topics: Topics whose messages make a frame, with their types.
        on_frame: Called with each complete frame.
    """

    OUTPUTS = {f'{NODE}/{name}': Image for name in ('panoptic', 'semantic', 'instance', 'overlay')}
    OUTPUTS[f'{NODE}/detections'] = Detection2DArray

    def __init__(self, is_alive: Callable[[], bool], topics: Mapping[str, type],
                 on_frame: Callable[[Received], None]) -> None:
        self._is_alive = is_alive
        self._topics = topics
        self._on_frame = on_frame
        self.node = rclpy.create_node('demo_watcher')
        self._executor = SingleThreadedExecutor()   # rclpy.spin_once would prepare one each time
        self._executor.add_node(self.node)
        self.class_map: dict[int, str] = {}
        self.labels_count = 0
        self.method = ''
        self.counts: Counter[str] = Counter()
        self.on_class_map: Callable[[dict[int, str]], None] = lambda class_map: None
        self._partial: dict[int, dict[str, Any]] = {}
        for topic, message_type in topics.items():
            self.node.create_subscription(
                message_type, topic, functools.partial(self._on_message, topic), 100)
        self.node.create_subscription(LabelInfo, f'{NODE}/label_info', self._on_labels, latched())
        self.node.create_subscription(VisionInfo, f'{NODE}/vision_info', self._on_info, latched())

    @property
    def is_trained(self) -> bool:
        """Whether the node says that its weights were trained."""
        return not self.method.endswith('untrained')

    def count(self, topics: Mapping[str, type]) -> None:
        """Count the messages of further topics in `counts`."""
        for topic, message_type in topics.items():
            self.node.create_subscription(
                message_type, topic, functools.partial(self._on_counted, topic), 10)

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
            self._executor.spin_once(timeout_sec=0.1)
        return value

    def wait_for_node(self, timeout_s: float) -> None:
        """Wait until the node works.

        Raises:
            RuntimeError: As for `wait_for`.
        """
        self.wait_for(lambda: self.labels_count and self.method, 'the node', timeout_s)

    def spin_for(self, seconds: float) -> None:
        """Spin for a while.

        Raises:
            RuntimeError: A process has ended.
        """
        end_s = time.monotonic() + seconds
        self.wait_for(lambda: time.monotonic() > end_s, 'the time to pass', seconds + 10)

    def set_words(self, things: list[str], stuff: list[str]) -> float:
        """Change both lists at once through the node's parameter service.

        Returns:
            Milliseconds until the node had accepted them.

        Raises:
            RuntimeError: The node refused them.
        """
        return self.set(**{'vocabulary.things': things, 'vocabulary.stuff': stuff})

    def set(self, **values: Any) -> float:
        """Change parameters of the node at once; as `set_words`."""
        client = self.node.create_client(SetParametersAtomically,
                                         f'{NODE}/set_parameters_atomically')
        self.wait_for(client.service_is_ready, 'the parameter service', 10)
        started_s = time.monotonic()
        future = client.call_async(SetParametersAtomically.Request(parameters=[
            Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]))
        self.wait_for(future.done, 'the answer of the parameter service', 10)
        self.node.destroy_client(client)
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
        self.on_class_map(self.class_map)

    def _on_info(self, message: VisionInfo) -> None:
        self.method = message.method

    def _on_counted(self, topic: str, _: Any) -> None:
        self.counts[topic] += 1

    def _on_message(self, topic: str, message: Any, info: Mapping[str, Any]) -> None:
        self.counts[topic] += 1
        stamp_ns = stamp_ns_of(message.header)
        messages = self._partial.setdefault(stamp_ns, {})
        messages[topic] = message
        if len(messages) == len(self._topics):
            del self._partial[stamp_ns]
            self._on_frame(Received(message.header.frame_id, stamp_ns, info['source_timestamp'],
                                    (self.now_ns() - stamp_ns) / 1e6, messages))
        elif len(self._partial) > _MOST_PARTIAL:
            del self._partial[min(self._partial)]
