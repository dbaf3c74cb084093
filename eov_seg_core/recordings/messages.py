# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Results to serialised messages: those of the node, without ROS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import sys
from typing import Any, TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt
from rosbags.typesys import get_types_from_msg

from eov_seg_core.geometry import Box, box_in_camera, CLOUD_FIELDS, labelled_cloud, SpaceView
from eov_seg_core.recordings.source import COMPRESSED, IMAGE, image_typestore
from eov_seg_core.recordings.space.session import LabelledFrame
from eov_seg_core.results.label_images import ids_of, paint, panoptic_labels
from eov_seg_core.visualization import draw_overlay

if TYPE_CHECKING:
    from eov_seg_core.results.result import PanopticResult, Segment
    from eov_seg_core.tracking import RememberedObject

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
    'BoundingBox3D': 'geometry_msgs/Pose center\ngeometry_msgs/Vector3 size',
    'Detection3D': 'std_msgs/Header header\nvision_msgs/ObjectHypothesisWithPose[] results\n'
                   'vision_msgs/BoundingBox3D bbox\nstring id',
    'Detection3DArray': 'std_msgs/Header header\nvision_msgs/Detection3D[] detections',
    'VisionClass': 'uint16 class_id\nstring class_name',
    'LabelInfo': 'std_msgs/Header header\nvision_msgs/VisionClass[] class_map\n'
                 'float32 threshold',
}
"""vision_msgs 4.1, which rosbags does not bring."""
TOPICS = {'label_info': 'vision_msgs/msg/LabelInfo', 'panoptic': IMAGE,
          'detections': 'vision_msgs/msg/Detection2DArray', 'semantic': IMAGE,
          'instance': IMAGE, 'overlay/compressed': COMPRESSED,
          'detections_3d': 'vision_msgs/msg/Detection3DArray',
          'points': 'sensor_msgs/msg/PointCloud2', 'objects': 'vision_msgs/msg/Detection3DArray'}
