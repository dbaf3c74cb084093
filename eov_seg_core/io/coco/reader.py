# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reading the JSON of COCO's panoptic format, entry by entry checked."""

from __future__ import annotations

from collections.abc import Callable
import math
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, TypeVar

from eov_seg_core.io.coco.ids import MAX_ID
from eov_seg_core.io.files import read_json
from eov_seg_core.quality import Segment

_T = TypeVar('_T')


class CategoryEntry(NamedTuple):
    """One category as the JSON describes it.

    Attributes:
        id: Its id.
        name: Its name, or `name,synonym`.
        is_thing: Whether it is countable.
    """

    id: int
    name: str
    is_thing: bool


class Annotation(NamedTuple):
    """One image of the JSON.

    Attributes:
        file_name: Of the PNG, relative to its folder.
        segments: In the order of the JSON, ids differ.
    """

    file_name: str
    segments: tuple[Segment, ...]


class PanopticFile(NamedTuple):
    """A whole COCO panoptic JSON.

    Attributes:
        images: Image id -> file name of the image, relative to its folder.
        annotations: Image id -> annotation, in the order of the JSON.
        categories: In the order of the JSON, ids differ.
    """

    images: dict[int | str, str]
    annotations: dict[int | str, Annotation]
    categories: tuple[CategoryEntry, ...]


def read_panoptic_file(path: Path) -> PanopticFile:
    """Read images, annotations and categories of a COCO panoptic JSON.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no such JSON; the message names file and entry.
    """
    content = _read(path)
    images: dict[int | str, str] = {}
    for index, entry in enumerate(_list_of(content, 'images', path)):
        image_id, file_name = _parsed(_image, entry, path, f'image {index}')
        if image_id in images:
            raise ValueError(f'{path}: there are two images with id {image_id!s:.200}')
        images[image_id] = file_name
    return PanopticFile(images, _annotations(content, path), _category_entries(content, path))


def read_category_entries(path: Path) -> tuple[CategoryEntry, ...]:
    """Read the categories of a COCO panoptic JSON, in its order; ids differ.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no such JSON; the message names file and entry.
    """
    return _category_entries(_read(path), path)


def read_annotations(path: Path) -> dict[int | str, Annotation]:
    """Read the annotations of a COCO panoptic JSON: image id -> annotation, in its order.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no such JSON; the message names file and image.
    """
    return _annotations(_read(path), path)


def _read(path: Path) -> Any:
    """Read the JSON; recognise the other format of COCO, which annotation tools export."""
    content = read_json(path)
    entries = content.get('annotations') if isinstance(content, dict) else None
    first = entries[0] if isinstance(entries, list) and entries else None
    if isinstance(first, dict) and 'segmentation' in first and 'segments_info' not in first:
        raise ValueError(
            f'{path} is a COCO instances file, with an annotation for each object; expected COCO '
            f'panoptic format. `python -m training.prepare NEW_FOLDER --from {path}` makes it')
    return content


def _annotations(content: Any, path: Path) -> dict[int | str, Annotation]:
    annotations: dict[int | str, Annotation] = {}
    for index, entry in enumerate(_list_of(content, 'annotations', path)):
        image_id = _parsed(_image_id, entry, path, f'annotation {index}')
        if image_id in annotations:
            raise ValueError(f'{path}: there are two annotations of image {image_id!s:.200}')
        annotations[image_id] = _parsed(
            _annotation, entry, path, f'annotation of image {image_id!s:.200}')
    return annotations


def read_categories(path: Path) -> dict[int, bool]:
    """Read the categories of a COCO panoptic JSON: id -> whether it is a thing.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no such JSON, or an id occurs twice; the message names the file.
    """
    return _categories(_read(path), path)


def read_category_names(path: Path) -> dict[int, str]:
    """Read id -> name of the categories that have a name; a file of predictions may list none.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no JSON, or an id is no whole number; the message names the file.
    """
    content = read_json(path)
    entries = content.get('categories') if isinstance(content, dict) else None
    named = [(index, entry) for index, entry in enumerate(
        entries if isinstance(entries, list) else ())
        if isinstance(entry, dict) and isinstance(entry.get('name'), str) and entry['name']]
    return dict(_parsed(lambda entry: (_whole(entry, 'id'), _text(entry, 'name')), entry, path,
                        f'category {index}') for index, entry in named)


