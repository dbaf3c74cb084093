# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""labelme's files: a JSON beside each picture."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
import math
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from eov_seg_core.io.files import read_json
from eov_seg_core.io.media import IMAGE_SUFFIXES, load_picture
from training.prepare.exports.coco import NO_SHAPE
from training.prepare.exports.export import (
    Export,
    LabelledPicture,
    Pictures,
    split_of,
    stamp_of,
)
from training.prepare.exports.shapes import (
    of_circle,
    of_mask,
    of_polygons,
    RunLengths,
    Shape,
    Size,
)

VOID_LABELS = frozenset({'__ignore__', '_background_'})
"""Labels by which labelme marks what belongs to no class."""
_JPEG_IN_BASE64 = '/9j/'
_NO_AREA = frozenset({'line', 'linestrip', 'point', 'points'})
_AREA = frozenset({'polygon', 'rectangle', 'circle', 'mask', 'oriented_rectangle'})


def is_labelme(content: Any) -> bool:
    """Return whether a JSON is of labelme."""
    return isinstance(content, dict) and isinstance(content.get('shapes'), list) and (
        'imagePath' in content)


def without_picture(content: dict[str, Any]) -> dict[str, Any]:
    """Cut imageData after what tells its kind: those of a data set would fill the memory."""
    data = content.get('imageData')
    if isinstance(data, str):
        content['imageData'] = data[:len(_JPEG_IN_BASE64)]
    return content


def read_labelme(files: Sequence[tuple[Path, Any]], root: Path, pictures: Pictures) -> Export:
    """Read labelme's files.

    `group_id` joins shapes of a label; `__ignore__` and `_background_` are void; points and lines
    have no area and are counted.

    Args:
        files: Path and content of each JSON.
        root: The folder that holds them.
        pictures: Where pictures are.

    Raises:
        FileNotFoundError: A picture is missing, and its JSON does not hold it as imageData.
        ValueError: A file is damaged; the message names it and the shape.
    """
    notes: Counter[str] = Counter()
    labels: set[str] = set()
    found = []
    for path, content in files:
        kept = [shape for index, shape in enumerate(content['shapes'])
                if _is_kept(shape, path, index, notes)]
        labels.update(shape['label'].strip() for shape in kept)
        name, split = content['imagePath'], split_of(path, root)
        if not isinstance(name, str):
            raise ValueError(f'{path}: imagePath must be the name of a picture, got {name!r:.60}')
        embedded = None
        try:
            picture = pictures.named(name, path, split)
        except FileNotFoundError:
            text = content.get('imageData')
            if not isinstance(text, str):
                raise
            picture, embedded = _embedded_path(name, text, path), _Embedded(path)
        found.append(LabelledPicture(picture, split, path, stamp_of(kept), _Painter(kept),
                                     embedded))
    return Export('labelme', dict.fromkeys(sorted(labels - VOID_LABELS)), found, notes)


def _is_kept(shape: Any, path: Path, index: int, notes: Counter[str]) -> bool:
    """Check a shape's label, group and kind; count it if it has no area."""
    def refuse(what: str, expected: str) -> None:
        got = shape.get(what) if isinstance(shape, dict) else shape
        raise ValueError(f'{path}: shape {index} must have {what}, {expected}; got {got!r:.60}')

    if not isinstance(shape, dict) or not isinstance(shape.get('label'), str) or not (
            shape['label'].strip()):
        refuse('label', 'text')
    if not isinstance(shape.get('group_id'), (int, str, type(None))):
        refuse('group_id', 'a number or null')
    kind = shape.setdefault('shape_type', 'polygon')
    if not isinstance(kind, str) or kind not in _AREA | _NO_AREA:
        refuse('shape_type', f'one of {", ".join(sorted(_AREA | _NO_AREA))}')
    points = shape.get('points')
    if not isinstance(points, list) or not all(_is_point(point) for point in points):
        refuse('points', 'pairs of numbers')
    if kind in _NO_AREA or len(points) < (2 if kind in ('rectangle', 'circle', 'mask') else 3):
        notes[NO_SHAPE] += 1
        return False
    return True


def _is_point(point: Any) -> bool:
    return isinstance(point, list) and len(point) == 2 and all(
        isinstance(value, (int, float)) and not isinstance(value, bool)
        and abs(value) < 1e9 for value in point)


def _embedded_path(name: str, text: str, path: Path) -> Path:
    """Return the name of a picture that is in a JSON: as imagePath says, beside the JSON."""
    picture = PurePosixPath(name.replace('\\', '/'))
    if picture.suffix.lower() in IMAGE_SUFFIXES:
        return path.with_name(picture.name)
    return path.with_suffix('.jpg' if text.startswith(_JPEG_IN_BASE64) else '.png')


class _Embedded:
    """Reads a picture out of its JSON, once more: all of a data set would fill the memory."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self) -> bytes:
        try:
            return base64.b64decode(read_json(self._path)['imageData'], validate=True)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f'{self._path}: imageData is no picture in base64: {error}. Put the '
                             'picture beside the JSON') from error


class _Painter:
    """Makes the shapes of one file."""

    def __init__(self, shapes: Sequence[dict[str, Any]]) -> None:
        self._shapes = shapes

    def __call__(self, size: Size) -> list[Shape]:
        found = []
        for index, shape in enumerate(self._shapes):
            try:
                pixels = _pixels(shape, size)
            except ValueError as error:
                raise ValueError(f'shape {index} ({shape["label"]!r:.40}): {error}') from error
            label = shape['label'].strip()
            if pixels is not None:
                found.append(Shape(None if label in VOID_LABELS else label, pixels,
                                   shape.get('group_id')))
        return found


def _pixels(shape: dict[str, Any], size: Size) -> RunLengths | None:
    points, kind = shape['points'], shape['shape_type']
    if kind == 'circle':
        (x, y), edge = points[0], points[1]
        return of_circle((x, y), math.dist((x, y), edge), size)
    if kind == 'mask':
        return _of_bitmap(shape.get('mask'), points, size)
    if kind == 'rectangle' and len(points) == 2:
        (x1, y1), (x2, y2) = points
        points = [(x1, y1), (x2, y1), (x2, y2), (x1, y2)]
    return of_polygons([[value for point in points for value in point]], size)


def _of_bitmap(text: Any, points: Sequence[Sequence[float]], size: Size) -> RunLengths:
    """Place a bitmap, a PNG in base64, into the box of the first two points."""
    left, top = (round(min(point[axis] for point in points[:2])) for axis in (0, 1))
    try:
        image = load_picture(base64.b64decode(text, validate=True), 'its mask', formats=('PNG',))
    except (TypeError, ValueError) as error:
        raise ValueError(f'its mask is no PNG in base64: {error}') from error
    width, height = image.size
    if not (0 <= left <= size[1] - width and 0 <= top <= size[0] - height):
        raise ValueError(f'its mask of {width} x {height} pixels at {left}, {top} reaches out of '
                         f'the picture of {size[1]} x {size[0]}')
    mask = np.zeros(size, np.bool_)
    mask[top:top + height, left:left + width] = np.asarray(image.convert('L')) > 0
    return of_mask(mask)
