# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the node says on /diagnostics: its cameras' figures, or why there are none yet."""

from __future__ import annotations

from collections.abc import Sequence

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node
from std_msgs.msg import Header

from eov_seg_ros.diagnostics import status_name
from eov_seg_ros.middleware.qos import QOS_OVERRIDES

_NAMESAKE = ('another node has the same name, and both answer: end one of them, or start it in a '
             'namespace of its own')


class NodeStatus:
    """Publishes a node's diagnostics; used by the executor only.

    Args:
        node: Owner of the publisher, whose parameter `camera_names` is declared later.

    Attributes:
        failure: Why the last transition failed; empty: it did not.
    """

    def __init__(self, node: Node) -> None:
        self.failure = ''
        self._node = node
        self._had_namesake = False
        self._publisher = node.create_publisher(
            DiagnosticArray, '/diagnostics', 10, qos_overriding_options=QOS_OVERRIDES)

    def publish(self, statuses: Sequence[DiagnosticStatus]) -> None:
        """Publish statuses, as warnings where another node has the same name."""
        if self._has_namesake():
            for status in statuses:
                status.level = max(status.level, DiagnosticStatus.WARN)
                status.message = f'{_NAMESAKE}; {status.message}'
        self._publisher.publish(DiagnosticArray(
            header=Header(stamp=self._node.get_clock().now().to_msg()), status=statuses))

    def idle(self, state: str, activity: str) -> list[DiagnosticStatus]:
        """Say why there is no pipeline, once for each camera.

        Args:
            state: The lifecycle's.
            activity: What is being done to start; empty: nothing.
        """
        level, text = DiagnosticStatus.OK, state
        if activity:
            text = f'STARTING: {activity}'
        elif self.failure:
            level, text = DiagnosticStatus.ERROR, self.failure
        return [DiagnosticStatus(level=level, name=status_name(self._node, camera), message=text)
                for camera in self._node.get_parameter('camera_names').value or ('',)]

    def _has_namesake(self) -> bool:
        """Say whether another node has this name, and log it when it appears."""
        name = (self._node.get_name(), self._node.get_namespace())
        had, self._had_namesake = self._had_namesake, (
            self._node.get_node_names_and_namespaces().count(name) > 1)
        if self._had_namesake and not had:
            own = self._node.get_fully_qualified_name()
            self._node.get_logger().warning(f'{own}: {_NAMESAKE}')
        return self._had_namesake