def _category_entries(content: Any, path: Path) -> tuple[CategoryEntry, ...]:
    entries = tuple(_parsed(_category_entry, entry, path, where)
                    for where, entry in _listed_categories(content, path))
    _categories(content, path)      # refuses ids that occur twice
    return entries


def _categories(content: Any, path: Path) -> dict[int, bool]:
    categories: dict[int, bool] = {}
    for where, entry in _listed_categories(content, path):
        key, is_thing = _parsed(_category, entry, path, where)
        if key in categories:
            raise ValueError(f'{path}: there are two categories with id {key}')
        categories[key] = is_thing
    return categories


def _listed_categories(content: Any, path: Path) -> list[tuple[str, Any]]:
    """Return what messages call each category, and it; without super categories.

    Some tools list these, too: they say of no segment that it is of one, nor whether one is a
    thing.
    """
    entries = [(f'category {index}', entry)
               for index, entry in enumerate(_list_of(content, 'categories', path))]
    if all(isinstance(entry, dict) and 'isthing' in entry for _, entry in entries):
        return entries
    used = {segment.category_id for annotation in _annotations(content, path).values()
            for segment in annotation.segments}
    return [(where, entry) for where, entry in entries if not isinstance(entry, dict)
            or 'isthing' in entry or entry.get('id') in used]


def _list_of(content: Any, key: str, path: Path) -> list[Any]:
    entries = content.get(key) if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise ValueError(f"{path} has no list '{key}'; expected a COCO panoptic JSON")
    return entries


def _parsed(parse: Callable[[Any], _T], entry: Any, path: Path, where: str) -> _T:
    """Parse an entry; turn what goes wrong into one message with the file's name."""
    try:
        return parse(entry)
    except KeyError as error:
        raise ValueError(f'{path}: {where} has no {error}') from error
    except (TypeError, ValueError) as error:
        raise ValueError(f'{path}: {where}: {error}') from error


def _whole(entry: Any, key: str) -> int:
    value = entry[key]
    is_whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if not is_whole:
        raise ValueError(f'{key!r} must be a whole number, got {value!r:.200}')
    return int(value)


def _number(entry: Any, key: str) -> float:
    value = entry[key]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f'{key!r} must be a number, got {value!r:.200}')
    return value


def _category(entry: Any) -> tuple[int, bool]:
    return _whole(entry, 'id'), bool(_whole(entry, 'isthing'))


def _category_entry(entry: Any) -> CategoryEntry:
    key, is_thing = _category(entry)
    return CategoryEntry(key, _text(entry, 'name'), is_thing)


def _text(entry: Any, key: str) -> str:
    value = entry[key]
    if not isinstance(value, str) or not value:
        raise ValueError(f'{key!r} must be text, got {value!r:.200}')
    return value


def _file_name(entry: Any) -> str:
    name = _text(entry, 'file_name')
    path = PurePosixPath(name)
    if path.is_absolute() or '..' in path.parts or '\0' in name:
        raise ValueError(f"'file_name' must be a path inside of the folder, got {name!r:.200}")
    return name


def _image_id(entry: Any, key: str = 'image_id') -> int | str:
    value = entry[key]
    return value if isinstance(value, str) else _whole(entry, key)


def _image(entry: Any) -> tuple[int | str, str]:
    return _image_id(entry, 'id'), _file_name(entry)


def _annotation(entry: Any) -> Annotation:
    file_name = _file_name(entry)
    segments = tuple(_segment(segment) for segment in entry['segments_info'])
    ids = [segment.id for segment in segments]
    if len(set(ids)) < len(ids):
        repeated = next(key for key in ids if ids.count(key) > 1)
        raise ValueError(f'segment {repeated} is listed twice')
    return Annotation(file_name, segments)


def _segment(entry: Any) -> Segment:
    segment = Segment(
        _whole(entry, 'id'), _whole(entry, 'category_id'),
        bool(_whole(entry, 'iscrowd')) if 'iscrowd' in entry else False,
        _number(entry, 'area') if 'area' in entry else None)
    if not 1 <= segment.id <= MAX_ID:
        raise ValueError(f'segment ids must lie in 1..{MAX_ID}, got {segment.id}')
    if segment.area is not None and segment.area < 1:
        raise ValueError(
            f'the area of segment {segment.id} must be at least 1, got {segment.area}')
    return segment
