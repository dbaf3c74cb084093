# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Folders in COCO panoptic format: what is read, and what is said of broken ones."""

from __future__ import annotations

import json
import logging

from dataset_case import CATEGORIES, photo, room, save, segment, write_folder
import numpy as np
from PIL import Image
import pytest
import torch

from eov_seg_core.io.coco import CocoWriter, ids_to_rgb
from eov_seg_core.results.result import PanopticResult, Segment
from eov_seg_core.vocabulary import Category, Vocabulary
from training.data import CocoPanopticFolder, open_dataset, PanopticTrainingData
from training.data.augmentation import LargeScaleJitter
from training.data.samples import SegmentLabel


def edit(folder, change):
    path = folder / 'panoptic.json'
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_folder(tmp_path):
    data = open_dataset(write_folder(tmp_path))
    assert len(data) == 2
    assert data.vocabulary == Vocabulary.from_categories([
        Category(('chair', 'seat'), True), Category(('floor',), False), Category(('lamp',), True)])
    sample = data[0]
    assert data.vocabulary.dataset_ids == (4, 9, 2)
    assert [item.image_id for item in data] == [0, 1]
    assert sample.name == 'room_0.jpg'
    assert sample.image_rgb.dtype == np.uint8
    assert np.abs(sample.image_rgb.astype(int) - photo(seed=0)).mean() < 5
    assert sample.ids.dtype == np.int32
    np.testing.assert_array_equal(sample.ids, room()[0])
    assert sample.segments == (
        SegmentLabel(7, 1), SegmentLabel(300, 0), SegmentLabel(70000, 0), SegmentLabel(8, 0, True))
    assert data[1].ids.shape == data[-1].ids.shape == (50, 40)
    assert [sample.name for sample in data] == ['room_0.jpg', 'room_1.jpg']
    with pytest.raises(IndexError):
        data[2]


def test_results_of_eov_seg_are_such_a_folder(tmp_path):
    ids, _ = room()
    found = [Segment(7, 2, 'floor', False, 0.9, 1, (0, 0, 1, 1)),
             Segment(8, 1, 'chair', True, 0.8, 1, (0, 0, 1, 1))]
    instance = np.where(ids == 0, 7, np.where(ids == 7, 7, 8)).astype(np.int32)
    writer = CocoWriter(tmp_path, Vocabulary(['chair'], ['floor']))
    writer.add(PanopticResult(instance, found), 'kitchen', 'kitchen.jpg')
    writer.save()
    save(tmp_path / 'images/kitchen.jpg', photo())
    data = open_dataset(tmp_path)
    assert data.vocabulary == Vocabulary(['chair'], ['floor'])
    assert data[0].segments == (SegmentLabel(7, 1), SegmentLabel(8, 0))
    np.testing.assert_array_equal(data[0].ids, instance)


def test_folder_with_splits_and_below_root(tmp_path):
    write_folder(tmp_path / 'mine' / 'train')
    write_folder(tmp_path / 'mine' / 'val', [room()])
    assert len(open_dataset(tmp_path / 'mine', split='train')) == 2
    assert len(open_dataset('mine', tmp_path)) == 1
    with pytest.raises(ValueError, match="train or val, got 'test'"):
        open_dataset(tmp_path / 'mine', split='test')


CHAIR, FLOOR, LAMP = CATEGORIES


@pytest.mark.parametrize(('chair', 'floor', 'message'), [
    (CHAIR, FLOOR | {'isthing': 1},
     "id 9, 'floor', isthing 0 in the first, id 9, 'floor', isthing 1 in the second"),
    (CHAIR | {'name': 'floor'}, FLOOR | {'name': 'chair'},
     "id 4, 'chair,seat', isthing 1 in the first, id 4, 'floor'"),
    (CHAIR, FLOOR | {'id': 10}, "id 9, 'floor', isthing 0 in the first, id 10, 'floor'"),
])
def test_splits_that_contradict_each_other_are_refused(tmp_path, chair, floor, message):
    write_folder(tmp_path / 'train')
    none = [(np.zeros((9, 9), np.int32), [])]
    write_folder(tmp_path / 'val', none, [chair, floor, LAMP])
    for split in ('train', 'val'):
        with pytest.raises(ValueError, match='are splits of one data set, but disagree'):
            open_dataset(tmp_path, split=split)
    message = f'{tmp_path}/train/panoptic.json and {tmp_path}/val/panoptic.json are .*{message}'
    with pytest.raises(ValueError, match=message):
        open_dataset(tmp_path, split='train')


