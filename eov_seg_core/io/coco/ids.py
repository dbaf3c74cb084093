# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Segment ids as the colours of a PNG: id = R + 256 G + 65536 B."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eov_seg_core.io.files import check_path, read_file
from eov_seg_core.io.media import check_upright, load_picture, to_rgb
from eov_seg_core.wrong import wrong

MAX_ID = (1 << 24) - 1
"""Largest segment id that three bytes hold."""


def ids_to_rgb(ids: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.uint8]:
    """Store segment ids as colours.

    Args:
        ids: (H, W) integers 0..2**24 - 1.

    Returns:
        (H, W, 3) uint8 RGB with id = R + 256 G + 65536 B.

    Raises:
        ValueError: An id is out of range or no integer.
    """
    if not isinstance(ids, np.ndarray) or ids.ndim != 2 or ids.dtype.kind not in 'iu':
        raise wrong('the map of ids', ids, 'an (H, W) array of integers')
    if ids.size and not 0 <= int(ids.min()) <= int(ids.max()) <= MAX_ID:
        raise ValueError(f'segment ids lie in {ids.min()}..{ids.max()}, expected 0..{MAX_ID}')
    rgb = np.empty((*ids.shape, 3), np.uint8)
    for channel in range(3):
        rgb[..., channel] = ids >> 8 * channel      # the conversion keeps the low byte
    return rgb


def rgb_to_ids(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
    """Read segment ids from colours: the inverse of `ids_to_rgb`, (H, W) int32.

    Raises:
        ValueError: It is no (H, W, 3) uint8 array.
    """
    if not isinstance(rgb, np.ndarray) or rgb.ndim != 3 or rgb.shape[2] != 3 or (
            rgb.dtype != np.uint8):
        raise wrong('the picture of ids', rgb, 'an (H, W, 3) uint8 RGB array')
    red, green, blue = (rgb[..., channel].astype(np.int32) for channel in range(3))
    return np.asarray(red | green << 8 | blue << 16)


def read_panoptic_png(path: str | Path) -> npt.NDArray[np.int32]:
    """Read the segment ids of a COCO panoptic PNG, (H, W) int32.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no PNG, damaged, cut off or turned by EXIF.
    """
    check_path(path)
    data = read_file(Path(path))
    try:
        image = load_picture(data, 'it', formats=('PNG',))
        if image.mode not in ('RGB', 'RGBA', 'P', 'L'):
            raise ValueError(f'it has pixels of the kind {image.mode}, not RGB of 8 bits')
        check_upright(image, 'it')
        return rgb_to_ids(to_rgb(image, 'it', upright=False))
    except ValueError as error:
        raise ValueError(f'{path} is no picture; expected a COCO panoptic PNG: {error}') from error
