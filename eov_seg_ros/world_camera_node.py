# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node `world_camera`: an RGB-D camera in a room of the built-in world, with the truth.

It publishes what a camera driver does, so that everything can be tried without hardware, and what
no camera knows: the class and object at every pixel, in the convention of `~/panoptic`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection3DArray, LabelInfo

from eov_seg_core.app.arguments import ROOM_SIDE_PX
from eov_seg_core.world import (
    camera_path,
    Frame,
    generate_scene,
    MovingThings,
    render,
    Scene,
    VisibleObject,
)
from eov_seg_ros.class_ids import ClassIds, LabelSpace
from eov_seg_ros.conversions import image_message, label_info
from eov_seg_ros.middleware.qos import output_qos, QOS_OVERRIDES
from eov_seg_ros.parameter_spec import declare, Spec
from eov_seg_ros.process.arguments import refuse_other_arguments
from eov_seg_ros.process.run import run_node
from eov_seg_ros.space import truth

SPECS = (
    Spec('rate_hz', 10.0, 'Images per second; fewer where rendering takes longer.',
         read_only=True, bounds=(0.1, 1000.0)),
    Spec('width', 320, 'Width of the images in pixels.', read_only=True, bounds=ROOM_SIDE_PX),
    Spec('height', 240, 'Height of the images in pixels.', read_only=True, bounds=ROOM_SIDE_PX),
    Spec('seed', 7, 'Which room.', read_only=True, bounds=(0, 999999)),
    Spec('path_seed', 0, 'Which way around the room.', read_only=True, bounds=(0, 999999)),
    Spec('path_frames', 120, 'Images of one way around; 1: the camera stands still.',
         read_only=True, bounds=(1, 100000)),
    Spec('frame_id', 'camera_color_optical_frame',
         'frame_id of all messages: x right, y down, z forward.', read_only=True),
    Spec('world_frame', 'odom', 'Frame of the room in `/tf`, `odometry` and the true boxes; its '
         'origin is in the middle of the floor.', read_only=True),
    Spec('body_frame', 'camera_link', 'Frame of the camera with x forward and z up.',
         read_only=True),
    Spec('depth_noise', 0.0, 'Standard deviation of the depth at 1 m, in metres; it grows with '
         'the square of the depth. 0.0015 is that of a structured-light camera.',
         read_only=True, bounds=(0.0, 1.0)),
    Spec('pose_noise_m', 0.0, 'Standard deviation of each coordinate in `/tf` and `odometry`.',
         read_only=True, bounds=(0.0, 10.0)),
    Spec('pose_noise_deg', 0.0, 'Standard deviation of the heading in `/tf` and `odometry`.',
         read_only=True, bounds=(0.0, 180.0)),
    Spec('dropout_s', 0.0, 'Once in each way around, nothing is published for so long.',
         read_only=True, bounds=(0.0, 3600.0)),
    Spec('moving_objects', 0, 'How many things move back and forth, by 0.6 m at most, once in '
         'each way around.', read_only=True, bounds=(0, 100)),
)
"""The parameters of the node."""
KEPT_BYTES = 256 * 2**20
"""Memory for the images of one way around, which are rendered once where they fit."""


@dataclass(frozen=True)
class View:
    """One picture with the truth.

    Attributes:
        rgb: (H, W, 3) uint8.
        depth: (H, W) float32 metres along the optical axis.
        panoptic: (H, W) int32 `(class_id << 16) | object id`, 0 as object id for stuff.
        objects: All objects of the room, where they are now.
        camera_in_room: (4, 4) true pose of the camera.
    """

    rgb: npt.NDArray[np.uint8]
    depth: npt.NDArray[np.float32]
    panoptic: npt.NDArray[np.int32]
    objects: tuple[VisibleObject, ...]
    camera_in_room: npt.NDArray[np.float64]


class Views:
    """The pictures of a closed way around a room, repeated for ever.

    Args:
        scene: The room.
        frames: Pictures of one way around.
        moving: How many things move.
        **options: As for `camera_path`.
    """

    def __init__(self, scene: Scene, frames: int, moving: int = 0, **options: int) -> None:
        self._things = MovingThings(scene, moving)
        self.cameras = camera_path(scene, frames, **options)
        self._kept: dict[int, View] = {}
        everything = (*scene.surfaces, *scene.objects)
        names = [f'{item.color} {item.name}' if item.color else item.name for item in everything]
        self.labels = ClassIds().assign(list(dict.fromkeys(names)))
        class_id = dict(zip(self.labels.names, self.labels.ids))
        self._panoptic_of_id = np.zeros(1 + max(item.id for item in everything), np.int32)
        for item, name in zip(everything, names):
            self._panoptic_of_id[item.id] = class_id[name] << 16 | item.id * item.is_thing

    def __getitem__(self, number: int) -> View:
        """Return a picture, counted from 0 without end."""
        number %= len(self.cameras)
        if number not in self._kept:
            scene, camera = self._things.at(number / len(self.cameras)), self.cameras[number]
            frame = render(scene, camera, noise_seed=number)
            view = View(frame.rgb, frame.depth, self._panoptic(frame), frame.objects, camera.pose)
            if (len(self._kept) + 1) * _size(view) > KEPT_BYTES:
                return view
            self._kept[number] = view
        return self._kept[number]

    def _panoptic(self, frame: Frame) -> npt.NDArray[np.int32]:
        return self._panoptic_of_id.take(frame.ids)


