# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Image messages to RGB, without ROS: for whatever has the fields of sensor_msgs."""

from __future__ import annotations

import re
from typing import Any, Protocol

import numpy as np

from eov_seg_core.io.image_messages.layouts import (
    deep_gray_to_rgb,
    Layout,
    LAYOUTS,
    Pixels,
    RGB,
    WHITE,
)
from eov_seg_core.io.media.pictures import load_picture, MAX_MEGAPIXELS, stored_samples, to_rgb

_ENCODING = re.compile(
    r'(8|16|32|64)[USF]C\d*|bayer_\w+|(mono|rgba?|bgra?)\d+|yuv\w*|uyvy|yuyv|nv\d+|i420')
"""What is an encoding in the format of a compressed image; the other texts say how it is stored:
image_transport writes `rgb8; jpeg compressed bgr8`, cameras that compress themselves `jpeg`."""
_FORMAT_LENGTH = 80
"""Longest format that is read and shown."""

ENCODINGS = tuple(LAYOUTS)
"""The encodings of images that are taken."""
_DEPTH_DTYPES: dict[str, np.dtype[Any]] = {
    '16UC1': np.dtype(np.uint16), '32FC1': np.dtype(np.float32)}
DEPTH_ENCODINGS = tuple(_DEPTH_DTYPES)
"""The encodings of depth that are taken."""


class RawImage(Protocol):
    """The fields of sensor_msgs/Image that are read; `data` holds bytes, as an array or buffer."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: Any


class CompressedImage(Protocol):
    """The fields of sensor_msgs/CompressedImage that are read; `data` has `tobytes()`."""

    format: str
    data: Any


def decode_raw(message: RawImage, mono16_max: int = WHITE) -> RGB:
    """Return the image of a message as (H, W, 3) uint8 RGB.

    Padded rows and big-endian samples are honoured; alpha is dropped; 16 bits are scaled to 8.
    For `rgb8` with packed rows the array shares the message's memory.

    Args:
        message: The message, of rclpy or of a library that reads recordings.
        mono16_max: The sample of `mono16` that is white, for cameras of 10 to 14 bits.

    Raises:
        ValueError: The encoding is not one of `ENCODINGS`, the image is empty, or its sizes and
            its data contradict one another.
    """
    layout = layout_of(message.encoding)
    rows = _packed_rows(message, layout)
    if message.encoding == 'mono16':
        return deep_gray_to_rgb(rows, mono16_max)
    return np.ascontiguousarray(layout.to_rgb(rows))


def decode_depth(message: RawImage) -> Pixels:
    """Return the samples of a depth image, (H, W): uint16 millimetres or float32 metres.

    Padded rows and big-endian samples are honoured.

    Raises:
        ValueError: The encoding is neither `16UC1` nor `32FC1`, the image is empty, or its sizes
            and its data contradict one another.
    """
    if message.encoding not in _DEPTH_DTYPES:
        raise ValueError(f'the depth image has the encoding {message.encoding[:80]!r}; expected '
                         '16UC1 (millimetres) or 32FC1 (metres)')
    dtype = _DEPTH_DTYPES[message.encoding]
    # A row is stored as that of any grey image.
    rows = _packed_rows(message, LAYOUTS['mono16']._replace(sample_bytes=dtype.itemsize))
    samples: Pixels = rows.view(dtype)
    return samples


def decode_compressed(message: CompressedImage, max_megapixels: float = MAX_MEGAPIXELS,
                      mono16_max: int = WHITE) -> RGB:
    """Return the image of a compressed message as (H, W, 3) uint8 RGB.

    The pixels are those that `eov_seg_core.io.media` reads from such a file, turned upright if it
    says so, unless the message's format names an encoding whose samples mean something else:
    `bayer_...` and `mono16` are treated as in a raw message, and what is refused there is refused
    here.

    Args:
        message: A JPEG or PNG, told by its first bytes.
        max_megapixels: A larger image is refused before it is decoded.
        mono16_max: As in `decode_raw`.

    Raises:
        ValueError: It is no JPEG or PNG, damaged, cut off or too large, or its format names an
            encoding that is not accepted.
    """
    text = message.format[:_FORMAT_LENGTH]
    source = f'compressed image with format {text!r}'
    encoding, _, stored = (part.strip() for part in text.partition(';'))
    if _ENCODING.fullmatch(encoding):
        layout_of(encoding)       # refuses others
    image = load_picture(message.data.tobytes(), source, formats=('JPEG', 'PNG'),
                         max_megapixels=max_megapixels)
    if encoding == 'mono16' or encoding.startswith('bayer_'):
        samples = stored_samples(image)
        return _named_samples(np.asarray(image) if samples is None else samples, encoding,
                              mono16_max)
    rgb = to_rgb(image, source)
    # the file's channels are swapped, as old versions wrote it
    return np.ascontiguousarray(rgb[..., ::-1]) if 'compressed rgb' in stored else rgb


def layout_of(encoding: str) -> Layout:
    """Return how an encoding stores its pixels.

    Raises:
        ValueError: It is not one of `ENCODINGS`.
    """
    if encoding not in LAYOUTS:
        raise ValueError(f'image encoding {encoding[:80]!r} is not supported; accepted are '
                         f'{", ".join(ENCODINGS)}')
    return LAYOUTS[encoding]


def is_odd(message: RawImage, layout: Layout) -> bool:
    """Say whether a side that must be even is odd."""
    return bool((layout.even and message.width % 2)
                or (layout.even == 'width and height' and message.height % 2))


def _packed_rows(message: RawImage, layout: Layout) -> Pixels:
    """Return the samples of a message as (rows, width * samples), without padding."""
    height, width, step = message.height, message.width, message.step
    what = f'{message.encoding} image of {width} x {height}'
    if not height or not width:
        raise ValueError(f'{what} is empty')
    if is_odd(message, layout):
        raise ValueError(f'{what}: {layout.even} must be even')
    row_bytes = width * layout.samples * layout.sample_bytes
    if layout.is_packed and step != row_bytes:
        raise ValueError(f'{what}: step is {step}, expected {row_bytes}: rows of this encoding '
                         'must not be padded')
    if step < row_bytes:
        raise ValueError(f'{what}: step is {step}, but a row has {row_bytes} bytes')
    rows = int(height * layout.rows)
    if len(message.data) != rows * step:
        raise ValueError(f'{what}: data has {len(message.data)} bytes, expected {rows} rows of '
                         f'{step} = {rows * step}')
    data = np.frombuffer(message.data, np.uint8).reshape(rows, step)[:, :row_bytes]
    if layout.sample_bytes == 1:
        return np.ascontiguousarray(data)
    native = np.dtype(f'u{layout.sample_bytes}')
    stored = native.newbyteorder('>' if message.is_bigendian else '<')
    samples: Pixels = np.ascontiguousarray(data).view(stored)
    return samples.astype(native, copy=False)


def _named_samples(samples: Pixels, encoding: str, mono16_max: int) -> RGB:
    """Turn the samples of a grey file into RGB, as those of a raw message of the encoding."""
    layout = layout_of(encoding)
    if samples.ndim != 2 or samples.dtype != np.dtype(f'u{layout.sample_bytes}'):
        raise ValueError(f'compressed image with the encoding {encoding} holds {samples.dtype} '
                         f'samples of the shape {samples.shape}; expected one channel of '
                         f'{8 * layout.sample_bytes} bits')
    if encoding == 'mono16':
        return deep_gray_to_rgb(samples, mono16_max)
    return np.ascontiguousarray(layout.to_rgb(samples))
