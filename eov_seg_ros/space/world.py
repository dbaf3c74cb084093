# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the node shares over all cameras: transforms in, the memory of objects out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
import time
from typing import Any

from geometry_msgs.msg import PoseArray
from rclpy.lifecycle import LifecycleNode
from rclpy.time import Time
from std_msgs.msg import Header
from vision_msgs.msg import Detection3DArray

from eov_seg_core.geometry import SpaceView
from eov_seg_core.tracking import ObjectMemory, RememberedObject
from eov_seg_ros.middleware.qos import create_publisher
from eov_seg_ros.parameters import Parameters
from eov_seg_ros.space.messages import body_pose, detection, pose_in_world
from eov_seg_ros.space.poses import PoseInput

_PERIOD_S = 1.0


class WorldSpace:
    """Places cameras in the world, and publishes `~/objects` and `~/viewpoints`.

    `place` and `publish` are called by the frame thread, the rest by the executor.

    Args:
        node: Owner of subscriptions and publishers.
        parameters: The node's; without depth or a world frame there is nothing to do.
    """

    def __init__(self, node: LifecycleNode, parameters: Parameters) -> None:
        self._node = node
        self._frame = parameters.world_frame if parameters.depth else ''
        self._poses = PoseInput(node, self._frame) if self._frame else None
        self._publishers: list[Any] = [
            create_publisher(node, kind, name, latched=True)
            for kind, name in ((Detection3DArray, 'objects'), (PoseArray, 'viewpoints'))
            if parameters.tracks_in_space]
        self._published: Any = None
        self._published_s = -_PERIOD_S

    @property
    def is_memory_wanted(self) -> Callable[[], bool] | None:
        """Asks whether somebody subscribes to the memory; None: there is no memory."""
        return self._is_wanted if self._publishers else None

    def _is_wanted(self) -> bool:
        return any(publisher.get_subscription_count() for publisher in self._publishers)

    def subscribe(self) -> None:
        """Listen to transforms."""
        if self._poses is not None:
            self._poses.subscribe()

    def unsubscribe(self) -> None:
        """Stop listening."""
        if self._poses is not None:
            self._poses.unsubscribe()

    def place(self, view: SpaceView, header: Header, wait_s: float) -> SpaceView:
        """Return a view with the camera's place at the stamp of its image.

        Raises:
            NoTransformError: It is not known.
        """
        if self._poses is None:
            return view
        return replace(view, world_frame=self._frame,
                       camera_in_world=self._poses.pose(header, wait_s))

    def publish(self, header: Header, memory: ObjectMemory) -> None:
        """Publish the memory after a frame, once a second at most, and only if it has changed."""
        now_s = time.monotonic()
        if now_s < self._published_s + _PERIOD_S or not self._is_wanted():
            return
        objects = memory.objects()
        known = [(item.id, item.name, item.hits, item.last_seen_s) for item in objects]
        if known == self._published:
            return
        self._published, self._published_s = known, now_s
        header = Header(stamp=header.stamp, frame_id=self._frame)
        messages = (
            Detection3DArray(header=header,
                             detections=[_message(self._frame, item) for item in objects]),
            PoseArray(header=header, poses=[
                body_pose(item.viewpoint) for item in objects]))
        for publisher, message in zip(self._publishers, messages):
            publisher.publish(message)

    def destroy(self) -> None:
        """Destroy subscriptions and publishers."""
        self.unsubscribe()
        for publisher in self._publishers:
            self._node.destroy_lifecycle_publisher(publisher)


def _message(frame: str, item: RememberedObject) -> Any:
    """Return an object; its header's stamp is when it was seen last."""
    header = Header(stamp=Time(nanoseconds=round(item.last_seen_s * 1e9)).to_msg(), frame_id=frame)
    return detection(header, item.id, item.name or '', item.share, pose_in_world(item.box),
                     item.box.size)
