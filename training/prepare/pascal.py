# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""PASCAL VOC 2012 with 20 or 21 classes, PASCAL Context with 59 or 459: label maps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
import io
from pathlib import Path
import struct
from typing import Any
import zlib

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from eov_seg_core.io.files import read_json
from training.data.catalogue import DOWNLOADS, FOLDERS, PASCAL_FOLDERS
from training.data.files import check_present, read_labels
from training.prepare.steps import encoded, fill_folder, Task

CONTEXT_59 = (
    2, 9, 18, 19, 22, 23, 25, 31, 33, 34, 44, 45, 46, 59, 65, 68, 72, 80, 85, 98, 104, 105, 113,
    115, 144, 158, 159, 162, 187, 189, 207, 220, 232, 258, 259, 260, 284, 295, 296, 308, 324, 326,
    347, 349, 354, 355, 360, 366, 368, 397, 415, 416, 420, 424, 427, 440, 445, 454, 458)
"""Which of the 459 labels, counted from 1, are the 59 classes."""

_JSON = 'trainval_merged.json'
_MATLAB_ERRORS = (OSError, ValueError, TypeError, KeyError, IndexError, NotImplementedError,
                  struct.error, zlib.error, MatReadError)
_Entry = dict[str, Any]
_VOC, _CONTEXT = DOWNLOADS['pascal_voc'], DOWNLOADS['pascal_context']


def prepare_voc_20(task: Task) -> None:
    """Copy the label maps; background is not judged, and the classes start at 0."""
    _prepare_voc(task, 'pascal_voc_20', lambda values: np.where(
        (values == 0) | (values == 255), 255, values - 1))


def prepare_voc_21(task: Task) -> None:
    """Copy the label maps; background is class 0, and 255 not judged."""
    _prepare_voc(task, 'pascal_voc_21', lambda values: values)


def _prepare_voc(task: Task, name: str,
                 convert: Callable[[npt.NDArray[np.int32]], npt.NDArray[np.int32]]) -> None:
    source = task.root / 'VOCdevkit' / 'VOC2012'
    listing = source / 'ImageSets' / 'Segmentation' / f'{task.split}.txt'
    check_present([listing], 'the names of the images', _VOC)
    names = listing.read_text(encoding='utf-8').split()
    maps = source / 'SegmentationClass'
    check_present((maps / f'{stem}.png' for stem in names), 'a label map', _VOC)

    def content(file_name: str) -> bytes:
        values = read_labels(maps / file_name)
        wrong = values[(values > 20) & (values != 255)]
        if wrong.size:
            raise ValueError(f'{maps / file_name} has the value {wrong[0]}; expected 0..20 or 255')
        return encoded(convert(values).astype(np.uint8), '.png')

    _copy_images(task, name, source / 'JPEGImages', names, _VOC)
    fill_folder(_labels(task, name), [f'{stem}.png' for stem in names], content, task.jobs)


def prepare_context_59(task: Task) -> None:
    """Paint the masks of the JSON; what is none of the 59 classes is not judged."""
    source = task.root / 'VOCdevkit' / 'VOC2010'
    images, segments = _context(source)
    names = _named_in(images, task.split)

    def content(file_name: str) -> bytes:
        image = images[Path(file_name).stem]
        labels = np.full((image['height'], image['width']), 255, np.uint8)
        try:
            for segment in segments[image['image_id']]:
                mask = coco_mask.decode(segment['segmentation'])
                labels[mask > 0] = CONTEXT_59.index(segment['category_id'])
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise ValueError(f'{source / _JSON}: a mask of {file_name} is damaged, or of none of '
                             f'the 59 classes: {error!r}') from error
        return encoded(labels, '.png')

    _copy_images(task, 'pascal_context_59', source / 'JPEGImages', names, _CONTEXT)
    fill_folder(_labels(task, 'pascal_context_59'), [f'{stem}.png' for stem in names], content,
                task.jobs)


def prepare_context_459(task: Task) -> None:
    """Convert the label maps; they start at 1, and 0 is not judged."""
    source = task.root / 'VOCdevkit' / 'VOC2010'
    names = _named_in(_context(source)[0], task.split)
    check_present((source / 'trainval' / f'{stem}.mat' for stem in names), 'a label map', _CONTEXT)

    def content(file_name: str) -> bytes:
        path = (source / 'trainval' / file_name).with_suffix('.mat')
        values = _matlab_labels(path)
        if values.max() > 459:
            raise ValueError(f'{path} has the value {values.max()}; expected 0..459')
        return encoded((values - 1).astype(np.uint16), '.tif')

    _copy_images(task, 'pascal_context_459', source / 'JPEGImages', names, _CONTEXT)
    fill_folder(_labels(task, 'pascal_context_459'), [f'{stem}.tif' for stem in names], content,
                task.jobs)


def _matlab_labels(path: Path) -> npt.NDArray[np.int32]:
    data = path.read_bytes()
    try:
        return np.asarray(loadmat(io.BytesIO(data))['LabelMap']).astype(np.int32)
    except _MATLAB_ERRORS as error:
        raise ValueError(f'{path} is no MATLAB file with a LabelMap: {error!r}') from error


def _context(source: Path) -> tuple[dict[str, _Entry], dict[Any, list[_Entry]]]:
    """Return the images by name without ending, and the segments by image id."""
    path = source / _JSON
    check_present([path], 'the masks and the names of the images', _CONTEXT)
    segments = defaultdict(list)
    try:
        content = read_json(path)
        images = {Path(image['file_name']).stem: {
            key: image[key] for key in ('image_id', 'phase', 'height', 'width')}
            for image in content['images']}
        for segment in content['annos_segmentation']:
            segments[segment['image_id']].append(segment)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f'{path} is damaged: {error!r}. {_CONTEXT}') from error
    return images, segments


def _named_in(images: dict[str, _Entry], split: str) -> list[str]:
    return sorted(name for name, image in images.items() if image['phase'] == split)


def _copy_images(task: Task, name: str, source: Path, names: Sequence[str], remedy: str) -> None:
    files = [f'{stem}.jpg' for stem in names]
    check_present((source / file for file in files), 'an image', remedy)
    fill_folder(task.root / PASCAL_FOLDERS[name][0] / 'images' / FOLDERS[task.split], files,
                lambda file: (source / file).read_bytes(), task.jobs)


def _labels(task: Task, name: str) -> Path:
    folder, labels = PASCAL_FOLDERS[name]
    return task.root / folder / labels / FOLDERS[task.split]
