# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Shapes of annotation tools as COCO's run-length code, checked before pycocotools sees them.

pycocotools is compiled code that trusts its input: wrong counts or far away corners make it read
and write where it should not.  Pixels of polygons are COCO's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

RunLengths = dict[str, Any]
"""What pycocotools calls RLE: `size` (height, width), and `counts` in bytes."""
Size = tuple[int, int]
"""Height and width in pixels."""

_FARTHEST = 16
"""Corners may lie outside of the picture by this many times its longer side."""


class Shape(NamedTuple):
    """One annotated shape.

    Attributes:
        label: Name of its class; None: its pixels are void.
        pixels: Which pixels it has.
        group: Shapes of one label and group are one object; None: it is one by itself.
        is_crowd: Whether it is a group of objects that nobody told apart.
    """

    label: str | None
    pixels: RunLengths
    group: int | str | None = None
    is_crowd: bool = False

    @property
    def area(self) -> int:
        """Number of pixels."""
        return int(coco_mask.area(self.pixels))

    def mask(self) -> npt.NDArray[np.bool_]:
        """Return its pixels, (H, W) bool."""
        return np.asarray(coco_mask.decode(self.pixels)).astype(bool)


def of_mask(mask: npt.NDArray[np.bool_]) -> RunLengths:
    """Encode an (H, W) bool mask."""
    return dict(coco_mask.encode(np.asfortranarray(mask, np.uint8)))


def of_polygons(polygons: Sequence[Any], size: Size) -> RunLengths | None:
    """Paint polygons `[x, y, x, y, ...]` together, as COCO does.

    Returns:
        The pixels; None if no polygon has three corners.

    Raises:
        ValueError: A polygon is no list of pairs of numbers, or reaches far out of the picture.
    """
    usable = [corners for polygon in polygons
              if len(corners := _checked_corners(polygon, size)) >= 6]
    if not usable:
        return None
    return dict(coco_mask.merge(coco_mask.frPyObjects(usable, *size)))


def _checked_corners(polygon: Any, size: Size) -> list[float]:
    if not isinstance(polygon, (list, tuple)) or len(polygon) % 2:
        raise ValueError(f'a polygon must be a list x, y, x, y, ..., got {polygon!r:.60}')
    limit = _FARTHEST * max(size)
    for value in polygon:
        # a bool is an int for Python; NaN is never within the limits
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not (
                -limit <= value <= limit):
            raise ValueError(f'a polygon has the coordinate {value!r:.60}; expected numbers '
                             f'within the picture of {size[1]} x {size[0]}')
    return [float(value) for value in polygon]


def of_circle(center: tuple[float, float], radius: float, size: Size) -> RunLengths:
    """Paint the pixels whose middle lies in a circle."""
    x, y = np.arange(size[1]) + 0.5, np.arange(size[0])[:, None] + 0.5
    return of_mask((x - center[0]) ** 2 + (y - center[1]) ** 2 <= radius ** 2)


def of_run_lengths(entry: Any, size: Size) -> RunLengths | None:
    """Check COCO's run-length code, compressed or as a list of numbers.

    Returns:
        The pixels; None if there is none.

    Raises:
        ValueError: It is damaged, or of a picture of another size.
    """
    if not isinstance(entry, dict) or not {'size', 'counts'} <= set(entry):
        raise ValueError(f'run lengths must have size and counts, got {entry!r:.60}')
    if not isinstance(entry['size'], list) or entry['size'] != list(size):
        raise ValueError(f'run lengths are of size {entry["size"]!r:.60}, but the picture has '
                         f'height and width {list(size)}')
    counts = entry['counts']
    lengths = _decompressed(counts) if isinstance(counts, str) else counts
    if not isinstance(lengths, list) or not all(
            isinstance(length, int) and not isinstance(length, bool) and length >= 0
            for length in lengths) or sum(lengths) != size[0] * size[1]:
        raise ValueError(f'run lengths are damaged: expected numbers that add up to '
                         f'{size[0] * size[1]} pixels, got {lengths!r:.60}')
    if not sum(lengths[1::2]):
        return None
    return dict(coco_mask.frPyObjects({'size': list(size), 'counts': lengths}, *size))


def _decompressed(text: str) -> list[int]:
    """Return the run lengths of COCO's text: groups of five bits, differences from the third on.

    Raises:
        ValueError: It is no such text.
    """
    lengths: list[int] = []
    value = shift = 0
    for character in text:
        code = ord(character) - 48
        if not 0 <= code < 64 or shift > 60:
            raise ValueError(f'run lengths are damaged near {character!r}')
        value |= (code & 31) << shift
        shift += 5
        if not code & 32:
            if code & 16:       # a negative difference
                value -= 1 << shift
            lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
            value = shift = 0
    if shift:
        raise ValueError('run lengths are cut off')
    return lengths
