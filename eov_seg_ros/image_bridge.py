# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Image messages to RGB and back, with cv_bridge's names: its converter where it works, or ours.

cv_bridge comes compiled for the numpy of its distribution and fails beside another one; the one
on PyPI fails with OpenCV 5 and numpy 2.  `CvBridge` here has its names and results; it decodes
with `eov_seg_core.io.image_messages`.  `make_bridge` takes the installed cv_bridge for the
encodings in which it gives the same pixels.
"""

from __future__ import annotations

import functools
import logging
import sys
from typing import Any

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from eov_seg_core.io.image_messages.decoding import (
    decode_compressed,
    decode_raw,
    ENCODINGS,
    is_odd,
)
from eov_seg_core.io.image_messages.layouts import LAYOUTS, Pixels, RGB, WHITE
from eov_seg_core.io.media.pictures import MAX_MEGAPIXELS

_log = logging.getLogger(__name__)

JPEG_QUALITY = 90
PNG_LEVEL = 1
"""The fastest; label images are small whatever the level."""
_TOLERANCE = 1
"""Largest difference of a sample that counts as the same result: 16 bits are rounded to 8."""


class CvBridge:
    """What we need of cv_bridge, under its names."""

    def imgmsg_to_cv2(self, img_msg: Image, desired_encoding: str = 'rgb8', *,
                      mono16_max: int = WHITE) -> RGB:
        """Return the image of a message as (H, W, 3) uint8 RGB; see `decode_raw`.

        Raises:
            ValueError: As `decode_raw`; or another result than `rgb8` is desired.
        """
        _check_desired(desired_encoding)
        return decode_raw(img_msg, mono16_max)

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

        Raises:
            ValueError: As `decode_compressed`; or another result than `rgb8` is desired.
        """
        _check_desired(desired_encoding)
        return decode_compressed(cmprs_img_msg, max_megapixels, mono16_max)

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
            and not message.is_bigendian and not is_odd(message, layout)
            and len(message.data) == int(message.height * layout.rows) * row_bytes)
