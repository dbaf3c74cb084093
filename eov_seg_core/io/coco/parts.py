# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Data sets in COCO's panoptic format that are made part by part, and then put together.

A part is a file with a line of JSON for each picture.  Whoever makes it needs no other part, and
the order in which parts are made does not show in the data set.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
import json
from pathlib import Path
from typing import Any, TextIO, TYPE_CHECKING

from eov_seg_core.io.coco.ids import ids_to_rgb
from eov_seg_core.io.files import replace_file, replacing
from eov_seg_core.io.media import save_picture

if TYPE_CHECKING:       # not at run time: files need no PyTorch
    import numpy as np
    import numpy.typing as npt

    from eov_seg_core.results.result import PanopticResult
    from eov_seg_core.vocabulary import Vocabulary

_ERRORS = 'backslashreplace'    # as for `save_json`


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

    def add(self, result: PanopticResult, image_rgb: npt.NDArray[np.uint8], name: str,
            **notes: Any) -> None:
        """Write a picture and its label image.

        Args:
            result: What was found.
            image_rgb: (H, W, 3) uint8 RGB.
            name: Of the picture, without an ending; no other of the data set has it.
            **notes: What the entry of the image says besides, ready for JSON.

        Raises:
            OSError: A file cannot be written.
        """
        height, width = result.instance.shape
        save_picture(self._directory / 'images' / f'{name}.jpg', image_rgb)
        save_picture(self._directory / 'panoptic' / f'{name}.png', ids_to_rgb(result.instance))
        self._entries.append({
            'image': {'file_name': f'{name}.jpg', 'height': height, 'width': width, **notes},
            'annotation': {'file_name': f'{name}.png',
                           'segments_info': result.to_coco(self._vocabulary)}})

    def save(self, path: Path) -> int:
        """Write the part, complete or not at all; returns the number of pictures.

        Raises:
            OSError: It cannot be written.
        """
        text = ''.join(_json(entry) + '\n' for entry in self._entries)
        replace_file(path, text.encode('utf-8', _ERRORS))
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
        parts: Files of `PartWriter.save`.
        categories: From `coco_categories`.
        target: The JSON file; replaced when it is complete.

    Returns:
        The number of pictures.

    Raises:
        OSError: A file cannot be read or written.
    """
    parts = list(parts)
    with replacing(target) as temporary, temporary.open(
            'w', encoding='utf-8', errors=_ERRORS) as file:
        file.write('{"images": [')
        count = _write_list(file, ({'id': number, **entry['image']} for number, entry
                                   in enumerate(_entries(parts), 1)))
        file.write('], "annotations": [')
        _write_list(file, ({'image_id': number, **entry['annotation']} for number, entry
                           in enumerate(_entries(parts), 1)))
        file.write(f'], "categories": {_json(categories)}}}\n')
        file.flush()    # before it gets its name
    return count


def _entries(parts: Iterable[Path]) -> Iterator[dict[str, Any]]:
    for path in parts:
        with path.open(encoding='utf-8') as file:
            yield from map(json.loads, file)


def _write_list(file: TextIO, entries: Iterable[object]) -> int:
    count = 0
    for entry in entries:
        file.write((',\n' if count else '\n') + _json(entry))
        count += 1
    return count


def _json(content: object) -> str:
    return json.dumps(content, ensure_ascii=False)
