# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Boxes as markers, which RViz and Foxglove show without a plugin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TYPE_CHECKING

from geometry_msgs.msg import Point
from rclpy.duration import Duration
from std_msgs.msg import ColorRGBA, Header

from eov_seg_core.geometry import Box, LEVEL_IN_CAMERA, transform
from eov_seg_core.results.label_images import ids_of
from eov_seg_core.visualization import class_color

try:
    from visualization_msgs.msg import Marker, MarkerArray
except ImportError:
    Marker = MarkerArray = None

if TYPE_CHECKING:
    from eov_seg_core.results.result import PanopticResult

MESSAGE_TYPE = MarkerArray
"""None where visualization_msgs is not installed."""
_LINE_M, _TEXT_M = 0.015, 0.12
_LIFETIME = Duration(seconds=1).to_msg()
# Corners differ in one bit of their number along an edge.
_EDGES = [(first, first | bit) for bit in (1, 2, 4) for first in range(8) if not first & bit]


def markers(header: Header, result: PanopticResult, boxes: Mapping[int, Box], *,
            ids: Sequence[int] | None = None, world_frame: str = '') -> Any:
    """Return a MarkerArray: what was there is deleted, then edges and a name for every box.

    Args:
        header: The header of the input image.
        result: What the segmenter found.
        boxes: Segment id of the result -> its box.
        ids: Of each segment; None: those of the result.
        world_frame: As for `messages.detections_3d`.
    """
    if world_frame:
        header = Header(stamp=header.stamp, frame_id=world_frame)
    found = [Marker(header=header, action=Marker.DELETEALL)]
    for segment, number in zip(result.segments, ids_of(result, ids)):
        if segment.id not in boxes:
            continue
        corners = boxes[segment.id].corners
        if not world_frame:
            corners = transform(LEVEL_IN_CAMERA, corners)
        places = [Point(x=x, y=y, z=z) for x, y, z in corners.tolist()]
        red, green, blue = (channel / 255 for channel in class_color(segment.name))
        common = {'header': header, 'ns': segment.name, 'lifetime': _LIFETIME,
                  'color': ColorRGBA(r=red, g=green, b=blue, a=1.0)}
        edges = Marker(id=2 * number, type=Marker.LINE_LIST, **common,
                       points=[places[end] for edge in _EDGES for end in edge])
        edges.scale.x = _LINE_M
        edges.pose.orientation.w = 1.0
        name = Marker(id=2 * number + 1, type=Marker.TEXT_VIEW_FACING, **common,
                      text=f'{segment.name} {number}')
        name.scale.z = _TEXT_M
        # z is up in the world, and y down in an image
        name.pose.position = max(places, key=lambda place: place.z if world_frame else -place.y)
        name.pose.orientation.w = 1.0
        found += [edges, name]
    return MarkerArray(markers=found)
