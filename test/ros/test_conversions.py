# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages to pixels and back, against OpenCV and by hand."""

from __future__ import annotations

import array

import cv2
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed: scripts/setup_env.sh')

from sensor_msgs.msg import Image  # noqa: E402
from std_msgs.msg import Header  # noqa: E402

from eov_seg_core.results.result import PanopticResult, Segment  # noqa: E402
from eov_seg_core.visualization import class_color
from eov_seg_ros import conversions  # noqa: E402
from eov_seg_ros.class_ids import LabelSpace  # noqa: E402
from eov_seg_ros.conversions import image_to_rgb  # noqa: E402
from eov_seg_ros.image_bridge import ENCODINGS  # noqa: E402


def message_of(rows: np.ndarray, encoding: str, height: int, width: int, padding: int = 0,
               is_bigendian: int = 0) -> Image:
    """Build a message from rows of bytes, with garbage as padding."""
    rows = rows.reshape(len(rows), -1).view(np.uint8)
    padded = np.full((rows.shape[0], rows.shape[1] + padding), 0xA5, np.uint8)
    padded[:, :rows.shape[1]] = rows
    return Image(height=height, width=width, encoding=encoding, is_bigendian=is_bigendian,
                 step=padded.shape[1], data=array.array('B', padded.tobytes()))


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


FROM_RGB = {
    'rgb8': lambda rgb: rgb,
    'bgr8': lambda rgb: rgb[..., ::-1], '8UC3': lambda rgb: rgb[..., ::-1],
    'rgba8': lambda rgb: cv2.cvtColor(rgb, cv2.COLOR_RGB2RGBA),
    'bgra8': lambda rgb: cv2.cvtColor(rgb, cv2.COLOR_RGB2BGRA),
    '8UC4': lambda rgb: cv2.cvtColor(rgb, cv2.COLOR_RGB2BGRA),
}


@given(st.sampled_from(sorted(FROM_RGB)), st.integers(1, 7), st.integers(1, 7), st.integers(0, 5),
       st.integers(0, 1), st.integers(0, 99))
def test_colour_encodings_are_exact(encoding, height, width, padding, is_bigendian, seed):
    rgb = picture(height, width, seed)
    stored = np.ascontiguousarray(FROM_RGB[encoding](rgb))
    message = message_of(stored, encoding, height, width, padding, is_bigendian)
    result = image_to_rgb(message)
    np.testing.assert_array_equal(result, rgb)
    assert result.dtype == np.uint8
    assert result.flags.c_contiguous


@given(st.sampled_from(['mono8', '8UC1']), st.integers(1, 7), st.integers(1, 7), st.integers(0, 5))
def test_gray_is_repeated(encoding, height, width, padding):
    gray = picture(height, width)[..., 0].copy()
    result = image_to_rgb(message_of(gray, encoding, height, width, padding))
    np.testing.assert_array_equal(result, np.repeat(gray[..., None], 3, axis=2))


@given(st.integers(1, 7), st.integers(1, 7), st.integers(0, 5), st.booleans())
def test_16_bits_are_scaled_whatever_the_byte_order(height, width, padding, big):
    values = np.random.default_rng(height).integers(0, 65536, (height, width)).astype(np.uint16)
    stored = values.astype('>u2' if big else '<u2')
    result = image_to_rgb(message_of(stored, 'mono16', height, width, padding, int(big)))
    expected = np.rint(values / 65535 * 255)
    np.testing.assert_allclose(result[..., 1], expected, atol=1)
    assert (result[..., 0] == result[..., 2]).all()


def test_16_bit_extremes():
    stored = np.array([[0, 65535]], '<u2')
    assert image_to_rgb(message_of(stored, 'mono16', 1, 2))[0, :, 0].tolist() == [0, 255]


