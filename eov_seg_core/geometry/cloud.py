# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Coloured, labelled point clouds whose bytes are those of a sensor_msgs/PointCloud2."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from eov_seg_core.geometry.camera import CameraModel

CLOUD_DTYPE = np.dtype([('x', '<f4'), ('y', '<f4'), ('z', '<f4'), ('rgb', '<u4'),
                        ('label', '<u4'), ('instance', '<u4')])
"""One point, 24 bytes.  `rgb` is 0x00RRGGBB, to be declared FLOAT32 as PCL and RViz expect."""
_UINT32, _FLOAT32 = 6, 7    # of sensor_msgs/PointField
CLOUD_FIELDS = {'x': _FLOAT32, 'y': _FLOAT32, 'z': _FLOAT32, 'rgb': _FLOAT32, 'label': _UINT32,
                'instance': _UINT32}
"""The fields that a PointCloud2 declares, with their types; each has 4 bytes."""


def labelled_cloud(depth_m: npt.NDArray[np.float32], camera: CameraModel,
                   rgb: npt.NDArray[np.uint8], label: npt.NDArray[np.int32],
                   instance: npt.NDArray[np.int32], *, stride: int = 1, organized: bool = True
                   ) -> npt.NDArray[np.void]:
    """Return the points of an image in the camera's frame, with colour, class and instance.

    `cloud.view(np.uint8)` are the bytes of `PointCloud2.data`, without a copy.

    Args:
        depth_m: (H, W) float32 metres, NaN where unknown, as `depth_in_metres` returns it.
        camera: Of the image.
        rgb: (H, W, 3) uint8, red first.
        label: (H, W) class ids, as `PanopticResult.semantic`.
        instance: (H, W) instance ids.
        stride: Only every n-th row and column.
        organized: Keep the grid of the image, with NaN where the depth is unknown; else return
            the known points alone.

    Returns:
        `CLOUD_DTYPE`, of shape (h, w) if organized, else (N,).

    Raises:
        ValueError: An array has another size than the camera's image, or the stride is below 1.
    """
    for image, what in ((depth_m, 'depth'), (rgb, 'image'), (label, 'label image'),
                        (instance, 'instance image')):
        camera.check_size(image, what)
    if stride < 1:
        raise ValueError(f'the stride is {stride}; expected at least 1')
    grid = (slice(None, None, stride), slice(None, None, stride))
    depth = depth_m[grid]
    chosen: tuple[Any, ...] = (...,) if organized else np.nonzero(np.isfinite(depth))
    z = depth[chosen]
    cloud = np.empty(z.shape, CLOUD_DTYPE)
    for name, ray in zip(('x', 'y'), camera.rays):
        rays = np.broadcast_to(ray, depth_m.shape)[grid][chosen]
        np.multiply(rays, z, out=cloud[name])
    cloud['z'] = z
    color = rgb[grid][chosen]
    packed = color[..., 0].astype(np.uint32)
    for channel in (1, 2):
        packed <<= 8
        packed |= color[..., channel]
    cloud['rgb'] = packed
    cloud['label'], cloud['instance'] = label[grid][chosen], instance[grid][chosen]
    return cloud
