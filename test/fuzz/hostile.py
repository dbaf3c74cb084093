# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Damaged and hostile files, from a seed: cut-off downloads, bad disks, and files made to harm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import json
import struct
from typing import Any, NamedTuple
import zlib

import cv2
import numpy as np
from numpy.random import Generator

SUFFIXES = ('.png', '.jpg', '.bmp', '.webp', '.tiff', '.ppm')
_HEADS = (b'\x89PNG\r\n\x1a\n', b'\xff\xd8\xff\xe0\x00\x10JFIF', b'BM',
          b'RIFF\xff\xff\xff\x7fWEBP', b'II*\x00', b'GIF89a', b'PK\x03\x04', b'\x80\x02}q',
          b'\x1f\x8b\x08', b'%PDF-1.7',
          b'<!DOC', b'version https://git-lfs.github.com/spec/v1\n', b'\x00' * 16, b'\xff' * 16)
_HUGE = (2**32 - 1, 2**31 - 1, 2**31, 2**28, 2**24, 2**16, 65535, 0)


class Case(NamedTuple):
    """One hostile input.

    Attributes:
        kind: What was done to it; `intact` for nothing.
        content: The file.
        suffix: Ending of its name.
    """

    kind: str
    content: bytes
    suffix: str


def truncate(content: bytes, rng: Generator) -> bytes:
    return content[:rng.integers(len(content))]


def flip_bits(content: bytes, rng: Generator) -> bytes:
    changed = bytearray(content)
    for position in rng.integers(len(content), size=rng.integers(1, 9)):
        changed[position] ^= 1 << rng.integers(8)
    return bytes(changed)


def flip_head_bits(content: bytes, rng: Generator) -> bytes:
    return flip_bits(content[:64], rng) + content[64:]


def swap_head(content: bytes, rng: Generator) -> bytes:
    head = _HEADS[rng.integers(len(_HEADS))]
    return head + content[len(head):]


def overwrite(content: bytes, rng: Generator) -> bytes:
    start = int(rng.integers(len(content)))
    run = rng.bytes(64) if rng.integers(2) else bytes([rng.integers(256)]) * 64
    return content[:start] + run[:len(content) - start] + content[start + 64:]


def claim_huge(content: bytes, rng: Generator) -> bytes:
    """Write a large number where a head may keep a size or an offset."""
    start = int(rng.integers(max(1, min(len(content), 128) - 3)))
    number = struct.pack(rng.choice(['<I', '>I']), rng.choice(_HUGE))
    return content[:start] + number + content[start + 4:]


DAMAGES: tuple[Callable[[bytes, Generator], bytes], ...] = (
    truncate, flip_bits, flip_head_bits, swap_head, overwrite, claim_huge)


def damaged(content: bytes, suffix: str, rng: Generator) -> Case:
    """Return the file damaged in one way, or intact once in four times."""
    if rng.integers(4) == 0:
        return Case('intact', content, suffix)
    damage = DAMAGES[rng.integers(len(DAMAGES))]
    return Case(damage.__name__, damage(content, rng), suffix)


def picture(rng: Generator, suffixes: Sequence[str] = SUFFIXES) -> Case:
    """Return a small picture, whole or damaged, or a small file that claims a huge picture."""
    if rng.integers(8) == 0:
        return picture_bomb(rng)
    suffix = str(rng.choice(suffixes))
    height, width = rng.integers(1, 48, 2)
    channels = 3 if suffix in ('.jpg', '.ppm', '.bmp') else int(rng.choice([1, 3, 4]))
    deep = suffix in ('.png', '.tiff') and rng.integers(4) == 0
    pixels = rng.integers(0, 65536 if deep else 256, (height, width, channels)).astype(
        np.uint16 if deep else np.uint8)
    if suffix == '.webp' and channels == 1:
        pixels = np.repeat(pixels, 3, -1)
    _, content = cv2.imencode(suffix, pixels)
    return damaged(content.tobytes(), suffix, rng)


