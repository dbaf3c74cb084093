# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Data sets in COCO's panoptic format that are made part by part, and then put together.

A part is a file with a line of JSON for each picture.  Whoever makes it needs no other part, and
the order in which parts are made does not show in the data set.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
import json
from pathlib import Path
from typing import Any, TYPE_CHECKING

from eov_seg_core.io.coco.ids import ids_to_rgb
from eov_seg_core.io.coco.instances import save_instances
from eov_seg_core.io.coco.streamed import ERRORS, save_list, save_object
from eov_seg_core.io.files import replace_file
from eov_seg_core.io.media import save_picture

if TYPE_CHECKING:       # not at run time: files need no PyTorch
    import numpy as np
    import numpy.typing as npt

    from eov_seg_core.results.result import PanopticResult
    from eov_seg_core.vocabulary import Vocabulary


def picture_entry(result: PanopticResult, vocabulary: Vocabulary, file_name: str,
                  label_name: str, **notes: Any) -> dict[str, Any]:
    """Return what a part says of a picture.

    Args:
        result: What was found.
        vocabulary: What was looked for.
        file_name: Of the picture.
        label_name: Of its label image, from `panoptic/`.
        **notes: What the entry of the image says besides, ready for JSON.
    """
    height, width = result.instance.shape
    return {'image': {'file_name': file_name, 'height': height, 'width': width, **notes},
            'annotation': {'file_name': label_name, 'segments_info': result.to_coco(vocabulary)}}


class PartWriter:
    """Writes the pictures of a part, and remembers what the data set says of them.

    Args:
        directory: Of the data set; `images/` and `panoptic/` are made if needed.
        vocabulary: What was looked for.

    Raises:
        OSError: A folder cannot be made.
    """

    def __init__(self, directory: Path, vocabulary: Vocabulary) -> None:
        self._directory = directory
        self._vocabulary = vocabulary
        self._entries: list[dict[str, Any]] = []
        for name in ('images', 'panoptic'):
            (directory / name).mkdir(parents=True, exist_ok=True)

    def add(self, result: PanopticResult, image_rgb: npt.NDArray[np.uint8], name: str, *,
            track_ids: Sequence[int] | None = None, **notes: Any) -> None:
        """Write a picture and its label image.

        Args:
            result: What was found.
            image_rgb: (H, W, 3) uint8 RGB.
            name: Of the picture, without an ending; no other of the data set has it.
            track_ids: For each segment an id that its object has in other pictures, too.
            **notes: What the entry of the image says besides, ready for JSON.

        Raises:
            OSError: A file cannot be written.
        """
        save_picture(self._directory / 'images' / f'{name}.jpg', image_rgb)
        save_picture(self._directory / 'panoptic' / f'{name}.png', ids_to_rgb(result.instance))
        entry = picture_entry(result, self._vocabulary, f'{name}.jpg', f'{name}.png', **notes)
        for segment, number in zip(entry['annotation']['segments_info'], track_ids or ()):
            segment['track_id'] = number
        self._entries.append(entry)

    def save(self, path: Path) -> int:
        """Write the part, complete or not at all; returns the number of pictures.

        Raises:
            OSError: It cannot be written.
        """
        text = ''.join(json.dumps(entry, ensure_ascii=False) + '\n' for entry in self._entries)
        replace_file(path, text.encode('utf-8', ERRORS))
        return len(self._entries)


def is_whole(path: Path, directory: Path) -> bool:
    """Say whether a part and all its pictures are there.

    Args:
        path: Of the part.
        directory: Of the data set.
    """
    return path.exists() and all(
        (directory / folder / entry[key]['file_name']).exists() for entry in _entries([path])
        for folder, key in (('images', 'image'), ('panoptic', 'annotation')))


def merge_parts(parts: Iterable[Path], categories: list[dict[str, Any]], target: Path) -> int:
    """Write the JSON of a data set; image ids are 1 to N in the order of the parts.

    Only one picture's entry is in memory at a time.

    Args:
        parts: Files with an entry of `picture_entry` in each line; lines without an image are
            left out.
        categories: From `coco_categories`.
        target: The JSON file; replaced when it is complete.

    Returns:
        The number of pictures.

    Raises:
        OSError: A file cannot be read or written.
    """
    parts = list(parts)
    return save_object(target, {'images': _images(parts), 'annotations': _annotations(parts),
                                'categories': categories})['images']


def merge_detections(parts: Iterable[Path], categories: list[dict[str, Any]], target: Path
                     ) -> None:
    """Write the things of all pictures as COCO's detections, with the ids of `merge_parts`.

    Args:
        parts: As for `merge_parts`.
        categories: As for `merge_parts`.
        target: The JSON file; replaced when it is complete.

    Raises:
        OSError: A file cannot be read or written.
    """
    things = {entry['id']: entry['name'] for entry in categories if entry['isthing']}
    save_list(target, (
        {'image_id': annotation['image_id'], 'segment_id': segment['id'],
         'category_id': segment['category_id'], 'category_name': things[segment['category_id']],
         'bbox': segment['bbox'], 'score': segment['score']}
        for annotation in _annotations(parts) for segment in annotation['segments_info']
        if segment['category_id'] in things))


def merge_instances(parts: Iterable[Path], categories: list[dict[str, Any]], directory: Path
                    ) -> None:
    """Write the files of `write_instances`, with the ids of `merge_parts`.

    Args:
        parts: As for `merge_parts`.
        categories: As for `merge_parts`.
        directory: With the label images in `panoptic/`.

    Raises:
        ValueError: A label image is damaged.
        OSError: A file cannot be read or written.
    """
    parts = list(parts)
    save_instances(directory, lambda: _images(parts), lambda: _annotations(parts), categories)


def _images(parts: Iterable[Path]) -> Iterator[dict[str, Any]]:
    return ({'id': number, **entry['image']} for number, entry in enumerate(_entries(parts), 1))


def _annotations(parts: Iterable[Path]) -> Iterator[dict[str, Any]]:
    return ({'image_id': number, **entry['annotation']}
            for number, entry in enumerate(_entries(parts), 1))


def _entries(parts: Iterable[Path]) -> Iterator[dict[str, Any]]:
    for path in parts:
        with path.open(encoding='utf-8') as file:
            yield from (entry for entry in map(json.loads, file) if 'image' in entry)
