# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Image messages as drivers with faults, bad links and attackers send them, from a seed."""

from __future__ import annotations

from typing import Any

from fuzz import hostile
from numpy.random import Generator
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage, Image

from eov_seg_ros.image_bridge import ENCODINGS, sample_message

_UNKNOWN = ('', 'RGB8', 'rgb8 ', '8UC', '64FC7', '32FC1', '16SC3', 'jpeg', 'rgb8\n[ERROR] forged',
            '\x1b[31m', 'x' * 5000, '画像', 'bayer_rggb', 'nv99', 'rgb888888')
_FORMATS = ('', 'jpeg', 'png', 'jpg', 'webp', 'rgb8; jpeg compressed bgr8',
            'bgr8; png compressed bgr8', 'mono16; png compressed ', '16UC1; compressedDepth png',
            'bayer_rggb8; jpeg compressed ', 'rgb8; jpeg compressed rgb8', ';;;', '\x1b[31m',
            'y' * 5000,
            '32FC1; png compressed ')
_SIZES = (0, 1, 3, 2**16, 2**31 - 1, 2**31, 2**32 - 1)
_SPOILT = ('intact', 'padded', 'encoding', 'height', 'width', 'step', 'less data', 'more data',
           'no data', 'byte order', 'sizes')


def raw_image(rng: Generator) -> hostile.Case:
    """Return an `Image`, valid or with one or two fields that contradict the rest."""
    message = _valid_image(rng)
    kinds = [str(kind) for kind in rng.choice(_SPOILT, rng.integers(1, 3))]
    for kind in kinds:
        _spoil(message, kind, rng)
    return hostile.Case(f'{message.encoding[:20]!r} {"+".join(kinds)}', message, '')


def _valid_image(rng: Generator) -> Image:
    sample = sample_message(str(rng.choice(ENCODINGS)))
    height, width = (2 * int(half) for half in rng.integers(1, 40, 2))
    rows = len(sample.data) // sample.step * height // sample.height
    step = width * sample.step // sample.width
    message = Image(height=height, width=width, step=step, encoding=sample.encoding,
                    is_bigendian=int(rng.integers(2)))
    _fill(message, rng.bytes(rows * step))
    return message


def _fill(message: Any, content: bytes) -> None:
    message.data = type(message.data)('B', content)


def _spoil(message: Image, kind: str, rng: Generator) -> None:
    data = bytes(message.data)
    if kind == 'padded' and message.step and len(data) % message.step == 0:
        rows, pad = len(data) // message.step, int(rng.integers(1, 17))
        message.step += pad
        _fill(message, rng.bytes(rows * message.step))
    elif kind == 'encoding':
        message.encoding = str(rng.choice(_UNKNOWN if rng.integers(2) else ENCODINGS))
    elif kind in ('height', 'width', 'step'):
        setattr(message, kind, int(rng.choice([*_SIZES, getattr(message, kind) + 1])))
    elif kind == 'sizes':       # whose product is 0 in 32 bits, or all that there is
        side = int(rng.choice([2**16, 2**32 - 1, 2**31]))
        message.height = message.width = message.step = side
    elif kind == 'byte order':
        message.is_bigendian = int(rng.integers(256))
    elif kind.endswith('data'):
        size = {'less data': len(data) * int(rng.integers(100)) // 100,
                'more data': len(data) + int(rng.integers(1, 10_000)), 'no data': 0}[kind]
        _fill(message, data[:size] + bytes(max(0, size - len(data))))


def compressed_image(rng: Generator) -> hostile.Case:
    """Return a `CompressedImage`: a picture, whole, damaged or a bomb, with any format text."""
    case = hostile.picture(rng, ('.jpg', '.png') if rng.integers(3) else hostile.SUFFIXES)
    message = CompressedImage(format=str(rng.choice(_FORMATS)))
    _fill(message, case.content)
    return hostile.Case(f'{message.format[:30]!r} {case.suffix} {case.kind}', message, '')


def cdr(message: Any, rng: Generator) -> bytes:
    """Return the bytes of a message as DDS sends them, damaged, or random bytes."""
    if rng.integers(4) == 0:
        return rng.bytes(int(rng.integers(200)))
    damage = hostile.DAMAGES[rng.integers(len(hostile.DAMAGES))]
    return damage(bytes(serialize_message(message)), rng)
