# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The folder of an evaluation: predictions in COCO's formats, and what it takes to go on."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from contextlib import ExitStack
import json
from pathlib import Path, PurePosixPath
import secrets
from typing import Any

from eov_seg_core.io.coco import coco_categories
from eov_seg_core.io.files import locked, read_json, replace_file, save_json
from training.evaluation.image import png_name
from training.evaluation.record import ImageRecord, read_records
from training.evaluation.scores import Scores


class RunFolder:
    """Where an evaluation saves its predictions, and finds them when it is started again.

    `records/*.jsonl` grows image by image; `panoptic/NAME.png` are written before their record.
    One process at a time may hold the folder.

    Args:
        path: The folder; made if needed.
        identity: What the figures depend on.  A folder with another identity is refused.

    Raises:
        ValueError: The folder belongs to another run, or another process holds it.
        OSError: It cannot be written.
    """

    def __init__(self, path: str | Path, identity: Mapping[str, Any]) -> None:
        self._path = Path(path)
        self._identity = dict(identity)
        self.png_folder = self._path / 'panoptic'
        self._records = self._path / 'records'
        self._records.mkdir(parents=True, exist_ok=True)
        self._lock = ExitStack()
        self._lock.enter_context(locked(self._path, 'evaluation'))
        check_identity(self._path, self._identity)
        self._index_of_png: dict[PurePosixPath, int] = {}
        # a file of its own: the last line of an earlier one may be cut
        self._lines = (self._records / f'{secrets.token_hex(8)}.jsonl').open('w', encoding='utf-8')

    def records(self, indices: Container[int]) -> dict[int, ImageRecord]:
        """Return the records of images that need not be evaluated again, by index."""
        records = {index: record for index, record in read_records(self._records).items()
                   if index in indices and self._is_saved(record)}
        for record in records.values():
            self._claim(record)
        return records

    def append(self, record: ImageRecord) -> None:
        """Keep the record of an image.

        Raises:
            ValueError: Its prediction took the place of another image's.
            OSError: It cannot be written.
        """
        self._claim(record)
        self._lines.write(record.to_line())
        self._lines.flush()

    def save(self, scores: Scores, records: Sequence[ImageRecord]) -> None:
        """Write `scores.json`, `classes.csv`, and the predictions of all records as JSON."""
        save_json(self._path / 'scores.json', {'run': self._identity, **scores.to_json()})
        replace_file(self._path / 'classes.csv', scores.to_csv().encode())
        records = sorted(records, key=lambda record: record.index)
        images = [{'id': image_id(record), 'file_name': record.name,
                   'height': record.size[0], 'width': record.size[1]} for record in records]
        category_ids = scores.vocabulary.dataset_ids
        if scores.panoptic is not None:
            save_json(self._path / 'panoptic.json', {
                'images': images, 'categories': coco_categories(scores.vocabulary),
                'annotations': [
                    {'image_id': image['id'], 'file_name': str(png_name(record.name)),
                     'segments_info': record.segments}
                    for image, record in zip(images, records)]})
        if scores.instance is not None:
            save_json(self._path / 'instances.json', [
                {'image_id': image['id'], 'category_id': category_ids[found.class_index],
                 'segmentation': {'size': record.size, 'counts': found.counts},
                 'score': found.score}
                for image, record in zip(images, records) for found in record.detections or ()])

    def close(self) -> None:
        """Let another process have the folder."""
        self._lines.close()
        self._lock.close()

    def _claim(self, record: ImageRecord) -> None:
        png = png_name(record.name)
        other = self._index_of_png.setdefault(png, record.index)
        if other != record.index:
            raise ValueError(f'images {other} and {record.index} ({record.name}) would both be '
                             f'saved as {png}; give them names that differ before the ending, '
                             'and choose another folder')

    def _is_saved(self, record: ImageRecord) -> bool:
        return record.segments is None or (self.png_folder / png_name(record.name)).exists()


def check_identity(folder: Path, identity: Mapping[str, Any]) -> None:
    """Write down whose folder it is, or compare.

    Args:
        folder: That is there.
        identity: What the figures depend on.

    Raises:
        ValueError: The folder belongs to another run.
        OSError: It cannot be written.
    """
    path = folder / 'run.json'
    if not path.exists():
        save_json(path, identity)
        return
    try:
        known = dict(read_json(path))
    except (ValueError, TypeError) as error:
        raise ValueError(f'{path} is damaged ({error}); choose another folder') from error
    wanted = json.loads(json.dumps(identity))       # compared as JSON gives it back
    changed = [f'{key} was {known.get(key)!r} and is now {wanted.get(key)!r}'
               for key in {**known, **wanted} if known.get(key) != wanted.get(key)]
    if changed:
        raise ValueError(f'{folder} holds another evaluation: {"; ".join(changed)}. Choose '
                         'another folder, or go on with the arguments it was begun with')


def image_id(record: ImageRecord) -> int | str:
    """Return the id of an image in its annotation; else its stem, a number if it is one."""
    if record.image_id is not None:
        return record.image_id
    stem = PurePosixPath(record.name).stem
    return int(stem) if stem.isascii() and stem.isdigit() else stem
