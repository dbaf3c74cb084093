# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""COCO instances files, as CVAT, Roboflow, Label Studio and `eov-seg segment` write them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from training.prepare.exports.export import (
    Export,
    LabelledPicture,
    Pictures,
    split_named,
    split_of,
    stamp_of,
)
from training.prepare.exports.shapes import of_polygons, of_run_lengths, Shape, Size

NO_SHAPE = 'annotations without a shape (only a box, or fewer than three corners)'
_CVAT_CROWD = 'masks that CVAT calls iscrowd, as it does with all masks; read as single objects'
_Entry = dict[str, Any]


def is_instances(content: Any) -> bool:
    """Return whether a JSON is a COCO instances file."""
    return isinstance(content, dict) and all(
        isinstance(content.get(key), list) for key in ('images', 'annotations', 'categories'))


def read_instances(files: Sequence[tuple[Path, Any]], root: Path, pictures: Pictures) -> Export:
    """Read COCO instances files, one for each split.

    A category that no annotation uses and that others name as their super category, as Roboflow
    writes it, is no class.

    Args:
        files: Path and content of each JSON.
        root: The folder that holds them.
        pictures: Where pictures are.

    Raises:
        FileNotFoundError: A picture is missing.
        ValueError: A file is damaged; the message names it and the entry.
    """
    notes: Counter[str] = Counter()
    flags: dict[str, bool | None] = {}
    parents: set[str] = set()
    used: set[str] = set()
    found: list[LabelledPicture] = []
    for path, content in files:
        names = _categories(content['categories'], path, flags, parents)
        shapes = _shapes_of_images(content['annotations'], path, names, notes)
        used.update(names[entry['category_id']] for entries in shapes.values()
                    for entry in entries)
        found += _pictures(content['images'], shapes, path, names,
                           split_named(path.stem.removeprefix('instances_'))
                           or split_of(path, root), pictures)
        if shapes:
            raise ValueError(f"{path}: annotations are of image {next(iter(shapes))}, which is "
                             "not listed under 'images'")
    classes = {name: flag for name, flag in flags.items() if name in used or name not in parents}
    for name in flags.keys() - classes.keys():
        notes[f'super category {name!r}, which no annotation uses'] += 1
    return Export('COCO instances', classes, found, notes)


def _categories(entries: Sequence[Any], path: Path, flags: dict[str, bool | None],
                parents: set[str]) -> dict[Any, str]:
    """Return the name of each category id; add to what is known of all files."""
    names: dict[Any, str] = {}
    for index, entry in enumerate(entries):
        name, key = _field(entry, 'name', str, path, f'category {index}'), _id(
            entry, 'id', path, f'category {index}')
        if key in names:
            raise ValueError(f'{path}: there are two categories with id {key}')
        names[key] = name.strip()
        _add_flag(flags, names[key], entry.get('isthing'), path)
        parent = entry.get('supercategory')
        if isinstance(parent, str) and parent.strip() != names[key]:
            parents.add(parent.strip())
    return names


def _add_flag(flags: dict[str, bool | None], name: str, flag: Any, path: Path) -> None:
    """Note whether a category is a thing; refuse what contradicts what is known already."""
    known, said = flags.get(name), None if flag is None else bool(flag)
    if known is not None and said is not None and known != said:
        raise ValueError(f'{path}: category {name!r:.80} has isthing {int(said)}, but it had '
                         f'isthing {int(known)} before, here or in another file of the export; '
                         'give it one in all files')
    flags[name] = known if said is None else said


def _shapes_of_images(entries: Sequence[Any], path: Path, names: dict[Any, str],
                      notes: Counter[str]) -> dict[Any, list[_Entry]]:
    """Return the annotations of each image that have a shape."""
    shapes: dict[Any, list[_Entry]] = defaultdict(list)
    for index, entry in enumerate(entries):
        where = f'annotation {index}'
        image_id, category = (_id(entry, key, path, where) for key in ('image_id', 'category_id'))
        if category not in names:
            raise ValueError(f'{path}: {where} is of category {category}, which is not listed '
                             "under 'categories'")
        if _has_shape(entry.get('segmentation')):
            shapes[image_id].append(entry)
            notes[_CVAT_CROWD] += entry.get('iscrowd') == 1 and not _is_crowd(entry)
        else:
            notes[NO_SHAPE] += 1
    return shapes


def _is_crowd(entry: _Entry) -> bool:
    """Return whether a group is meant; CVAT, which writes attributes, says iscrowd of any mask."""
    return entry.get('iscrowd') == 1 and 'attributes' not in entry


def _has_shape(segmentation: Any) -> bool:
    """Return whether there may be a shape; what is damaged is found when it is painted."""
    if isinstance(segmentation, list):
        return any(not isinstance(part, list) or len(part) >= 6 for part in segmentation)
    return segmentation is not None


def _pictures(entries: Sequence[Any], shapes: dict[Any, list[_Entry]], path: Path,
              names: dict[Any, str], split: str | None, pictures: Pictures
              ) -> Iterator[LabelledPicture]:
    """Yield the pictures, and take their annotations out of `shapes`."""
    seen = set()
    for index, entry in enumerate(entries):
        where = f'image {index}'
        key = _id(entry, 'id', path, where)
        if key in seen:
            raise ValueError(f'{path}: there are two images with id {key}')
        seen.add(key)
        name = _field(entry, 'file_name', str, path, where)
        found = shapes.pop(key, [])
        yield LabelledPicture(
            pictures.named(name, path, split), split, path,
            stamp_of([[names[shape['category_id']], shape.get('iscrowd'), shape['segmentation']]
                      for shape in found]),
            _Painter(entry, found, names))


class _Painter:
    """Makes the shapes of one image."""

    def __init__(self, image: _Entry, annotations: Sequence[_Entry], names: dict[Any, str]
                 ) -> None:
        self._image, self._annotations, self._names = image, annotations, names

    def __call__(self, size: Size) -> list[Shape]:
        stated = self._image.get('height', size[0]), self._image.get('width', size[1])
        if stated != size:
            raise ValueError(f'the JSON says that it has {stated[1]!r:.20} x {stated[0]!r:.20} '
                             f'pixels, but the picture, turned upright, has {size[1]} x '
                             f'{size[0]}; export again, with the pictures')
        shapes = []
        for entry in self._annotations:
            segmentation = entry['segmentation']
            try:
                pixels = (of_polygons(segmentation, size) if isinstance(segmentation, list)
                          else of_run_lengths(segmentation, size))
            except ValueError as error:
                raise ValueError(f'annotation {entry.get("id", "without id")!r:.40}: {error}'
                                 ) from error
            if pixels is not None:
                shapes.append(Shape(self._names[entry['category_id']], pixels,
                                    is_crowd=_is_crowd(entry)))
        return shapes


def _id(entry: Any, key: str, path: Path, where: str) -> int | str:
    value: int | str = _field(entry, key, (int, str), path, where)
    return value


def _field(entry: Any, key: str, kind: type | tuple[type, ...], path: Path, where: str) -> Any:
    value = entry.get(key) if isinstance(entry, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool) or value == '':
        expected = 'text' if kind is str else 'a whole number or text'
        raise ValueError(f'{path}: {where} must have {key!r}, {expected}, got {value!r:.60}')
    return value