@pytest.mark.parametrize('first_row', ['rg', 'bg', 'gb', 'gr'])
def test_mosaics_are_named_by_their_first_row(first_row):
    second_row = {'rg': 'gb', 'bg': 'gr', 'gb': 'rg', 'gr': 'bg'}[first_row]
    color = {'r': 200, 'g': 120, 'b': 30}
    tile = np.array([[color[c] for c in first_row], [color[c] for c in second_row]], np.uint8)
    mosaic = np.tile(tile, (6, 8))
    result = image_to_rgb(message_of(mosaic, f'bayer_{first_row}{second_row}8', 12, 16, padding=3))
    np.testing.assert_array_equal(result, np.broadcast_to([200, 120, 30], (12, 16, 3)))


YUV_ENCODERS = {  # luma, then two chroma planes at half the width, to rows of bytes
    'yuv422': lambda y, u, v: np.stack([u, y[:, ::2], v, y[:, 1::2]], -1),
    'uyvy': lambda y, u, v: np.stack([u, y[:, ::2], v, y[:, 1::2]], -1),
    'yuv422_yuy2': lambda y, u, v: np.stack([y[:, ::2], u, y[:, 1::2], v], -1),
    'yuyv': lambda y, u, v: np.stack([y[:, ::2], u, y[:, 1::2], v], -1),
    'nv12': lambda y, u, v: np.concatenate([y, np.stack([u, v], -1)[::2].reshape(-1, y.shape[1])]),
    'nv21': lambda y, u, v: np.concatenate([y, np.stack([v, u], -1)[::2].reshape(-1, y.shape[1])]),
    'nv24': lambda y, u, v: np.concatenate(
        [y, np.stack([u, v], -1).repeat(2, axis=1).reshape(-1, y.shape[1])]),
    'i420': lambda y, u, v: np.concatenate(
        [y, *(plane[::2].reshape(-1, y.shape[1]) for plane in (u, v))]),
}
YUV_ENCODERS['yuv420p'] = YUV_ENCODERS['i420']


