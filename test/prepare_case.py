# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Small copies of the published data sets as they are downloaded."""

from __future__ import annotations

import json

from dataset_case import photo, save
import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask
from scipy.io import savemat

from training.prepare.__main__ import main

WALL, BED, WINDOW = 0, 7, 8     # ADE20K: bed and window are things 1 and 2 of the instance maps


def prepare(name, root, *more):
    return main([name, '--root', str(root), '--split', 'val', '--jobs', '2', *more])


def ade_maps():
    """A wall with an unlabelled strip; two beds; a window that the label map lacks."""
    labels = np.full((40, 60), WALL + 1, np.uint8)
    labels[:5] = 0
    labels[20:, :30] = BED + 1          # without an instance at its left end: void
    instances = np.zeros((40, 60, 3), np.uint8)
    instances[20:, 5:15] = (1, 1, 0)
    instances[20:, 15:30] = (1, 2, 0)
    instances[8:12, 40:50] = (2, 3, 0)  # window upon wall
    return labels, instances


def write_ade(root, count=3):
    folder = root / 'ADEChallengeData2016'
    labels, instances = ade_maps()
    for index in range(count):
        name = f'ADE_val_{index:08d}'
        save(folder / f'images/validation/{name}.jpg', photo(seed=index))
        save(folder / f'annotations/validation/{name}.png', labels)
        save(folder / f'annotations_instance/validation/{name}.png', instances)
    return folder


def expected_ade():
    labels, instances = ade_maps()
    classes = np.where(labels == BED + 1, -1, labels.astype(int) - 1)
    for thing, index in ((1, BED), (2, WINDOW)):
        classes[instances[..., 0] == thing] = index
    return classes


def classes_of(sample):
    classes = np.full(sample.ids.shape, -1)
    for label in sample.segments:
        classes[sample.ids == label.id] = label.class_index
    return classes


def write_ade_full(root):
    """Write one large and one small image; sky is object 2420, wall 2978, and 1 no class."""
    folder = root / 'ADE20K_2021_17_01/images/ADE/validation'
    for name, (height, width) in (('street/ADE_val_00000002', (600, 800)),
                                  ('home/ADE_val_00000001', (40, 60))):
        objects = np.full((height, width), 2978)
        objects[:height // 2] = 2420
        objects[:, -width // 4:] = 1
        channels = np.zeros((height, width, 3), np.uint8)
        channels[..., 0] = objects // 256 * 10 + 3
        channels[..., 1] = objects % 256
        channels[..., 2] = 77
        save(folder / f'{name}.jpg', photo(height, width))
        save(folder / f'{name}_seg.png', channels)


def write_cityscapes(root):
    ids = np.full((40, 60), 7, np.uint16)       # road
    ids[:10] = 23                               # sky
    ids[10:12] = 4                              # static: not judged
    ids[12:14] = 29001                          # caravan: not judged
    ids[20:30, :10] = 26                        # a group of cars
    ids[20:30, 20:30] = 26000
    ids[20:30, 40:50] = 33012                   # bicycle
    for city in ('ulm', 'aachen'):
        stem = f'val/{city}/{city}_000000_000019'
        save(root / f'cityscapes/gtFine/{stem}_gtFine_instanceIds.png', ids)
        save(root / f'cityscapes/leftImg8bit/{stem}_leftImg8bit.png', photo())
    return ids


def write_voc(root):
    folder = root / 'VOCdevkit/VOC2012'
    values = np.zeros((40, 60), np.uint8)
    values[:10] = 1         # aeroplane
    values[10:20] = 20      # tvmonitor
    values[20:22] = 255
    for name in ('2007_000033', '2008_000001'):
        save(folder / f'JPEGImages/{name}.jpg', photo())
        labels = Image.fromarray(values, mode=None).convert('P')
        labels.putdata(values.ravel().tolist())
        labels.putpalette([(7 * index) % 256 for index in range(768)])
        (folder / 'SegmentationClass').mkdir(exist_ok=True)
        labels.save(folder / f'SegmentationClass/{name}.png')
    (folder / 'ImageSets/Segmentation').mkdir(parents=True)
    (folder / 'ImageSets/Segmentation/val.txt').write_text('2007_000033\n2008_000001\n')


def write_context(root):
    """Write two validation images: aeroplane is label 2, accordion 1, wood piece 458."""
    folder = root / 'VOCdevkit/VOC2010'
    labels = np.zeros((40, 60), np.uint16)
    labels[:10], labels[10:20], labels[20:30] = 2, 458, 1
    images, segments = [], []
    for index, name in enumerate(('2008_000002', '2008_000007', '2008_000008')):
        save(folder / f'JPEGImages/{name}.jpg', photo())
        images.append({'file_name': f'{name}.jpg', 'image_id': index + 5, 'height': 40,
                       'width': 60, 'phase': 'train' if index == 0 else 'val'})
        (folder / 'trainval').mkdir(exist_ok=True)
        savemat(folder / f'trainval/{name}.mat', {'LabelMap': labels}, do_compression=True)
        for value in (2, 458):
            encoded = coco_mask.encode(np.asfortranarray(labels == value, np.uint8))
            encoded['counts'] = encoded['counts'].decode()
            segments.append({'id': len(segments), 'image_id': index + 5, 'category_id': value,
                             'segmentation': encoded})
    (folder / 'trainval_merged.json').write_text(
        json.dumps({'images': images, 'annos_segmentation': segments, 'categories': []}))
    return folder
