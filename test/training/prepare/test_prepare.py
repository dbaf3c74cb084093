# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Published data sets in their published layouts: prepared and opened."""

from __future__ import annotations

import json
from pathlib import Path
import re

from dataset_case import photo, save, segment
import numpy as np
from prepare_case import (
    ade_maps,
    BED,
    classes_of,
    expected_ade,
    prepare,
    WALL,
    WINDOW,
    write_ade,
    write_ade_full,
    write_cityscapes,
    write_context,
    write_voc,
)
import pytest

from eov_seg_core.io.coco import ids_to_rgb, read_panoptic_file
from eov_seg_core.vocabulary import Vocabulary
from training.data import open_dataset
from training.data.samples import SegmentLabel

# --- ADE20K, 150 classes ---------------------------------------------------------------------


def test_ade20k_panoptic(tmp_path, capsys):
    folder = write_ade(tmp_path)
    assert prepare('ade20k_150', tmp_path) == 0
    assert capsys.readouterr().out == 'ade20k_150, val: 3 images ready\n'
    data = open_dataset('ade20k_150', tmp_path)
    assert data.vocabulary == Vocabulary.preset('ade20k_150')
    sample = data[1]
    assert sample.name == 'ADE_val_00000001.jpg'
    np.testing.assert_array_equal(classes_of(sample), expected_ade())
    assert sorted(label.class_index for label in sample.segments) == [WALL, BED, BED, WINDOW]
    assert not any(label.is_crowd for label in sample.segments)
    file = read_panoptic_file(folder / 'ade20k_panoptic_val.json')
    assert [entry.id for entry in file.categories] == list(range(150))
    assert [entry.is_thing for entry in file.categories] == list(data.vocabulary.is_thing)
    first = json.loads((folder / 'ade20k_panoptic_val.json').read_text())
    assert first['images'][0] == {'id': 'ADE_val_00000000', 'file_name': 'ADE_val_00000000.jpg',
                                  'height': 40, 'width': 60}
    wall, bed, *_ = first['annotations'][0]['segments_info']
    assert wall == segment(1 + WALL, WALL, area=35 * 60 - 20 * 30 - 40, bbox=[0, 5, 60, 35])
    assert bed == segment(1 + BED + 256, BED, area=20 * 10, bbox=[5, 20, 10, 20])


def test_ade20k_stuff_that_things_cover_is_left_out(tmp_path):
    folder = write_ade(tmp_path, 1)
    instances = np.zeros((40, 60, 3), np.uint8)
    instances[:] = (100, 255, 0)
    save(folder / 'annotations_instance/validation/ADE_val_00000000.png', instances)
    assert prepare('ade20k_150', tmp_path) == 0
    label, = open_dataset('ade20k_150', tmp_path)[0].segments
    assert label == SegmentLabel(1 + 149 + 256 * 255, 149)


def test_ade20k_prepared_by_the_published_script(tmp_path):
    """Its JSON also lists stuff that things cover; such segments are left out."""
    folder = tmp_path / 'ADEChallengeData2016'
    save(folder / 'images/validation/a.jpg', photo())
    save(folder / 'ade20k_panoptic_val/a.png', ids_to_rgb(np.full((40, 60), 999)))
    (folder / 'ade20k_panoptic_val.json').write_text(json.dumps({
        'images': [{'id': 'a', 'file_name': 'a.jpg'}],
        'annotations': [{'image_id': 'a', 'file_name': 'a.png', 'segments_info': [
            segment(5, WALL, area=9), segment(999, BED, area=9)]}],
        'categories': [{'id': WALL, 'name': 'wall', 'isthing': 0},
                       {'id': BED, 'name': 'bed', 'isthing': 1}]}))
    assert open_dataset('ade20k_150', tmp_path)[0].segments == (SegmentLabel(999, BED),)


