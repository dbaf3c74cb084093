# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Quality of service of our publishers and subscriptions."""

from __future__ import annotations

from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

QOS_OVERRIDES = QoSOverridingOptions.with_default_policies()
"""Lets parameters override history, depth and reliability of a publisher or subscription."""
_INPUT_DEPTH = 10
"""Images that may wait for the executor: a third of a second at 30 Hz."""


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
