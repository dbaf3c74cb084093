# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The memory of a node for the page: its objects, the camera among them, and `find`."""

from __future__ import annotations

from dataclasses import replace
import math
import threading
import time
from typing import Any

import rclpy
from rclpy.node import Node
from std_msgs.msg import Header
from vision_msgs.msg import Detection3DArray

from eov_seg_core.app.console.memory import KnownObject, Memory, Search, TopView, Viewer
from eov_seg_core.geometry import NoTransformError
from eov_seg_ros.find.answer import Found, known_objects
from eov_seg_ros.find.client import MemoryClient
from eov_seg_ros.find.search import ask
from eov_seg_ros.middleware.qos import output_qos
from eov_seg_ros.space.poses import PoseInput

_SEARCH_S = 30.0
_GIVE_BACK_S = 8.0
_MOST_LINES = 5
_FARTHEST_M = 1e6       # what is farther away is no object of a room


class NodeMemory(Memory):
    """Listens to `~/objects`, `/tf` and nothing else; asks as the command `find` does.

    `find` and `cancel` may be called from any thread, the rest from the executor's.

    Args:
        node: Of this process.
        target: Full name of the node that remembers.
    """

    def __init__(self, node: Node, target: str) -> None:
        self.view = TopView()
        self.search: Search | None = None
        self._node = node
        self._target = target
        self._subscription: Any = None
        self._objects: Detection3DArray | None = None
        self._poses: PoseInput | None = None
        self._placed: tuple[Header, Viewer | None] | None = None
        self._asking = threading.Lock()
        self._is_cancelled = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def is_there(self) -> bool:
        """Whether the node has a memory."""
        return bool(self._node.count_publishers(f'{self._target}/objects'))

    def follow(self, is_wanted: bool) -> None:
        """Listen from now on, or no longer."""
        if is_wanted and self._subscription is None:
            self._subscription = self._node.create_subscription(
                Detection3DArray, f'{self._target}/objects', self._take, output_qos(latched=True))
        elif not is_wanted and self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None
            self.forget()

    def forget(self) -> None:
        """Show nothing until the next message: another node may have taken the name."""
        self._objects = self._placed = None
        if self._poses is not None:
            self._poses.destroy()
        self._poses = None
        self.view = TopView()

    def look(self, header: Header | None) -> None:
        """Bring ages and the place of the camera up to date.

        Args:
            header: Of the picture that is shown; None: there is none.
        """
        if self._objects is None:
            return
        viewer = None if header is None else self._place(header)
        now_s = self._node.get_clock().now().nanoseconds / 1e9
        objects = [_known(item, viewer) for item in known_objects(self._objects, None, now_s)
                   if _is_somewhere(item)]
        objects.sort(key=lambda item: (item.distance_m or 0.0, item.name, item.id))
        self.view = TopView(self._objects.header.frame_id, tuple(objects), viewer)

    def find(self, query: str) -> None:
        """Begin to look for an object; the answer comes with `search`.

        Raises:
            ValueError: Another object is looked for.
        """
        with self._asking:
            if self.search is not None and self.search.is_running:
                raise ValueError(f'{self.search.query} is looked for; cancel that first')
            self._is_cancelled.clear()
            self.search = Search(query, _SEARCH_S, time.monotonic())
            self._thread = threading.Thread(target=self._look_for, args=(self.search,),
                                            name='find', daemon=True)
            self._thread.start()

    def cancel(self) -> None:
        """End looking; the words of the node are restored."""
        self._is_cancelled.set()

    def stop(self) -> None:
        """End looking, and wait until the words are restored."""
        self.cancel()
        if self._thread is not None:
            self._thread.join(_GIVE_BACK_S)

    def _look_for(self, search: Search) -> None:
        # a node of its own, because the client spins it while it waits
        node = rclpy.create_node('eov_seg_console_find', start_parameter_services=False)
        client = MemoryClient(node, self._target)
        try:
            answer = ask(client, search.query, search.timeout_s, self._is_cancelled.is_set)
            lines = [str(item) for item in answer.objects[:_MOST_LINES]] or [answer.message]
            found = [item.id for item in answer.objects]
        except (ValueError, RuntimeError) as error:
            lines, found = [str(error)], []
        finally:
            client.close()
            node.destroy_node()
        self.search = replace(search, lines=tuple(lines), found=tuple(found))

    def _take(self, message: Detection3DArray) -> None:
        frame = message.header.frame_id
        if self._objects is None or self._objects.header.frame_id != frame:
            self.forget()
            self._poses = PoseInput(self._node, frame)
            self._poses.subscribe()
        self._objects = message

    def _place(self, header: Header) -> Viewer | None:
        """Return where the camera was at the stamp of a picture."""
        if self._placed is not None and self._placed[0] == header:
            return self._placed[1]      # a picture that is paused outlives its transforms
        try:
            pose = self._poses.pose(header, 0.0)    # type: ignore[union-attr]
        except NoTransformError:
            return None
        x, y, z = map(float, pose[:3, 3])
        viewer = Viewer(x, y, z, math.degrees(math.atan2(pose[1, 2], pose[0, 2])))
        self._placed = header, viewer
        return viewer


def _is_somewhere(item: Found) -> bool:
    at = item.center
    return all(abs(value) < _FARTHEST_M     # false for what is not a number
               for value in (at.x, at.y, at.z, at.yaw_deg, *item.size_m))


def _known(item: Found, viewer: Viewer | None) -> KnownObject:
    center = item.center.x, item.center.y, item.center.z
    distance_m = None if viewer is None else math.dist(center, (viewer.x, viewer.y, viewer.z))
    return KnownObject(item.id, item.name, item.score, center, item.size_m, item.center.yaw_deg,
                       item.age_s, distance_m)
