# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The per-frame topics: one table, and nothing computed for a topic without a subscriber."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, Detection3DArray

from eov_seg_core.geometry import Box, boxes_of, SpaceView
from eov_seg_ros import conversions
from eov_seg_ros.class_ids import LabelSpace
from eov_seg_ros.middleware.qos import create_publisher
from eov_seg_ros.parameters import Parameters
from eov_seg_ros.space import markers, messages

if TYPE_CHECKING:
    from eov_seg_core.results.result import PanopticResult

@dataclass(frozen=True)
class Frame:
    """One processed frame and all that its messages are made of.

    Attributes:
        header: The header of the input image; every message carries it.
        image_rgb: (H, W, 3) uint8 RGB.
        result: What the segmenter found.
        labels: The published class ids of the result's vocabulary.
        parameters: The parameters when the frame was started.
        ids: The published id of each segment; None: those of the result.
        view: Depth and camera; None: there is no depth, and nothing in space is published.
        fused_boxes: Of the things in the world, by the ids of the result; None: not tracked there.
        info: Calibration of the camera; None: not known.
    """

    header: Header
    image_rgb: npt.NDArray[np.uint8]
    result: PanopticResult
    labels: LabelSpace
    parameters: Parameters
    ids: Sequence[int] | None = None
    view: SpaceView | None = None
    fused_boxes: Mapping[int, Box] | None = None
    info: CameraInfo | None = None

    @cached_property
    def boxes(self) -> Mapping[int, Box] | None:
        """The boxes to publish, by the ids of the result; None: where they are is not known."""
        view = self.view
        if view is None or view.world_frame and view.camera_in_world is None:
            return None     # no boxes would say that there is nothing
        if self.fused_boxes is not None:
            return self.fused_boxes
        return boxes_of(self.result, view, self.parameters.box_options)

    def camera_info(self) -> CameraInfo | None:
        """Return the calibration for this image; None: it is of another size, or not known."""
        if self.info is None or (self.info.height, self.info.width) != self.image_rgb.shape[:2]:
            return None
        info = copy(self.info)
        info.header = self.header
        return info


class _Output(NamedTuple):
    message_type: type
    build: Callable[[Frame], Any]


class _SpaceOutput(NamedTuple):
    message_type: type
    build: Callable[[Frame, SpaceView], Any]    # None: nothing can be said of this frame


# The overlay comes last: drawing it is slow, and only people wait for it.
_OUTPUTS = {
    'panoptic': _Output(Image, lambda frame: conversions.panoptic_image(
        frame.header, frame.result, frame.labels, frame.parameters.panoptic_packing,
        frame.ids)),
    'semantic': _Output(Image, lambda frame: conversions.semantic_image(
        frame.header, frame.result, frame.labels)),
    'instance': _Output(Image, lambda frame: conversions.instance_image(
        frame.header, frame.result, frame.ids)),
    'confidence': _Output(Image, lambda frame: conversions.confidence_image(
        frame.header, frame.result)),
    'detections': _Output(Detection2DArray, lambda frame: conversions.detections(
        frame.header, frame.result, frame.parameters.detections_include_stuff, frame.ids)),
    'color': _Output(Image, lambda frame: conversions.color_image(frame.header, frame.result)),
    'mask/image': _Output(Image, lambda frame: conversions.mask_image(
        frame.header, frame.result, frame.parameters.mask_classes)),
    'overlay': _Output(Image, lambda frame: conversions.overlay_image(
        frame.header, frame.image_rgb, frame.result, frame.parameters.overlay_alpha,
        frame.ids)),
}

# Those that need depth.
_IN_SPACE = {
    'points': _SpaceOutput(PointCloud2, lambda frame, view: messages.points(
        frame.header, frame.image_rgb, frame.result, frame.labels, view,
        ids=frame.ids, stride=frame.parameters.cloud_stride,
        organized=frame.parameters.cloud_organized)),
    'detections_3d': _SpaceOutput(
        Detection3DArray, lambda frame, view: _of_boxes(messages.detections_3d, frame, view)),
}
if markers.MESSAGE_TYPE is not None:
    _IN_SPACE['markers'] = _SpaceOutput(
        markers.MESSAGE_TYPE, lambda frame, view: _of_boxes(markers.markers, frame, view))


def _of_boxes(build: Callable[..., Any], frame: Frame, view: SpaceView) -> Any:
    return None if frame.boxes is None else build(
        frame.header, frame.result, frame.boxes, ids=frame.ids, world_frame=view.world_frame)


class Outputs:
    """The publishers of one camera's per-frame topics, images also compressed.

    Args:
        node: The node that they belong to.
        prefix: Stands before each topic's name below `~/`.
        with_depth: Whether there are the topics that need depth.
        is_memory_wanted: Asks whether somebody wants the memory of objects; None: there is none,
            because frames are not tracked in space.
    """

    def __init__(self, node: LifecycleNode, prefix: str, with_depth: bool = False,
                 is_memory_wanted: Callable[[], bool] | None = None) -> None:
        self._node = node
        self._is_memory_wanted = is_memory_wanted
        self._plain = {name: create_publisher(node, output.message_type, prefix + name)
                       for name, output in _OUTPUTS.items()}
        self._compressed = {
            name: create_publisher(node, CompressedImage, f'{prefix}{name}/compressed')
            for name, output in _OUTPUTS.items() if output.message_type is Image}
        self._infos = [create_publisher(node, CameraInfo, prefix + name)
                       for name in ('camera_info', 'mask/camera_info') if with_depth]
        self._in_space = {name: create_publisher(node, output.message_type, prefix + name)
                          for name, output in _IN_SPACE.items() if with_depth}

    def is_wanted(self, has_depth: bool = False) -> bool:
        """Return whether somebody subscribes to a topic that can be published.

        Args:
            has_depth: Whether the image has depth.
        """
        return has_depth and self._is_space_wanted() or self._is_image_wanted()

    def is_depth_wanted(self) -> bool:
        """Return whether an image needs its depth: for a topic, or for the ids of another one."""
        return (self._is_space_wanted()
                or self._is_memory_wanted is not None and self._is_image_wanted())

    def _is_space_wanted(self) -> bool:
        return (self._is_memory_wanted is not None and self._is_memory_wanted()
                or any(publisher.get_subscription_count()
                       for publisher in self._in_space.values()))

    def _is_image_wanted(self) -> bool:
        return any(publisher.get_subscription_count()
                   for publisher in (*self._plain.values(), *self._compressed.values()))

    def publish(self, frame: Frame) -> None:
        """Build and publish the messages that somebody subscribes to."""
        for name, output in _OUTPUTS.items():
            is_plain_wanted = self._plain[name].get_subscription_count()
            is_compressed_wanted = (name in self._compressed
                                    and self._compressed[name].get_subscription_count())
            if not (is_plain_wanted or is_compressed_wanted):
                continue
            message = output.build(frame)
            if is_plain_wanted:
                self._plain[name].publish(message)
            if is_compressed_wanted:
                self._compressed[name].publish(conversions.compress(message))
        for publisher in self._infos:
            if publisher.get_subscription_count() and (info := frame.camera_info()) is not None:
                publisher.publish(info)
        for name, publisher in self._in_space.items():
            if frame.view is not None and publisher.get_subscription_count():
                message = _IN_SPACE[name].build(frame, frame.view)
                if message is not None:
                    publisher.publish(message)

    def destroy(self) -> None:
        """Destroy the publishers."""
        for publisher in (*self._plain.values(), *self._compressed.values(), *self._infos,
                          *self._in_space.values()):
            self._node.destroy_lifecycle_publisher(publisher)
