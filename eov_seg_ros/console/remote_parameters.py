# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The parameters of the other node: read and followed, and set by its service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import threading
import time
from typing import Any

from rcl_interfaces.msg import ParameterEvent
from rcl_interfaces.srv import GetParameters, SetParametersAtomically
from rclpy.node import Node
from rclpy.parameter import Parameter, parameter_value_to_python

_TIMEOUT_S = 3.0
_READ_S = 3.0


class RemoteParameters:
    """Some parameters of another node.

    Args:
        node: Of this process; spun by another thread than the one that calls `set`.
        target: Full name of the other node.
        names: Of the parameters.
        on_change: Called after values were read or changed, in the executor's thread.
    """

    def __init__(self, node: Node, target: str, names: tuple[str, ...],
                 on_change: Callable[[], None]) -> None:
        self.target = target
        self.values: dict[str, Any] = {}
        self._names = names
        self._on_change = on_change
        self._reading: Any = None
        self._next_read_s = 0.0
        self._get = node.create_client(GetParameters, f'{target}/get_parameters')
        self._set = node.create_client(SetParametersAtomically,
                                       f'{target}/set_parameters_atomically')
        node.create_subscription(ParameterEvent, '/parameter_events', self._on_event, 100)

    def look(self, is_wanted: bool) -> bool:
        """Return whether the node is there, and ask for its values now and then.

        Another node may take the name between two looks, and the events of its first values may
        come before this process knows it.

        Args:
            is_wanted: Somebody wants the values.
        """
        is_there = bool(self._get.service_is_ready() and self._set.service_is_ready())
        now_s = time.monotonic()
        if is_there and is_wanted and now_s >= self._next_read_s:
            self._next_read_s = now_s + _READ_S
            if self._reading is not None:   # nobody answered
                self._get.remove_pending_request(self._reading)
            self._reading = self._get.call_async(GetParameters.Request(names=list(self._names)))
            self._reading.add_done_callback(self._on_values)
        return is_there

    def set(self, changes: Mapping[str, Any]) -> None:
        """Set parameters in one request, and wait for the answer.

        Raises:
            ValueError: They were refused, or nobody answered; the text says why.
        """
        if not self._set.service_is_ready():
            raise ValueError(f'the node {self.target} is not running, so nothing was changed; '
                             'start it, and try again')
        parameters = [Parameter(name, Parameter.Type.STRING_ARRAY if isinstance(value, list)
                                else None, value) for name, value in changes.items()]
        future = self._set.call_async(SetParametersAtomically.Request(
            parameters=[parameter.to_parameter_msg() for parameter in parameters]))
        is_done = threading.Event()
        future.add_done_callback(lambda _: is_done.set())
        if not is_done.wait(_TIMEOUT_S):
            self._set.remove_pending_request(future)
            raise ValueError(f'the node {self.target} did not answer within {_TIMEOUT_S:g} s; '
                             'look whether it still runs, and try again')
        result = future.result().result
        if not result.successful:
            raise ValueError(result.reason)
        self.values = self.values | dict(changes)

    def _on_values(self, future: Any) -> None:
        self._reading = None
        if future.exception() is None:
            self.values = dict(zip(self._names, map(
                parameter_value_to_python, future.result().values)))
            self._on_change()

    def _on_event(self, event: ParameterEvent) -> None:
        if event.node != self.target:
            return
        changed = {parameter.name: parameter_value_to_python(parameter.value)
                   for parameter in (*event.new_parameters, *event.changed_parameters)
                   if parameter.name in self._names}
        if changed:
            self.values = self.values | changed
            self._on_change()
