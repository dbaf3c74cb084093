# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The pictures and label maps of data sets; `eov_seg_core.io.media` decodes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from eov_seg_core.io.files import read_file
from eov_seg_core.io.media import check_upright, load_picture, to_rgb


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
        ValueError: It is damaged, cut off, too large or no picture.
    """
    return to_rgb(_open(path), str(path), upright=upright)


def read_labels(path: Path) -> npt.NDArray[np.int32]:
    """Read a label map of one channel, (H, W) int32; of a palette the indices count.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is damaged, cut off, turned by EXIF or has colours.
    """
    labels = np.asarray(_open_map(path))
    if labels.ndim != 2:
        raise ValueError(f'{path} has colours ({labels.shape[2]} channels); expected a label map '
                         'of one channel')
    return labels.astype(np.int32)


def read_channels(path: Path) -> npt.NDArray[np.uint8]:
    """Read the channels of a picture, (H, W, 3) uint8, as they are stored.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is damaged, cut off, turned by EXIF or has not three channels.
    """
    image = _open_map(path)
    if image.mode != 'RGB':
        raise ValueError(f'{path} has pixels of the kind {image.mode}; expected three channels')
    return np.array(image)


def _open(path: Path) -> Image.Image:
    return load_picture(read_file(path), str(path))


def _open_map(path: Path) -> Image.Image:
    image = _open(path)
    check_upright(image, str(path))
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
