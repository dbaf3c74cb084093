# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A calibrated camera: rays of its pixels, points from depth, and points back into the image."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from dataclasses import dataclass
from functools import cached_property, lru_cache
import math
from numbers import Integral
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from eov_seg_core.wrong import wrong

Floats = npt.NDArray[np.floating[Any]]

DISTORTION_MODELS = ('plumb_bob', 'rational_polynomial', 'equidistant')
_COEFFICIENTS = {'plumb_bob': (4, 5), 'rational_polynomial': (8, 12, 14), 'equidistant': (4,)}
_CHECKED_SIDE, _NEAR_PX, _MOST_WRONG_PART = 60, 1.0, 0.25


@dataclass(frozen=True)
class CameraModel:
    """A camera as `sensor_msgs/CameraInfo` describes it.

    Its frame is that of images: x right, y down, z along the optical axis.  The centre of the
    upper left pixel is image point (0, 0).

    Attributes:
        width: Of the image, pixels.
        height: Of the image, pixels.
        fx: Focal length, pixels.
        fy: Focal length, pixels.
        cx: Where the optical axis meets the image, pixels.
        cy: The same, downwards.
        distortion: Coefficients of the lens; empty for an image without distortion.
        distortion_model: One of `DISTORTION_MODELS`; not read without coefficients.

    Raises:
        ValueError: A size or focal length is not positive, a number is not finite, the model of
            the lens is unknown, or it has another number of coefficients.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    distortion: tuple[float, ...] = ()
    distortion_model: str = 'plumb_bob'

    def __post_init__(self) -> None:
        if not all(isinstance(side, Integral) and side >= 1 for side in (self.width, self.height)):
            raise ValueError(f'the image is {self.width} x {self.height} pixels; expected a '
                             'width and a height of at least 1')
        if not (0 < self.fx < math.inf and 0 < self.fy < math.inf):
            raise ValueError(f'the focal lengths are {self.fx} and {self.fy} pixels; expected '
                             'positive numbers; calibrate the camera')
        if not all(map(math.isfinite, (self.cx, self.cy, *self.distortion))):
            raise ValueError(f'the principal point ({self.cx}, {self.cy}) or a coefficient of '
                             f'{self.distortion} is not a finite number')
        if not self.distortion:
            return
        if self.distortion_model not in DISTORTION_MODELS:
            raise ValueError(f'the distortion model is {self.distortion_model!r}; expected one of '
                             f'{", ".join(DISTORTION_MODELS)}; or rectify the image first '
                             '(image_rectified: true)')
        if len(self.distortion) not in _COEFFICIENTS[self.distortion_model]:
            raise ValueError(f'{self.distortion_model} has {len(self.distortion)} coefficients; '
                             f'expected {_COEFFICIENTS[self.distortion_model]}')

    @classmethod
    def from_camera_info(cls, width: int, height: int, k: Sequence[float],
                         p: Sequence[float] = (), d: Sequence[float] = (),
                         distortion_model: str = 'plumb_bob', *,
                         is_rectified: bool = True) -> CameraModel:
        """Take the numbers of a `sensor_msgs/CameraInfo`.

        A CameraInfo describes two images, and does not say which one comes with it:

        - a rectified image (`image_rect`, and depth that depth_image_proc registered to it): P
          holds, or K where P is empty or zero; there is no distortion left;
        - an image as the lens gives it (`image_raw`): K and D hold.  Its depth needs no
          rectification: every pixel has a ray of its own.

        R and the fourth column of P are not used, as in image_geometry and depth_image_proc:
        points are in the frame of the image that was given.

        Args:
            width: Of the image, pixels.
            height: Of the image, pixels.
            k: 9 numbers, row by row.
            p: 12 numbers, row by row; empty or zero if there is none.
            d: Coefficients of the lens; empty or zeros if there is no distortion.
            distortion_model: The name of the lens model.
            is_rectified: Which of the two images it is.

        Raises:
            ValueError: As for the class, or K or P has another length.
        """
        if not (isinstance(k, Sized) and isinstance(p, Sized)):
            raise wrong('K or P', (k, p), '9 and 12 numbers, row by row')
        if len(k) != 9 or len(p) not in (0, 12):
            raise ValueError(f'K has {len(k)} numbers and P has {len(p)}; expected 9 and 12 (or '
                             '0 if there is no P)')
        if is_rectified:
            fx, _, cx, fy, cy = (float(value) for value in (
                (p[0], 0, p[2], p[5], p[6]) if len(p) and p[0] else (k[0], 0, k[2], k[4], k[5])))
            return cls(width, height, fx, fy, cx, cy)
        coefficients = tuple(float(value) for value in d) if np.any(d) else ()
        return cls(width, height, float(k[0]), float(k[4]), float(k[2]), float(k[5]),
                   coefficients, distortion_model)

    @property
    def matrix(self) -> npt.NDArray[np.float64]:
        """(3, 3) intrinsic matrix."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    @cached_property
    def rays(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Rays x / z and y / z of the pixels, float32: (1, W) and (H, 1); bent ones (H, W)."""
        columns = np.arange(self.width, dtype=np.float64)[None, :]
        rows = np.arange(self.height, dtype=np.float64)[:, None]
        if not self.distortion:
            return (((columns - self.cx) / self.fx).astype(np.float32),
                    ((rows - self.cy) / self.fy).astype(np.float32))
        pixels = np.stack(np.broadcast_arrays(columns, rows), axis=-1).reshape(-1, 1, 2)
        criteria = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 40, 1e-9)
        undistort = (cv2.fisheye.undistortPoints if self.distortion_model == 'equidistant'
                     else cv2.undistortPoints)
        straight = undistort(pixels, self.matrix, np.array(self.distortion), criteria=criteria)
        grid = straight.reshape(self.height, self.width, 2).astype(np.float32)
        return grid[..., 0], grid[..., 1]

    def check_distortion(self) -> None:
        """Refuse coefficients that give many pixels no ray, as those of another lens model do.

        Raises:
            ValueError: The rays of more than a quarter of the pixels lead to other pixels.
        """
        if not self.distortion:
            return
        few = self.subsampled(max(min(self.width, self.height) // _CHECKED_SIDE, 1))
        with np.errstate(all='ignore'):
            x, y = few.rays
            pixels = few.project(np.stack([x, y, np.ones_like(x)], axis=-1))
            off = np.abs(pixels - np.moveaxis(np.indices(x.shape)[::-1], 0, -1)).max(axis=-1)
        wrong_part = 1 - np.count_nonzero(off < _NEAR_PX) / off.size    # NaN is wrong, too
        if wrong_part > _MOST_WRONG_PART:
            raise ValueError(
                f'with the coefficients {self.distortion} of {self.distortion_model}, '
                f'{wrong_part:.0%} of the pixels have no ray: they are those of another model or '
                'another image; calibrate the camera, or rectify the image first '
                '(image_rectified: true)')

    def back_project(self, depth_m: Floats) -> npt.NDArray[np.float32]:
        """Return the point of every pixel, in the camera's frame.

        Args:
            depth_m: (H, W) metres along the optical axis, NaN where unknown.

        Returns:
            (H, W, 3) float32 metres, NaN where the depth is.

        Raises:
            ValueError: The depth has another size than the image.
        """
        self.check_size(depth_m, 'depth')
        x, y = self.rays
        points = np.empty((self.height, self.width, 3), np.float32)
        np.multiply(x, depth_m, out=points[..., 0], casting='same_kind')
        np.multiply(y, depth_m, out=points[..., 1], casting='same_kind')
        points[..., 2] = depth_m
        return points

    def project(self, points_in_camera: Floats) -> npt.NDArray[np.float64]:
        """Return image points, (..., 2) float64 pixels; NaN for what is not before the camera.

        Args:
            points_in_camera: (..., 3) metres.

        Raises:
            ValueError: The points have another shape.
        """
        points = np.asarray(points_in_camera, np.float64)
        if points.shape[-1:] != (3,):
            raise wrong('the list of points', points, '(..., 3) metres')
        ahead = np.where(points[..., 2] > 1e-6, points[..., 2], np.nan)
        x, y = points[..., 0] / ahead, points[..., 1] / ahead
        if not self.distortion:
            return np.stack([self.fx * x + self.cx, self.fy * y + self.cy], axis=-1)
        known = ~np.isnan(x)
        result = np.full((*x.shape, 2), np.nan)
        if known.any():
            straight = np.stack([x[known], y[known], np.ones(known.sum())], axis=-1)[:, None]
            project = (cv2.fisheye.projectPoints if self.distortion_model == 'equidistant'
                       else cv2.projectPoints)
            image, _ = project(straight, np.zeros(3), np.zeros(3), self.matrix,
                               np.array(self.distortion))
            result[known] = image.reshape(-1, 2)
        return result

    def subsampled(self, step: int) -> CameraModel:
        """Return the camera of `image[step // 2::step, step // 2::step]`.

        Raises:
            ValueError: The step is below 1, or leaves no pixel.
        """
        if not isinstance(step, Integral) or step < 1 or step // 2 >= min(self.width, self.height):
            raise ValueError(f'the step is {step}; expected a whole number of at least 1 and at '
                             f'most the size of the image, {self.width} x {self.height}')
        return _subsampled(self, step)

    def check_size(self, image: npt.NDArray[Any], what: str) -> None:
        """Refuse an image of another size.

        Raises:
            ValueError: It has another size than the camera's, or is no array.
        """
        if not isinstance(image, np.ndarray):
            raise wrong(f'the {what}', image, f'an array of {self.height} x {self.width}')
        if image.shape[:2] != (self.height, self.width):
            raise ValueError(
                f'the {what} has the shape {image.shape}, but the camera has {self.width} x '
                f'{self.height} pixels; register it to the image (depth_image_proc) or give the '
                'CameraInfo of this size')


@lru_cache(maxsize=16)      # a camera's rays are made once
def _subsampled(camera: CameraModel, step: int) -> CameraModel:
    first = step // 2
    return CameraModel(-(-(camera.width - first) // step), -(-(camera.height - first) // step),
                       camera.fx / step, camera.fy / step, (camera.cx - first) / step,
                       (camera.cy - first) / step, camera.distortion, camera.distortion_model)
