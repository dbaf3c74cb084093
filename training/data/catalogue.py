# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The published data sets in their published folders, and folders of a user's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import shlex

from eov_seg_core.vocabulary import Category, Vocabulary
from training.data.coco_folder import CocoPanopticFolder
from training.data.files import Remedies
from training.data.samples import PanopticData, SemanticData
from training.data.semantic_folder import SemanticFolder
from training.data.splits import refuse_contradicting_splits

SPLITS = ('train', 'val')
FOLDERS = {'train': 'training', 'val': 'validation'}
"""Names of the splits in the folders of ADE20K and of what is prepared for PASCAL."""

DOWNLOADS = {
    'coco_panoptic': 'Download images and panoptic annotations of 2017 from cocodataset.org, and '
                     'unpack the PNGs as well',
    'ade20k_150': 'Download ADEChallengeData2016.zip and annotations_instance.tar of the scene '
                  'parsing challenge from sceneparsing.csail.mit.edu; the second belongs in the '
                  'folder of the first',
    'ade20k_847': 'Download the full data set, release of 2021-01-17, from '
                  'groups.csail.mit.edu/vision/datasets/ADE20K',
    'cityscapes': 'Download gtFine_trainvaltest.zip and leftImg8bit_trainvaltest.zip from '
                  'cityscapes-dataset.com, and unpack them in the folder cityscapes',
    'pascal_voc': 'Download VOCtrainval_11-May-2012.tar from host.robots.ox.ac.uk/pascal/VOC',
    'pascal_context': 'Download VOCtrainval_03-May-2010.tar from host.robots.ox.ac.uk/pascal/VOC, '
                      'and put into VOCdevkit/VOC2010 the file trainval_merged.json and the '
                      'folder trainval, which docs/datasets.md tells where to get',
}
"""How to get what the published data sets are made from; unpacked in the root."""

_BACKGROUND = (
    'background', 'crops', 'bush', 'shrub', 'tiles', 'pavement', 'rug', 'carpet', 'box', 'boxes',
    'speaker', 'storage', 'painting', 'board', 'panel', 'poster', 'clock', 'cage',
    'drinking glass', 'park', 'plaything', 'toy', 'fireplace', 'bag', 'bag', 'bed', 'bench',
    'book', 'books', 'building', 'buildings', 'cabinet', 'drawer', 'ceiling', 'computer',
    'computer case', 'cup', 'cups', 'door', 'fence', 'floor', 'flower', 'grass', 'lawn', 'turf',
    'ground', 'soil', 'dirt', 'tiles', 'keyboard', 'lamp', 'mountain', 'hills', 'mouse',
    'curtain', 'platform', 'sign', 'street', 'rock', 'stone', 'shelf', 'sidewalk', 'sky',
    'clouds', 'snow', 'track', 'train track', 'tree', 'trees', 'wall', 'water', 'window', 'wood',
    'woods')
"""What the published evaluation calls background, repetitions included: they have weight."""


def data_sets() -> tuple[str, ...]:
    """Return the names of the published data sets that `open_dataset` knows."""
    return tuple(_OPENERS)


def open_dataset(name_or_folder: str | Path, root: str | Path | None = None, split: str = 'val',
                 vocabulary: Vocabulary | None = None) -> PanopticData | SemanticData:
    """Open a published data set, or a folder of one's own.

    The layouts, and what is looked at when, are in docs/datasets.md.

    Args:
        name_or_folder: One of `data_sets()`, or a folder in COCO panoptic format with `images`,
            `panoptic` and `panoptic.json`, either in itself or in its folder `train` or `val`.
        root: Folder that holds the published data sets; a relative folder of one's own is looked
            for here, too.
        split: `train` or `val`.
        vocabulary: Classes of a folder of one's own; None: the categories of its JSON.

    Raises:
        FileNotFoundError: A file or folder is missing; the message says how to get it.
        ValueError: Something contradicts itself, or an argument is wrong.
    """
    if split not in SPLITS:
        raise ValueError(f'the split must be train or val, got {split!r}')
    name = str(name_or_folder)
    if name not in _OPENERS:
        return _open_folder(name, root, split, vocabulary)
    if vocabulary is not None:
        raise ValueError(f'{name} has a vocabulary of its own; a vocabulary can be given for a '
                         'folder only')
    if root is None:
        raise ValueError(f'{name} needs root, the folder that holds the published data sets')
    return _OPENERS[name](Path(root), split)


def _open_folder(name: str, root: str | Path | None, split: str, vocabulary: Vocabulary | None
                 ) -> CocoPanopticFolder:
    folder = Path(name)
    if root is not None and not folder.is_dir():
        folder = Path(root) / name
    if not folder.is_dir():
        raise FileNotFoundError(f'{name} is no folder, and no data set; data sets are '
                                f'{", ".join(data_sets())}')
    if not (folder / 'panoptic.json').exists():
        others = [folder / other / 'panoptic.json' for other in SPLITS if other != split]
        folder = folder / split
        for other in others:
            if other.exists() and (folder / 'panoptic.json').exists():
                refuse_contradicting_splits(folder / 'panoptic.json', other)
    return CocoPanopticFolder(
        folder / 'images', folder / 'panoptic.json', folder / 'panoptic', vocabulary)