def picture_bomb(rng: Generator) -> Case:
    """Return a file of some hundred bytes that claims up to 65535 x 65535 pixels."""
    width, height = (int(side) for side in rng.choice([1, 16, 20000, 32767, 65500, 70000], 2))
    makers = {'.png': _png_bomb, '.jpg': _jpeg_bomb, '.bmp': _bmp_bomb, '.ppm': _ppm_bomb,
              '.webp': _webp_bomb}
    suffix = str(rng.choice(list(makers)))
    content = makers[suffix](width, height)
    if suffix == '.png' and rng.integers(3) == 0:
        return Case('png chunk of gigabytes', _png_chunk_bomb(int(rng.choice(_HUGE))), suffix)
    return Case(f'claims {width} x {height}', content, suffix)


def _png(width: int, height: int, data: bytes) -> bytes:
    chunks = ((b'IHDR', struct.pack('>IIBBBBB', width, height, 1, 0, 0, 0, 0)),
              (b'IDAT', zlib.compress(data)), (b'IEND', b''))
    return b'\x89PNG\r\n\x1a\n' + b''.join(
        struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(kind + body))
        for kind, body in chunks)


def _png_bomb(width: int, height: int) -> bytes:
    return _png(width, height, b'\0' * min(height * (1 + (width + 7) // 8), 10**6))


def _png_chunk_bomb(length: int) -> bytes:
    content = _png(1, 1, b'\0\0')
    start = content.index(b'IDAT') - 4
    return content[:start] + struct.pack('>I', length) + content[start + 4:]


def _jpeg_bomb(width: int, height: int) -> bytes:
    _, encoded = cv2.imencode('.jpg', np.zeros((8, 8, 3), np.uint8))
    content = encoded.tobytes()
    start = content.index(b'\xff\xc0') + 5
    size = struct.pack('>HH', height % 65536, width % 65536)
    return content[:start] + size + content[start + 4:]


def _bmp_bomb(width: int, height: int) -> bytes:
    _, encoded = cv2.imencode('.bmp', np.zeros((8, 8, 3), np.uint8))
    content = encoded.tobytes()
    return content[:18] + struct.pack('<II', width, height) + content[26:]


def _ppm_bomb(width: int, height: int) -> bytes:
    return b'P6 %d %d 255\n' % (width, height) + bytes(100)


def _webp_bomb(width: int, height: int) -> bytes:
    """Return a lossless WebP of 14 + 14 bits of size whose data end at once."""
    size = (min(width, 16384) - 1) | (min(height, 16384) - 1) << 14
    body = b'VP8L' + struct.pack('<I', 9) + b'\x2f' + struct.pack('<I', size) + bytes(5)
    return b'RIFF' + struct.pack('<I', 4 + len(body)) + b'WEBP' + body


# Texts.

_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1.5, 2**31, 2**70, 1e400, float('nan'), '', 'x', 'x' * 100_000, '\0',
    '\x1b[31m', '\ud800', '../../etc/passwd', '/etc/passwd', '.', [], {}, [[]], [None],
    {'a': {}}, [1] * 1000)


def json_text(content: Any, rng: Generator) -> Case:
    """Return a JSON file with one entry changed, removed or doubled, or damaged as a file."""
    if rng.integers(3) == 0:
        return damaged(json.dumps(content).encode(), '.json', rng)
    if rng.integers(8) == 0:
        depth = int(rng.choice([100, 5_000, 200_000]))
        return Case('nested', b'[' * depth + b']' * depth * int(rng.integers(2)), '.json')
    content = json.loads(json.dumps(content))
    entries = list(_entries(content))
    parent, key = entries[rng.integers(len(entries))]
    action = rng.integers(3)
    if action == 0:
        parent[key] = _VALUES[rng.integers(len(_VALUES))]
        return Case('changed entry', json.dumps(content).encode(), '.json')
    if action == 1:
        del parent[key]
        return Case('removed entry', json.dumps(content).encode(), '.json')
    if isinstance(parent, list):
        parent.append(parent[key])
    else:
        parent[f'{key} '] = parent[key]
    return Case('doubled entry', json.dumps(content).encode(), '.json')


def _entries(content: Any) -> Any:
    """Yield each container with each of its keys, from the outside in."""
    keys = list(content) if isinstance(content, dict) else range(len(content))
    for key in keys:
        yield content, key
        if isinstance(content[key], (dict, list)):
            yield from _entries(content[key])


_YAML = (
    'things: [{a}, {b}]\nstuff: [floor, wall]\n', 'categories:\n- thing: {a}\n- stuff: {b}\n',
    'things:\n- {a}\n- {b}\n', 'things: {a}\n', 'things: {{a: {a}}}\n', '- {a}\n- {b}\n', '{a}\n',
    'things: [*x, &x {a}]\n', 'things: &x [*x, {b}]\n', '<<: *x\nthings: [{a}]\n',
    'things: !!set {{? {a}, ? {b}}}\n', 'things: [{a}]\nwords: [{b}]\n', '? [{a}]\n: things\n')
_LIST = ('0:invalid_class_id\n1:{a}\n2:{b}\n', '1:{a}\n', '{a}\n{b}\n', '1 {a}\n', ':{a}\n',
         '1:\n', '1:{a},{a}\n2:{b}\n', '99999999999999999999:{a}\n')
_WORDS = ('chair', 'traffic light', 'person,pedestrian', 'café', '椅子', '~', 'null', 'yes', '12',
          '1e5', '2024-02-30', '!!python/object/apply:os.system [exit]', '!!binary aGk=',
          '!!float nan', '""', "'", '[', '{', '@x', 'a\tb', '\x07', '\x1b[31m', 'x' * 300, ',',
          ', ,', 'a,a', '&lt;',
          '\ufeff', '\u202e', '"\\ud800"', '|\n  a\n  b', '*y', '0x', '- -')


def vocabulary(rng: Generator) -> Case:
    """Return a vocabulary file: YAML or a list, whole, odd, damaged, or a bomb."""
    if rng.integers(10) == 0:
        return _yaml_bomb(rng)
    is_yaml = rng.integers(3) > 0
    texts = _YAML[:4] if rng.integers(4) else _YAML
    text = str(rng.choice(texts if is_yaml else _LIST))
    words = _WORDS[:4] if rng.integers(4) else _WORDS
    text = text.format(a=words[rng.integers(len(words))], b=words[rng.integers(len(words))])
    encoding = str(rng.choice(['utf-8'] * 6 + ['utf-16', 'utf-8-sig']))
    suffix = '.yaml' if is_yaml else '.txt'
    return damaged(text.encode(encoding, 'surrogatepass'), suffix, rng)


def _yaml_bomb(rng: Generator) -> Case:
    kind = str(rng.choice(['anchors', 'nested', 'merged', 'long']))
    if kind == 'anchors':
        lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x]']
        lines += [f'a{n}: &a{n} [{", ".join([f"*a{n - 1}"] * 9)}]' for n in range(1, 9)]
        lines.append(str(rng.choice(['things: *a8', 'things: {a: *a8}', 'categories: [*a8]'])))
    elif kind == 'merged':
        lines = ['m0: &m0 {things: [a]}']
        lines += [f'm{n}: &m{n} {{<<: [{", ".join([f"*m{n - 1}"] * 9)}]}}' for n in range(1, 8)]
        lines.append('<<: *m7')
    elif kind == 'nested':
        depth = int(rng.choice([200, 5_000, 100_000]))
        lines = ['things: ' + '[' * depth + ']' * depth]
    else:
        number = int(rng.choice([4_000, 5_000, 50_000]))
        lines = ['things:', *(f'- word {index}' for index in range(number))]
    return Case(f'bomb of {kind}', '\n'.join(lines).encode(), '.yaml')
