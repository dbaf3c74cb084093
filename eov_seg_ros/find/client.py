# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The other side of the node: its memory, and its words, which are borrowed and given back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
import math
import time
from typing import Any

from geometry_msgs.msg import PoseArray, PoseStamped
from rcl_interfaces.srv import GetParameters, SetParametersAtomically
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from vision_msgs.msg import Detection3DArray

from eov_seg_core.vocabulary import Vocabulary
from eov_seg_ros.find.answer import (
    entries_of,
    Found,
    known_objects,
    Place,
    without_borrowed,
)
from eov_seg_ros.middleware.qos import output_qos
from eov_seg_ros.pipeline.word_lists import STUFF, THINGS

_PRESET = 'vocabulary.preset'
_TICK_S = 0.05


class FindError(RuntimeError):
    """The question cannot be asked; says what to do."""


class MemoryClient:
    """Listens to the memory of a segmentation node.

    Args:
        node: Of this process.
        target: Full name of the segmentation node.
    """

    def __init__(self, node: Node, target: str) -> None:
        self._node = node
        self._target = target
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)
        self._objects: Detection3DArray | None = None
        self._views: PoseArray | None = None
        node.create_subscription(Detection3DArray, f'{target}/objects', self._take_objects,
                                 output_qos(latched=True))
        node.create_subscription(PoseArray, f'{target}/viewpoints', self._take_views,
                                 output_qos(latched=True))
        self._calls = {kind: node.create_client(kind, f'{target}/{name}') for kind, name in (
            (GetParameters, 'get_parameters'),
            (SetParametersAtomically, 'set_parameters_atomically'))}

    def _take_objects(self, message: Detection3DArray) -> None:
        self._objects = message

    def _take_views(self, message: PoseArray) -> None:
        self._views = message

    def close(self) -> None:
        """Stop listening; the node stays."""
        self._executor.shutdown()

    def wait_for(self, condition: Callable[[], Any], timeout_s: float) -> Any:
        """Spin until a condition holds or the time is over; return its last value."""
        end_s = time.monotonic() + timeout_s
        while not (value := condition()) and time.monotonic() < end_s:
            self._executor.spin_once(timeout_sec=_TICK_S)
        return value

    def require_memory(self, timeout_s: float) -> None:
        """Wait for the node.

        Raises:
            FindError: It is not there, or keeps no memory.
        """
        if self.wait_for(lambda: self._node.count_publishers(f'{self._target}/objects'),
                         timeout_s):
            return
        if not self._calls[GetParameters].service_is_ready():
            raise FindError(f'there is no node {self._target}: start it, or name yours with '
                            '--node')
        raise FindError(f'{self._target} {self._why_no_memory(timeout_s)}')

    def _why_no_memory(self, timeout_s: float) -> str:
        answer = self._call(GetParameters, GetParameters.Request(
            names=['depth', 'world_frame', 'pose_source', 'tracking']), timeout_s)
        depth, frame, pose_source, tracking = answer.values
        if not depth.bool_value:
            return 'keeps no memory: start it with depth:=true'
        if tracking.string_value in ('off', '2d'):
            return (f'keeps no memory: its tracking is {tracking.string_value}; start it with '
                    'tracking:=auto')
        if not frame.string_value or pose_source.string_value == 'none':
            return ("keeps no memory: it has world_frame '' or pose_source none; start it with "
                    'world_frame:=odom or map, and what publishes that in /tf')
        return ('is not ready: it still loads its model (its log says "ready"), or waits for '
                'ros2 lifecycle set ... configure')

    def objects(self) -> list[Found]:
        """Return what is known; nothing until the first message of the memory."""
        if self._objects is None:
            return []
        # both messages are sent after one another
        self.wait_for(lambda: self._views is not None and self._objects is not None
                      and self._views.header == self._objects.header, 0.2)
        return known_objects(self._objects, self._views,
                             self._node.get_clock().now().nanoseconds / 1e9)

    def vocabulary(self, timeout_s: float) -> tuple[Vocabulary, list[str], list[str]]:
        """Return the words of the node, and its two lists, which are empty for a preset."""
        answer = self._call(GetParameters, GetParameters.Request(names=[THINGS, STUFF, _PRESET]),
                            timeout_s)
        things, stuff, preset = answer.values
        lists = list(things.string_array_value), list(stuff.string_array_value)
        words = Vocabulary(*lists) if any(lists) else Vocabulary.preset(preset.string_value)
        return words, *lists

    @contextmanager
    def borrowed_word(self, word: str, timeout_s: float) -> Iterator[None]:
        """Look for one more word, and no longer in the end, unless others took other words.

        Raises:
            FindError: The node refuses the word, or does not answer.
        """
        words, given_things, given_stuff = self.vocabulary(timeout_s)
        things, stuff = entries_of(words)
        try:
            self._set([*things, word], stuff, timeout_s)
            yield
        finally:
            _, now_things, now_stuff = self.vocabulary(timeout_s)
            if (now_things, now_stuff) == ([*things, word], stuff):
                self._set(given_things, given_stuff, timeout_s)
            elif (rest := without_borrowed(word, now_things, things)) is not None:
                self._set(*self._as_preset(rest, now_stuff, timeout_s), timeout_s)

    def _as_preset(self, things: list[str], stuff: list[str], timeout_s: float
                   ) -> tuple[list[str], list[str]]:
        """Return two empty lists for the words of the node's preset, else the lists."""
        answer = self._call(GetParameters, GetParameters.Request(names=[_PRESET]), timeout_s)
        preset = entries_of(Vocabulary.preset(answer.values[0].string_value))
        return ([], []) if preset == (things, stuff) else (things, stuff)

    def publish_goal(self, topic: str, frame_id: str, place: Place, timeout_s: float) -> bool:
        """Publish a level pose once; return whether somebody listens."""
        publisher = self._node.create_publisher(PoseStamped, topic, 1)
        goal = PoseStamped()
        goal.header.frame_id = frame_id
        goal.header.stamp = self._node.get_clock().now().to_msg()
        goal.pose.position.x, goal.pose.position.y = place.x, place.y
        half = math.radians(place.yaw_deg) / 2
        goal.pose.orientation.z, goal.pose.orientation.w = math.sin(half), math.cos(half)
        is_heard = bool(self.wait_for(publisher.get_subscription_count, timeout_s))
        publisher.publish(goal)
        self.wait_for(lambda: False, 2 * _TICK_S)   # so that it is sent before the node ends
        return is_heard

    def _set(self, things: Sequence[str], stuff: Sequence[str], timeout_s: float) -> None:
        parameters = [Parameter(name, Parameter.Type.STRING_ARRAY, list(entries)
                                ).to_parameter_msg()
                      for name, entries in ((THINGS, things), (STUFF, stuff))]
        result = self._call(SetParametersAtomically,
                            SetParametersAtomically.Request(parameters=parameters),
                            timeout_s).result
        if not result.successful:
            raise FindError(f'{self._target} refuses the word: {result.reason}')

    def _call(self, kind: Any, request: Any, timeout_s: float) -> Any:
        client = self._calls[kind]
        if not self.wait_for(client.service_is_ready, timeout_s):
            raise FindError(f'{self._target} does not answer: it has no parameter services')
        future = client.call_async(request)
        if not self.wait_for(future.done, timeout_s):
            raise FindError(f'{self._target} did not answer within {timeout_s:g} s')
        return future.result()
