# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages to numpy and results to messages.

Own conversions instead of cv_bridge: the apt module is tied to the numpy it was compiled against,
the one on PyPI to OpenCV 4, and neither is needed for the few lines below.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
import sys
from typing import Any, NamedTuple, TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import (
    Detection2D,
    Detection2DArray,
    LabelInfo,
    ObjectHypothesisWithPose,
    VisionClass,
)

from eov_seg_core.visualization import draw_overlay
from eov_seg_ros.class_ids import LabelSpace, UNLABELED

if TYPE_CHECKING:
    from eov_seg_core.panoptic import PanopticResult, Segment

Pixels = npt.NDArray[Any]
RGB = npt.NDArray[np.uint8]


class _Layout(NamedTuple):
    """How an encoding stores its pixels.

    Attributes:
        samples: Samples per pixel in a row.
        to_rgb: Turns the rows, (rows, width * samples), into (H, W, 3) uint8 RGB.
        sample_bytes: Bytes per sample.
        rows: Rows of data per row of the image (planar chroma adds half as many).
        even: Both sides must be even, or the width, or neither.
    """

    samples: int
    to_rgb: Callable[[Pixels], RGB]
    sample_bytes: int = 1
    rows: Fraction = Fraction(1)
    even: str = ''


def _color(samples: int, code: int | None) -> _Layout:
    def to_rgb(rows: Pixels) -> RGB:
        image = rows.reshape(rows.shape[0], -1, samples) if samples > 1 else rows
        return image if code is None else cv2.cvtColor(image, code)

    return _Layout(samples, to_rgb)


def _deep_gray_to_rgb(rows: Pixels) -> RGB:
    gray = cv2.convertScaleAbs(rows, alpha=255 / 65535)
    return cv2.cvtColor(gray, cv2.COLOR_GRAY2RGB)


_GRAY = _color(1, cv2.COLOR_GRAY2RGB)
_BGR = _color(3, cv2.COLOR_BGR2RGB)
_BGRA = _color(4, cv2.COLOR_BGRA2RGB)
_UYVY = _color(2, cv2.COLOR_YUV2RGB_UYVY)._replace(even='width')
_YUYV = _color(2, cv2.COLOR_YUV2RGB_YUY2)._replace(even='width')
_NV12 = _color(1, cv2.COLOR_YUV2RGB_NV12)._replace(rows=Fraction(3, 2), even='width and height')
_NV21 = _color(1, cv2.COLOR_YUV2RGB_NV21)._replace(rows=Fraction(3, 2), even='width and height')

_LAYOUTS = {
    'rgb8': _color(3, None), 'bgr8': _BGR, 'rgba8': _color(4, cv2.COLOR_RGBA2RGB), 'bgra8': _BGRA,
    'mono8': _GRAY, 'mono16': _Layout(1, _deep_gray_to_rgb, sample_bytes=2),
    # Without a colour order in the name these are taken as OpenCV and RViz take them.
    '8UC1': _GRAY, '8UC3': _BGR, '8UC4': _BGRA,
    # ROS names a mosaic by its first row, OpenCV by the second row from its second pixel on.
    'bayer_rggb8': _color(1, cv2.COLOR_BayerBG2RGB),
    'bayer_bggr8': _color(1, cv2.COLOR_BayerRG2RGB),
    'bayer_gbrg8': _color(1, cv2.COLOR_BayerGR2RGB),
    'bayer_grbg8': _color(1, cv2.COLOR_BayerGB2RGB),
    'yuv422': _UYVY, 'uyvy': _UYVY, 'yuv422_yuy2': _YUYV, 'yuyv': _YUYV,
    'nv12': _NV12, 'nv21': _NV21,
}

ENCODINGS = tuple(_LAYOUTS)
"""The encodings that `image_to_rgb` takes."""


def image_to_rgb(message: Image) -> RGB:
    """Return the image of a message as (H, W, 3) uint8 RGB.

    Padded rows and big-endian samples are honoured; alpha is dropped; 16 bits are scaled to 8.
    For `rgb8` with packed rows the array shares the message's memory.

    Raises:
        ValueError: The encoding is not one of `ENCODINGS`, the image is empty, or its sizes and
            its data contradict one another.
    """
    layout = _LAYOUTS.get(message.encoding)
    if layout is None:
        raise ValueError(f'image encoding {message.encoding!r} is not supported; accepted are '
                         f'{", ".join(ENCODINGS)}')
    rows = _packed_rows(message, layout)
    return np.ascontiguousarray(layout.to_rgb(rows))