def test_splits_may_differ_in_synonyms_and_in_what_only_one_has(tmp_path):
    write_folder(tmp_path / 'train')
    write_folder(tmp_path / 'val', categories=[
        CHAIR | {'name': 'seat, Chair'}, FLOOR, {'id': 5, 'name': 'rug', 'isthing': 0}])
    for split in ('train', 'val'):
        assert len(open_dataset(tmp_path, split=split)) == 2


def test_image_without_segment(tmp_path):
    data = open_dataset(write_folder(tmp_path, [(np.zeros((9, 9), np.int32), [])]))
    assert data[0].segments == ()
    assert not data[0].ids.any()


def test_given_vocabulary_is_matched_by_name(tmp_path):
    vocabulary = Vocabulary(['table', 'lamp', 'seat'], ['ground,floor'])
    data = open_dataset(write_folder(tmp_path), vocabulary=vocabulary)
    assert data.vocabulary == vocabulary
    assert data.vocabulary.dataset_ids == (10, 2, 4, 9)     # all but the first are the JSON's
    assert [label.class_index for label in data[0].segments] == [3, 2, 2, 2]


def test_category_that_occurs_nowhere_may_be_missing(tmp_path):
    vocabulary = Vocabulary(['chair'], ['floor'])
    assert len(open_dataset(write_folder(tmp_path), vocabulary=vocabulary)) == 2


@pytest.mark.parametrize(('vocabulary', 'message'), [
    (Vocabulary(['chair']), r"panoptic\.json: segment 7 of image 0 is of category 9 \('floor'\), "
     'which the vocabulary lacks'),
    (Vocabulary(['chair', 'floor']), r"category 9 \('floor'\) is stuff, but the vocabulary says "
     'a thing'),
    (Vocabulary(['chair', 'seat'], ['floor']), "fits 2 classes of the vocabulary, 'chair' and "),
])
def test_vocabulary_that_does_not_fit(tmp_path, vocabulary, message):
    with pytest.raises(ValueError, match=message):
        open_dataset(write_folder(tmp_path), vocabulary=vocabulary)


def test_category_ids_give_the_classes(tmp_path):
    folder = write_folder(tmp_path)
    data = CocoPanopticFolder(
        folder / 'images', folder / 'panoptic.json', folder / 'panoptic',
        Vocabulary(['a', 'b'], ['c']), category_ids=(2, 4, 9))
    assert [label.class_index for label in data[0].segments] == [2, 1, 1, 1]


def test_upright_and_grey_images(tmp_path):
    """The camera was turned: the file lies on its side and says so."""
    ids, segments = room()
    folder = write_folder(tmp_path, [(ids, segments)])
    turned = Image.fromarray(np.rot90(photo())).convert('L')
    exif = Image.Exif()
    exif[0x0112] = 6        # to be turned by a quarter clockwise
    turned.save(folder / 'images' / 'room_0.jpg', exif=exif)
    image = open_dataset(folder)[0].image_rgb
    assert image.shape == (*ids.shape, 3)
    assert np.abs(image.astype(int) - photo().mean(2, keepdims=True)).mean() < 20


def cut(path, share=0.6):
    data = path.read_bytes()
    path.write_bytes(data[:int(len(data) * share)])


def other_size(folder):
    save(folder / 'images/room_0.jpg', photo(40, 61))


def unlisted(folder):
    edit(folder, lambda content: content['annotations'][0]['segments_info'].pop())


def uncovered(folder):
    edit(folder, lambda content: content['annotations'][0]['segments_info'].append(
        segment(99, 4)))


BROKEN_PICTURES = {
    'cut image': (lambda folder: cut(folder / 'images/room_0.jpg'), r'images/room_0\.jpg is dam'),
    'empty image': (lambda folder: cut(folder / 'images/room_0.jpg', 0), r'room_0\.jpg is empty'),
    'text': (lambda folder: (folder / 'images/room_0.jpg').write_text('no image'), 'is a text'),
    'cut PNG': (lambda folder: cut(folder / 'panoptic/room_0.png'), r'panoptic/room_0\.png is no'),
    'empty PNG': (lambda folder: cut(folder / 'panoptic/room_0.png', 0), r'room_0\.png is no pic'),
    'other size': (other_size, r'room_0\.png has 60 x 40 pixels, but its image .*room_0\.jpg has '
                   '61 x 40'),
    'unlisted': (unlisted, r'room_0\.png has segments 8 that its JSON does not list\. docs'),
    'uncovered': (uncovered, r'room_0\.png has no pixel of segments 99 that its JSON lists'),
    'grey PNG': (lambda folder: save(folder / 'panoptic/room_0.png', np.eye(40, 60, dtype='u1')),
                 'segments 65793 that its JSON does not list; it is grey'),
    'floats': (lambda folder: Image.new('F', (60, 40)).save(
        folder / 'images/room_0.jpg', 'TIFF'), 'pixels of the kind F'),
}


