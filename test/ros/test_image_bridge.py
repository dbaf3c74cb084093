# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ours and the installed cv_bridge, and compressed images."""

from __future__ import annotations

import sys
from types import ModuleType

import cv2
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import picture_case
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed: scripts/setup_env.sh')

from sensor_msgs.msg import CompressedImage  # noqa: E402
from std_msgs.msg import Header  # noqa: E402

from eov_seg_ros.conversions import compress, image_message, image_to_rgb  # noqa: E402
from eov_seg_ros.image_bridge import CvBridge, ENCODINGS, make_bridge, sample_message  # noqa: E402

LARGEST_DIFFERENCE = {'mono16': 1, 'yuv422': 2, 'uyvy': 2, 'yuv422_yuy2': 2, 'yuyv': 2, 'nv12': 2,
                      'nv21': 2}


@pytest.fixture
def install(monkeypatch):
    """Return a function that puts a cv_bridge of one's own where the real one would be."""
    def put(bridge_class):
        module = ModuleType('cv_bridge')
        module.CvBridge = bridge_class
        monkeypatch.setitem(sys.modules, 'cv_bridge', module)
        make_bridge.cache_clear()

    yield put
    make_bridge.cache_clear()


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_ours_gives_what_the_installed_one_gives(encoding):
    cv_bridge = pytest.importorskip(
        'cv_bridge', reason='cv_bridge is not installed; it comes with a ROS installation',
        exc_type=Exception)
    message = sample_message(encoding)
    try:
        theirs = cv_bridge.CvBridge().imgmsg_to_cv2(message, 'rgb8')
    except Exception as error:  # noqa: BLE001  such as: compiled for another numpy
        pytest.skip(f'the installed cv_bridge does not convert {encoding}: {error!r}')
    np.testing.assert_allclose(CvBridge().imgmsg_to_cv2(message).astype(int), theirs,
                               atol=LARGEST_DIFFERENCE.get(encoding, 0))


def test_the_installed_one_is_used_where_it_agrees(install):
    class Installed:
        used = []

        def imgmsg_to_cv2(self, message, desired_encoding):
            self.used.append(message.encoding)
            if message.encoding == 'bgr8':
                raise TypeError('not this one')
            pixels = CvBridge().imgmsg_to_cv2(message, desired_encoding)
            return 255 - pixels if message.encoding == 'mono8' else pixels

    install(Installed)
    bridge = make_bridge()
    Installed.used.clear()
    for encoding in ENCODINGS:
        message = sample_message(encoding)
        np.testing.assert_array_equal(bridge.imgmsg_to_cv2(message),
                                      CvBridge().imgmsg_to_cv2(message))
    assert Installed.used == [name for name in ENCODINGS if name not in ('bgr8', 'mono8')]
    Installed.used.clear()
    padded = sample_message('rgb8')
    padded.step += 1
    padded.data = bytes(padded.step * padded.height)
    bridge.imgmsg_to_cv2(padded)
    padded.encoding = 'no_such'
    with pytest.raises(ValueError, match='accepted are'):
        bridge.imgmsg_to_cv2(padded)
    broken = sample_message('rgb8')
    broken.data = broken.data[:-1]
    with pytest.raises(ValueError, match='data has'):
        bridge.imgmsg_to_cv2(broken)
    assert not Installed.used, 'it would get padding wrong and trust broken messages'


@pytest.mark.parametrize('error', [ImportError, AttributeError, RuntimeError])
def test_one_that_cannot_start_is_replaced(install, error):
    class Installed:
        def __init__(self):
            raise error('_ARRAY_API not found')

    install(Installed)
    assert type(make_bridge()) is CvBridge


def test_one_that_does_nothing_right_is_replaced(install):
    class Installed:
        def imgmsg_to_cv2(self, message, desired_encoding):
            raise SystemError('compiled for another numpy')

    install(Installed)
    assert type(make_bridge()) is CvBridge


@pytest.mark.parametrize(('encoding', 'dtype', 'high'), [
    ('mono8', np.uint8, 2**8), ('mono16', np.uint16, 2**16), ('32SC1', np.int32, 2**31)])
def test_labels_survive_compression(encoding, dtype, high):
    low = -high if dtype is np.int32 else 0
    labels = np.random.default_rng(0).integers(low, high, (9, 7), dtype)
    header = Header(frame_id='camera')
    message = compress(image_message(header, labels, encoding))
    assert message.header == header
    assert message.format == f'{encoding}; png compressed '
    # What image_transport's subscriber does: it decodes, and believes the format's encoding.
    pixels = cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(np.frombuffer(pixels.tobytes(), dtype).reshape(9, 7), labels)


