# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A recording to try things with: a camera that looks around a room of the built-in world."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
import shutil
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from eov_seg_core.recordings.files.writing import BagWriter
from eov_seg_core.recordings.quality_of_service import node_qos
from eov_seg_core.recordings.source import IMAGE, image_typestore
from eov_seg_core.world import Camera, camera_path, generate_scene, render, Scene

CAMERA_FRAME, OPTICAL_FRAME, WORLD_FRAME = 'camera_link', 'camera_optical_frame', 'odom'
RATE_HZ = 10
_START_NS = 1_700_000_000_000_000_000
_DELAY_NS = 5_000_000   # from stamp to log time, as that of a driver and a recorder
_LAP_S = 12.0           # of one way around the room
_MOST_S = 3600         # that anybody has needed: 36,000 images
_TRANSFORMS = 'tf2_msgs/msg/TFMessage'
_TOPICS = {
    '/tf_static': _TRANSFORMS, '/tf': _TRANSFORMS,
    '/camera/camera_info': 'sensor_msgs/msg/CameraInfo',
    '/camera/image_raw': IMAGE, '/camera/depth/image_raw': IMAGE}
# of a camera's body, x forwards and z up, to its image, x right and z forwards
_OPTICAL_IN_BODY = np.array([[0., 0., 1.], [-1., 0., 0.], [0., -1., 0.]])


def write_sample(path: Path, seconds: float = 3.0, seed: int = 7, width: int = 320,
                 height: int = 240) -> int:
    """Write a recording of an RGB-D camera, 10 images a second; equal arguments, equal bytes.

    Its topics are `/camera/image_raw` (rgb8), `/camera/depth/image_raw` (16UC1, millimetres),
    `/camera/camera_info`, `/tf` (odom to camera_link) and `/tf_static` (camera_link to
    camera_optical_frame, latched).

    Args:
        path: Folder of the bag, which must not be there.
        seconds: Length.
        seed: Which room.
        width: Of the images, pixels.
        height: Of the images, pixels.

    Returns:
        The number of images.

    Raises:
        ValueError: The folder is there, or the length is not 0.1 to 3600 s.
        OSError: It cannot be written.
    """
    if not 1 / RATE_HZ <= seconds <= _MOST_S:
        raise ValueError(f'a sample of {seconds} s is not made; expected {1 / RATE_HZ} to '
                         f'{_MOST_S} s')
    frames = round(seconds * RATE_HZ)
    if path.exists():
        raise ValueError(f'{path} is there already; choose another folder, or remove it')
    scene = generate_scene(seed)
    cameras = camera_path(scene, round(_LAP_S * RATE_HZ), width=width, height=height)
    try:
        with BagWriter(path) as writer:
            _write_messages(writer, scene, cameras, frames)
    except BaseException:   # also Ctrl-C; half of a recording would be in the way of the next try
        shutil.rmtree(path, ignore_errors=True)
        raise
    return frames


def _write_messages(writer: BagWriter, scene: Scene, cameras: Sequence[Camera], frames: int
                    ) -> None:
    types = image_typestore()
    connections = {
        topic: writer.add_connection(
            topic, kind, typestore=types,
            offered_qos_profiles=[node_qos(is_latched=topic == '/tf_static')])
        for topic, kind in _TOPICS.items()}
    maker = _Messages(types.types)
    for number in range(frames):
        camera = cameras[number % len(cameras)]
        view = render(scene, camera, noise_seed=number)
        stamp_ns = _START_NS + number * 10**9 // RATE_HZ
        for topic, message in maker.of(camera, view.rgb, view.depth, stamp_ns).items():
            if topic != '/tf_static' or not number:
                data = types.serialize_cdr(message, _TOPICS[topic])
                writer.write(connections[topic], stamp_ns + _DELAY_NS, data)


class _Messages:
    """Makes the messages of a picture."""

    def __init__(self, types: dict[str, Any]) -> None:
        self._types = types

    def of(self, camera: Camera, rgb: npt.NDArray[np.uint8], depth: npt.NDArray[np.float32],
           stamp_ns: int) -> dict[str, Any]:
        """Return a message for each topic."""
        millimetres = np.round(depth * 1000).astype('<u2')
        return {
            '/tf_static': self._transform(
                stamp_ns, CAMERA_FRAME, OPTICAL_FRAME, _OPTICAL_IN_BODY, np.zeros(3)),
            '/tf': self._transform(
                stamp_ns, WORLD_FRAME, CAMERA_FRAME, camera.rotation @ _OPTICAL_IN_BODY.T,
                camera.position),
            '/camera/camera_info': self._camera_info(stamp_ns, camera),
            '/camera/image_raw': self._image(stamp_ns, rgb, 'rgb8'),
            '/camera/depth/image_raw': self._image(stamp_ns, millimetres, '16UC1')}

    def _make(self, name: str, **fields: Any) -> Any:
        return self._types[name](**fields)

    def _header(self, stamp_ns: int, frame_id: str) -> Any:
        stamp = self._make('builtin_interfaces/msg/Time', sec=stamp_ns // 10**9,
                           nanosec=stamp_ns % 10**9)
        return self._make('std_msgs/msg/Header', stamp=stamp, frame_id=frame_id)

    def _image(self, stamp_ns: int, pixels: npt.NDArray[Any], encoding: str) -> Any:
        height, width = pixels.shape[:2]
        return self._make(
            IMAGE, header=self._header(stamp_ns, OPTICAL_FRAME), height=height, width=width,
            encoding=encoding, is_bigendian=0, step=pixels.nbytes // height,
            data=np.ascontiguousarray(pixels).view(np.uint8).reshape(-1))

    def _camera_info(self, stamp_ns: int, camera: Camera) -> Any:
        """Describe a pinhole camera without distortion."""
        matrix = camera.matrix
        none = self._make('sensor_msgs/msg/RegionOfInterest', x_offset=0, y_offset=0, height=0,
                          width=0, do_rectify=False)
        return self._make(
            'sensor_msgs/msg/CameraInfo', header=self._header(stamp_ns, OPTICAL_FRAME),
            height=camera.height, width=camera.width, distortion_model='plumb_bob',
            d=np.zeros(5), k=matrix.ravel(), r=np.eye(3).ravel(),
            p=np.concatenate([matrix, np.zeros((3, 1))], axis=1).ravel(), binning_x=0,
            binning_y=0, roi=none)

    def _transform(self, stamp_ns: int, parent: str, child: str,
                   rotation: npt.NDArray[Any], translation: npt.NDArray[Any]) -> Any:
        make = self._make
        x, y, z, w = map(float, Rotation.from_matrix(rotation).as_quat(canonical=True))
        transform = make(
            'geometry_msgs/msg/Transform',
            translation=make('geometry_msgs/msg/Vector3', **dict(zip(
                'xyz', map(float, translation)))),
            rotation=make('geometry_msgs/msg/Quaternion', x=x, y=y, z=z, w=w))
        return make(_TRANSFORMS, transforms=[make(
            'geometry_msgs/msg/TransformStamped', header=self._header(stamp_ns, parent),
            child_frame_id=child, transform=transform)])