@pytest.mark.parametrize(('damage', 'message'), BROKEN_PICTURES.values(), ids=BROKEN_PICTURES)
def test_broken_picture_is_named_when_it_is_read(tmp_path, damage, message):
    folder = write_folder(tmp_path)
    damage(folder)
    data = open_dataset(folder)
    with pytest.raises(ValueError, match=message):
        data[0]
    assert data[1].name == 'room_1.jpg'


def test_a_category_that_no_segment_uses_is_no_fault(tmp_path):
    """Roboflow lists the super category first, with the name of one of the others."""
    folder = write_folder(tmp_path)
    names = open_dataset(folder).vocabulary.names
    edit(folder, lambda content: content['categories'].insert(
        0, {'id': 0, 'name': names[0], 'supercategory': 'none'}))
    assert open_dataset(folder).vocabulary.names == names
    edit(folder, lambda content: content['categories'][0].update(isthing=1))
    assert open_dataset(folder).vocabulary.names == names


@pytest.mark.parametrize('name', ['/etc/hostname', '../room_0.jpg', 'a/../../b.jpg', 'nul\0.jpg'])
@pytest.mark.parametrize('key', ['images', 'annotations'])
def test_names_that_lead_out_of_the_folder_are_refused(tmp_path, key, name):
    folder = write_folder(tmp_path)
    edit(folder, lambda content: content[key][0].update(file_name=name))
    with pytest.raises(ValueError, match="'file_name' must be a path inside of the folder"):
        open_dataset(folder)


def test_links_that_lead_out_of_the_folder_are_refused(tmp_path):
    folder = write_folder(tmp_path / 'data')
    for name in ('images/room_0.jpg', 'panoptic/room_1.png'):
        path = folder / name
        path.rename(tmp_path / path.name)
        path.symlink_to(tmp_path / path.name)
    data = open_dataset(folder)
    for index in (0, 1):
        with pytest.raises(ValueError, match='leads out of the folder'):
            data[index]


@pytest.mark.parametrize('size', [
    {'height': 41}, {'height': 60, 'width': 40}, {'width': -1}, {'width': 10**12},
    {'height': None}, {'height': 'tall'}])
def test_sizes_are_those_of_the_pictures_whatever_the_json_says(tmp_path, size):
    folder = write_folder(tmp_path / 'rooms')
    right = open_dataset(str(folder))[0]
    content = json.loads((folder / 'panoptic.json').read_text())
    content['images'][0].update(size)
    (folder / 'panoptic.json').write_text(json.dumps(content))
    sample = open_dataset(str(folder))[0]
    np.testing.assert_array_equal(sample.image_rgb, right.image_rgb)
    np.testing.assert_array_equal(sample.ids, right.ids)
    assert sample.segments == right.segments


def test_json_nested_deep_is_refused(tmp_path):
    folder = write_folder(tmp_path)
    (folder / 'panoptic.json').write_text('[' * 100_000)
    with pytest.raises(ValueError, match=r'panoptic\.json (is no JSON|has lists)'):
        open_dataset(folder)


def test_covered_segments_can_be_dropped(tmp_path):
    folder = write_folder(tmp_path)
    uncovered(folder)
    data = CocoPanopticFolder(folder / 'images', folder / 'panoptic.json', folder / 'panoptic',
                              drop_covered=True)
    assert [label.id for label in data[0].segments] == [7, 300, 70000, 8]


def drop(key):
    return lambda folder: edit(folder, lambda content: content.pop(key))


