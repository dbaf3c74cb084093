# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Work on many files that can be stopped at any moment and goes on where it was.

A file is there complete or not at all; a folder of label maps has its name only when all of them
are in it; a panoptic JSON is written after its last PNG.  So what is unfinished is never opened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
import json
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage
from tqdm import tqdm

from eov_seg_core.io.coco import ids_to_rgb
from eov_seg_core.io.files import read_json, replace_file
from eov_seg_core.io.media import save_picture
from eov_seg_core.io.text import counted
from eov_seg_core.vocabulary import Vocabulary

_K = TypeVar('_K')
_V = TypeVar('_V')


class Task(NamedTuple):
    """What a preparation works on.

    Attributes:
        root: Folder that holds the published data sets.
        split: `train` or `val`.
        jobs: Number of threads, at least 1.
    """

    root: Path
    split: str
    jobs: int


def work_on(keys: Sequence[_K], work: Callable[[_K], _V], title: str, jobs: int
            ) -> Iterator[tuple[_K, _V]]:
    """Do independent work in threads, and yield keys and results in order with a progress bar.

    Raises:
        OSError: Some work met one: a full disk would stop the rest as well.
        ValueError: Some work met one, because its files are broken; all other was done, and the
            message lists what is wrong.
    """
    problems = []
    pool = ThreadPoolExecutor(jobs)
    try:
        futures = [pool.submit(work, key) for key in keys]
        for key, future in zip(keys, tqdm(futures, desc=title, unit='image', disable=None)):
            try:
                result = future.result()
            except ValueError as error:
                problems.append(str(error))
            else:
                yield key, result
    finally:
        pool.shutdown(cancel_futures=True)
    if problems:
        raise ValueError('\n'.join([f'{title}: {len(problems)} of '
                                    f'{counted(len(keys), "image")} cannot be used:', *problems]))


def fill_folder(folder: Path, names: Iterable[str], content: Callable[[str], bytes],
                jobs: int) -> None:
    """Write the files that a folder lacks; a new folder gets its name when it is full.

    Args:
        folder: What to fill.
        names: Of all its files.
        content: Makes a file's content from its name.
        jobs: Number of threads.

    Raises:
        OSError: A file cannot be read or written.
        ValueError: Some files cannot be made; the message lists why.
    """
    working = folder if folder.is_dir() else folder.with_name(f'.{folder.name}.unfinished')
    present = _listed(working)

    def write(name: str) -> None:
        replace_file(working / name, content(name))

    lacking = [name for name in names if name not in present]
    for _ in work_on(lacking, write, str(folder), jobs):
        pass
    if working != folder:
        working.rename(folder)


def encoded(labels: npt.NDArray[np.unsignedinteger[Any]], suffix: str) -> bytes:
    """Return a label map in the format of a suffix."""
    return cv2.imencode(suffix, labels)[1].tobytes()


class PanopticImage(NamedTuple):
    """What a panoptic JSON says of one image.

    Attributes:
        image: Its entry under `images`.
        ids: (H, W) int32 segment ids, 0 = void.
        segments: Segment id -> category id and whether it is a crowd.
    """

    image: dict[str, Any]
    ids: npt.NDArray[np.int32]
    segments: Mapping[int, tuple[int, bool]]


class PanopticTarget(NamedTuple):
    """Where panoptic truth is written.

    Attributes:
        json: The JSON.
        folder: Folder of the PNGs.
        vocabulary: The classes.
        category_ids: Category id of each class.
        names: What the JSON calls each class; (): its first name.
    """

    json: Path
    folder: Path
    vocabulary: Vocabulary
    category_ids: Sequence[int]
    names: Sequence[str] = ()


def write_panoptic(target: PanopticTarget, names: Sequence[str],
                   make: Callable[[str], PanopticImage], jobs: int,
                   stamps: Mapping[str, str] | None = None) -> None:
    """Write the PNGs that are missing, and then the JSON of all.

    What the JSON will say of finished PNGs is kept beside it, line by line, until it is written.

    Args:
        target: Where to write.
        names: Of all PNGs.
        make: Makes the truth of an image from the name of its PNG.
        jobs: Number of threads.
        stamps: For each name what its image's entry has as `stamp`; with another stamp a PNG is
            made again.

    Raises:
        OSError: A file cannot be read or written.
        ValueError: Some files cannot be made; the message lists why.
    """
    journal = target.json.with_name(f'.{target.json.name}.unfinished')
    entries = _entries_of(target.json) | _lines_of(journal)
    present = _listed(target.folder)
    lacking = [name for name in names if name not in entries or name not in present
               or (stamps and entries[name]['image'].get('stamp') != stamps[name])]
    if not lacking and target.json.exists() and not journal.exists() and (
            not stamps or len(entries) == len(names)):
        return

    def write(name: str) -> dict[str, Any]:
        made = make(name)
        save_picture(target.folder / name, ids_to_rgb(made.ids))
        return {'image': made.image, 'annotation': {
            'image_id': made.image['id'], 'file_name': name, 'segments_info': _described(made)}}

    with journal.open('a', encoding='utf-8') as file:
        file.write('\n')    # ends a line of which only half was written
        if stamps and target.json.exists():     # it no longer says what the PNGs show
            file.writelines(json.dumps(entry) + '\n' for entry in entries.values())
            file.flush()
            target.json.unlink()
        for name, entry in work_on(lacking, write, str(target.folder), jobs):
            entries[name] = entry
            file.write(json.dumps(entry) + '\n')
            file.flush()
    replace_file(target.json, json.dumps({
        'images': [entries[name]['image'] for name in names],
        'annotations': [entries[name]['annotation'] for name in names],
        'categories': [
            {'id': key, 'name': name, 'isthing': int(is_thing)} for key, name, is_thing in zip(
                target.category_ids, target.names or target.vocabulary.names,
                target.vocabulary.is_thing)]}
    ).encode())
    journal.unlink()


def _described(made: PanopticImage) -> list[dict[str, Any]]:
    """Return the segments that have pixels, in the order of their ids."""
    areas = np.bincount(made.ids.ravel())
    boxes = ndimage.find_objects(made.ids)
    described = []
    for key in np.flatnonzero(areas).tolist():
        if key:
            category, is_crowd = made.segments[key]
            rows, columns = boxes[key - 1]
            described.append({
                'id': key, 'category_id': category, 'iscrowd': int(is_crowd),
                'area': int(areas[key]), 'bbox': [
                    columns.start, rows.start, columns.stop - columns.start,
                    rows.stop - rows.start]})
    return described


def _listed(folder: Path) -> frozenset[str]:
    """Make a folder if needed, clear away what a killed run left, and return its files' names."""
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.glob('.*.tmp'):
        leftover.unlink()
    return frozenset(entry.name for entry in folder.iterdir())


def _entries_of(path: Path) -> dict[str, dict[str, Any]]:
    """Return what a finished JSON says of each PNG."""
    if not path.exists():
        return {}
    try:
        content = read_json(path)
        images = {image['id']: image for image in content['images']}
        return {annotation['file_name']: {'image': images[annotation['image_id']],
                                          'annotation': annotation}
                for annotation in content['annotations']}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f'{path} is no COCO panoptic JSON ({error!r}); remove it, and it is '
                         'made again') from error


def _lines_of(journal: Path) -> dict[str, dict[str, Any]]:
    """Return what is known of finished PNGs; a line that was cut off counts for nothing."""
    if not journal.exists():
        return {}
    entries = {}
    for line in journal.read_text(encoding='utf-8').splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        entries[entry['annotation']['file_name']] = entry
    return entries
