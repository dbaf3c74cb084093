# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Picture files of every kind, and the pixels that every reader must see in them."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 40, 24


def _ramp():
    """Return a smooth picture whose corners differ: (24, 40, 3) uint8."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([6 * x, 10 * y, 3 * (x + y)], axis=-1).astype(np.uint8)


RGB = _ramp()
GREY = RGB[..., 0]


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(kind, body):
    return struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(kind + body))


def png(width, height, depth, color, rows):
    """Return a PNG by hand; Pillow writes none of 16 bits with colours."""
    header = struct.pack('>IIBBBBB', width, height, depth, color, 0, 0, 0)
    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + chunk(b'IDAT', zlib.compress(rows))
            + chunk(b'IEND', b''))


def _deep(channels, color):
    """Return a PNG of 16 bits whose upper bytes are the ramp, and whose lower are not 0."""
    samples = (channels.astype('>u2') << 8 | 0x90).astype('>u2')
    return png(WIDTH, HEIGHT, 16, color, b''.join(b'\0' + row.tobytes() for row in samples))


def _turned(orientation):
    """Return the ramp as a camera would store it that says how to turn it upright."""
    return {2: RGB[:, ::-1], 3: RGB[::-1, ::-1], 4: RGB[::-1], 5: RGB.swapaxes(0, 1),
            6: np.rot90(RGB), 7: RGB[::-1, ::-1].swapaxes(0, 1), 8: np.rot90(RGB, -1)}[orientation]


def _exif(kind, orientation, **options):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.ascontiguousarray(_turned(orientation)))
    if kind == 'TIFF':
        return saved(image, kind, tiffinfo={274: orientation}, **options)
    return saved(image, kind, exif=exif, **options)


def _alpha(mode, kind, **options):
    alpha = np.zeros((HEIGHT, WIDTH, 1), np.uint8)
    alpha[:, ::2] = 255
    color = RGB if mode == 'RGBA' else GREY[..., None]
    return saved(Image.fromarray(np.concatenate([color, alpha], -1), mode), kind, **options)


def _palette():
    """Return a PNG of four colours of which one is transparent, and its pixels."""
    indices = (np.arange(HEIGHT)[:, None] + np.arange(WIDTH)) % 4
    colors = np.array([[200, 10, 20], [30, 210, 40], [50, 60, 220], [250, 250, 0]], np.uint8)
    image = Image.fromarray(indices.astype(np.uint8), 'P')
    image.putpalette(colors.ravel().tolist())
    return saved(image, 'PNG', transparency=1), colors[indices]


def _claiming_chunk():
    """Return a PNG of which a chunk claims to have 3.75 GB."""
    data, start = saved(Image.fromarray(RGB), 'PNG'), 33
    assert data[start + 4:start + 8] == b'IDAT'
    return data[:start] + b'\xe0\0\0\x0a' + data[start + 4:]


def tiff(tags):
    """Return the header of a grey TIFF by hand."""
    entries = b''.join(struct.pack('<HHII', key, 4, 1, tags[key]) for key in sorted(tags))
    return b'II*\0\x08\0\0\0' + struct.pack('<H', len(tags)) + entries + b'\0\0\0\0'


def grey(values):
    return np.repeat(values[..., None], 3, axis=2)


_COLOR, _GREY = Image.fromarray(RGB), Image.fromarray(GREY)
_ADOBE = Image.fromarray(np.concatenate([255 - RGB, np.zeros_like(RGB[..., :1])], -1), 'CMYK')
_BITS = (GREY > 100).astype(np.uint8) * 255

EXACT = {
    'rgb.png': (saved(_COLOR, 'PNG'), RGB),
    'grey.png': (saved(_GREY, 'PNG'), grey(GREY)),
    'bits.png': (saved(Image.fromarray(_BITS).convert('1'), 'PNG'), grey(_BITS)),
    'palette_alpha.png': _palette(),
    'alpha.png': (_alpha('RGBA', 'PNG'), RGB),
    'grey_alpha.png': (_alpha('LA', 'PNG'), grey(GREY)),
    'grey16.png': (_deep(GREY, 0), grey(GREY)),
    'rgb16.png': (_deep(RGB, 2), RGB),
    'rgba16.png': (_deep(np.concatenate([RGB, RGB[..., :1]], -1), 6), RGB),
    'rgb.bmp': (saved(_COLOR, 'BMP'), RGB),
    'rgb.ppm': (saved(_COLOR, 'PPM'), RGB),
    'grey.pgm': (saved(_GREY, 'PPM'), grey(GREY)),
    'grey16.pgm': (b'P5 40 24 65535\n' + (GREY.astype('>u2') << 8 | 0x90).astype('>u2').tobytes(),
                   grey(GREY)),
    'rgb.tif': (saved(_COLOR, 'TIFF'), RGB),
    'packed.tif': (saved(_COLOR, 'TIFF', compression='tiff_lzw'), RGB),
    'alpha.tif': (_alpha('RGBA', 'TIFF'), RGB),
    'grey16.tif': (saved(Image.fromarray(GREY.astype(np.uint16) << 8 | 0x90), 'TIFF'), grey(GREY)),
    'rgb.webp': (saved(_COLOR, 'WEBP', lossless=True), RGB),
    'alpha.webp': (_alpha('RGBA', 'WEBP', lossless=True, exact=True), RGB),
    'rgb.jp2': (saved(_COLOR, 'JPEG2000'), RGB),
    'grey.gif': (saved(_GREY, 'GIF'), grey(GREY)),
    **{f'turned{number}.{suffix}': (_exif(kind, number, **options), RGB)
       for number in range(2, 9) for suffix, kind, options in (
           ('png', 'PNG', {}), ('tif', 'TIFF', {}), ('webp', 'WEBP', {'lossless': True}))},
    'turned6_packed.tif': (_exif('TIFF', 6, compression='tiff_lzw'), RGB),
}
"""Name of a file -> its bytes and its pixels."""

CLOSE = {
    'rgb.jpg': (saved(_COLOR, 'JPEG', quality=95), RGB),
    'progressive.jpg': (saved(_COLOR, 'JPEG', quality=95, progressive=True), RGB),
    'grey.jpg': (saved(_GREY, 'JPEG', quality=95), grey(GREY)),
    'cmyk.jpg': (saved(_ADOBE, 'JPEG', quality=95), RGB),
    'motion.jpg': (saved(_COLOR, 'JPEG', quality=95, subsampling=0), RGB),
    **{f'turned{number}.jpg': (_exif('JPEG', number, quality=95, subsampling=0), RGB)
       for number in range(2, 9)},
    'lossy.webp': (saved(_COLOR, 'WEBP', quality=95), RGB),
}
"""The same for files whose pixels are only near; all readers give the same ones."""

_FLOATS = saved(Image.fromarray(np.zeros((4, 4), np.float32)), 'TIFF')
_BIG = png(9000, 9000, 1, 0, b'')
REFUSED = {
    'empty.jpg': (b'', r'is empty \(0 bytes\)'),
    'text.png': (b'no picture at all', 'is a text, no picture'),
    'phone.heic': (b'\0\0\0\x18ftypheic' + bytes(20), 'a HEIC picture.*convert it to JPEG'),
    'phone.jpg': (b'\0\0\0\x18ftypmif1' + bytes(20), 'a HEIC picture.*convert it to JPEG'),
    'new.avif': (b'\0\0\0\x1cftypavif' + bytes(20), 'an AVIF picture.*convert it to JPEG'),
    'clip.png': (b'\0\0\0\x18ftypisom' + bytes(20), 'is a video, no picture'),
    'floats.tif': (_FLOATS, 'of the kind F'),
    'large.png': (_BIG, 'at most 64'),
    'wide.png': (png(70000, 16, 8, 0, b''), 'at most 65500'),
    'chunk.png': (_claiming_chunk(), 'damaged, cut off'),
    'large.gif': (b'GIF89a' + struct.pack('<HH', 60000, 60000) + b'\0\0\0;', 'damaged|at most 64'),
    'vector.eps': (b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n', 'is a text, no picture'),
    **{f'half_{name}': (data[:len(data) // 2], 'damaged, cut off|damaged or no')
       for name, (data, _) in (EXACT | CLOSE).items() if 'turned' not in name},
}
"""Name of a file -> its bytes, and what the error says."""
