# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An executor that no callback can end: what fails is refused, logged and counted.

In rclpy an error that leaves a callback leaves `spin` as well, and the process ends: a single
request with a parameter of an unknown type is enough.
"""

from __future__ import annotations

from collections.abc import Callable
import time
import traceback
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rcl_interfaces.srv import SetParameters, SetParametersAtomically
from rclpy.executors import await_or_execute, ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

from eov_seg_ros.log_bridge import kind_of, Repeats
from eov_seg_ros.text import describe

_REPEAT_S = 10.0
"""Seconds between two log messages about the same place of failure."""
_PAUSE_S = 0.01
"""Pause after a failure, so that one that comes at once again does not take a whole core, and that
one that a signal to end causes is not taken for another."""


class FatalError(RuntimeError):
    """Ends the process, with exit code 1; the only error of a callback that does."""


class EnduringExecutor(SingleThreadedExecutor):
    """Runs callbacks in the thread that spins; an error in one ends nothing.

    A service whose callback fails answers: not successful, and why, where the response has room
    for it.

    Attributes:
        failures: Callbacks that failed so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.failures = 0
        self._repeats = Repeats(_REPEAT_S)

    def add_node(self, node: Node) -> bool:
        """Take a node, with the services that it has now."""
        for service in node.services:
            service.callback = self._answering(service.callback)
        return super().add_node(node)

    def spin(self) -> None:
        """Run callbacks until the context is shut down.

        Raises:
            FatalError: A callback wants the process to end.
        """
        while self.context.ok():
            try:
                super().spin()
                return
            except (ExternalShutdownException, FatalError):
                raise
            except Exception as error:  # noqa: BLE001  whatever it was, the next callback counts
                self._report(error)

    def _answering(self, callback: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        async def answer(request: Any, response: Any) -> Any:
            try:
                return await await_or_execute(callback, request, response)
            except FatalError:
                raise
            except Exception as error:  # noqa: BLE001  the client waits for an answer
                self._report(error)
                return _refused(request, response, describe(error))
        return answer

    def _report(self, error: Exception) -> None:
        time.sleep(_PAUSE_S)
        if not self.context.ok():
            return  # it failed because the process is told to end
        self.failures += 1
        if self._repeats.is_due(kind_of(error)):
            for node in self.get_nodes()[:1]:
                node.get_logger().error(
                    f'refused, and the node goes on: {describe(error)}')
                node.get_logger().debug(''.join(traceback.format_exception(error)))


def _refused(request: Any, response: Any, reason: str) -> Any:
    """Fill in a response that says no."""
    refusal = SetParametersResult(successful=False, reason=reason)
    if isinstance(response, SetParameters.Response):
        missing = len(request.parameters) - len(response.results)
        response.results = [*response.results, *[refusal] * missing]
    elif isinstance(response, SetParametersAtomically.Response):
        response.result = refusal
    else:
        for name, value in (('success', False), ('message', reason)):
            if hasattr(response, name):
                setattr(response, name, value)
    return response