@pytest.mark.parametrize('encoding', ['rgb8', 'bgr8', 'mono8'])
@pytest.mark.parametrize('suffix', ['jpg', 'png'])
def test_compressed_pictures_come_back(encoding, suffix):
    ramp = np.linspace(0, 255, 32).astype(np.uint8)
    rgb = np.stack(np.broadcast_arrays(ramp[:, None], ramp, np.uint8(40)), -1)
    stored = {'rgb8': rgb[..., ::-1], 'bgr8': rgb[..., ::-1], 'mono8': rgb[..., 0]}[encoding]
    expected = rgb if encoding != 'mono8' else np.repeat(rgb[..., :1], 3, -1)
    kind = 'jpeg' if suffix == 'jpg' else 'png'
    target = 'mono8' if encoding == 'mono8' else 'bgr8'
    for text in (f'{encoding}; {kind} compressed {target}', kind):
        message = CvBridge().cv2_to_compressed_imgmsg(np.ascontiguousarray(stored), suffix)
        message.format = text
        np.testing.assert_allclose(image_to_rgb(message).astype(int), expected,
                                   atol=0 if suffix == 'png' else 12)


def test_other_compressed_pictures():
    bridge = CvBridge()
    rgb = sample_message('rgb8')
    pixels = bridge.imgmsg_to_cv2(rgb)
    swapped = bridge.cv2_to_compressed_imgmsg(pixels, 'png')
    swapped.format = 'rgb8; png compressed rgb8'
    np.testing.assert_array_equal(image_to_rgb(swapped), pixels)
    deep = bridge.cv2_to_compressed_imgmsg(np.full((4, 4), 65535, np.uint16), 'png')
    deep.format = 'mono16; png compressed '
    assert (image_to_rgb(deep) == 255).all()
    mosaic = sample_message('bayer_rggb8')
    stored = np.frombuffer(mosaic.data, np.uint8).reshape(mosaic.height, mosaic.width)
    message = bridge.cv2_to_compressed_imgmsg(stored, 'png')
    message.format = 'bayer_rggb8; png compressed '
    np.testing.assert_array_equal(image_to_rgb(message), image_to_rgb(mosaic))
    alpha = bridge.cv2_to_compressed_imgmsg(np.full((2, 2, 4), (1, 2, 3, 0), np.uint8), 'png')
    assert image_to_rgb(alpha)[0, 0].tolist() == [3, 2, 1]


def test_overlay_is_a_jpeg_as_image_transport_writes_it():
    message = compress(image_message(Header(), np.full((8, 8, 3), (200, 30, 10), np.uint8),
                                     'rgb8'))
    assert message.format == 'rgb8; jpeg compressed bgr8'
    np.testing.assert_allclose(image_to_rgb(message)[4, 4].astype(int), (200, 30, 10), atol=6)


@given(st.binary(max_size=60), st.text(max_size=10))
def test_damaged_compressed_images_are_refused(data, text):
    message = CompressedImage(format=text)
    message.data.frombytes(data)
    with pytest.raises((ValueError, cv2.error)):
        image_to_rgb(message)


def test_an_encoding_in_the_format_is_honoured():
    """A raw message of these is refused; a label image is no picture of grey levels."""
    bridge = CvBridge()
    deep = np.full((4, 6), 700, np.uint16)
    for text in ('16UC1; png compressed ', '16UC1', '32SC1; png compressed ', '32FC1; png '):
        message = bridge.cv2_to_compressed_imgmsg(deep, 'png')
        message.format = text
        with pytest.raises(ValueError, match='is not supported'):
            image_to_rgb(message)
    message.format = 'bayer_rggb8; png compressed '
    with pytest.raises(ValueError, match='expected one channel of 8 bits'):
        image_to_rgb(message)
    for text in ('png', 'mono16; png compressed ', 'mjpeg', '', 'image/png', 'x' * 10**6):
        message.format = text
        assert image_to_rgb(message).shape == (4, 6, 3)


@pytest.mark.parametrize('encoding', [name for name in ENCODINGS if name.startswith('bayer_')])
def test_a_compressed_mosaic_is_the_raw_one(encoding):
    raw = sample_message(encoding)
    dtype = np.uint16 if encoding.endswith('16') else np.uint8
    stored = np.frombuffer(raw.data, dtype).reshape(raw.height, raw.width)
    message = CvBridge().cv2_to_compressed_imgmsg(stored, 'png')
    message.format = f'{encoding}; png compressed '
    np.testing.assert_array_equal(image_to_rgb(message), image_to_rgb(raw))


@pytest.mark.parametrize('kind', ['jpeg', 'png', 'webp'])
def test_a_few_bytes_never_cost_gigabytes(kind):
    """A JPEG of 335 bytes took 125 s and 8 GB."""
    jpeg = bytes(CvBridge().cv2_to_compressed_imgmsg(np.zeros((8, 8), np.uint8), 'jpg').data)
    start = jpeg.index(b'\xff\xc0') + 5
    data = {'jpeg': jpeg[:start] + b'\xff\xdc\xff\xdc' + jpeg[start + 4:],
            'png': picture_case.png(60000, 60000, 1, 0, b''),
            'webp': picture_case.EXACT['rgb.webp'][0]}[kind]
    message = CompressedImage(format=kind)
    message.data.frombytes(data)
    with pytest.raises(ValueError, match='at most 64|too large|expected JPEG, PNG'):
        image_to_rgb(message)


def test_other_results_are_not_promised():
    with pytest.raises(ValueError, match="'rgb8'"):
        CvBridge().imgmsg_to_cv2(sample_message('rgb8'), 'bgr8')
