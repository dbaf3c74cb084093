# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Panoptic results as COCO instances files, to be corrected in annotation tools."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from eov_seg_core.io.coco.ids import read_panoptic_png
from eov_seg_core.io.coco.streamed import save_object
from eov_seg_core.io.files import read_json

_Entry = dict[str, Any]
_Mask = npt.NDArray[np.bool_]


def write_instances(directory: Path) -> None:
    """Write every segment of a `CocoWriter`'s folder, stuff as well, as an annotation.

    `instances_rle.json` has the exact masks, which CVAT takes; `instances_polygons.json` has
    outlines, which CVAT and Label Studio take, and in which holes are filled.

    Args:
        directory: With `panoptic.json` and its PNGs.

    Raises:
        ValueError: A PNG is damaged.
        OSError: A file cannot be read or written.
    """
    panoptic = read_json(directory / 'panoptic.json')
    save_instances(directory, lambda: panoptic['images'], lambda: panoptic['annotations'],
                   panoptic['categories'])


def save_instances(directory: Path, images: Callable[[], Iterable[_Entry]],
                   annotations: Callable[[], Iterable[_Entry]], categories: list[_Entry]) -> None:
    """Write the files of `write_instances`; one picture is in memory at a time.

    Args:
        directory: With the label images in `panoptic/`.
        images: Called for the entries of the images.
        annotations: Called for those of their label images.
        categories: From `coco_categories`.

    Raises:
        ValueError: A label image is damaged.
        OSError: A file cannot be read or written.
    """
    encoders: dict[str, Callable[[_Mask], object]] = {
        'instances_rle.json': run_lengths, 'instances_polygons.json': polygons}
    for name, encode in encoders.items():
        found = _instances(directory / 'panoptic', annotations(), encode)
        save_object(directory / name, {
            'licenses': [], 'images': images(), 'categories': categories,
            'annotations': ({'id': number, **entry} for number, entry in enumerate(found, 1))},
            info={})


def _instances(folder: Path, annotations: Iterable[_Entry], encode: Callable[[_Mask], object]
               ) -> Iterator[_Entry]:
    for entry in annotations:
        ids = read_panoptic_png(folder / entry['file_name'])
        for segment in entry['segments_info']:
            yield {'image_id': entry['image_id']} | {
                key: segment[key] for key in ('category_id', 'area', 'bbox', 'iscrowd', 'score')
            } | {'segmentation': encode(np.equal(ids, segment['id']))}


def run_lengths(mask: _Mask) -> dict[str, list[int]]:
    """Return COCO's run lengths, uncompressed: down the columns, pixels outside first.

    >>> import numpy as np
    >>> run_lengths(np.array([[False, True], [True, True]]))
    {'size': [2, 2], 'counts': [1, 3]}

    Args:
        mask: (H, W) bool.
    """
    flat = mask.ravel(order='F')
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    first = [0] if flat.size and flat[0] else []
    return {'size': list(mask.shape),
            'counts': first + np.diff([0, *edges.tolist(), flat.size]).tolist()}


def polygons(mask: _Mask) -> list[list[int]]:
    """Return the outlines along the edges of pixels, as `[x, y, x, y, ...]`; holes are filled.

    >>> import numpy as np
    >>> polygons(np.array([[False, True], [False, True]]))
    [[1, 0, 1, 2, 2, 2, 2, 0]]

    Args:
        mask: (H, W) bool.
    """
    # contours run through the middle of pixels; in a picture of twice the size the first pixel
    # of two is at the left edge, the second one at the right edge
    double = mask.view(np.uint8).repeat(2, axis=0).repeat(2, axis=1)
    contours, _ = cv2.findContours(double, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    outlines = []
    for contour in contours:
        corners = (contour[:, 0] + 1) // 2
        is_new = np.any(corners != np.roll(corners, 1, axis=0), axis=1)
        outlines.append(corners[is_new].ravel().astype(int).tolist())
    return outlines