def test_ade20k_semantic(tmp_path):
    write_ade(tmp_path)
    assert prepare('ade20k_150_semantic', tmp_path) == 0
    data = open_dataset('ade20k_150_semantic', tmp_path)
    assert len(data) == 3
    assert data[0].name == 'ADE_val_00000000.jpg'
    assert data[0].classes.dtype == np.int32
    np.testing.assert_array_equal(data[0].classes, ade_maps()[0].astype(int) - 1)


@pytest.mark.parametrize(('value', 'message'), [
    ((0, 1, 0), r'class 0\.\.2 \(red channel\); expected 1\.\.100'),
    ((101, 1, 0), r'class 1\.\.101 \(red channel\)'),
    ((2, 1, 0), 'an instance of two classes'),
])
def test_ade20k_instances_that_make_no_sense(tmp_path, capsys, value, message):
    folder = write_ade(tmp_path)
    path = folder / 'annotations_instance/validation/ADE_val_00000001.png'
    instances = ade_maps()[1]
    instances[instances[..., 1] == 1] = (1, 5, 0)
    instances[30:, 50:] = value
    instances[25:30, 50:] = (1, 1, 0) if 'two' in message else 0
    save(path, instances)
    assert prepare('ade20k_150', tmp_path) == 1
    error = capsys.readouterr().err
    assert '1 of 3 images cannot be used' in error
    assert 'ADE_val_00000001.png' in error
    assert re.search(message, error), error


# --- ADE20K, 847 classes ---------------------------------------------------------------------

