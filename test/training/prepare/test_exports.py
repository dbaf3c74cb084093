# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Exports of annotation tools, read and opened as data sets; pixels are pycocotools'."""

from __future__ import annotations

import base64
import json
import re

from dataset_case import photo, save
from export_case import (
    annotation,
    box,
    encoded_png,
    HEIGHT,
    labelme_shape,
    prepare,
    run_lengths,
    WIDTH,
    write_coco,
    write_cvat,
    write_labelme,
    write_palette,
    write_roboflow,
)
import numpy as np
from prepare_case import classes_of
from pycocotools.coco import COCO
import pytest

from training.data import CocoPanopticFolder, open_dataset
from training.prepare.__main__ import main

CHAIR, FLOOR = 0, 1
STUFF = ('--stuff', 'floor')


def opened(output):
    """Open a data set, and check what holds for all: the areas and ids of the JSON are right."""
    data = open_dataset(output)
    content = json.loads((output / 'panoptic.json').read_text())
    for index, entry in enumerate(content['annotations']):
        ids = [segment['id'] for segment in entry['segments_info']]
        areas = {segment['id']: segment['area'] for segment in entry['segments_info']}
        assert ids == sorted(set(ids))
        found = np.unique(data[index].ids, return_counts=True)
        assert {key: count for key, count in zip(*map(np.ndarray.tolist, found)) if key} == areas
    assert main([str(output), '--check', '--split', 'val']) == 0
    return data


def objects(sample, class_index):
    return [label for label in sample.segments if label.class_index == class_index]


# --- COCO instances --------------------------------------------------------------------------

def test_polygons_and_run_lengths_have_the_pixels_of_pycocotools(tmp_path):
    rng = np.random.default_rng(0)
    blob = np.zeros((HEIGHT, WIDTH), bool)
    blob[25:35, 40:50] = rng.random((10, 10)) > 0.4
    dots = np.zeros((HEIGHT, WIDTH), bool)
    dots[0, 0] = dots[-1, -1] = True
    source = write_cvat(tmp_path / 'cvat', [
        annotation(1, 1, 1, [[3.3, 2.7, 19.9, 4.1, 14.2, 18.6], [1, 30, 9.5, 30, 9.5, 38.2]]),
        annotation(2, 1, 1, run_lengths(blob)),
        annotation(3, 1, 1, run_lengths(dots, compressed=False)),
        annotation(4, 1, 1, [[50, 2, 75.5, 2, 75.5, 12, 50, 12]])])
    assert prepare(tmp_path / 'out', source) == 0
    sample = opened(tmp_path / 'out')[0]
    truth = COCO(str(source / 'annotations/instances_default.json'))
    masks = {truth.annToMask(entry).tobytes() for entry in truth.dataset['annotations']}
    assert {(sample.ids == label.id).astype(np.uint8).tobytes()
            for label in sample.segments} == masks
    assert len(masks) == 4


def test_large_shapes_lie_below_small_ones_and_stuff_is_merged(tmp_path, capsys):
    source = write_cvat(tmp_path / 'cvat', [
        annotation(1, 1, 1, box(30, 10, 34, 14)),       # the smallest, listed first
        annotation(2, 1, 1, box(20, 5, 40, 25)),
        annotation(3, 1, 2, box(0, 20, 60, 40)),
        annotation(4, 1, 2, box(0, 0, 5, 5)),
        annotation(5, 1, 1, box(50, 30, 55, 35)), annotation(6, 1, 1, box(50, 30, 55, 35))])
    assert prepare(tmp_path / 'out', source, *STUFF) == 0
    assert re.search(r'objects without a visible pixel.*: 1$', capsys.readouterr().out, re.M)
    sample = opened(tmp_path / 'out')[0]
    chairs, floors = objects(sample, CHAIR), objects(sample, FLOOR)
    assert (len(chairs), len(floors)) == (3, 1)
    classes = classes_of(sample)
    assert classes[0, 0] == classes[39, 0] == FLOOR
    assert classes[22, 25] == CHAIR     # the smaller chair, 400 pixels, on 1200 of floor
    assert sample.ids[12, 32] != sample.ids[6, 22]
    assert (sample.ids == sample.ids[12, 32]).sum() == 16
    assert classes[0, 30] == -1


