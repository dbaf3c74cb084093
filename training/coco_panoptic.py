# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reading COCO's panoptic format: a JSON file, and a PNG of segment ids for each image."""

from __future__ import annotations

from collections.abc import Callable
import json
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from eov_seg_core.export import MAX_ID, read_panoptic_png

_T = TypeVar('_T')


class Segment(NamedTuple):
    """One segment as the JSON describes it.

    Attributes:
        id: Its id in the PNG, 1..2**24 - 1.
        category_id: Id of its category.
        is_crowd: Whether it is a group of things that nobody told apart.
        area: Its pixels according to the JSON, above 0; None if that is not stated.
    """

    id: int
    category_id: int
    is_crowd: bool = False
    area: int | None = None


class Annotation(NamedTuple):
    """One image of the JSON.

    Attributes:
        file_name: Of the PNG, relative to its folder.
        segments: In the order of the JSON, ids differ.
    """

    file_name: str
    segments: tuple[Segment, ...]


def read_annotations(path: Path) -> dict[int | str, Annotation]:
    """Read the annotations of a COCO panoptic JSON: image id -> annotation, in its order.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no such JSON; the message names file and image.
    """
    annotations: dict[int | str, Annotation] = {}
    for index, entry in enumerate(_list_of(path, 'annotations')):
        image_id = _parsed(_image_id, entry, path, f'annotation {index}')
        if image_id in annotations:
            raise ValueError(f'{path}: there are two annotations of image {image_id}')
        annotations[image_id] = _parsed(
            _annotation, entry, path, f'annotation of image {image_id}')
    return annotations


def read_categories(path: Path) -> dict[int, bool]:
    """Read the categories of a COCO panoptic JSON: id -> whether it is a thing.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no such JSON, or an id occurs twice; the message names the file.
    """
    categories: dict[int, bool] = {}
    for index, entry in enumerate(_list_of(path, 'categories')):
        key, is_thing = _parsed(_category, entry, path, f'category {index}')
        if key in categories:
            raise ValueError(f'{path}: there are two categories with id {key}')
        categories[key] = is_thing
    return categories


def read_ids(path: Path) -> npt.NDArray[np.int32]:
    """Read the segment ids of a PNG, (H, W) int32.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is damaged or no picture; the message names it.
    """
    try:
        return read_panoptic_png(path)
    except cv2.error as error:   # an empty file
        raise ValueError(f'{path} is no picture; expected a COCO panoptic PNG') from error


def _list_of(path: Path, key: str) -> list[Any]:
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:   # no JSON, or no text at all
        raise ValueError(f'{path} is no JSON: {error}') from error
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
        raise ValueError(f'{key!r} must be a whole number, got {value!r}')
    return int(value)


def _category(entry: Any) -> tuple[int, bool]:
    return _whole(entry, 'id'), bool(_whole(entry, 'isthing'))


def _image_id(entry: Any) -> int | str:
    value = entry['image_id']
    return value if isinstance(value, str) else _whole(entry, 'image_id')


def _annotation(entry: Any) -> Annotation:
    file_name = entry['file_name']
    if not isinstance(file_name, str) or not file_name:
        raise ValueError(f"'file_name' must be text, got {file_name!r}")
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
        _whole(entry, 'area') if 'area' in entry else None)
    if not 1 <= segment.id <= MAX_ID:
        raise ValueError(f'segment ids must lie in 1..{MAX_ID}, got {segment.id}')
    if segment.area is not None and segment.area < 1:
        raise ValueError(
            f'the area of segment {segment.id} must be at least 1, got {segment.area}')
    return segment