def _making(name: str, root: Path) -> str:
    return (f'`python -m training.prepare {name} --root {shlex.quote(str(root))}` makes what is '
            'missing; remove what is broken before')


def _coco(root: Path, split: str) -> CocoPanopticFolder:
    folder, vocabulary = root / 'coco', Vocabulary.preset('coco_panoptic')
    return CocoPanopticFolder(
        folder / f'{split}2017', folder / 'annotations' / f'panoptic_{split}2017.json',
        folder / f'panoptic_{split}2017', vocabulary,
        category_ids=vocabulary.dataset_ids,
        remedies=Remedies(DOWNLOADS['coco_panoptic'], DOWNLOADS['coco_panoptic']))


def _ade20k(root: Path, split: str) -> CocoPanopticFolder:
    folder, vocabulary = root / 'ADEChallengeData2016', Vocabulary.preset('ade20k_150')
    return CocoPanopticFolder(
        folder / 'images' / FOLDERS[split], folder / f'ade20k_panoptic_{split}.json',
        folder / f'ade20k_panoptic_{split}', vocabulary,
        category_ids=vocabulary.dataset_ids, drop_covered=True,
        remedies=Remedies(DOWNLOADS['ade20k_150'], _making('ade20k_150', root)))


def _ade20k_semantic(root: Path, split: str) -> SemanticFolder:
    folder, part = root / 'ADEChallengeData2016', FOLDERS[split]
    return SemanticFolder(
        folder / 'images' / part, folder / 'annotations_detectron2' / part,
        Vocabulary.preset('ade20k_150'),
        remedies=Remedies(DOWNLOADS['ade20k_150'], _making('ade20k_150_semantic', root)))


def _ade20k_full(root: Path, split: str) -> SemanticFolder:
    folder, part = root / 'ADE20K_2021_17_01', FOLDERS[split]
    return SemanticFolder(
        folder / 'images_detectron2' / part, folder / 'annotations_detectron2' / part,
        Vocabulary.preset('ade20k_847'), suffix='.tif', ignore=65535,
        remedies=Remedies(*[_making('ade20k_847', root)] * 2))


def _cityscapes(root: Path, split: str) -> CocoPanopticFolder:
    folder, vocabulary = root / 'cityscapes', Vocabulary.preset('cityscapes')
    return CocoPanopticFolder(
        folder / 'leftImg8bit' / split, folder / 'gtFine' / f'cityscapes_panoptic_{split}.json',
        folder / 'gtFine' / f'cityscapes_panoptic_{split}', vocabulary,
        category_ids=vocabulary.dataset_ids, image_path=_in_city,
        remedies=Remedies(DOWNLOADS['cityscapes'], _making('cityscapes', root)))


def _in_city(image_id: int | str, file_name: str) -> str:
    """Return the path of an image; the JSON states a name that no file has."""
    city = str(image_id).partition('_')[0]
    return f'{city}/{image_id}_leftImg8bit.png'


def _voc_20(root: Path, split: str) -> SemanticFolder:
    return _pascal(root, 'pascal_voc_20', split, Vocabulary.preset('pascal_voc_20'))


def _voc_21(root: Path, split: str) -> SemanticFolder:
    objects = Vocabulary.preset('pascal_voc_20').categories
    return _pascal(root, 'pascal_voc_21', split, Vocabulary.from_categories(
        [Category(_BACKGROUND, is_thing=False, dataset_id=0), *objects]))


def _context_59(root: Path, split: str) -> SemanticFolder:
    return _pascal(root, 'pascal_context_59', split, Vocabulary.preset('pascal_context_59'))


def _context_459(root: Path, split: str) -> SemanticFolder:
    return _pascal(root, 'pascal_context_459', split, Vocabulary.preset('pascal_context_459'))


PASCAL_FOLDERS = {
    'pascal_voc_20': ('pascal_voc_d2', 'annotations_pascal20'),
    'pascal_voc_21': ('pascal_voc_d2', 'annotations_pascal21'),
    'pascal_context_59': ('pascal_ctx_d2', 'annotations_ctx59'),
    'pascal_context_459': ('pascal_ctx_d2', 'annotations_ctx459'),
}
"""Folder of a prepared data set, and folder of the label maps in it."""


def _pascal(root: Path, name: str, split: str, vocabulary: Vocabulary) -> SemanticFolder:
    folder, labels = PASCAL_FOLDERS[name]
    is_wide = name == 'pascal_context_459'
    return SemanticFolder(
        root / folder / 'images' / FOLDERS[split], root / folder / labels / FOLDERS[split],
        vocabulary, suffix='.tif' if is_wide else '.png', ignore=65535 if is_wide else 255,
        remedies=Remedies(*[_making(name, root)] * 2))


_OPENERS: dict[str, Callable[[Path, str], CocoPanopticFolder | SemanticFolder]] = {
    'coco_panoptic': _coco,
    'ade20k_150': _ade20k,
    'ade20k_150_semantic': _ade20k_semantic,
    'ade20k_847': _ade20k_full,
    'cityscapes': _cityscapes,
    'pascal_voc_20': _voc_20,
    'pascal_voc_21': _voc_21,
    'pascal_context_59': _context_59,
    'pascal_context_459': _context_459,
}
