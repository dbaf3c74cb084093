# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Small data sets on disk, for the tests of data, training and evaluation."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from eov_seg_core.io.coco import ids_to_rgb
from eov_seg_core.io.media import save_picture

CATEGORIES = [{'id': 4, 'name': 'chair,seat', 'isthing': 1},
              {'id': 9, 'name': 'floor', 'isthing': 0},
              {'id': 2, 'name': 'lamp', 'isthing': 1}]
"""Ids with gaps and out of order; lamp is never used."""


def photo(height=40, width=60, seed=0):
    """Return a smooth random image, which JPEG changes little."""
    small = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), np.uint8)
    return cv2.resize(small, (width, height))


def save(path: Path, picture):
    """Write a picture, making its folder; a label map of one channel stays one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.asarray(picture)
    if picture.ndim == 2:
        assert cv2.imwrite(str(path), picture)
    else:
        save_picture(path, picture)


def room(height=40, width=60):
    """Return ids and JSON segments: floor 7, chairs 300 and 70000, a crowd of chairs 8, void."""
    ids = np.full((height, width), 7, np.int32)
    ids[:4] = 0
    ids[10:20, 5:20] = 300
    ids[15:30, 30:40] = 70000
    ids[32:38, width - 10:] = 8
    return ids, [segment(7, 9), segment(300, 4), segment(70000, 4), segment(8, 4, iscrowd=1)]


def segment(key, category, iscrowd=0, **more):
    return {'id': key, 'category_id': category, 'iscrowd': iscrowd, **more}


def write_folder(folder: Path, rooms=None, categories=None):
    """Write a folder in COCO panoptic format; a room is (ids, segments)."""
    rooms = [room(), room(50, 40)] if rooms is None else rooms
    images, annotations = [], []
    for index, (ids, segments) in enumerate(rooms):
        name = f'room_{index}'
        save(folder / 'images' / f'{name}.jpg', photo(*ids.shape, index))
        save(folder / 'panoptic' / f'{name}.png', ids_to_rgb(ids))
        images.append({'id': index, 'file_name': f'{name}.jpg',
                       'height': ids.shape[0], 'width': ids.shape[1]})
        annotations.append({'image_id': index, 'file_name': f'{name}.png',
                            'segments_info': segments})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'panoptic.json').write_text(json.dumps(
        {'images': images, 'annotations': annotations,
         'categories': CATEGORIES if categories is None else categories}))
    return folder
