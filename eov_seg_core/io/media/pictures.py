# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The one reader of pictures: command, node, demo and training see the same pixels of a file.

Pillow decodes, because it reads the header first, refuses files that were cut off, and does not
depend on the version of OpenCV.  OpenCV 4 returns the upper part of a JPEG that was cut off and
says nothing, OpenCV 5 reserves what a PNG chunk merely claims to hold.  Pillow's pixels of JPEG,
PNG and WebP are those of both; a JPEG takes it about a fifth longer.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable
import contextlib
import io
from pathlib import Path
import struct
from typing import Any
import zlib

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from eov_seg_core.io.files import check_path, read_file, replace_file
from eov_seg_core.wrong import wrong

RGB = npt.NDArray[np.uint8]

FORMATS = ('JPEG', 'PNG', 'WEBP', 'TIFF', 'BMP', 'DIB', 'PPM', 'GIF', 'JPEG2000')
"""What is read, as Pillow calls it."""
MAX_MEGAPIXELS = 64.0
"""Largest picture unless told otherwise, in millions of pixels; 64 are 192 MB as RGB."""
LARGEST_LIMIT = 178.0
"""Largest limit: beyond it Pillow refuses by itself."""
MAX_SIDE = 65_500
"""Longest side in pixels: no JPEG has a longer one, so that no overlay could be written."""

_DECODING_ERRORS = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError,
                    OverflowError, struct.error, zlib.error, Image.DecompressionBombError,
                    Image.DecompressionBombWarning)
_EIGHT_BIT = frozenset({'1', 'L', 'LA', 'P', 'PA', 'RGB', 'RGBA', 'RGBX', 'CMYK', 'YCbCr'})
_PNG = b'\x89PNG\r\n\x1a\n'
_MAX_SCANS = 100
"""Scans of a progressive JPEG, each of which takes a pass over all pixels; encoders write 10."""
_WRITERS = {'.png': ('PNG', {'compress_level': 1}), '.jpg': ('JPEG', {'quality': 95})}
"""Level 1 is the fastest; label images are small whatever the level."""
_ORIENTATION = 0x0112
_UPRIGHT: dict[int, Callable[[npt.NDArray[Any]], npt.NDArray[Any]]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90,
}
"""What turns a picture upright, for each value of the EXIF tag Orientation."""
_BRANDS = dict.fromkeys(
    (b'heic', b'heix', b'hevc', b'heim', b'heis', b'mif1', b'msf1'),
    'a HEIC picture, which cannot be read: convert it to JPEG (a phone can be set to take JPEG)')
_BRANDS |= dict.fromkeys(
    (b'avif', b'avis'), 'an AVIF picture, which cannot be read: convert it to JPEG')
"""Brand of an ISO media file -> what it is, and what to do with it."""
_RECORDINGS = b'\x89MCAP0\r\n', b'SQLite format 3\0'
"""How the files of a ROS 2 recording begin."""


class MediaError(ValueError):
    """A file, camera or message cannot be read; the text names it and says why."""


def read_image(path: str | Path, *, max_megapixels: float = MAX_MEGAPIXELS) -> RGB:
    """Read an image file as (H, W, 3) uint8 RGB, whatever it holds; see `to_rgb`.

    Args:
        path: Of the file.
        max_megapixels: A larger picture is refused before it is decoded.

    Raises:
        MediaError: It cannot be read, is no picture, damaged, cut off or too large.
    """
    check_path(path)
    try:
        data = read_file(Path(path))
    except (OSError, ValueError) as error:      # ValueError: a name with a null byte
        raise MediaError(f'{path} cannot be read: {error}') from error
    return to_rgb(load_picture(data, str(path), max_megapixels=max_megapixels), str(path))


def load_picture(data: bytes, source: str, *, formats: tuple[str, ...] = FORMATS,
                 max_megapixels: float = MAX_MEGAPIXELS) -> Image.Image:
    """Decode a picture completely, as it is stored: neither turned nor converted.

    Of several pictures in one file the first one is taken.

    Args:
        data: The file.
        source: Names it in errors.
        formats: Those of `FORMATS` that are accepted, told by the first bytes.
        max_megapixels: A larger picture is refused before it is decoded.

    Raises:
        MediaError: It is no picture of these formats, damaged, cut off or too large.
    """
    try:
        image = Image.open(io.BytesIO(data), formats=formats)
        _check_size(image, source, max_megapixels)
        _check_structure(image, data, source)
        image.load()
    except MediaError:
        raise
    except UnidentifiedImageError:
        raise MediaError(f'{source} is {_kind(data)} ({len(data)} bytes); '
                         f'expected {", ".join(formats)}') from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise MediaError(f'{source} is too large: it has more pixels than Pillow opens; make it '
                         'smaller') from error
    except MemoryError as error:
        raise MediaError(f'{source} does not fit into the memory') from error
    except _DECODING_ERRORS as error:
        raise MediaError(f'{source} is damaged, cut off or no picture ({len(data)} bytes): '
                         f'{error}') from error
    return image


def _kind(data: bytes) -> str:
    """Say what a file is that no decoder knows: empty, a text, of a phone, or anything else."""
    if not data:
        return 'empty'
    if data.startswith(_RECORDINGS):
        return 'a recording, no picture: eov-seg bag labels recordings'
    if data[4:8] == b'ftyp':    # the first box of an ISO media file, then its brand
        return _BRANDS.get(data[8:12], 'a video, no picture')
    head = data[:1000]
    with contextlib.suppress(UnicodeDecodeError):
        # a letter may be cut at the end
        text = codecs.getincrementaldecoder('utf-8')().decode(head)
        if all(character.isprintable() or character.isspace() for character in text):
            return 'a text, no picture'
    return 'damaged or no picture of a known kind'


