# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ADE20K: panoptic truth and label maps of 150 classes, label maps of 847."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from eov_seg_core.io.media import picture_size
from eov_seg_core.vocabulary import Vocabulary
from training.data.catalogue import DOWNLOADS, FOLDERS
from training.data.files import (
    check_present,
    read_channels,
    read_labels,
    read_rgb,
)
from training.prepare.steps import (
    encoded,
    fill_folder,
    PanopticImage,
    PanopticTarget,
    Task,
    write_panoptic,
)

_CHALLENGE, _FULL = DOWNLOADS['ade20k_150'], DOWNLOADS['ade20k_847']
_SHORT_SIDE = 512
_JPEG_QUALITY = 75
_T = TypeVar('_T', np.uint8, np.int32)


def prepare_panoptic(task: Task) -> None:
    """Combine label maps (stuff) and instance maps (things), which lie on top.

    Things that no instance map shows become void.  The id of a segment is 1 + class index +
    256 x instance number.
    """
    folder, part = task.root / 'ADEChallengeData2016', FOLDERS[task.split]
    images = _images(folder / 'images' / part, _CHALLENGE)
    vocabulary = Vocabulary.preset('ade20k_150')
    for maps in ('annotations', 'annotations_instance'):
        check_present((folder / maps / part / f'{image.stem}.png' for image in images),
                      'a label map', _CHALLENGE)
    things = np.flatnonzero(vocabulary.is_thing)

    def make(name: str) -> PanopticImage:
        image = folder / 'images' / part / f'{Path(name).stem}.jpg'
        ids = _panoptic_ids(folder / 'annotations' / part / name,
                            folder / 'annotations_instance' / part / name, things)
        height, width = _checked_size(image, ids, folder / 'annotations' / part / name)
        segments = {key: ((key - 1) % 256, False) for key in np.unique(ids).tolist() if key}
        return PanopticImage({'id': image.stem, 'file_name': image.name, 'height': height,
                              'width': width}, ids, segments)

    target = PanopticTarget(folder / f'ade20k_panoptic_{task.split}.json',
                            folder / f'ade20k_panoptic_{task.split}', vocabulary,
                            vocabulary.dataset_ids)
    write_panoptic(target, [f'{image.stem}.png' for image in images], make, task.jobs)


def _panoptic_ids(labels: Path, instances: Path, things: npt.NDArray[np.intp]
                  ) -> npt.NDArray[np.int32]:
    classes = _class_indices(labels, 150)
    ids = np.where((classes < 0) | np.isin(classes, things), 0, classes + 1)
    thing, number = np.moveaxis(read_channels(instances)[..., :2].astype(np.int32), 2, 0)
    if number.shape != ids.shape:
        raise ValueError(f'{instances} has {number.shape[1]} x {number.shape[0]} pixels, but '
                         f'{labels} has {ids.shape[1]} x {ids.shape[0]}')
    inside = number > 0
    pairs = np.unique(np.stack([number[inside], thing[inside]]), axis=1)
    if len(np.unique(pairs[0])) < pairs.shape[1]:
        raise ValueError(f'{instances} has an instance of two classes (red channel)')
    if inside.any() and not 1 <= pairs[1].min() <= pairs[1].max() <= len(things):
        raise ValueError(f'{instances} has instances of class {pairs[1].min()}..{pairs[1].max()} '
                         f'(red channel); expected 1..{len(things)}')
    ids[inside] = 1 + things[thing[inside] - 1] + 256 * number[inside]
    return ids.astype(np.int32)


def prepare_semantic(task: Task) -> None:
    """Number the classes of the label maps from 0; 255 is not judged."""
    folder, part = task.root / 'ADEChallengeData2016', FOLDERS[task.split]
    images = _images(folder / 'images' / part, _CHALLENGE)
    source = folder / 'annotations' / part
    check_present((source / f'{image.stem}.png' for image in images), 'a label map', _CHALLENGE)

    def content(name: str) -> bytes:
        return encoded(_class_indices(source / name, 150).astype(np.uint8), '.png')

    fill_folder(folder / 'annotations_detectron2' / part,
                [f'{image.stem}.png' for image in images], content, task.jobs)


def _class_indices(path: Path, count: int) -> npt.NDArray[np.int32]:
    """Read a label map that starts at 1; -1 where nothing is labelled."""
    values = read_labels(path)
    if values.max() > count:
        raise ValueError(f'{path} has the value {values.max()}; expected 0..{count}')
    return values - 1


def prepare_full(task: Task) -> None:
    """Make label maps of 847 classes, and images beside them, with a short side of at most 512.

    As published; the full-size images have up to ten megapixels.
    """
    folder, part = task.root / 'ADE20K_2021_17_01', FOLDERS[task.split]
    source = folder / 'images' / 'ADE' / part
    images = {image.name: image for image in sorted(source.rglob('ADE_*.jpg'))}
    if not images:
        raise FileNotFoundError(f'{source} holds no image ADE_*.jpg. {_FULL}')
    segmentations = {f'{image.stem}.tif': image.with_name(f'{image.stem}_seg.png')
                     for image in images.values()}
    check_present(segmentations.values(), 'its segmentation', _FULL)
    class_of_object = _class_of_object()

    def picture(name: str) -> bytes:
        rgb = _shrunk(read_rgb(images[name], upright=False), cv2.INTER_LINEAR)
        return cv2.imencode('.jpg', rgb[:, :, ::-1],
                            [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes()

    def labels(name: str) -> bytes:
        channels = read_channels(segmentations[name]).astype(np.int32)
        objects = channels[..., 0] // 10 * 256 + channels[..., 1]
        return encoded(class_of_object[_shrunk(objects, cv2.INTER_NEAREST)], '.tif')

    fill_folder(folder / 'images_detectron2' / part, images, picture, task.jobs)
    fill_folder(folder / 'annotations_detectron2' / part, segmentations, labels, task.jobs)


def _class_of_object() -> npt.NDArray[np.uint16]:
    """Return the class index of each object number; 65535 for those that are not judged."""
    text = (Path(__file__).parents[1] / 'data' / 'ade20k_847_ids.txt').read_text()
    objects = [int(word) for line in text.splitlines() if line[0] != '#' for word in line.split()]
    classes = np.full(26 * 256, 65535, np.uint16)   # red and green are at most 255
    classes[objects] = np.arange(len(objects))
    return classes


def _shrunk(picture: npt.NDArray[_T], interpolation: int) -> npt.NDArray[_T]:
    height, width = picture.shape[:2]
    short = min(height, width)
    if short <= _SHORT_SIDE:
        return picture
    size = round(width / short * _SHORT_SIDE), round(height / short * _SHORT_SIDE)
    return np.asarray(cv2.resize(picture, size, interpolation=interpolation), picture.dtype)


def _images(folder: Path, remedy: str) -> list[Path]:
    images = sorted(folder.glob('*.jpg'))
    if not images:
        raise FileNotFoundError(f'{folder} holds no image *.jpg. {remedy}')
    return images


def _checked_size(image: Path, ids: npt.NDArray[np.int32], labels: Path) -> tuple[int, int]:
    height, width = picture_size(image)
    if ids.shape != (height, width):
        raise ValueError(f'{labels} has {ids.shape[1]} x {ids.shape[0]} pixels, but {image} has '
                         f'{width} x {height}')
    return height, width
