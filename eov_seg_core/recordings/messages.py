# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Results to serialised messages: those of the node, without ROS."""

from __future__ import annotations

from collections.abc import Sequence
import sys
from typing import Any, TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt
from rosbags.typesys import get_types_from_msg

from eov_seg_core.io.image_messages.layouts import RGB
from eov_seg_core.recordings.source import COMPRESSED, IMAGE, image_typestore
from eov_seg_core.results.label_images import paint, panoptic_labels
from eov_seg_core.visualization import draw_overlay

if TYPE_CHECKING:
    from eov_seg_core.results.result import PanopticResult, Segment

_VISION_MSGS = {
    'Point2D': 'float64 x\nfloat64 y',
    'Pose2D': 'vision_msgs/Point2D position\nfloat64 theta',
    'BoundingBox2D': 'vision_msgs/Pose2D center\nfloat64 size_x\nfloat64 size_y',
    'ObjectHypothesis': 'string class_id\nfloat64 score',
    'ObjectHypothesisWithPose': 'vision_msgs/ObjectHypothesis hypothesis\n'
                                'geometry_msgs/PoseWithCovariance pose',
    'Detection2D': 'std_msgs/Header header\nvision_msgs/ObjectHypothesisWithPose[] results\n'
                   'vision_msgs/BoundingBox2D bbox\nstring id',
    'Detection2DArray': 'std_msgs/Header header\nvision_msgs/Detection2D[] detections',
    'VisionClass': 'uint16 class_id\nstring class_name',
    'LabelInfo': 'std_msgs/Header header\nvision_msgs/VisionClass[] class_map\n'
                 'float32 threshold',
}
"""vision_msgs 4.1, which rosbags does not bring."""
TOPICS = {'label_info': 'vision_msgs/msg/LabelInfo', 'panoptic': IMAGE,
          'detections': 'vision_msgs/msg/Detection2DArray', 'semantic': IMAGE,
          'instance': IMAGE, 'overlay/compressed': COMPRESSED}
"""The topics that can be written, below the name of the node, with their types."""
LATCHED = frozenset({'label_info'})


class MessageWriter:
    """Makes the node's messages as CDR.

    Class ids are 1..K in the vocabulary's order, as those of a node that has just started.
    """

    def __init__(self) -> None:
        self.types = image_typestore()
        for name, text in _VISION_MSGS.items():
            self.types.register(get_types_from_msg(text, f'vision_msgs/msg/{name}'))

    def label_info(self, header: Any, names: Sequence[str], threshold: float) -> bytes:
        """Return vision_msgs/LabelInfo: the name of each class id, 0 = unlabeled."""
        classes = [self._make('vision_msgs/msg/VisionClass', class_id=number, class_name=name)
                   for number, name in enumerate(('unlabeled', *names))]
        return self._cdr(TOPICS['label_info'], header=header, class_map=classes,
                         threshold=threshold)

    def make(self, topic: str, header: Any, image_rgb: RGB, result: PanopticResult,
             classes: int) -> bytes:
        """Return the message of a topic of `TOPICS` for an image.

        Args:
            topic: Not `label_info`.
            header: Of the image.
            image_rgb: (H, W, 3) uint8 RGB.
            result: What was found.
            classes: Number of names.
        """
        if topic == 'detections':
            return self.detections(header, result)
        if topic == 'semantic':
            return self.semantic(header, result, classes)
        if topic == 'instance':
            return self._image(header, result.instance.astype(np.uint16), 'mono16')
        if topic == 'panoptic':
            return self.panoptic(header, result)
        return self.overlay(header, image_rgb, result)

    def panoptic(self, header: Any, result: PanopticResult) -> bytes:
        """Return sensor_msgs/Image, 32SC1: class id << 16 | segment id of a thing, else 0."""
        labels = panoptic_labels(result, [segment.class_id for segment in result.segments])
        return self._image(header, labels, '32SC1')

    def semantic(self, header: Any, result: PanopticResult, classes: int) -> bytes:
        """Return sensor_msgs/Image of class ids: mono8 where they fit, else mono16."""
        encoding, dtype = ('mono8', np.uint8) if classes <= 255 else ('mono16', np.uint16)
        ids = [segment.class_id for segment in result.segments]
        return self._image(header, paint(result, ids, dtype), encoding)

    def overlay(self, header: Any, image_rgb: RGB, result: PanopticResult) -> bytes:
        """Return sensor_msgs/CompressedImage: a JPEG with colours, contours and names."""
        picture = draw_overlay(image_rgb, result)
        data = cv2.imencode('.jpg', cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1]
        return self._cdr(COMPRESSED, header=header, format='rgb8; jpeg compressed bgr8',
                         data=data.reshape(-1))

    def _image(self, header: Any, pixels: npt.NDArray[Any], encoding: str) -> bytes:
        height, width = pixels.shape
        return self._cdr(IMAGE, header=header, height=height, width=width, encoding=encoding,
                         is_bigendian=int(sys.byteorder == 'big'), step=pixels.nbytes // height,
                         data=np.ascontiguousarray(pixels).view(np.uint8).reshape(-1))

    def detections(self, header: Any, result: PanopticResult) -> bytes:
        """Return vision_msgs/Detection2DArray: one detection for each thing."""
        found = [self._detection(header, segment) for segment in result.things]
        return self._cdr(TOPICS['detections'], header=header, detections=found)

    def _detection(self, header: Any, segment: Segment) -> Any:
        make = self._make
        left, top, right, bottom = segment.bbox_xyxy
        hypothesis = make('vision_msgs/msg/ObjectHypothesis', class_id=segment.name,
                          score=float(segment.score))
        pose = make('geometry_msgs/msg/PoseWithCovariance', covariance=np.zeros(36), pose=make(
            'geometry_msgs/msg/Pose', position=make('geometry_msgs/msg/Point', x=0., y=0., z=0.),
            orientation=make('geometry_msgs/msg/Quaternion', x=0., y=0., z=0., w=1.)))
        center = make('vision_msgs/msg/Pose2D', theta=0., position=make(
            'vision_msgs/msg/Point2D', x=(left + right) / 2, y=(top + bottom) / 2))
        return make(
            'vision_msgs/msg/Detection2D', header=header, id=str(segment.id),
            results=[make('vision_msgs/msg/ObjectHypothesisWithPose', hypothesis=hypothesis,
                          pose=pose)],
            bbox=make('vision_msgs/msg/BoundingBox2D', center=center,
                      size_x=float(right - left), size_y=float(bottom - top)))

    def _make(self, name: str, **fields: Any) -> Any:
        return self.types.types[name](**fields)

    def _cdr(self, name: str, **fields: Any) -> bytes:
        return bytes(self.types.serialize_cdr(self._make(name, **fields), name))
