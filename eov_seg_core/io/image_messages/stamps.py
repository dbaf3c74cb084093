# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The time of a message."""

from __future__ import annotations

from typing import Any


def stamp_ns_of(header: Any) -> int:
    """Return the stamp of a std_msgs/Header in nanoseconds; 0 where the driver set none."""
    return int(header.stamp.sec) * 10**9 + int(header.stamp.nanosec)
