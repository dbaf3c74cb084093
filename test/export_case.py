# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Small exports in the form of those that annotation tools write."""

from __future__ import annotations

import json

import cv2
from dataset_case import photo, save
import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from training.prepare.__main__ import main

HEIGHT, WIDTH = 40, 60     # of `photo`


def prepare(output, source, *more):
    return main([str(output), '--from', str(source), '--jobs', '2', *map(str, more)])


def box(x1, y1, x2, y2):
    """Return a rectangle as COCO's polygon."""
    return [[x1, y1, x2, y1, x2, y2, x1, y2]]


def run_lengths(mask, compressed=True):
    """Return a mask as COCO's run lengths, as text or as numbers."""
    if compressed:
        encoded = coco_mask.encode(np.asfortranarray(mask, np.uint8))
        return {'size': list(mask.shape), 'counts': encoded['counts'].decode()}
    flat = mask.ravel(order='F')
    edges = np.flatnonzero(np.diff(flat, prepend=False))
    counts = np.diff([0, *edges, flat.size]).tolist()
    return {'size': list(mask.shape), 'counts': counts}


def annotation(key, image_id, category_id, segmentation, **more):
    return {'id': key, 'image_id': image_id, 'category_id': category_id, 'iscrowd': 0, 'area': 1.5,
            'bbox': [0, 0, 1, 1], 'segmentation': segmentation, **more}


def write_coco(path, entries, names=('chair', 'floor'), pictures=('a.jpg',), **more):
    """Write a COCO instances file; category ids count from 1, as do image ids.

    With `more` lists of the JSON are replaced.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({
        'info': {}, 'licenses': [],
        'categories': [{'id': index, 'name': name, 'supercategory': ''}
                       for index, name in enumerate(names, start=1)],
        'images': [{'id': index, 'file_name': name, 'height': HEIGHT, 'width': WIDTH}
                   for index, name in enumerate(pictures, start=1)],
        'annotations': entries} | more))
    return path


def write_cvat(folder, entries, pictures=('a.jpg',), **more):
    """Write what CVAT exports as COCO 1.0 with pictures."""
    for index, name in enumerate(pictures):
        save(folder / 'images/default' / name, photo(seed=index))
    write_coco(folder / 'annotations/instances_default.json', [
        {**entry, 'attributes': {'occluded': False}} for entry in entries],
        pictures=pictures, **more)
    return folder


def write_roboflow(folder, splits=('train', 'valid', 'test')):
    """Write what Roboflow exports: ids from 0, a super category that nothing uses."""
    for index, split in enumerate(splits):
        name = f'room_{split}_jpg.rf.0123.jpg'
        save(folder / split / name, photo(seed=index))
        write_coco(folder / split / '_annotations.coco.json', [
            annotation(0, 0, 1, [[5.5, 5.25, 20.125, 5.25, 20.125, 20.0, 5.5, 20.0, 5.5, 5.25]]),
            annotation(1, 0, 2, box(0, 20, 60, 40))],
            images=[{'id': 0, 'file_name': name, 'height': HEIGHT, 'width': WIDTH}],
            categories=[{'id': 0, 'name': 'rooms', 'supercategory': 'none'},
                        {'id': 1, 'name': 'chair', 'supercategory': 'rooms'},
                        {'id': 2, 'name': 'floor', 'supercategory': 'rooms'}])
    return folder


def labelme_shape(label, points, kind='polygon', group=None, **more):
    return {'label': label, 'points': points, 'group_id': group, 'shape_type': kind, 'flags': {},
            **more}


def write_labelme(folder, shapes, name='a'):
    save(folder / f'{name}.jpg', photo())
    (folder / f'{name}.json').write_text(json.dumps({
        'version': '5.4.1', 'flags': {}, 'shapes': shapes, 'imagePath': f'{name}.jpg',
        'imageData': None, 'imageHeight': HEIGHT, 'imageWidth': WIDTH}))
    return folder


def write_palette(path, values, colors=None):
    """Write a label map with a palette, as VOC has them; the default colours say nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.asarray(values, np.uint8), mode=None)
    image = image.convert('P')
    image.putdata(np.asarray(values).ravel().tolist())
    image.putpalette([(7 * index) % 256 for index in range(768)] if colors is None
                     else np.ravel(colors).tolist())
    image.save(path)


def encoded_png(mask):
    return cv2.imencode('.png', mask)[1].tobytes()