def _size(view: View) -> int:
    return view.rgb.nbytes + view.depth.nbytes + view.panoptic.nbytes


class WorldCameraNode(Node):
    """Publishes what a driver and odometry do, and, below `~/truth`, the truth.

    Args:
        **options: As for `rclpy.node.Node`.

    Raises:
        InvalidParameterTypeException: A given parameter has another type.
        InvalidParameterValueException: A given parameter is out of range.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__('world_camera', **options)
        declare(self, SPECS)
        value = {spec.name: self.get_parameter(spec.name).value for spec in SPECS}
        self._frame_id = value['frame_id']
        self._views = Views(generate_scene(value['seed']), value['path_frames'],
                            value['moving_objects'], seed=value['path_seed'],
                            width=value['width'], height=value['height'])
        self._value = value
        self._dice = np.random.default_rng(value['seed'])
        # at least one picture of each way around is sent
        self._sent = max(value['path_frames'] - round(value['dropout_s'] * value['rate_hz']), 1)
        self._number = 0
        self._next = self._views[0]
        self._publishers_of = {
            'image_raw': self._publisher(Image, 'image_raw'),
            'depth/image_raw': self._publisher(Image, 'depth/image_raw'),
            'camera_info': self._publisher(CameraInfo, 'camera_info'),
            '~/truth/panoptic': self._publisher(Image, '~/truth/panoptic'),
            '~/truth/detections_3d': self._publisher(Detection3DArray, '~/truth/detections_3d')}
        if truth.ODOMETRY_TYPE is not None:
            self._publishers_of['odometry'] = self._publisher(truth.ODOMETRY_TYPE, 'odometry')
        if truth.TF_TYPE is not None:
            self._publishers_of['/tf'] = self._publisher(truth.TF_TYPE, '/tf')
            self._publisher(truth.TF_TYPE, '/tf_static', latched=True).publish(
                truth.fixed_transform(Header(frame_id=value['body_frame']), self._frame_id))
        latched = self._publisher(LabelInfo, '~/truth/label_info', latched=True)
        latched.publish(label_info(self._header(), self._views.labels, 0.0))
        self.create_timer(1.0 / value['rate_hz'], self._publish)
        self.get_logger().info(
            f'room {value["seed"]}: {", ".join(self._views.labels.names)}; '
            f'{value["width"]} x {value["height"]} at {value["rate_hz"]:g} Hz')

    @property
    def labels(self) -> LabelSpace:
        """The class ids of `~/truth/panoptic`; objects are named like `red chair`."""
        return self._views.labels

    def _publisher(self, message_type: type, topic: str, latched: bool = False) -> Any:
        return self.create_publisher(message_type, topic, output_qos(latched),
                                     qos_overriding_options=QOS_OVERRIDES)

    def _header(self) -> Header:
        return Header(stamp=self.get_clock().now().to_msg(), frame_id=self._frame_id)

    def _publish(self) -> None:
        """Publish the picture that is ready, then make the next: stamps keep an even distance."""
        if self._number % len(self._views.cameras) < self._sent:
            self._send(self._header(), self._next)
        self._number += 1
        self._next = self._views[self._number]

    def _send(self, header: Header, view: View) -> None:
        in_world = Header(stamp=header.stamp, frame_id=self._value['world_frame'])
        body = self._value['body_frame']
        pose = truth.inexact(view.camera_in_room, self._value['pose_noise_m'],
                             self._value['pose_noise_deg'], self._dice)
        build: dict[str, Callable[[], Any]] = {
            '/tf': lambda: truth.moving_transform(in_world, pose, body),
            'odometry': lambda: truth.odometry(in_world, pose, body),
            'depth/image_raw': lambda: image_message(header, self._measured(view.depth), '32FC1'),
            'camera_info': lambda: self._camera_info(header),
            'image_raw': lambda: image_message(header, view.rgb, 'rgb8'),
            '~/truth/panoptic': lambda: image_message(header, view.panoptic, '32SC1'),
            '~/truth/detections_3d': lambda: truth.true_boxes(in_world, view.objects)}
        for topic, make in build.items():
            publisher = self._publishers_of.get(topic)
            if publisher is not None and publisher.get_subscription_count():
                publisher.publish(make())

    def _measured(self, depth: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        if not self._value['depth_noise']:
            return depth
        noise = self._dice.standard_normal(depth.shape, np.float32)
        return depth + np.float32(self._value['depth_noise']) * noise * depth * depth

    def _camera_info(self, header: Header) -> CameraInfo:
        """Describe a pinhole camera without distortion."""
        camera = self._views.cameras[0]
        matrix = camera.matrix
        projection = np.concatenate([matrix, np.zeros((3, 1))], axis=1)
        return CameraInfo(
            header=header, width=camera.width, height=camera.height,
            distortion_model='plumb_bob', d=[0.0] * 5, k=matrix.ravel(),
            r=np.eye(3).ravel(), p=projection.ravel())


def main() -> int:
    """Run the camera until it is told to end; returns the exit code."""
    refuse_other_arguments('world_camera_node', 'An RGB-D camera in a room of the built-in world, '
                           'with the truth.')
    return run_node(WorldCameraNode)


if __name__ == '__main__':
    sys.exit(main())
