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
from vision_msgs.msg import LabelInfo

from eov_seg_core.world import camera_path, Frame, generate_scene, render, Scene
from eov_seg_ros.class_ids import ClassIds, LabelSpace
from eov_seg_ros.conversions import image_message, label_info
from eov_seg_ros.middleware.qos import output_qos, QOS_OVERRIDES
from eov_seg_ros.parameter_spec import declare, Spec
from eov_seg_ros.process.run import run_node

SPECS = (
    Spec('rate_hz', 10.0, 'Images per second; fewer where rendering takes longer.',
         read_only=True, bounds=(0.1, 1000.0)),
    Spec('width', 320, 'Width of the images in pixels.', read_only=True, bounds=(16, 4096)),
    Spec('height', 240, 'Height of the images in pixels.', read_only=True, bounds=(16, 4096)),
    Spec('seed', 7, 'Which room.', read_only=True, bounds=(0, 999999)),
    Spec('path_seed', 0, 'Which way around the room.', read_only=True, bounds=(0, 999999)),
    Spec('path_frames', 120, 'Images of one way around; 1: the camera stands still.',
         read_only=True, bounds=(1, 100000)),
    Spec('frame_id', 'camera_color_optical_frame',
         'frame_id of all messages: x right, y down, z forward.', read_only=True),
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
    """

    rgb: npt.NDArray[np.uint8]
    depth: npt.NDArray[np.float32]
    panoptic: npt.NDArray[np.int32]


class Views:
    """The pictures of a closed way around a room, repeated for ever.

    Args:
        scene: The room.
        frames: Pictures of one way around.
        **options: As for `camera_path`.
    """

    def __init__(self, scene: Scene, frames: int, **options: int) -> None:
        self._scene = scene
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
            frame = render(self._scene, self.cameras[number], noise_seed=number)
            view = View(frame.rgb, frame.depth, self._panoptic(frame))
            if (len(self._kept) + 1) * _size(view) > KEPT_BYTES:
                return view
            self._kept[number] = view
        return self._kept[number]

    def _panoptic(self, frame: Frame) -> npt.NDArray[np.int32]:
        return self._panoptic_of_id.take(frame.ids)


def _size(view: View) -> int:
    return view.rgb.nbytes + view.depth.nbytes + view.panoptic.nbytes


class WorldCameraNode(Node):
    """Publishes `image_raw`, `depth/image_raw`, `camera_info` and, below `~/truth`, the truth.

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
                            seed=value['path_seed'], width=value['width'], height=value['height'])
        self._number = 0
        self._next = self._views[0]
        self._publishers_of = {
            'image_raw': self._publisher(Image, 'image_raw'),
            'depth/image_raw': self._publisher(Image, 'depth/image_raw'),
            'camera_info': self._publisher(CameraInfo, 'camera_info'),
            '~/truth/panoptic': self._publisher(Image, '~/truth/panoptic')}
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
        header, view = self._header(), self._next
        build: dict[str, Callable[[], Any]] = {
            'image_raw': lambda: image_message(header, view.rgb, 'rgb8'),
            'depth/image_raw': lambda: image_message(header, view.depth, '32FC1'),
            'camera_info': lambda: self._camera_info(header),
            '~/truth/panoptic': lambda: image_message(header, view.panoptic, '32SC1')}
        for topic, publisher in self._publishers_of.items():
            if publisher.get_subscription_count():
                publisher.publish(build[topic]())
        self._number += 1
        self._next = self._views[self._number]

    def _camera_info(self, header: Header) -> CameraInfo:
        """Describe a pinhole camera without distortion."""
        camera = self._views.cameras[0]
        matrix = camera.matrix
        projection = np.concatenate([matrix, np.zeros((3, 1))], axis=1)
        return CameraInfo(
            header=header, width=camera.width, height=camera.height,
            distortion_model='plumb_bob', d=[0.0] * 5, k=matrix.ravel(),
            r=np.eye(3).ravel(), p=projection.ravel())


def main(args: list[str] | None = None) -> int:
    """Run the camera until it is told to end; returns the exit code."""
    return run_node(WorldCameraNode, args)


if __name__ == '__main__':
    sys.exit(main())
