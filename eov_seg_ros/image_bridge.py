# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Image messages to RGB and back, with cv_bridge's names: its converter where it works, or ours.

cv_bridge comes compiled for the numpy of its distribution and fails beside another one; the one
on PyPI fails with OpenCV 5 and numpy 2.  `CvBridge` here has its names and results and needs numpy
and OpenCV only.  `make_bridge` takes the installed cv_bridge for the encodings in which it gives
the same pixels.
"""

from __future__ import annotations

import functools
import logging
import re
import sys
from typing import Any

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from eov_seg_core.io.media.pictures import load_picture, MAX_MEGAPIXELS, stored_samples, to_rgb
from eov_seg_ros.pixel_layouts import deep_gray_to_rgb, Layout, LAYOUTS, Pixels, RGB, WHITE

_log = logging.getLogger(__name__)

JPEG_QUALITY = 90
PNG_LEVEL = 1
"""The fastest; label images are small whatever the level."""
_ENCODING = re.compile(
    r'(8|16|32|64)[USF]C\d*|bayer_\w+|(mono|rgba?|bgra?)\d+|yuv\w*|uyvy|yuyv|nv\d+|i420')
"""What is an encoding in the format of a compressed image; the other texts say how it is stored:
image_transport writes `rgb8; jpeg compressed bgr8`, cameras that compress themselves `jpeg`."""
_FORMAT_LENGTH = 80
"""Longest format that is read and shown."""
_TOLERANCE = 1
"""Largest difference of a sample that counts as the same result: 16 bits are rounded to 8."""


ENCODINGS = tuple(LAYOUTS)
"""The encodings of images that are taken."""


class CvBridge:
    """What we need of cv_bridge, under its names."""

    def imgmsg_to_cv2(self, img_msg: Image, desired_encoding: str = 'rgb8', *,
                      mono16_max: int = WHITE) -> RGB:
        """Return the image of a message as (H, W, 3) uint8 RGB.

        Padded rows and big-endian samples are honoured; alpha is dropped; 16 bits are scaled to 8.
        For `rgb8` with packed rows the array shares the message's memory.

        Args:
            img_msg: The message.
            desired_encoding: `rgb8`.
            mono16_max: The sample of `mono16` that is white, for cameras of 10 to 14 bits.

        Raises:
            ValueError: The encoding is not one of `ENCODINGS`, the image is empty, or its sizes
                and its data contradict one another; or another result than `rgb8` is desired.
        """
        _check_desired(desired_encoding)
        layout = _layout(img_msg.encoding)
        rows = _packed_rows(img_msg, layout)
        if img_msg.encoding == 'mono16':
            return deep_gray_to_rgb(rows, mono16_max)
        return np.ascontiguousarray(layout.to_rgb(rows))

    def cv2_to_imgmsg(self, cvim: Pixels, encoding: str, header: Header | None = None) -> Image:
        """Return an image message with packed rows.

        Args:
            cvim: (H, W) or (H, W, C), of the dtype that the encoding means.
            encoding: As in sensor_msgs/image_encodings.
            header: Used as it is.
        """
        pixels = np.ascontiguousarray(cvim)
        height, width = pixels.shape[:2]
        message = Image(header=header or Header(), height=height, width=width, encoding=encoding,
                        is_bigendian=int(sys.byteorder == 'big'), step=pixels.nbytes // height)
        # Any other way to fill an array field copies it element by element.
        message.data.frombytes(pixels.view(np.uint8))
        return message

    def compressed_imgmsg_to_cv2(self, cmprs_img_msg: CompressedImage,
                                 desired_encoding: str = 'rgb8',
                                 max_megapixels: float = MAX_MEGAPIXELS, *,
                                 mono16_max: int = WHITE) -> RGB:
        """Return the image of a compressed message as (H, W, 3) uint8 RGB.

        The pixels are those that `eov_seg_core.io.media` reads from such a file, turned upright if
        it says so, unless the message's format names an encoding whose samples mean something
        else: `bayer_...` and `mono16` are treated as in a raw message, and what is refused there
        is refused here.

        Args:
            cmprs_img_msg: A JPEG or PNG, told by its first bytes.
            desired_encoding: `rgb8`.
            max_megapixels: A larger image is refused before it is decoded.
            mono16_max: As in `imgmsg_to_cv2`.

        Raises:
            ValueError: It is no JPEG or PNG, damaged, cut off or too large, or its format names an
                encoding that is not accepted; or another result than `rgb8` is desired.
        """
        _check_desired(desired_encoding)
        text = cmprs_img_msg.format[:_FORMAT_LENGTH]
        source = f'compressed image with format {text!r}'
        encoding, _, stored = (part.strip() for part in text.partition(';'))
        if _ENCODING.fullmatch(encoding):
            _layout(encoding)       # refuses others
        image = load_picture(cmprs_img_msg.data.tobytes(), source, formats=('JPEG', 'PNG'),
                             max_megapixels=max_megapixels)
        if encoding == 'mono16' or encoding.startswith('bayer_'):
            samples = stored_samples(image)
            return _named_samples(np.asarray(image) if samples is None else samples, encoding,
                                  mono16_max)
        rgb = to_rgb(image, source)
        # the file's channels are swapped, as old versions wrote it
        return np.ascontiguousarray(rgb[..., ::-1]) if 'compressed rgb' in stored else rgb

    def cv2_to_compressed_imgmsg(self, cvim: Pixels, dst_format: str = 'jpg') -> CompressedImage:
        """Return a compressed message, in the format that image_transport writes and reads.

        Args:
            cvim: (H, W, 3) uint8 BGR; for `png` also (H, W) uint8 or uint16.
            dst_format: `jpg` or `png`.
        """
        is_jpeg = dst_format == 'jpg'
        parameters = ([cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if is_jpeg
                      else [cv2.IMWRITE_PNG_COMPRESSION, PNG_LEVEL])
        is_written, data = cv2.imencode(f'.{dst_format}', cvim, parameters)
        if not is_written:
            raise ValueError(f'an image of shape {cvim.shape} cannot be written as {dst_format}')
        message = CompressedImage(format=dst_format)
        message.data.frombytes(data.view(np.uint8))
        return message


class _InstalledBridge(CvBridge):
    """cv_bridge where it gives the same results, ours for the rest.

    Args:
        installed: An object of the installed `cv_bridge.CvBridge`.
        encodings: In which it agrees with ours.
    """

    def __init__(self, installed: Any, encodings: frozenset[str]) -> None:
        self._installed = installed
        self._encodings = encodings

    def imgmsg_to_cv2(self, img_msg: Image, desired_encoding: str = 'rgb8', *,
                      mono16_max: int = WHITE) -> RGB:
        """Return the image of a message as (H, W, 3) uint8 RGB; see `CvBridge`."""
        if (img_msg.encoding not in self._encodings or not _is_plain(img_msg)
                or mono16_max != WHITE):
            return super().imgmsg_to_cv2(img_msg, desired_encoding, mono16_max=mono16_max)
        return np.ascontiguousarray(self._installed.imgmsg_to_cv2(img_msg, desired_encoding))


@functools.cache
def make_bridge() -> CvBridge:
    """Return the installed cv_bridge for what it does as ours does, with ours for the rest."""
    try:
        from cv_bridge import CvBridge as Installed
        installed = Installed()
    except (ImportError, AttributeError, RuntimeError) as error:  # AttributeError: another numpy
        _log.debug('images are converted without cv_bridge: %s', error)
        return CvBridge()
    encodings = frozenset(name for name in ENCODINGS if _agrees(installed, name))
    _log.debug('cv_bridge converts %s', ', '.join(sorted(encodings)) or 'nothing')
    return _InstalledBridge(installed, encodings) if encodings else CvBridge()


def sample_message(encoding: str) -> Image:
    """Return a message of 6 x 4 random pixels in an encoding."""
    layout = LAYOUTS[encoding]
    width, height = 6, 4
    step = width * layout.samples * layout.sample_bytes
    data = np.random.default_rng(0).integers(
        0, 256, int(height * layout.rows) * step, dtype=np.uint8)
    message = Image(width=width, height=height, step=step, encoding=encoding)
    message.data.frombytes(data)
    return message


def _agrees(installed: Any, encoding: str) -> bool:
    message = sample_message(encoding)
    expected = CvBridge().imgmsg_to_cv2(message)
    try:
        got = np.asarray(installed.imgmsg_to_cv2(message, 'rgb8'))
    except Exception:  # noqa: BLE001  whatever it fails with, ours takes over
        return False
    return (got.shape == expected.shape and got.dtype == expected.dtype
            and int(np.abs(got.astype(int) - expected).max()) <= _TOLERANCE)


def _check_desired(encoding: str) -> None:
    if encoding != 'rgb8':
        raise ValueError(f"the desired encoding must be 'rgb8', got {encoding!r}")


def _is_plain(message: Image) -> bool:
    """Say whether a message has packed rows, little-endian samples and all its data.

    cv_bridge reckons the width from the step, and trusts what a message says about itself.
    """
    layout = LAYOUTS[message.encoding]
    row_bytes = message.width * layout.samples * layout.sample_bytes
    return (message.step == row_bytes and message.height > 0 and row_bytes > 0
            and not message.is_bigendian and not _is_odd(message, layout)
            and len(message.data) == int(message.height * layout.rows) * row_bytes)


def _layout(encoding: str) -> Layout:
    if encoding not in LAYOUTS:
        raise ValueError(f'image encoding {encoding[:80]!r} is not supported; accepted are '
                         f'{", ".join(ENCODINGS)}')
    return LAYOUTS[encoding]


def _is_odd(message: Image, layout: Layout) -> bool:
    return bool((layout.even and message.width % 2)
                or (layout.even == 'width and height' and message.height % 2))


def _packed_rows(message: Image, layout: Layout) -> Pixels:
    """Return the samples of a message as (rows, width * samples), without padding."""
    height, width, step = message.height, message.width, message.step
    what = f'{message.encoding} image of {width} x {height}'
    if not height or not width:
        raise ValueError(f'{what} is empty')
    if _is_odd(message, layout):
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
    dtype = np.dtype(np.uint16).newbyteorder('>' if message.is_bigendian else '<')
    return np.ascontiguousarray(data).view(dtype).astype(np.uint16, copy=False)


def _named_samples(samples: Pixels, encoding: str, mono16_max: int) -> RGB:
    """Turn the samples of a grey file into RGB, as those of a raw message of the encoding."""
    layout = _layout(encoding)
    if samples.ndim != 2 or samples.dtype.itemsize != layout.sample_bytes:
        raise ValueError(f'compressed image with the encoding {encoding} holds {samples.dtype} '
                         f'samples of the shape {samples.shape}; expected one channel of '
                         f'{8 * layout.sample_bytes} bits')
    if encoding == 'mono16':
        return deep_gray_to_rgb(samples, mono16_max)
    return np.ascontiguousarray(layout.to_rgb(samples))
