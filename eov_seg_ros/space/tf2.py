# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Transforms by tf2, where ROS is installed with it: its C++ core keeps up with any /tf."""

from __future__ import annotations

from typing import Any

import numpy as np
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time

from eov_seg_core.geometry import as_matrix, NoTransformError
from eov_seg_core.geometry.pose import Matrix
from eov_seg_ros.text import describe

try:
    from tf2_ros import Buffer, TransformException, TransformListener
except ImportError:     # the wheels of ROS lack it
    Buffer = TransformException = TransformListener = None

_KINDS = {'LookupException': 'unknown', 'ConnectivityException': 'apart',
          'ExtrapolationException': 'extrapolation'}
IS_INSTALLED = Buffer is not None


class Tf2Buffer:
    """Listens to /tf and /tf_static; `pose` is called by the frame thread, the rest not.

    Args:
        node: Owner of the subscriptions.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._buffer = Buffer(node=node)    # so that time that goes back clears it
        self._listener: Any = None

    def subscribe(self) -> None:
        """Listen."""
        self._listener = TransformListener(self._buffer, self._node)

    def unsubscribe(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            self._listener.unregister()
            self._listener = None

    def destroy(self) -> None:
        """Stop listening, and end the service of the buffer."""
        self.unsubscribe()
        self._node.destroy_service(self._buffer.srv)

    def pose(self, target: str, source: str, stamp_ns: int, wait_s: float) -> Matrix:
        """Return the pose of a frame in another one; as `TransformBuffer.pose`."""
        target, source = target.lstrip('/'), source.lstrip('/')
        # tf2 would also wait for frames that nobody has ever heard of
        is_known = self._buffer.can_transform(target, source, Time())
        try:
            found = self._buffer.lookup_transform(
                target, source, Time(nanoseconds=stamp_ns),
                Duration(seconds=wait_s if is_known else 0.0)).transform
        except TransformException as error:
            name = type(error).__name__
            raise NoTransformError(_KINDS.get(name, name), describe(error)) from error
        place, turn = found.translation, found.rotation
        return np.asarray(as_matrix(((place.x, place.y, place.z),
                                     (turn.x, turn.y, turn.z, turn.w))))