def test_crowds_are_kept_but_not_those_that_cvat_claims(tmp_path, capsys):
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[:10, :10] = True
    entries = [annotation(1, 1, 1, run_lengths(mask), iscrowd=1)]
    source = write_cvat(tmp_path / 'cvat', entries)
    assert prepare(tmp_path / 'single', source) == 0
    assert re.search('masks that CVAT calls iscrowd.*: 1$', capsys.readouterr().out, re.M)
    assert [label.is_crowd for label in opened(tmp_path / 'single')[0].segments] == [False]
    write_coco(source / 'annotations/instances_default.json', entries)
    assert prepare(tmp_path / 'crowd', source) == 0
    assert [label.is_crowd for label in opened(tmp_path / 'crowd')[0].segments] == [True]


def test_annotations_without_a_shape_are_counted(tmp_path, capsys):
    source = write_cvat(tmp_path / 'cvat', [
        annotation(1, 1, 1, []), annotation(2, 1, 1, [[1, 1, 5, 5]]), annotation(3, 1, 1, None),
        annotation(4, 1, 1, box(1, 1, 9, 9))], pictures=('a.jpg', 'b.jpg'))
    assert prepare(tmp_path / 'out', source) == 0
    said = capsys.readouterr().out
    assert re.search('annotations without a shape.*: 3$', said, re.M)
    assert re.search('pictures without a shape.*: 1$', said, re.M)
    assert [len(sample.segments) for sample in opened(tmp_path / 'out')] == [1, 0]


def test_roboflow_keeps_splits_and_drops_the_super_category(tmp_path, capsys):
    source = write_roboflow(tmp_path / 'robo')
    assert prepare(tmp_path / 'out', source, *STUFF) == 0
    assert "super category 'rooms', which no annotation uses: 1" in capsys.readouterr().out
    for split in ('train', 'val'):
        data = open_dataset(tmp_path / 'out', split=split)
        assert data.vocabulary.names == ('chair', 'floor')
        assert data.vocabulary.is_thing == (True, False)
        assert len(data) == 1
    assert opened(tmp_path / 'out/test')[0].name == 'room_test_jpg.rf.0123.jpg'
    assert (tmp_path / 'out/train/look.jpg').is_file()


def _categories_of(folder, split, flags):
    """Write isthing of chair and floor into a split of a Roboflow export; None: leave it out."""
    path = folder / split / '_annotations.coco.json'
    content = json.loads(path.read_text())
    for category, flag in zip(content['categories'][1:], flags):
        category |= {} if flag is None else {'isthing': flag}
    path.write_text(json.dumps(content))
    return path


def test_files_of_splits_that_disagree_about_things_are_refused(tmp_path, capsys):
    source = write_roboflow(tmp_path / 'robo')
    _categories_of(source, 'train', (1, 0))
    path = _categories_of(source, 'valid', (1, 1))
    assert prepare(tmp_path / 'out', source) != 0
    said = capsys.readouterr().err
    assert f"{path}: category 'floor' has isthing 1, but it had isthing 0 before" in said
    assert not (tmp_path / 'out').exists()


def test_one_file_may_say_what_is_a_thing_for_all(tmp_path):
    source = write_roboflow(tmp_path / 'robo')
    _categories_of(source, 'valid', (1, 0))
    assert prepare(tmp_path / 'out', source) == 0
    for split in ('train', 'val'):
        assert open_dataset(tmp_path / 'out', split=split).vocabulary.is_thing == (True, False)


