# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reading the pictures of data sets; Pillow, because it refuses files that were cut off.

OpenCV 4 returns the upper part of a JPEG that was cut off, and no error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
import io
from pathlib import Path
import struct
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

_DECODING_ERRORS = (OSError, SyntaxError, ValueError, EOFError, struct.error,
                    Image.DecompressionBombError)
_EIGHT_BIT = frozenset({'1', 'L', 'LA', 'P', 'PA', 'RGB', 'RGBA', 'RGBX', 'CMYK', 'YCbCr'})


class Remedies(NamedTuple):
    """Sentences for messages about missing and broken files: how to get them.

    Attributes:
        images: How to get the images.
        truth: How to get annotations and label maps.
    """

    images: str
    truth: str


def read_rgb(path: Path, upright: bool = True) -> npt.NDArray[np.uint8]:
    """Read an image as (H, W, 3) uint8 RGB whatever it holds.

    Args:
        path: Of the image.
        upright: Turn it as its EXIF data say; `eov-seg segment` does so, too.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is damaged, cut off or no image of eight bits a channel.
    """
    image = _open(path)
    if image.mode not in _EIGHT_BIT:
        raise ValueError(f'{path} has pixels of the kind {image.mode}; expected RGB or grey of '
                         'eight bits')
    return np.array((ImageOps.exif_transpose(image) if upright else image).convert('RGB'))


def read_labels(path: Path) -> npt.NDArray[np.int32]:
    """Read a label map of one channel, (H, W) int32; of a palette the indices count.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is damaged, cut off or has colours.
    """
    labels = np.asarray(_open(path))
    if labels.ndim != 2:
        raise ValueError(f'{path} has colours ({labels.shape[2]} channels); expected a label map '
                         'of one channel')
    return labels.astype(np.int32)


def read_channels(path: Path) -> npt.NDArray[np.uint8]:
    """Read the channels of a picture, (H, W, 3) uint8, as they are stored.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is damaged, cut off or has not three channels.
    """
    image = _open(path)
    if image.mode != 'RGB':
        raise ValueError(f'{path} has pixels of the kind {image.mode}; expected three channels')
    return np.array(image)


def image_size(path: Path) -> tuple[int, int]:
    """Read (height, width) of an image, turned upright, from its header.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no image.
    """
    try:
        with path.open('rb') as file, Image.open(file) as image:
            width, height = image.size
            turned = image.getexif().get(0x0112, 1) >= 5
    except FileNotFoundError:
        raise
    except _DECODING_ERRORS as error:
        raise ValueError(f'{path} is damaged or no image: {error}') from error
    return (width, height) if turned else (height, width)


def _open(path: Path) -> Image.Image:
    data = path.read_bytes()
    try:
        image = Image.open(io.BytesIO(data))
        image.load()
    except _DECODING_ERRORS as error:
        raise ValueError(f'{path} is damaged, cut off or no image ({len(data)} bytes): '
                         f'{error}') from error
    return image


def missing(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the files that are not there; each folder is listed only once."""
    names: dict[Path, frozenset[str]] = {}
    for path in paths:
        folder = path.parent
        if folder not in names:
            names[folder] = frozenset(
                entry.name for entry in folder.iterdir()) if folder.is_dir() else frozenset()
        if path.name not in names[folder]:
            yield path


def check_present(paths: Iterable[Path], what: str, remedy: str) -> None:
    """Raise FileNotFoundError if files are missing.

    Args:
        paths: Files that must be there.
        what: What they hold, for the message.
        remedy: Sentence that says how to get them.
    """
    absent = list(missing(paths))
    if absent:
        more = f' and {len(absent) - 1} more' if len(absent) > 1 else ''
        raise FileNotFoundError(f'{absent[0]}{more}: there is no such file; expected {what}. '
                                f'{remedy}')


@contextmanager
def advising(remedy: str) -> Iterator[None]:
    """Add a remedy to the message of a ValueError."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f'{error}. {remedy}') from error