def to_rgb(image: Image.Image, source: str, *, upright: bool = True) -> RGB:
    """Return a decoded picture as (H, W, 3) uint8 RGB.

    Alpha is dropped, not blended with a background; a palette's colours are looked up; grey and
    CMYK become RGB; of 16 bits a sample the upper 8 are taken.

    Args:
        image: From `load_picture`.
        source: Names it in errors.
        upright: Turn it as its EXIF tag Orientation says.

    Raises:
        MediaError: Its samples are neither of 8 nor of 16 bits.
    """
    pixels = stored_samples(image)
    if pixels is not None:
        grey = (pixels >> 8).astype(np.uint8)
        rgb = np.repeat(grey[..., None], 3, axis=2)
    elif image.mode in _EIGHT_BIT:
        rgb = np.array(image if image.mode == 'RGB' else image.convert('RGB'))
    else:
        raise MediaError(f'{source} has pixels of the kind {image.mode}; expected grey, RGB or '
                         'CMYK of 8 or 16 bits a sample')
    turn = _UPRIGHT.get(_orientation(image)) if upright else None
    return np.asarray(rgb if turn is None else np.ascontiguousarray(turn(rgb)), np.uint8)


def stored_samples(image: Image.Image) -> npt.NDArray[np.uint16] | None:
    """Return the samples of a grey picture of 16 bits, (H, W) uint16; None for any other."""
    if image.mode.startswith('I;16'):
        return np.asarray(image).astype(np.uint16)
    if image.mode == 'I' and image.format in ('PNG', 'PPM'):    # Pillow's 16 bits of these
        return np.asarray(image).astype(np.uint16)
    return None


def check_upright(image: Image.Image, source: str) -> None:
    """Refuse a label map that viewers turn: nothing says which way its values are meant.

    Args:
        image: From `load_picture`.
        source: Names it in errors.

    Raises:
        MediaError: Its EXIF tag Orientation says that it is to be turned or mirrored.
    """
    if _orientation(image) != 1:
        raise MediaError(f'{source} is a label map with the EXIF orientation '
                         f'{_orientation(image)}; expected none; turn its pixels as its picture '
                         'is seen, and save it without the tag')


def picture_size(path: Path) -> tuple[int, int]:
    """Read (height, width) of an image, turned upright, from its header.

    Raises:
        OSError: The file cannot be read.
        MediaError: It is no picture.
    """
    with path.open('rb') as file:
        try:
            image = Image.open(file, formats=FORMATS)
            # newer versions of Pillow say the size that a TIFF will have when it is turned
            tags = getattr(image, 'tag_v2', {})
            width, height = tags.get(0x0100, image.width), tags.get(0x0101, image.height)
            turned = _orientation(image) >= 5
        except _DECODING_ERRORS as error:
            raise MediaError(f'{path} is damaged or no picture: {error}') from error
    return (width, height) if turned else (height, width)


def save_picture(path: str | Path, rgb: RGB) -> None:
    """Write a picture in the format of its file name; the file appears complete or not at all.

    Args:
        path: Ends in `.png` or `.jpg`.
        rgb: (H, W, 3) uint8 RGB.

    Raises:
        ValueError: It ends otherwise, or the picture is none.
        OSError: The file cannot be written.
    """
    check_path(path)
    if not isinstance(rgb, np.ndarray) or rgb.ndim != 3 or rgb.shape[2] != 3 or (
            rgb.dtype != np.uint8):
        raise wrong('the picture', rgb, 'an (H, W, 3) uint8 RGB array')
    path = Path(path)
    if path.suffix not in _WRITERS:
        raise ValueError(f'{path} must end in {" or ".join(_WRITERS)}')
    name, options = _WRITERS[path.suffix]
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, name, **options)
    replace_file(path, buffer.getvalue())


def check_megapixels(width: int, height: int, source: str, max_megapixels: float) -> None:
    """Raise a MediaError if a picture or frame is larger than is allowed."""
    if width * height > max_megapixels * 1e6:
        raise MediaError(f'{source} has {width} x {height} pixels, {width * height / 1e6:.1f} '
                         f'millions; at most {max_megapixels:g} are allowed; make it smaller or '
                         'raise the limit (max_megapixels)')
    if max(width, height) > MAX_SIDE:
        raise MediaError(f'{source} has {width} x {height} pixels; a side may have at most '
                         f'{MAX_SIDE}; cut it into pieces')


def _check_size(image: Image.Image, source: str, max_megapixels: float) -> None:
    check_megapixels(*image.size, source, max_megapixels)
    tiles = getattr(image, 'tag_v2', {})
    # a tile is decoded as a whole, even one that is larger than the picture
    width, height = (tiles.get(key, 1) for key in (0x0142, 0x0143))
    if isinstance(width, int) and isinstance(height, int):
        check_megapixels(width, height, f'a tile of {source}', max_megapixels)


def _check_structure(image: Image.Image, data: bytes, source: str) -> None:
    """Refuse what Pillow would decode, but should not."""
    scans = data.count(b'\xff\xda') if image.info.get('progressive') else 0
    if scans > _MAX_SCANS:
        raise MediaError(f'{source} is a JPEG of {scans} scans; expected at most {_MAX_SCANS}')
    start = len(_PNG) if image.format == 'PNG' else len(data)
    while start < len(data):    # chunks: the length, a name, that many bytes, a sum of four
        length, name = struct.unpack_from('>I4s', data, start)
        start += 12 + length
        if name == b'IEND':
            return
        if start >= len(data):
            raise MediaError(f'{source} is damaged, cut off or no picture ({len(data)} bytes): '
                             f'its chunk {name!r} claims {length} bytes')


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except _DECODING_ERRORS:    # a broken note does not make the picture unreadable
        return 1