def test_the_annotations_of_coco_itself(tmp_path):
    """Instances lie beside captions and panoptic files; each split has its folder of pictures."""
    for index, split in enumerate(('train2017', 'val2017')):
        save(tmp_path / f'coco/{split}/{index}.jpg', photo())
        write_coco(tmp_path / f'coco/annotations/instances_{split}.json',
                   [annotation(1, 1, 1, box(1, 1, 9, 9))], pictures=[f'{index}.jpg'])
        (tmp_path / f'coco/annotations/captions_{split}.json').write_text('{')
        write_coco(tmp_path / f'coco/annotations/panoptic_{split}.json', [{'segments_info': []}])
    assert prepare(tmp_path / 'out', tmp_path / 'coco') == 0
    assert [open_dataset(tmp_path / 'out', split=split)[0].name for split in ('train', 'val')] == [
        '0.jpg', '1.jpg']


def test_one_file_of_one_split(tmp_path):
    source = write_roboflow(tmp_path / 'robo') / 'valid/_annotations.coco.json'
    assert prepare(tmp_path / 'out', source) == 0
    assert len(opened(tmp_path / 'out')) == 1


@pytest.mark.parametrize('name', ['images\\8a-b.jpg', '../../data/media/upload/1/8a-b.jpg',
                                  '/data/upload/1/8a-b.jpg', 'images/8a-b.jpg'])
def test_label_studio_names_pictures_in_many_ways(tmp_path, name):
    save(tmp_path / 'studio/images/8a-b.jpg', photo())
    write_coco(tmp_path / 'studio/result.json', [annotation(0, 1, 1, box(1, 1, 9, 9))],
               pictures=[name])
    assert prepare(tmp_path / 'out', tmp_path / 'studio') == 0
    assert opened(tmp_path / 'out')[0].name == '8a-b.jpg'


@pytest.mark.parametrize('files', [['my room.jpg'], ['my%20room.jpg'],
                                   ['my%20room.jpg', 'my room.jpg']])
def test_names_encoded_as_in_a_url_find_their_picture(tmp_path, files):
    for file in files:
        save(tmp_path / 'studio/images' / file, photo())
    write_coco(tmp_path / 'studio/result.json', [annotation(0, 1, 1, box(1, 1, 9, 9))],
               pictures=['images/my%20room.jpg'])
    assert prepare(tmp_path / 'out', tmp_path / 'studio') == 0
    assert opened(tmp_path / 'out')[0].name == files[0]


def test_pictures_of_one_name_in_two_folders(tmp_path):
    names = ('kitchen/1.jpg', 'hall/1.jpg', 'hall/1.png')
    source = write_cvat(tmp_path / 'cvat', [annotation(1, 2, 1, box(1, 1, 9, 9))], pictures=names)
    assert prepare(tmp_path / 'out', source) == 0
    data = opened(tmp_path / 'out')
    assert [sample.name for sample in data] == ['1.jpg', 'hall_1.jpg', 'default_hall_1.png']
    assert [len(sample.segments) for sample in data] == [0, 1, 0]


def test_pictures_in_another_folder(tmp_path, capsys):
    source = write_coco(tmp_path / 'cvat/instances_default.json',
                        [annotation(1, 1, 1, box(1, 1, 9, 9))])
    assert prepare(tmp_path / 'out', source) == 1
    assert 'give the folder of the pictures with --images' in capsys.readouterr().err
    save(tmp_path / 'photos/a.jpg', photo())
    assert prepare(tmp_path / 'out', source, '--images', tmp_path / 'photos') == 0
    assert len(opened(tmp_path / 'out')) == 1