@pytest.mark.parametrize('encoding', sorted(YUV_ENCODERS))
@pytest.mark.parametrize('padding', [0, 6])
def test_yuv(encoding, padding):
    height, width = 8, 8
    if padding and encoding in ('nv24', 'i420', 'yuv420p'):
        with pytest.raises(ValueError, match='must not be padded'):
            image_to_rgb(message_of(np.zeros((24, 8), np.uint8), encoding, 8, 8, padding))
        return
    for color in ([255, 0, 0], [0, 255, 0], [0, 0, 255], [90, 90, 90], [240, 200, 40]):
        red, green, blue = (value / 255 for value in color)
        luma = 16 + 65.481 * red + 128.553 * green + 24.966 * blue  # BT.601, limited range
        cb = 128 - 37.797 * red - 74.203 * green + 112.0 * blue
        cr = 128 + 112.0 * red - 93.786 * green - 18.214 * blue
        plane = np.full((height, width // 2), 1.0)
        rows = YUV_ENCODERS[encoding](np.full((height, width), luma), cb * plane, cr * plane)
        message = message_of(np.rint(rows).astype(np.uint8), encoding, height, width, padding)
        np.testing.assert_allclose(image_to_rgb(message),
                                   np.broadcast_to(color, (height, width, 3)), atol=4)


def test_every_accepted_encoding_is_tested_above():
    bayer = {f'bayer_{mosaic}{bits}' for mosaic in ('rggb', 'bggr', 'gbrg', 'grbg')
             for bits in (8, 16)}
    tested = {*FROM_RGB, *YUV_ENCODERS, *DEEP_FROM_RGB, *bayer, 'mono8', '8UC1', 'mono16'}
    assert tested == set(ENCODINGS)


DEEP_FROM_RGB = {'rgb16': (0, 1, 2), 'bgr16': (2, 1, 0), '16UC3': (2, 1, 0)}


@pytest.mark.parametrize('encoding', DEEP_FROM_RGB)
@pytest.mark.parametrize('big', [False, True])
def test_16_bits_a_sample(encoding, big):
    expected = picture(4, 5)
    stored = (expected[..., DEEP_FROM_RGB[encoding]].astype(np.uint16) * 257).astype(
        '>u2' if big else '<u2')
    result = image_to_rgb(message_of(stored.reshape(4, 15), encoding, 4, 5, 4, int(big)))
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize('mosaic', ['rggb', 'bggr', 'gbrg', 'grbg'])
def test_deep_mosaics_are_those_of_8_bits(mosaic):
    stored = np.random.default_rng(0).integers(0, 256, (12, 16), dtype=np.uint8)
    np.testing.assert_array_equal(
        image_to_rgb(message_of(stored.astype('<u2') * 257, f'bayer_{mosaic}16', 12, 16)),
        image_to_rgb(message_of(stored, f'bayer_{mosaic}8', 12, 16)))


def test_mono16_of_fewer_bits_uses_the_whole_range():
    stored = np.array([[0, 2048, 4095, 9000]], '<u2')
    message = message_of(stored, 'mono16', 1, 4)
    assert image_to_rgb(message, mono16_max=4095)[0, :, 0].tolist() == [0, 128, 255, 255]
    assert image_to_rgb(message)[0, :, 0].tolist() == [0, 8, 16, 35]


def test_packed_rgb_is_not_copied():
    message = message_of(picture(4, 5), 'rgb8', 4, 5)
    assert np.shares_memory(image_to_rgb(message), np.frombuffer(message.data, np.uint8))


@pytest.mark.parametrize(('changes', 'expected'), [
    ({'encoding': '32FC1'}, 'accepted are rgb8'),
    ({'encoding': ''}, 'accepted are rgb8'),
    ({'height': 0}, 'empty'),
    ({'width': 0}, 'empty'),
    ({'step': 14}, 'a row has 15 bytes'),
    ({'data': array.array('B', bytes(59))}, '59 bytes, expected 4 rows of 15 = 60'),
    ({'data': array.array('B', bytes(61))}, '61 bytes'),
    ({'data': array.array('B')}, '0 bytes'),
    ({'encoding': 'yuv422'}, 'width must be even'),
    ({'encoding': 'nv12', 'height': 3, 'width': 4}, 'width and height must be even'),
])
def test_contradictions_are_named(changes, expected):
    message = message_of(picture(4, 5), 'rgb8', 4, 5)
    for name, value in changes.items():
        setattr(message, name, value)
    with pytest.raises(ValueError, match=expected):
        image_to_rgb(message)


@given(st.integers(1, 7), st.integers(1, 7))
def test_image_message_packs_rows_and_keeps_the_header(height, width):
    header = Header(frame_id='camera')
    strided = picture(height, width * 2)[:, ::2]
    message = conversions.image_message(header, strided, 'rgb8')
    assert message.header is header
    assert (message.step, len(message.data)) == (3 * width, 3 * width * height)
    np.testing.assert_array_equal(image_to_rgb(message), strided)


def result_of(*segments: Segment) -> PanopticResult:
    """Return a result with one column per segment and an unlabeled one at the end."""
    instance = np.array([[*(segment.id for segment in segments), 0]] * 2, np.int32)
    return PanopticResult(instance, list(segments))


def segment(number: int, class_id: int, is_thing: bool) -> Segment:
    return Segment(number, class_id, f'class {class_id}', is_thing, 0.5, 2,
                   (number - 1, 0, number, 2))


def pixels(message: Image, dtype: type) -> list[int]:
    return np.frombuffer(message.data, dtype).reshape(message.height, -1)[0].tolist()


@pytest.mark.parametrize('segments', [[], [segment(1, 1, True)],
                                      [segment(1, 2, True), segment(2, 1, False)]])
def test_label_images_by_hand(segments):
    labels = LabelSpace(('class 1', 'class 2'), (7, 5), 'mono8')
    result = result_of(*segments)
    published = [labels.ids[s.class_id - 1] for s in segments]
    assert pixels(conversions.instance_image(Header(), result), np.uint16) == [
        *(s.id for s in segments), 0]
    assert pixels(conversions.semantic_image(Header(), result, labels), np.uint8) == [
        *published, 0]
    assert pixels(conversions.panoptic_image(Header(), result, labels), np.int32) == [
        *((class_id << 16) + (s.id if s.is_thing else 0)
          for s, class_id in zip(segments, published)), 0]
    things = [s for s in segments if s.is_thing]
    for include_stuff, expected in ((False, things), (True, segments)):
        message = conversions.detections(Header(frame_id='x'), result, include_stuff)
        assert message.header.frame_id == 'x'
        assert [d.id for d in message.detections] == [str(s.id) for s in expected]


def test_the_labels_settle_the_encoding_of_semantic():
    result = result_of(segment(1, 1, False))
    for class_id, encoding in ((255, 'mono8'), (3, 'mono16'), (65535, 'mono16')):
        labels = LabelSpace(('class 1',), (class_id,), encoding)
        message = conversions.semantic_image(Header(), result, labels)
        assert message.encoding == encoding
        dtype = np.uint8 if encoding == 'mono8' else np.uint16
        assert pixels(message, dtype) == [class_id, 0]


def test_class_low_is_what_hydra_unpacks_since_it_turned_its_order_round():
    result = result_of(segment(1, 1, True), segment(2, 2, False))
    labels = LabelSpace(('chair', 'floor'), (65535, 9))
    message = conversions.panoptic_image(Header(), result, labels, 'class_low')
    values = np.frombuffer(message.data, np.int32)[:3]
    assert list(zip((values & 0xffff).tolist(), (values >> 16).astype(np.int16).tolist())) == [
        (65535, 1), (9, 0), (0, 0)]


def test_the_largest_class_id_keeps_all_its_bits():
    labels = LabelSpace(('class 1',), (65535,))
    message = conversions.panoptic_image(Header(), result_of(segment(1, 1, True)), labels)
    assert pixels(message, np.uint32) == [0xffff0001, 0]


@pytest.mark.parametrize('count', [255, 256, 300])
def test_many_segments(count):
    result = result_of(*(segment(number, 1, True) for number in range(1, count + 1)))
    labels = LabelSpace(('class 1',), (7,), 'mono8')
    assert pixels(conversions.panoptic_image(Header(), result, labels), np.int32) == [
        *(7 << 16 | number for number in range(1, count + 1)), 0]
    assert pixels(conversions.semantic_image(Header(), result, labels), np.uint8) == [
        *[7] * count, 0]


def test_label_info_lists_unlabeled_first():
    message = conversions.label_info(Header(), LabelSpace(('ein Hündchen', 'b'), (3, 9)), 0.25)
    assert [(c.class_id, c.class_name) for c in message.class_map] == [
        (0, 'unlabeled'), (3, 'ein Hündchen'), (9, 'b')]
    assert message.threshold == pytest.approx(0.25)


@pytest.mark.parametrize('segments', [[], [segment(1, 1, True)],
                                      [segment(1, 2, True), segment(2, 1, False)]])
def test_a_mask_is_white_where_a_name_is_and_colours_are_those_of_the_classes(segments):
    result = result_of(*segments)
    message = conversions.mask_image(Header(), result, ['CLASS 1', 'nothing'])
    assert message.encoding == 'mono8'
    assert pixels(message, np.uint8) == [*(255 * (s.class_id == 1) for s in segments), 0]
    assert not any(pixels(conversions.mask_image(Header(), result, []), np.uint8))
    message = conversions.color_image(Header(frame_id='x'), result)
    assert (message.encoding, message.header.frame_id) == ('rgb8', 'x')
    assert pixels(message, np.uint8) == [
        *(channel for s in segments for channel in class_color(s.name)), 0, 0, 0]
