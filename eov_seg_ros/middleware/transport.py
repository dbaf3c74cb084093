# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Why images get lost between processes, and what helps: DDS's defaults are for small data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

DOCUMENTATION = 'docs/ros_api.md, "Images over DDS"'
_FASTDDS_VARIABLES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')
_BUFFER_LIMIT = Path('/proc/sys/net/core/rmem_max')


def advice(rmw: str, environment: Mapping[str, str], buffer_limit: Path = _BUFFER_LIMIT) -> str:
    """Return the likely cause of images that were sent and did not arrive, and the cure.

    Args:
        rmw: Name of the middleware, as `rclpy.get_rmw_implementation_identifier()` gives it.
        environment: The process's.
        buffer_limit: File that holds the kernel's limit of a socket's buffer in bytes.
    """
    if 'fastrtps' in rmw or 'fastdds' in rmw:
        profile = next((environment[name] for name in _FASTDDS_VARIABLES if environment.get(name)),
                       '')
        if not profile:
            return ("Fast DDS's default shared-memory segment (0.5 MB) is smaller than an image: "
                    'start all processes, the camera too, with dds_profile:=loopback or '
                    f'dds_profile:=network; see {DOCUMENTATION}')
        return (f'this process uses the Fast DDS profile {profile}; the camera must be started '
                f'with it too{_buffer_advice(buffer_limit)}; see {DOCUMENTATION}')
    if 'cyclone' in rmw and not environment.get('CYCLONEDDS_URI'):
        return ('the socket buffers of Cyclone DDS hold less than an image: set CYCLONEDDS_URI to '
                f'config/cyclonedds.xml{_buffer_advice(buffer_limit)}; see {DOCUMENTATION}')
    return f'the middleware {rmw} drops them{_buffer_advice(buffer_limit)}; see {DOCUMENTATION}'


def _buffer_advice(limit: Path) -> str:
    """Say how large the kernel lets a socket's buffer be, which matters between machines."""
    try:
        size = int(limit.read_text(encoding='ascii'))
    except (OSError, ValueError):
        return ''
    if size >= 8 * 2**20:
        return ''
    return (f', and between machines the kernel must allow larger buffers (net.core.rmem_max is '
            f'{size}, set 8388608)')
