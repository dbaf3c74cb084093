# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the node shares over all cameras: transforms in, the memory of objects out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from eov_seg_ros.space.messages import body_pose, detection, pose_in_world
from eov_seg_ros.space.parameters import SpaceParameters
from eov_seg_ros.space.poses import PoseInput
from eov_seg_ros.space.stored import StoredMemory

_PERIOD_S = 1.0


class WorldSpace:
    """Places cameras in the world, and publishes and stores the memory of objects.

    `place`, `publish`, `announce` and `forget` are called by the frame thread; `store` while it
    is idle; the rest by the executor.

    Args:
        node: Owner of subscriptions and publishers.
        parameters: The node's; without depth or a world frame there is nothing to do.
        memory: What is published as `~/objects` and `~/viewpoints`.
        weights: Digest of the weights, for the file of the memory.

    Raises:
        ValueError: The folder of `memory_file` does not exist.
    """

    def __init__(self, node: LifecycleNode, parameters: SpaceParameters, memory: ObjectMemory,
                 weights: str) -> None:
        self._node = node
        self._memory = memory
        self._frame = parameters.placed_in
        self._poses = PoseInput(
            node, self._frame, has_odometry=parameters.is_placed_by_odometry,
            base_to_camera=parameters.base_to_camera) if self._frame else None
        self._publishers: list[Any] = [
            create_publisher(node, kind, name, latched=True)
            for kind, name in ((Detection3DArray, 'objects'), (PoseArray, 'viewpoints'))
            if parameters.tracks_in_space]
        self._published: Any = None
        self._published_s = -_PERIOD_S
        self._stored = StoredMemory(
            node, memory, parameters.memory_file, self._frame, weights
        ) if parameters.memory_file else None

    @property
    def fault(self) -> str:
        """What is wrong with the file of the memory; empty: nothing."""
        return '' if self._stored is None else self._stored.fault

    @property
    def has_memory(self) -> bool:
        """Whether there is a memory of objects."""
        return bool(self._publishers)

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

    def publish(self, header: Header) -> None:
        """Publish the memory after a frame, once a second at most, and only if it has changed."""
        if self._stored is not None:
            self._stored.changed()
        if time.monotonic() < self._published_s + _PERIOD_S or not self._is_wanted():
            return
        objects = self._memory.objects()
        known = [(item.id, item.name, item.hits, item.last_seen_s) for item in objects]
        if known != self._published:
            self._published = known
            self._send(header, objects)

    def announce(self) -> None:
        """Publish what is known before the first frame, if there is something, for all to come."""
        if objects := self._memory.objects():
            self._send(Header(stamp=self._node.get_clock().now().to_msg()), objects)

    def forget(self) -> None:
        """Forget all objects, in the file as well, and tell it."""
        self._memory.forget()
        if self._stored is not None:    # before it is told
            self._stored.changed()
            self._stored.store()
        self._published = []
        self._send(Header(stamp=self._node.get_clock().now().to_msg()), [])

    def store(self) -> None:
        """Write the memory to its file."""
        if self._stored is not None:
            self._stored.store()

    def _send(self, header: Header, objects: Sequence[RememberedObject]) -> None:
        self._published_s = time.monotonic()
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
        if self._poses is not None:
            self._poses.destroy()
        for publisher in self._publishers:
            self._node.destroy_lifecycle_publisher(publisher)


def _message(frame: str, item: RememberedObject) -> Any:
    """Return an object; its header's stamp is when it was seen last."""
    header = Header(stamp=Time(nanoseconds=round(item.last_seen_s * 1e9)).to_msg(), frame_id=frame)
    return detection(header, item.id, item.name or '', item.share, pose_in_world(item.box),
                     item.box.size)