def test_ade20k_full(tmp_path):
    write_ade_full(tmp_path)
    assert prepare('ade20k_847', tmp_path) == 0
    data = open_dataset('ade20k_847', tmp_path)
    assert [data[index].classes.shape for index in range(2)] == [(40, 60), (512, 683)]
    for sample in (data[0], data[1]):
        height, width = sample.classes.shape
        assert sample.image_rgb.shape == (height, width, 3)
        assert sample.classes[height // 4, width // 4] == 2     # sky
        assert sample.classes[-1, 0] == 0                       # wall
        assert sample.classes[0, -1] == -1
    assert data.vocabulary.names[:3] == ('wall', 'building', 'sky')


# --- Cityscapes ------------------------------------------------------------------------------

def test_cityscapes(tmp_path):
    ids = write_cityscapes(tmp_path)
    assert prepare('cityscapes', tmp_path) == 0
    data = open_dataset('cityscapes', tmp_path)
    assert len(data) == 2
    assert data[0].name == 'aachen/aachen_000000_000019_leftImg8bit.png'
    np.testing.assert_array_equal(data[1].image_rgb, photo())
    assert data[0].segments == (
        SegmentLabel(7, 0), SegmentLabel(23, 10), SegmentLabel(26, 13, True),
        SegmentLabel(26000, 13), SegmentLabel(33012, 18))
    np.testing.assert_array_equal(data[0].ids, np.where(np.isin(ids, (4, 29001)), 0, ids))
    names = data.vocabulary.names
    assert (names[0], names[10], names[13], names[18]) == ('road', 'sky', 'car', 'bicycle')
    content = json.loads((tmp_path / 'cityscapes/gtFine/cityscapes_panoptic_val.json').read_text())
    assert content['annotations'][0]['file_name'] == 'aachen_000000_000019_gtFine_panoptic.png'
    assert content['images'][0]['id'] == 'aachen_000000_000019'


# --- PASCAL ----------------------------------------------------------------------------------

def test_pascal_voc(tmp_path):
    write_voc(tmp_path)
    for name, shift in (('pascal_voc_20', 1), ('pascal_voc_21', 0)):
        assert prepare(name, tmp_path) == 0
        data = open_dataset(name, tmp_path)
        assert len(data) == 2
        assert len(data.vocabulary) == 21 - shift
        classes = data[0].classes
        assert [classes[row, 0] for row in (0, 10, 20, 30)] == [1 - shift, 20 - shift, -1, -shift]
        assert data.vocabulary.names[1 - shift] == 'aeroplane'
    assert data.vocabulary.names[0] == 'background'


def test_pascal_context(tmp_path):
    write_context(tmp_path)
    for name, expected in (('pascal_context_59', ['aeroplane', 'wood piece', None, None]),
                           ('pascal_context_459', ['aeroplane', 'wood piece', 'accordion', None])):
        assert prepare(name, tmp_path) == 0
        data = open_dataset(name, tmp_path)
        assert len(data) == 2
        classes = data[0].classes[[0, 10, 20, 30], 0]
        assert [data.vocabulary.names[index] if index >= 0 else None
                for index in classes] == expected


def test_damaged_context_files(tmp_path, capsys):
    folder = write_context(tmp_path)
    path = folder / 'trainval/2008_000007.mat'
    path.write_bytes(path.read_bytes()[:150])
    assert prepare('pascal_context_459', tmp_path) == 1
    assert '2008_000007.mat is no MATLAB file' in capsys.readouterr().err
    content = json.loads((folder / 'trainval_merged.json').read_text())
    content['annos_segmentation'][2]['category_id'] = 1
    (folder / 'trainval_merged.json').write_text(json.dumps(content))
    assert prepare('pascal_context_59', tmp_path) == 1
    assert 'a mask of 2008_000007.png is damaged, or of none of' in capsys.readouterr().err
    (folder / 'trainval_merged.json').write_text('{"images": [')
    assert prepare('pascal_context_59', tmp_path) == 1
    assert 'trainval_merged.json is damaged' in capsys.readouterr().err


# --- COCO ------------------------------------------------------------------------------------

def test_coco_needs_no_preparation(tmp_path, capsys):
    folder = tmp_path / 'coco'
    save(folder / 'val2017/000000000139.jpg', photo())
    ids = np.full((40, 60), 3226956)
    ids[:10] = 1
    save(folder / 'panoptic_val2017/000000000139.png', ids_to_rgb(ids))
    (folder / 'annotations').mkdir()
    (folder / 'annotations/panoptic_val2017.json').write_text(json.dumps({
        'images': [{'id': 139, 'file_name': '000000000139.jpg'}],
        'annotations': [{'image_id': 139, 'file_name': '000000000139.png', 'segments_info': [
            segment(3226956, 90, area=1800), segment(1, 200, area=600)]}],
        'categories': [{'id': 90, 'name': 'toothbrush', 'isthing': 1},
                       {'id': 200, 'name': 'rug-merged', 'isthing': 0}]}))
    assert prepare('coco_panoptic', tmp_path) == 0
    assert 'coco_panoptic, val: 1 image ready' in capsys.readouterr().out
    data = open_dataset('coco_panoptic', tmp_path)
    assert [data.vocabulary.names[label.class_index] for label in data[0].segments] == [
        'toothbrush', 'rug']


def test_ids_of_all_classes():
    """Against the published lists, where they are beside the checkout."""
    path = Path(__file__).parents[4] / 'shared' / 'vocabularies' / 'published.json'
    if not path.is_file():
        pytest.skip('the published lists (../shared/vocabularies) are not beside this checkout')
    published = json.loads(path.read_text())
    from training.data import catalogue
    from training.prepare import ade20k, pascal
    assert {entry['id']: entry['train_id'] for entry in published['ade20k_847']} == {
        key: index for key, index in enumerate(ade20k._class_of_object().tolist())
        if index != 65535}
    names = [entry['names'][0] for entry in published['pascal_context_459']]
    renamed = {'computer': 'computer case', 'road': 'street', 'table': 'diningtable'}
    assert [renamed.get(names[label - 1], names[label - 1]) for label in pascal.CONTEXT_59] == [
        entry['names'][0] for entry in published['pascal_context_59']]
    assert list(catalogue._BACKGROUND) == published['pascal_voc_21'][0]['names']