BROKEN_JSON = {
    'empty': (lambda folder: (folder / 'panoptic.json').write_text(''), 'json is no JSON'),
    'binary': (lambda folder: (folder / 'panoptic.json').write_bytes(b'\xff'), 'json is no JSON'),
    'no images': (drop('images'), "has no list 'images'"),
    'no annotations': (drop('annotations'), "has no list 'annotations'"),
    'no categories': (drop('categories'), "has no list 'categories'"),
    'no annotation': (lambda folder: edit(folder, lambda content: content['annotations'].clear()),
                      'annotates no image'),
    'no category': (lambda folder: edit(folder, lambda content: content['categories'].clear()),
                    'its categories make no vocabulary'),
    'unnamed category': (lambda folder: edit(
        folder, lambda content: content['categories'][0].pop('name')), "category 0 has no 'name'"),
    'twin categories': (lambda folder: edit(
        folder, lambda content: content['categories'].append(CATEGORIES[0])),
        'two categories with id 4'),
    'unknown category': (lambda folder: edit(
        folder, lambda content: content['categories'].pop(0)),
        r"category 4 \('not defined'\), which the vocabulary lacks"),
    'image missing': (lambda folder: edit(folder, lambda content: content['images'].pop(0)),
                      "image 0 is annotated, but missing under 'images'"),
    'twin images': (lambda folder: edit(
        folder, lambda content: content['images'].append(content['images'][0])),
        'two images with id 0'),
    'twin annotations': (lambda folder: edit(
        folder, lambda content: content['annotations'].append(content['annotations'][0])),
        'two annotations of image 0'),
}


@pytest.mark.parametrize(('damage', 'message'), BROKEN_JSON.values(), ids=BROKEN_JSON)
def test_broken_json_is_refused_when_it_is_opened(tmp_path, damage, message):
    folder = write_folder(tmp_path)
    damage(folder)
    with pytest.raises(ValueError, match=message):
        open_dataset(folder)


@pytest.mark.parametrize(('name', 'message'), [
    ('panoptic.json', r'panoptic\.json: there is no such file; expected annotations'),
    ('images/room_1.jpg', r'images/room_1\.jpg: there is no such file; expected an image\. docs'),
    ('panoptic/room_0.png', r'panoptic/room_0\.png: there is no such file; expected its segment'),
])
def test_missing_file(tmp_path, name, message):
    folder = write_folder(tmp_path)
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=message):
        open_dataset(folder, split='val')


def test_many_missing_files_are_counted(tmp_path):
    folder = write_folder(tmp_path)
    (folder / 'images').rename(folder / 'pictures')
    with pytest.raises(FileNotFoundError, match=r'room_0\.jpg and 1 more: there is no such file'):
        open_dataset(folder)


def test_neither_name_nor_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match='coco is no folder.*coco_panoptic, ade20k_150'):
        open_dataset('coco', tmp_path)


def test_training_examples(tmp_path):
    data = PanopticTrainingData(open_dataset(write_folder(tmp_path)), LargeScaleJitter(32))
    assert len(data) == 2
    examples = [data.example(index, torch.Generator().manual_seed(index)) for index in (1, 0)]
    batch = data.collate(examples, [5, 6])
    assert batch.pixels_BCHW.shape == (2, 3, 32, 32)
    assert batch.positions == (5, 6)
    assert batch.vocabulary is data.vocabulary
    assert [target.labels_T.tolist() for target in batch.targets] == [[1, 0, 0]] * 2


def test_broken_image_is_replaced_by_the_next_and_reported(tmp_path, caplog):
    folder = write_folder(tmp_path)
    cut(folder / 'images/room_1.jpg')
    data = PanopticTrainingData(open_dataset(folder), LargeScaleJitter(32))
    with caplog.at_level(logging.WARNING):
        stand_in = data.example(1, torch.Generator().manual_seed(3))
    assert 'room_1.jpg is damaged' in caplog.text
    assert torch.equal(stand_in.pixels_CHW,
                       data.example(0, torch.Generator().manual_seed(3)).pixels_CHW)


def test_nothing_but_broken_images(tmp_path):
    folder = write_folder(tmp_path)
    cut(folder / 'images/room_0.jpg')
    cut(folder / 'images/room_1.jpg')
    data = PanopticTrainingData(open_dataset(folder), LargeScaleJitter(32))
    with pytest.raises(ValueError, match=r'images in a row are broken.*--check.*room_1\.jpg'):
        data.example(0, torch.Generator())


def test_no_image_to_train_on():
    class Nothing:
        vocabulary = Vocabulary(['chair'])

        def __len__(self):
            return 0

    with pytest.raises(ValueError, match='holds no image'):
        PanopticTrainingData(Nothing(), LargeScaleJitter(32))


def test_ids_keep_all_24_bits(tmp_path):
    ids = np.array([[1, 255], [256, 2 ** 24 - 1]], np.int32)
    segments = [segment(int(key), 9) for key in ids.ravel()]
    folder = write_folder(tmp_path, [(ids, segments)])
    save(folder / 'panoptic/room_0.png', ids_to_rgb(ids))
    np.testing.assert_array_equal(open_dataset(folder)[0].ids, ids)