def _packed_rows(message: Image, layout: _Layout) -> Pixels:
    """Return the samples of a message as (rows, width * samples), without padding."""
    height, width, step = message.height, message.width, message.step
    what = f'{message.encoding} image of {width} x {height}'
    if not height or not width:
        raise ValueError(f'{what} is empty')
    if (layout.even and width % 2) or (layout.even == 'width and height' and height % 2):
        raise ValueError(f'{what}: {layout.even} must be even')
    row_bytes = width * layout.samples * layout.sample_bytes
    if step < row_bytes:
        raise ValueError(f'{what}: step is {step}, but a row has {row_bytes} bytes')
    rows = int(height * layout.rows)
    if len(message.data) != rows * step:
        raise ValueError(f'{what}: data has {len(message.data)} bytes, expected {rows} rows of '
                         f'{step} = {rows * step}')
    data = np.frombuffer(message.data, np.uint8).reshape(rows, step)[:, :row_bytes]
    if layout.sample_bytes == 1:
        return np.ascontiguousarray(data)
    dtype = np.dtype(np.uint16).newbyteorder('>' if message.is_bigendian else '<')
    return np.ascontiguousarray(data).view(dtype).astype(np.uint16, copy=False)


def image_message(header: Header, pixels: Pixels, encoding: str) -> Image:
    """Return an image message with packed rows.

    Args:
        header: Used as it is.
        pixels: (H, W) or (H, W, C), of the dtype that the encoding means.
        encoding: As in sensor_msgs/image_encodings.
    """
    pixels = np.ascontiguousarray(pixels)
    height, width = pixels.shape[:2]
    message = Image(header=header, height=height, width=width, encoding=encoding,
                    is_bigendian=int(sys.byteorder == 'big'), step=pixels.nbytes // height)
    # Any other way to fill an array field copies it element by element.
    message.data.frombytes(pixels.view(np.uint8))
    return message


def instance_image(header: Header, result: PanopticResult) -> Image:
    """Return `mono16`: the segment's id in this frame, 0 for unlabeled."""
    return image_message(header, result.instance.astype(np.uint16), 'mono16')


def semantic_image(header: Header, result: PanopticResult, labels: LabelSpace) -> Image:
    """Return `mono8`, or `mono16` where an id above 255 is in use: the class id."""
    class_ids = [labels.id_of(segment) for segment in result.segments]
    if labels.max_id <= 255:
        return image_message(header, _paint(result, class_ids, np.uint8), 'mono8')
    return image_message(header, _paint(result, class_ids, np.uint16), 'mono16')


def panoptic_image(header: Header, result: PanopticResult, labels: LabelSpace) -> Image:
    """Return `32SC1`: the class id in the upper 16 bits, a thing's segment id in the lower."""
    values = [labels.id_of(segment) << 16 | (segment.id if segment.is_thing else 0)
              for segment in result.segments]
    # Class ids above 32767 need the sign bit, so the bits are made unsigned.
    return image_message(header, _paint(result, values, np.uint32).view(np.int32), '32SC1')


def _paint(result: PanopticResult, values: Sequence[int], dtype: type) -> Pixels:
    """Return (H, W): each segment's value at its pixels, 0 where there is none."""
    return np.array([0, *values], dtype).take(result.instance)


def confidence_image(header: Header, result: PanopticResult) -> Image:
    """Return `mono8`: 255 times the score of the pixel's segment."""
    return image_message(header, result.confidence, 'mono8')


def overlay_image(header: Header, image_rgb: RGB, result: PanopticResult, alpha: float) -> Image:
    """Return `rgb8`: the image with colours, contours and names."""
    return image_message(header, draw_overlay(image_rgb, result, alpha=alpha), 'rgb8')


def detections(header: Header, result: PanopticResult, include_stuff: bool) -> Detection2DArray:
    """Return one detection per thing segment, on request per stuff segment too.

    `id` is the segment's value in `~/instance`, the class id of the hypothesis its name.
    """
    return Detection2DArray(header=header, detections=[
        _detection(header, segment) for segment in result.segments
        if segment.is_thing or include_stuff])


def _detection(header: Header, segment: Segment) -> Detection2D:
    detection = Detection2D(header=header, id=str(segment.id))
    hypothesis = ObjectHypothesisWithPose()
    hypothesis.hypothesis.class_id = segment.name
    hypothesis.hypothesis.score = float(segment.score)
    detection.results = [hypothesis]
    left, top, right, bottom = segment.bbox_xyxy
    detection.bbox.center.position.x = (left + right) / 2
    detection.bbox.center.position.y = (top + bottom) / 2
    detection.bbox.size_x = float(right - left)
    detection.bbox.size_y = float(bottom - top)
    return detection


def label_info(header: Header, labels: LabelSpace, score_threshold: float) -> LabelInfo:
    """Return the class map of a vocabulary, with 0 = unlabeled."""
    classes = [VisionClass(class_id=0, class_name=UNLABELED)]
    classes += [VisionClass(class_id=class_id, class_name=name)
                for class_id, name in zip(labels.ids, labels.names)]
    return LabelInfo(header=header, class_map=classes, threshold=score_threshold)
