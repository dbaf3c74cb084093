# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The bond that Nav2's lifecycle manager expects of the nodes that it drives."""

from __future__ import annotations

import importlib
from typing import Any

from rclpy.node import Node

_HEARTBEAT_S = 0.1
_TIMEOUT_S = 4.0
"""Both as the nodes of Nav2 have them."""


def start_bond(node: Node) -> Any:
    """Start the bond of an active node; None where bondpy is not installed."""
    try:
        bondpy = importlib.import_module('bondpy.bondpy')
    except ImportError:
        return None
    bond = bondpy.Bond('bond', node.get_name(), node)
    bond.set_heartbeat_period(_HEARTBEAT_S)
    bond.set_heartbeat_timeout(_TIMEOUT_S)
    bond.start()
    return bond
