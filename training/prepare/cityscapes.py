# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cityscapes: panoptic truth of 19 classes from the maps of instance ids."""

from __future__ import annotations

import numpy as np

from eov_seg_core.vocabulary import Vocabulary
from training.data.catalogue import DOWNLOADS
from training.data.files import read_labels
from training.prepare.steps import PanopticImage, PanopticTarget, Task, write_panoptic

_SOURCE = '_gtFine_instanceIds.png'
_TARGET = '_gtFine_panoptic.png'


def prepare_panoptic(task: Task) -> None:
    """Keep the ids of the 19 classes, and call groups of things crowds.

    An id is the label of a region, or 1000 x label + number of an instance.
    """
    folder = task.root / 'cityscapes' / 'gtFine'
    sources = {path.name.replace(_SOURCE, _TARGET): path
               for path in sorted((folder / task.split).glob(f'*/*{_SOURCE}'))}
    if not sources:
        raise FileNotFoundError(f'{folder / task.split} holds no maps */*{_SOURCE}. '
                                f'{DOWNLOADS["cityscapes"]}')
    vocabulary = Vocabulary.preset('cityscapes')
    is_thing = dict(zip(vocabulary.dataset_ids, vocabulary.is_thing))

    def make(name: str) -> PanopticImage:
        ids = read_labels(sources[name])
        ids[~np.isin(np.where(ids < 1000, ids, ids // 1000), vocabulary.dataset_ids)] = 0
        segments = {key: (key, is_thing[key]) if key < 1000 else (key // 1000, False)
                    for key in np.unique(ids).tolist() if key}
        image_id = name.removesuffix(_TARGET)
        height, width = ids.shape
        return PanopticImage({'id': image_id, 'file_name': f'{image_id}_gtFine_leftImg8bit.png',
                              'height': height, 'width': width}, ids, segments)

    target = PanopticTarget(folder / f'cityscapes_panoptic_{task.split}.json',
                            folder / f'cityscapes_panoptic_{task.split}', vocabulary,
                            vocabulary.dataset_ids)
    write_panoptic(target, list(sources), make, task.jobs)
