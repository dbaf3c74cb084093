# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How each encoding of sensor_msgs/Image stores its pixels, and how they become RGB."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, cast, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[Any]
RGB = npt.NDArray[np.uint8]

WHITE = 65535
"""The sample of 16 bits that is white, unless a camera has fewer bits."""
_YUV_TO_RGB = np.array([[1.164, 0, 1.596], [1.164, -0.391, -0.813], [1.164, 2.018, 0]])
"""Of Y, U and V, 16..235, by ITU-R BT.601: what OpenCV does for the other YUV encodings."""


class Layout(NamedTuple):
    """How an encoding stores its pixels.

    Attributes:
        samples: Samples per pixel in a row.
        to_rgb: Turns the rows, (rows, width * samples), into (H, W, 3) uint8 RGB.
        sample_bytes: Bytes per sample.
        rows: Rows of data per row of the image (planar chroma adds half as many).
        even: Both sides must be even, or the width, or neither.
        is_packed: Rows must not be padded, because planes have rows of different lengths.
    """

    samples: int
    to_rgb: Callable[[Pixels], RGB]
    sample_bytes: int = 1
    rows: Fraction = Fraction(1)
    even: str = ''
    is_packed: bool = False


def _convert(image: Pixels, code: int) -> RGB:
    return cast(RGB, cv2.cvtColor(image, code))


def _color(samples: int, code: int | None) -> Layout:
    def to_rgb(rows: Pixels) -> RGB:
        image = rows.reshape(rows.shape[0], -1, samples) if samples > 1 else rows
        return image if code is None else _convert(image, code)

    return Layout(samples, to_rgb)


def _deep(samples: int, code: int | None) -> Layout:
    """Return the layout of 16 bits per sample."""
    layout = _color(samples, code)

    def to_rgb(rows: Pixels) -> RGB:
        return layout.to_rgb(cv2.convertScaleAbs(rows, alpha=255 / WHITE))

    return layout._replace(to_rgb=to_rgb, sample_bytes=2)


def deep_gray_to_rgb(samples: Pixels, white: int) -> RGB:
    """Return (H, W) uint16 as RGB; samples of `white` and above are 255."""
    return _convert(cv2.convertScaleAbs(samples, alpha=255 / white), cv2.COLOR_GRAY2RGB)


def _nv24_to_rgb(rows: Pixels) -> RGB:
    """Convert a plane of Y and one of U and V in turns, all of the full size."""
    height = rows.shape[0] // 3
    chroma = rows[height:].reshape(height, -1, 2)
    offset = -_YUV_TO_RGB @ (16, 128, 128)
    matrix = np.concatenate([_YUV_TO_RGB, offset[:, None]], axis=1)
    return cast(RGB, cv2.transform(np.dstack([rows[:height], chroma]), matrix))


_GRAY = _color(1, cv2.COLOR_GRAY2RGB)
_BGR = _color(3, cv2.COLOR_BGR2RGB)
_BGRA = _color(4, cv2.COLOR_BGRA2RGB)
_UYVY = _color(2, cv2.COLOR_YUV2RGB_UYVY)._replace(even='width')
_YUYV = _color(2, cv2.COLOR_YUV2RGB_YUY2)._replace(even='width')
_NV12 = _color(1, cv2.COLOR_YUV2RGB_NV12)._replace(rows=Fraction(3, 2), even='width and height')
_NV21 = _color(1, cv2.COLOR_YUV2RGB_NV21)._replace(rows=Fraction(3, 2), even='width and height')
_I420 = _color(1, cv2.COLOR_YUV2RGB_I420)._replace(
    rows=Fraction(3, 2), even='width and height', is_packed=True)
_NV24 = Layout(1, _nv24_to_rgb, rows=Fraction(3), is_packed=True)
# ROS names a mosaic by its first row, OpenCV by the second row from its second pixel on.
_BAYER = {'rggb': cv2.COLOR_BayerBG2RGB, 'bggr': cv2.COLOR_BayerRG2RGB,
          'gbrg': cv2.COLOR_BayerGR2RGB, 'grbg': cv2.COLOR_BayerGB2RGB}

LAYOUTS = {
    'rgb8': _color(3, None), 'bgr8': _BGR, 'rgba8': _color(4, cv2.COLOR_RGBA2RGB), 'bgra8': _BGRA,
    'mono8': _GRAY, 'mono16': _deep(1, cv2.COLOR_GRAY2RGB),
    'rgb16': _deep(3, None), 'bgr16': _deep(3, cv2.COLOR_BGR2RGB),
    # Without a colour order in the name these are taken as OpenCV and RViz take them.
    '8UC1': _GRAY, '8UC3': _BGR, '8UC4': _BGRA, '16UC3': _deep(3, cv2.COLOR_BGR2RGB),
    **{f'bayer_{mosaic}8': _color(1, code) for mosaic, code in _BAYER.items()},
    **{f'bayer_{mosaic}16': _deep(1, code) for mosaic, code in _BAYER.items()},
    'yuv422': _UYVY, 'uyvy': _UYVY, 'yuv422_yuy2': _YUYV, 'yuyv': _YUYV,
    'nv12': _NV12, 'nv21': _NV21, 'nv24': _NV24, 'i420': _I420, 'yuv420p': _I420,
}
"""The encodings of images that are taken."""