def test_a_vocabulary_gives_synonyms_and_kinds(tmp_path, capsys):
    source = write_cvat(tmp_path / 'cvat', [annotation(1, 1, 1, box(1, 1, 9, 9))])
    words = tmp_path / 'words.yaml'
    words.write_text('things: ["seat,chair", lamp]\nstuff: [floor]\n')
    assert prepare(tmp_path / 'out', source, '--vocabulary', words) == 0
    data = opened(tmp_path / 'out')
    assert [category.names for category in data.vocabulary.categories] == [
        ('seat', 'chair'), ('lamp',), ('floor',)]
    assert data.vocabulary.is_thing == (True, True, False)
    words.write_text('stuff: [floor]\n')
    assert prepare(tmp_path / 'other', source, '--vocabulary', words) == 1
    assert "lacks classes of the export: 1, first 'chair'" in capsys.readouterr().err


def test_an_instances_file_as_panoptic_json(tmp_path):
    path = write_coco(tmp_path / 'mine/panoptic.json', [annotation(1, 1, 1, box(1, 1, 9, 9))])
    with pytest.raises(ValueError, match=r'is a COCO instances file.*training.prepare .* --from'):
        CocoPanopticFolder(tmp_path / 'mine', path, tmp_path / 'mine')


# --- labelme ---------------------------------------------------------------------------------

def test_labelme_shapes(tmp_path, capsys):
    bitmap = np.zeros((4, 6), np.uint8)
    bitmap[1:3, 2:5] = 255
    source = write_labelme(tmp_path / 'labelme', [
        labelme_shape('floor', [[0, 20], [60, 20], [60, 40], [0, 40]]),
        labelme_shape('chair', [[20, 18], [5, 5]], 'rectangle'),
        labelme_shape('chair', [[40, 10], [45, 10]], 'circle'),
        labelme_shape('chair', [[50, 30], [55, 33]], 'mask',
                      mask=base64.b64encode(encoded_png(bitmap)).decode()),
        labelme_shape('lamp', [[1, 1], [5, 5]], 'line'), labelme_shape('lamp', [[1, 1]], 'point'),
        labelme_shape('__ignore__', [[8, 8], [12, 8], [12, 12], [8, 12]])])
    assert prepare(tmp_path / 'out', source, *STUFF) == 0
    assert re.search('annotations without a shape.*: 2$', capsys.readouterr().out, re.M)
    data = opened(tmp_path / 'out')
    assert data.vocabulary.names == ('chair', 'floor')      # lamp has no shape
    sample = data[0]
    areas = sorted((sample.ids == label.id).sum() for label in objects(sample, CHAIR))
    assert areas == [6, 80, 15 * 13 - 16]
    classes = classes_of(sample)
    assert (classes[10, 10], classes[6, 6], classes[10, 40]) == (-1, CHAIR, CHAIR)
    assert (classes[31, 52], classes[30, 50]) == (CHAIR, FLOOR)


def test_labelme_groups_join_shapes_of_one_object(tmp_path):
    def square(x):
        return [[x, 5], [x + 5, 5], [x + 5, 10], [x, 10]]

    source = write_labelme(tmp_path / 'labelme', [
        labelme_shape('chair', square(0), group=1), labelme_shape('chair', square(10), group=1),
        labelme_shape('lamp', square(20), group=1), labelme_shape('chair', square(30), group=0),
        labelme_shape('chair', square(40))])
    assert prepare(tmp_path / 'out', source) == 0
    sample = opened(tmp_path / 'out')[0]
    assert len(sample.segments) == 4
    assert sample.ids[6, 1] == sample.ids[6, 11] != sample.ids[6, 21]


# --- label maps ------------------------------------------------------------------------------

def voc_maps():
    classes = np.zeros((HEIGHT, WIDTH), np.uint8)
    classes[20:] = 2
    classes[5:15, 5:25] = 1
    classes[0, :] = 255
    numbers = np.zeros_like(classes)
    numbers[5:15, 5:15], numbers[5:15, 15:25] = 1, 2
    return classes, numbers


