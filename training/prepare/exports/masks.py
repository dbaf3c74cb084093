# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Label maps: VOC's SegmentationClass and SegmentationObject, or any PNGs with a list of classes.

Values of a palette count, unless the list of classes states colours, which true colour needs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from eov_seg_core.io.files import read_file
from eov_seg_core.io.media import check_upright, load_picture
from training.prepare.exports.class_list import ClassList
from training.prepare.exports.export import (
    Export,
    files_below,
    LabelledPicture,
    Pictures,
    split_named,
    split_of,
    stamp_of,
)
from training.prepare.exports.shapes import of_mask, Shape, Size

CLASS_FOLDER, OBJECT_FOLDER = 'SegmentationClass', 'SegmentationObject'
MASK_FOLDERS = (CLASS_FOLDER, 'labels', 'masks', 'annotations')
"""Folders that hold label maps."""
_SUFFIXES = ('_mask', '_labels', '_label')
"""What may follow a picture's name in that of its label map."""
_COLOR = 1 << 24


def find_maps(root: Path, images: Path | None) -> list[Path]:
    """Return the label maps of a folder: in folders of usual names, or called NAME_mask.png.

    With the pictures in a folder of their own, `images`, all other PNGs are label maps.
    """
    pngs = [path for path in files_below(root) if path.suffix.lower() == '.png'
            and OBJECT_FOLDER not in path.parts]
    usual = [path for path in pngs if path.stem.endswith(_SUFFIXES)
             or set(path.relative_to(root).parts[:-1]) & set(MASK_FOLDERS)
             or root.name in MASK_FOLDERS]
    if usual or images is None:
        return usual
    return [path for path in pngs if not path.is_relative_to(images)]


def read_maps(maps: Sequence[Path], root: Path, pictures: Pictures, classes: ClassList,
              is_thing: Mapping[str, bool]) -> Export:
    """Read label maps.

    Where no map of objects tells things of a class apart, each connected region is one.

    Args:
        maps: From `find_maps`.
        root: The folder that holds them.
        pictures: Where pictures are.
        classes: Which value or colour is which class.
        is_thing: Of each class.

    Raises:
        FileNotFoundError: A picture is missing.
        ValueError: A picture cannot be told.
    """
    notes: Counter[str] = Counter()
    splits = _listed_splits(root)
    pairs = {path: _objects_beside(path) for path in maps}
    no_pictures = frozenset(file for pair in pairs.items() for file in pair if file is not None)
    found = []
    for path, objects in pairs.items():
        stem = next((path.stem.removesuffix(suffix) for suffix in _SUFFIXES
                     if path.stem.endswith(suffix)), path.stem)
        split = splits.get(stem) or split_of(path, root)
        if objects is None and any(is_thing.values()):
            notes['label maps without a map of objects, of which each connected region of a '
                  'thing became one object'] += 1
        files = [file for file in (path, objects) if file is not None]
        stamp = stamp_of([(str(file), file.stat().st_size, file.stat().st_mtime_ns)
                      for file in files])
        found.append(LabelledPicture(pictures.of_stem(stem, path, split, no_pictures),
                                     split, path, stamp,
                                     _Painter(path, objects, classes, is_thing)))
    return Export('label maps', dict.fromkeys(classes.names), found, notes)


def _objects_beside(path: Path) -> Path | None:
    """Return VOC's map of objects that belongs to a map of classes."""
    objects = Path(*(OBJECT_FOLDER if part == CLASS_FOLDER else part for part in path.parts))
    return objects if objects != path and objects.is_file() else None


def _listed_splits(root: Path) -> dict[str, str]:
    """Return the splits that VOC's lists in ImageSets/Segmentation give to pictures."""
    splits: dict[str, str] = {}
    for listing in files_below(root):
        split = split_named(listing.stem)
        if listing.suffix == '.txt' and listing.parent.name == 'Segmentation' and split:
            for line in listing.read_text(encoding='utf-8').splitlines():
                splits[line.strip()] = split
    return splits


class _Painter:
    """Makes the shapes of one picture."""

    def __init__(self, path: Path, objects: Path | None, classes: ClassList,
                 is_thing: Mapping[str, bool]) -> None:
        self._path, self._objects, self._classes, self._is_thing = path, objects, classes, is_thing

    def __call__(self, size: Size) -> list[Shape]:
        values = _values(self._path, size, self._classes.is_by_color)
        objects = (np.zeros(size, np.int32) if self._objects is None
                   else _values(self._objects, size))
        shapes = []
        for value in np.unique(values).tolist():
            label = self._classes.label(value, self._path)
            if label is None:
                continue
            mask = values == value
            if not self._is_thing[label]:
                shapes.append(Shape(label, of_mask(mask)))
                continue
            shapes += _objects_of(label, mask, objects)
        return shapes


def _objects_of(label: str, mask: npt.NDArray[np.bool_], objects: npt.NDArray[np.int32]
                ) -> list[Shape]:
    """Return the objects of one class; connected regions where the map has none."""
    parts = objects * mask
    rest = mask & (objects == 0)
    count, regions = cv2.connectedComponents(rest.astype(np.uint8), connectivity=8)
    shapes = [Shape(label, of_mask(parts == key), key) for key in np.unique(parts).tolist() if key]
    return shapes + [Shape(label, of_mask(regions == key)) for key in range(1, count)]


def _values(path: Path, size: Size, is_by_color: bool = False) -> npt.NDArray[np.int32]:
    """Return the values of a map; colours as 2**24 + R + 256 G + 65536 B, black as 0."""
    image = load_picture(read_file(path), str(path))
    check_upright(image, str(path))
    if is_by_color and image.mode == 'P':
        image = image.convert('RGB')
    if image.mode in ('RGB', 'RGBA'):
        channels = np.asarray(image)[..., :3].astype(np.int32)
        packed = channels @ np.array([1, 1 << 8, 1 << 16], np.int32)
        values = np.where(packed > 0, packed + _COLOR, 0)
    else:
        values = np.asarray(image).astype(np.int32)
    if values.ndim != 2:
        raise ValueError(f'{path} has pixels of the kind {image.mode}; expected a palette, grey '
                         'or RGB')
    if values.shape != size:
        raise ValueError(f'{path} has {values.shape[1]} x {values.shape[0]} pixels, but its '
                         f'picture has {size[1]} x {size[0]}')
    return values
