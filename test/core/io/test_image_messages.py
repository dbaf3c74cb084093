# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Image messages of a recording's reader become RGB without ROS."""

from __future__ import annotations

import array
import io
from types import SimpleNamespace

import cv2
import numpy as np
from PIL import Image
import pytest

from eov_seg_core.io.image_messages.decoding import decode_compressed, decode_raw

BGR = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)


def raw(data: object, **changes: object) -> SimpleNamespace:
    """Return a bgr8 message as a reader of recordings gives it."""
    return SimpleNamespace(**{'height': 2, 'width': 4, 'encoding': 'bgr8', 'is_bigendian': 0,
                              'step': 12, 'data': data} | changes)


@pytest.mark.parametrize('data', [BGR.reshape(-1), array.array('B', BGR.tobytes()),
                                  BGR.tobytes()], ids=['numpy', 'array', 'bytes'])
def test_data_may_be_of_any_kind(data) -> None:
    np.testing.assert_array_equal(decode_raw(raw(data)), BGR[..., ::-1])


def test_one_big_endian_sample_of_a_numpy_array() -> None:
    message = raw(np.array([0x7f, 0x80], np.uint8), height=1, width=1, step=2, encoding='mono16',
                  is_bigendian=1)
    assert decode_raw(message).tolist() == [[[127, 127, 127]]]


def test_an_image_without_pixels_is_refused() -> None:
    with pytest.raises(ValueError, match='bgr8 image of 0 x 2 is empty'):
        decode_raw(raw(BGR[:, :0].reshape(-1), width=0, step=0))


def test_a_lossless_picture_in_a_numpy_array() -> None:
    png = cv2.imencode('.png', BGR)[1].reshape(-1)
    message = SimpleNamespace(format='bgr8; png compressed bgr8', data=png)
    np.testing.assert_array_equal(decode_compressed(message), BGR[..., ::-1])


def test_a_cut_off_picture_is_refused() -> None:
    png = cv2.imencode('.png', BGR)[1].reshape(-1)
    with pytest.raises(ValueError, match='compressed image with format'):
        decode_compressed(SimpleNamespace(format='png', data=png[:40]))


@pytest.mark.parametrize('encoding', ['bayer_rggb8', 'mono16'])
def test_a_picture_of_single_bits_is_no_mosaic_and_not_deep(encoding) -> None:
    """OpenCV's demosaicing fails on the samples of a PNG with one bit for each pixel."""
    stored = io.BytesIO()
    Image.new('1', (16, 2)).save(stored, 'PNG')
    message = SimpleNamespace(format=f'{encoding}; png compressed ',
                              data=np.frombuffer(stored.getvalue(), np.uint8))
    with pytest.raises(ValueError, match=f'{encoding} holds bool samples'):
        decode_compressed(message)