def test_voc_masks(tmp_path):
    classes, numbers = voc_maps()
    source = tmp_path / 'voc'
    save(source / 'JPEGImages/a.jpg', photo())
    write_palette(source / 'SegmentationClass/a.png', classes)
    write_palette(source / 'SegmentationObject/a.png', numbers)
    (source / 'labelmap.txt').write_text('# label:color_rgb:parts:actions\nbackground:0,0,0::\n')
    (source / 'class_names.txt').write_text('_background_\nchair\nfloor\n')
    assert prepare(tmp_path / 'out', source, *STUFF,
                   '--classes', source / 'class_names.txt') == 0
    sample = opened(tmp_path / 'out')[0]
    expected = np.array([-1, CHAIR, FLOOR])[np.where(classes == 255, 0, classes)]
    np.testing.assert_array_equal(classes_of(sample), expected)
    assert (len(objects(sample, CHAIR)), len(objects(sample, FLOOR))) == (2, 1)


@pytest.mark.parametrize('has_palette', [False, True])
def test_voc_masks_in_the_colours_of_cvat(tmp_path, has_palette):
    classes, numbers = voc_maps()
    colors = np.zeros((256, 3), np.uint8)
    colors[1], colors[2], colors[255] = (250, 50, 83), (0, 128, 10), (224, 224, 192)
    source = tmp_path / 'voc'
    save(source / 'JPEGImages/a.jpg', photo())
    if has_palette:
        write_palette(source / 'SegmentationClass/a.png', classes, colors)
    else:
        save(source / 'SegmentationClass/a.png', colors[classes])
    save(source / 'SegmentationObject/a.png', colors[numbers])
    (source / 'ImageSets/Segmentation').mkdir(parents=True)
    (source / 'ImageSets/Segmentation/train.txt').write_text('a\n')
    (source / 'labelmap.txt').write_text('# label:color_rgb:parts:actions\nbackground:0,0,0::\n'
                                         'chair:250,50,83::\nfloor:0,128,10::\n')
    assert prepare(tmp_path / 'out', source, *STUFF) == 0
    sample = opened(tmp_path / 'out/train')[0]
    assert (len(objects(sample, CHAIR)), len(objects(sample, FLOOR))) == (2, 1)
    assert classes_of(sample)[0, 0] == -1


def test_label_pngs_with_a_list_of_classes(tmp_path, capsys):
    """Without a map of objects each connected region is one."""
    classes, _ = voc_maps()
    classes[7, 7:10] = 1
    classes[5:15, 14:16] = 0
    for split in ('train', 'valid'):
        save(tmp_path / f'seg/{split}/a.jpg', photo())
        save(tmp_path / f'seg/{split}/a_mask.png', classes)
        (tmp_path / f'seg/{split}/_classes.csv').write_text(
            'Pixel Value, Class\n0, background\n1, chair\n2, floor\n')
    assert prepare(tmp_path / 'out', tmp_path / 'seg', *STUFF) == 0
    assert 'each connected region' in capsys.readouterr().out
    sample = open_dataset(tmp_path / 'out', split='train')[0]
    assert (len(objects(sample, CHAIR)), len(objects(sample, FLOOR))) == (2, 1)
    classes[3, 3] = 9
    save(tmp_path / 'seg/valid/a_mask.png', classes)
    assert prepare(tmp_path / 'out', tmp_path / 'seg', *STUFF) == 1
    assert 'a_mask.png has the value 9' in capsys.readouterr().err


def test_background_is_a_class_if_it_is_stuff(tmp_path):
    save(tmp_path / 'seg/images/a.jpg', photo())
    save(tmp_path / 'seg/labels/a.png', voc_maps()[0])
    (tmp_path / 'seg/classes.txt').write_text('background\nchair\nfloor\n')
    assert prepare(tmp_path / 'out', tmp_path / 'seg', '--stuff', 'background', 'floor') == 0
    data = opened(tmp_path / 'out')
    assert data.vocabulary.names == ('background', 'chair', 'floor')
    assert classes_of(data[0])[3, 3] == 0
