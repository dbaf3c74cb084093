# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Results as files: COCO panoptic PNG + JSON, and COCO detections.

The formats are those that COCO's panoptic and detection tools read: the id of a segment is stored
as R + 256 G + 65536 B, boxes are x, y, width, height.  Category ids are our class ids 1..K, and a
segment also carries its score, which those tools ignore.
"""

from __future__ import annotations

from collections.abc import Sequence
import json
from pathlib import Path
from typing import Any, NamedTuple, TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from eov_seg_core.io.files import replace_file
from eov_seg_core.io.media import save_picture

if TYPE_CHECKING:       # not at run time: files need no PyTorch
    from eov_seg_core.results.result import PanopticResult

MAX_ID = (1 << 24) - 1
"""Largest segment id that three bytes hold."""


def ids_to_rgb(ids: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.uint8]:
    """Store segment ids as colours.

    Args:
        ids: (H, W) integers 0..2**24 - 1.

    Returns:
        (H, W, 3) uint8 RGB with id = R + 256 G + 65536 B.

    Raises:
        ValueError: An id is out of range.
    """
    if ids.size and not 0 <= int(ids.min()) <= int(ids.max()) <= MAX_ID:
        raise ValueError(f'segment ids lie in {ids.min()}..{ids.max()}, expected 0..{MAX_ID}')
    rgb = np.empty((*ids.shape, 3), np.uint8)
    for channel in range(3):
        rgb[..., channel] = ids >> 8 * channel      # the conversion keeps the low byte
    return rgb


def rgb_to_ids(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
    """Read segment ids from colours: the inverse of `ids_to_rgb`, (H, W) int32."""
    red, green, blue = (rgb[..., channel].astype(np.int32) for channel in range(3))
    return np.asarray(red | green << 8 | blue << 16)


def read_panoptic_png(path: str | Path) -> npt.NDArray[np.int32]:
    """Read the segment ids of a COCO panoptic PNG, (H, W) int32.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no picture.
    """
    data = np.frombuffer(Path(path).read_bytes(), np.uint8)
    bgr = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if bgr is None:
        raise ValueError(f'{path} is no picture; expected a COCO panoptic PNG')
    return rgb_to_ids(np.asarray(bgr[:, :, ::-1], np.uint8))


def save_coco_panoptic(result: PanopticResult, names: Sequence[str], is_thing: Sequence[bool],
                       directory: str | Path, name: str) -> None:
    """Write one result as COCO panoptic files: `panoptic/NAME.png` and `panoptic.json`.

    For several results use `CocoWriter`, which makes one JSON for all.

    Args:
        result: What was found.
        names: First name of each class of the vocabulary.
        is_thing: Flag of each class.
        directory: Where to write; made if needed.
        name: Of the picture, without an ending.

    Raises:
        OSError: A file cannot be written.
    """
    writer = CocoWriter(directory, names, is_thing)
    writer.add(result, name, f'{name}.png')
    writer.save()


class _Entry(NamedTuple):
    """What the JSON files say of one picture."""

    image: dict[str, Any]
    annotation: dict[str, Any]
    detections: list[dict[str, Any]]


class CocoWriter:
    """Collect results of many pictures in one folder.

    `panoptic/NAME.png` is written by `add`; `panoptic.json` and `detections.json` by `save`.

    Args:
        directory: Where to write; made if needed.
        names: First name of each class of the vocabulary.
        is_thing: Flag of each class.
        resume: Keep the entries of JSON files that are there already.

    Raises:
        ValueError: The files to resume are damaged or were made with other categories.
        OSError: The folder cannot be made.
    """

    def __init__(self, directory: str | Path, names: Sequence[str], is_thing: Sequence[bool], *,
                 resume: bool = False) -> None:
        self._directory = Path(directory)
        (self._directory / 'panoptic').mkdir(parents=True, exist_ok=True)
        self._categories = [
            {'id': index, 'name': name, 'supercategory': name, 'isthing': int(thing)}
            for index, (name, thing) in enumerate(zip(names, is_thing), start=1)]
        self._entries: dict[str, _Entry] = {}
        self._next_id = 1
        if resume and (self._directory / 'panoptic.json').exists():
            self._resume()

    def __contains__(self, name: str) -> bool:
        """Whether a picture is in the JSON and its PNG is there."""
        return name in self._entries and self._png(name).exists()

    @property
    def origins(self) -> dict[str, str]:
        """Name and origin of each picture in the JSON; '' where none was given."""
        return {name: entry.image.get('origin', '') for name, entry in self._entries.items()}

    def add(self, result: PanopticResult, name: str, file_name: str, origin: str = '') -> None:
        """Write the PNG of a result and remember the rest.

        Args:
            result: What was found.
            name: Of the picture, without an ending; replaces an earlier one of the same name.
            file_name: Of the picture itself, for the JSON.
            origin: What tells the picture from others of that file name, for the JSON.

        Raises:
            OSError: The file cannot be written.
        """
        save_picture(self._png(name), ids_to_rgb(result.instance))
        known = self._entries.get(name)
        image_id = known.image['id'] if known else self._next_id
        self._next_id = max(self._next_id, image_id + 1)
        height, width = result.instance.shape
        self._entries[name] = _Entry(
            image={'id': image_id, 'file_name': file_name, 'height': height, 'width': width}
            | ({'origin': origin} if origin else {}),
            annotation={
                'image_id': image_id, 'file_name': f'{name}.png',
                'segments_info': result.to_coco()},
            detections=[
                {'image_id': image_id, 'segment_id': segment.id, 'category_id': segment.class_id,
                 'category_name': segment.name, 'bbox': segment.bbox_xywh,
                 'score': round(segment.score, 6)}
                for segment in result.segments if segment.is_thing])

    def save(self) -> None:
        """Write both JSON files, each complete or not at all.

        Raises:
            OSError: A file cannot be written.
        """
        _save_json(self._directory / 'panoptic.json', {
            'images': [entry.image for entry in self._entries.values()],
            'annotations': [entry.annotation for entry in self._entries.values()],
            'categories': self._categories})
        _save_json(self._directory / 'detections.json', [
            detection for entry in self._entries.values() for detection in entry.detections])

    def _png(self, name: str) -> Path:
        return self._directory / 'panoptic' / f'{name}.png'

    def _resume(self) -> None:
        path = self._directory / 'panoptic.json'
        try:
            panoptic = json.loads(path.read_text(encoding='utf-8'))
            detections = json.loads(
                (self._directory / 'detections.json').read_text(encoding='utf-8'))
            categories = panoptic['categories']
            entries = {image['id']: _Entry(image, {}, []) for image in panoptic['images']}
            for found in detections:
                entries[found['image_id']].detections.append(found)
            for annotation in panoptic['annotations']:
                entry = entries[annotation['image_id']]._replace(annotation=annotation)
                self._entries[Path(annotation['file_name']).stem] = entry
            self._next_id = max(entries, default=0) + 1
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f'{path} or its detections.json cannot be resumed ({error!r}); '
                             'remove the folder or start without skipping') from error
        if categories != self._categories:
            raise ValueError(f'{path} was made with another vocabulary of {len(categories)} '
                             'categories; choose another folder or the same vocabulary')


def _save_json(path: Path, content: object) -> None:
    replace_file(path, (json.dumps(content, ensure_ascii=False) + '\n').encode('utf-8'))