"""The topics that can be written, below the name of the node, with their types."""
LATCHED = frozenset({'label_info', 'objects'})


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

    def make(self, topic: str, frame: LabelledFrame, classes: int) -> bytes | None:
        """Return the message of a topic of `TOPICS` for a frame; None: it has none.

        Args:
            topic: Not `label_info`.
            frame: The image, and what was found.
            classes: Number of names.
        """
        if topic == 'detections':
            return self.detections(frame)
        if topic == 'semantic':
            return self.semantic(frame, classes)
        if topic == 'instance':
            return self.instance(frame)
        if topic == 'panoptic':
            return self.panoptic(frame)
        if topic == 'overlay/compressed':
            return self.overlay(frame)
        # without depth or place nothing is written: no boxes would say that nothing is there
        if topic == 'objects':
            return None if frame.objects is None else self.objects(frame, frame.objects)
        if topic == 'points':
            return None if frame.view is None else self.points(frame, frame.view)
        return None if frame.boxes is None else self.detections_3d(frame, frame.boxes)

    def panoptic(self, frame: LabelledFrame) -> bytes:
        """Return sensor_msgs/Image, 32SC1: class id << 16 | id of a thing, else 0."""
        labels = panoptic_labels(frame.result, _class_ids(frame.result), ids=frame.ids)
        return self._image(frame.header, labels, '32SC1')

    def semantic(self, frame: LabelledFrame, classes: int) -> bytes:
        """Return sensor_msgs/Image of class ids: mono8 where they fit, else mono16."""
        encoding, dtype = ('mono8', np.uint8) if classes <= 255 else ('mono16', np.uint16)
        return self._image(frame.header, paint(frame.result, _class_ids(frame.result), dtype),
                           encoding)

    def instance(self, frame: LabelledFrame) -> bytes:
        """Return sensor_msgs/Image, mono16: the id of each segment."""
        numbers = paint(frame.result, ids_of(frame.result, frame.ids), np.uint16)
        return self._image(frame.header, numbers, 'mono16')

    def overlay(self, frame: LabelledFrame) -> bytes:
        """Return sensor_msgs/CompressedImage: a JPEG with colours, contours and names."""
        picture = draw_overlay(frame.image_rgb, frame.result, ids=frame.ids)
        data = cv2.imencode('.jpg', cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1]
        return self._cdr(COMPRESSED, header=frame.header, format='rgb8; jpeg compressed bgr8',
                         data=data.reshape(-1))

    def _image(self, header: Any, pixels: npt.NDArray[Any], encoding: str) -> bytes:
        height, width = pixels.shape
        return self._cdr(IMAGE, header=header, height=height, width=width, encoding=encoding,
                         is_bigendian=int(sys.byteorder == 'big'), step=pixels.nbytes // height,
                         data=np.ascontiguousarray(pixels).view(np.uint8).reshape(-1))

    def detections(self, frame: LabelledFrame) -> bytes:
        """Return vision_msgs/Detection2DArray: one detection for each thing."""
        found = [self._detection(frame.header, segment, number) for segment, number
                 in zip(frame.result.segments, ids_of(frame.result, frame.ids))
                 if segment.is_thing]
        return self._cdr(TOPICS['detections'], header=frame.header, detections=found)

    def _detection(self, header: Any, segment: Segment, number: int) -> Any:
        make = self._make
        left, top, right, bottom = segment.bbox_xyxy
        center = make('vision_msgs/msg/Pose2D', theta=0., position=make(
            'vision_msgs/msg/Point2D', x=(left + right) / 2, y=(top + bottom) / 2))
        return make(
            'vision_msgs/msg/Detection2D', header=header, id=str(number),
            results=[self._hypothesis(segment.name, segment.score,
                                      self._pose((0., 0., 0.), (0., 0., 0., 1.)))],
            bbox=make('vision_msgs/msg/BoundingBox2D', center=center,
                      size_x=float(right - left), size_y=float(bottom - top)))

    def points(self, frame: LabelledFrame, view: SpaceView) -> bytes:
        """Return sensor_msgs/PointCloud2: the image's grid, with colour, class and id."""
        result = frame.result
        cloud = labelled_cloud(view.depth_m, view.camera, frame.image_rgb,
                               paint(result, _class_ids(result), np.int32),
                               paint(result, ids_of(result, frame.ids), np.int32))
        height, width = cloud.shape
        fields = [self._make('sensor_msgs/msg/PointField', name=name, offset=4 * number,
                             datatype=kind, count=1)
                  for number, (name, kind) in enumerate(CLOUD_FIELDS.items())]
        return self._cdr(TOPICS['points'], header=frame.header, height=height, width=width,
                         fields=fields, is_bigendian=False, point_step=cloud.itemsize,
                         row_step=cloud.itemsize * width, is_dense=False,
                         data=cloud.view(np.uint8).reshape(-1))

    def detections_3d(self, frame: LabelledFrame, boxes: Mapping[int, Box]) -> bytes:
        """Return vision_msgs/Detection3DArray: one detection for each thing that has a box."""
        world_frame = frame.world_frame
        header = self._in_frame(frame.header, world_frame) if world_frame else frame.header
        found = []
        for segment, number in zip(frame.result.segments, ids_of(frame.result, frame.ids)):
            if segment.id in boxes:
                box = boxes[segment.id]
                pose = (box.center, box.quaternion()) if world_frame else box_in_camera(box)
                found.append(self._detection_3d(header, number, segment.name, segment.score,
                                                self._pose(*pose), box.size))
        return self._cdr(TOPICS['detections_3d'], header=header, detections=found)

    def objects(self, frame: LabelledFrame, objects: Sequence[RememberedObject]) -> bytes:
        """Return vision_msgs/Detection3DArray of the memory; each header says when it was seen."""
        found = []
        for item in objects:
            seconds, nanoseconds = divmod(round(item.last_seen_s * 1e9), 10**9)
            stamp = self._make('builtin_interfaces/msg/Time', sec=seconds, nanosec=nanoseconds)
            header = self._make('std_msgs/msg/Header', stamp=stamp, frame_id=frame.world_frame)
            found.append(self._detection_3d(
                header, item.id, item.name or '', item.share,
                self._pose(item.box.center, item.box.quaternion()), item.box.size))
        return self._cdr(TOPICS['objects'], detections=found,
                         header=self._in_frame(frame.header, frame.world_frame))

    def _detection_3d(self, header: Any, number: int, name: str, score: float, pose: Any,
                      size: Sequence[float]) -> Any:
        bbox = self._make('vision_msgs/msg/BoundingBox3D', center=pose, size=self._make(
            'geometry_msgs/msg/Vector3', **_named('xyz', size)))
        return self._make('vision_msgs/msg/Detection3D', header=header, id=str(number), bbox=bbox,
                          results=[self._hypothesis(name, score, pose)])

    def _hypothesis(self, name: str, score: float, pose: Any) -> Any:
        make = self._make
        return make('vision_msgs/msg/ObjectHypothesisWithPose', hypothesis=make(
            'vision_msgs/msg/ObjectHypothesis', class_id=name, score=float(score)), pose=make(
                'geometry_msgs/msg/PoseWithCovariance', covariance=np.zeros(36), pose=pose))

    def _pose(self, center: Sequence[float], turn: Sequence[float]) -> Any:
        return self._make(
            'geometry_msgs/msg/Pose',
            position=self._make('geometry_msgs/msg/Point', **_named('xyz', center)),
            orientation=self._make('geometry_msgs/msg/Quaternion', **_named('xyzw', turn)))

    def _in_frame(self, header: Any, frame_id: str) -> Any:
        return self._make('std_msgs/msg/Header', stamp=header.stamp, frame_id=frame_id)

    def _make(self, name: str, /, **fields: Any) -> Any:
        return self.types.types[name](**fields)

    def _cdr(self, name: str, /, **fields: Any) -> bytes:
        return bytes(self.types.serialize_cdr(self._make(name, **fields), name))


def _class_ids(result: PanopticResult) -> list[int]:
    return [segment.class_id for segment in result.segments]


def _named(names: str, values: Sequence[float]) -> dict[str, float]:
    return {name: float(value) for name, value in zip(names, values)}
