# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Exports that are damaged, hostile or changed; painting whatever the shapes are."""

from __future__ import annotations

import json
import os
import re

from dataset_case import photo, save, write_folder
from export_case import (
    annotation,
    box,
    labelme_shape,
    prepare,
    run_lengths,
    write_coco,
    write_cvat,
    write_labelme,
)
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from pycocotools import mask as coco_mask
import pytest

from eov_seg_core.vocabulary import Vocabulary
from training.data import open_dataset
from training.prepare.__main__ import main
from training.prepare.exports.painting import paint
from training.prepare.exports.shapes import of_mask, of_run_lengths, Shape

WORDS = Vocabulary(['chair', 'lamp'], ['floor'])
CLASSES = {'chair': 0, 'lamp': 1, 'floor': 2}
SIZE = (6, 8)

masks = st.lists(st.booleans(), min_size=48, max_size=48).map(
    lambda bits: np.array(bits).reshape(SIZE))
shapes = st.builds(
    lambda label, mask, group, is_crowd: Shape(label, of_mask(mask), group, is_crowd),
    st.sampled_from([*CLASSES, None]), masks, st.sampled_from([None, 1, 2]), st.booleans())


@settings(deadline=None, max_examples=200)
@given(st.lists(shapes, max_size=6))
def test_every_pixel_has_one_segment(drawn):
    painted = paint(drawn, SIZE, WORDS, CLASSES)
    assert set(np.unique(painted.ids)) - {0} == set(painted.segments)
    assert list(painted.segments) == list(range(1, len(painted.segments) + 1))
    covered = np.zeros(SIZE, bool)
    for shape in drawn:
        covered |= shape.mask()
    assert not painted.ids[~covered].any()
    for key, (index, is_crowd) in painted.segments.items():
        label = list(CLASSES)[index]
        kin = [shape.mask() for shape in drawn if shape.label == label]
        assert np.any(kin, axis=0)[painted.ids == key].all()
        assert not (is_crowd and label == 'floor')
    stuff = [key for key, (index, _) in painted.segments.items() if index == CLASSES['floor']]
    assert len(stuff) <= 1


def test_painting_none_and_one():
    assert paint([], SIZE, WORDS, CLASSES).segments == {}
    painted = paint([Shape('floor', of_mask(np.ones(SIZE, bool)))], SIZE, WORDS, CLASSES)
    assert painted.segments == {1: (2, False)}
    assert (painted.ids == 1).all()


@settings(deadline=None)
@given(masks)
def test_run_lengths_are_decoded_as_by_pycocotools(mask):
    for is_compressed in (True, False):
        pixels = of_run_lengths(run_lengths(mask, is_compressed), SIZE)
        if mask.any():
            np.testing.assert_array_equal(coco_mask.decode(pixels).astype(bool), mask)
        else:
            assert pixels is None


def test_long_run_lengths_are_decoded():
    """Differences below zero, and of several characters."""
    mask = np.zeros((900, 700), bool)
    mask[:, 10:300] = mask[5, 400] = mask[7:, 500:600] = True
    np.testing.assert_array_equal(
        coco_mask.decode(of_run_lengths(run_lengths(mask), mask.shape)).astype(bool), mask)


HUGE = {'size': [40, 60], 'counts': [0, 1 << 40]}


@pytest.mark.parametrize(('segmentation', 'message'), [
    ([[1, 1, 9, 1, 9, float('nan')]], 'has the coordinate nan'),
    ([[1, 1, 9, 1, 9, 1e12]], 'has the coordinate 1000000000000.0'),
    ([[1, 1, 9, 1, 9, 9, 5]], r'must be a list x, y, x, y, \.\.\.'),
    ([[1, 1, 9, 1, '9', 9]], "has the coordinate '9'"),
    ([{'a': 1}], 'must be a list x, y'),
    (['bad'], 'must be a list x, y'),
    ('bad', 'must have size and counts'),
    (HUGE, 'expected numbers that add up to 2400 pixels'),
    ({'size': [40, 60], 'counts': [-5, 2405]}, 'run lengths are damaged'),
    ({'size': [4000, 6000], 'counts': 'abc'}, 'height and width'),
    ({'size': [40, 60], 'counts': 'o' * 400}, 'run lengths are damaged'),
    ({'size': [40, 60], 'counts': 'P'}, 'run lengths are cut off'),
    ({'size': [40, 60], 'counts': 'ü'}, 'run lengths are damaged'),
    ({'size': [40, 60], 'counts': None}, 'run lengths are damaged'),
])
def test_damaged_shapes(tmp_path, capsys, segmentation, message):
    source = write_cvat(tmp_path / 'cvat', [annotation(17, 1, 1, segmentation)])
    assert prepare(tmp_path / 'out', source) == 1
    error = capsys.readouterr().err
    assert 'instances_default.json: a.jpg: annotation 17' in error
    assert re.search(message, error), error
    assert not (tmp_path / 'out/panoptic.json').exists()


@pytest.mark.parametrize(('change', 'message'), [
    ({'images': [{'id': 1}]}, "image 0 must have 'file_name', text"),
    ({'images': ['bad']}, "image 0 must have 'id'"),
    ({'images': [{'id': 1, 'file_name': 'a.jpg'}] * 2}, 'two images with id 1'),
    ({'images': []}, 'annotations are of image 1, which is not listed'),
    ({'categories': []}, 'is of category 1, which is not listed'),
    ({'categories': [{'id': 1, 'name': ''}]}, "category 0 must have 'name', text"),
    ({'categories': [{'id': 1, 'name': 'a'}] * 2}, 'two categories with id 1'),
    ({'annotations': [7]}, "annotation 0 must have 'image_id'"),
    ({'annotations': [{'image_id': {}, 'category_id': 1}]}, "annotation 0 must have 'image_id'"),
    ({'annotations': 'bad'}, 'is no export of a known kind'),
    ({'images': [{'id': 1, 'file_name': 'a.jpg', 'height': 60, 'width': 40}]},
     'says that it has 40 x 60 pixels, but the picture, turned upright, has 60 x 40'),
    ({'images': [{'id': 1, 'file_name': '../../secret.jpg'}]}, 'which is not below'),
    ({'images': [{'id': 1, 'file_name': 'images\x00.jpg'}]}, 'which is not below'),
])
def test_damaged_instances_files(tmp_path, capsys, change, message):
    save(tmp_path / 'secret.jpg', photo())
    source = write_cvat(tmp_path / 'in/cvat', [annotation(1, 1, 1, box(1, 1, 9, 9))], **change)
    assert prepare(tmp_path / 'out', source) == 1
    error = capsys.readouterr().err
    assert message in error
    assert 'Traceback' not in error


@pytest.mark.parametrize(('change', 'message'), [
    ({'label': 7}, 'shape 0 must have label, text'),
    ({'label': ' '}, 'shape 0 must have label, text'),
    ({'group_id': []}, 'must have group_id'),
    ({'shape_type': 'spline'}, 'shape 0 must have shape_type, one of'),
    ({'shape_type': []}, 'shape 0 must have shape_type, one of'),
    ({'points': [[1, 2], [3]]}, 'must have points, pairs of numbers'),
    ({'points': [[1, 2], [3, float('inf')], [4, 4]]}, 'must have points, pairs of numbers'),
    ({'shape_type': 'mask', 'mask': None}, 'its mask is no PNG in base64'),
    ({'shape_type': 'mask', 'mask': 'AAAA'}, 'its mask is no PNG in base64'),
])
def test_damaged_labelme_files(tmp_path, capsys, change, message):
    shape = labelme_shape('chair', [[1, 1], [9, 1], [9, 9]]) | change
    assert prepare(tmp_path / 'out', write_labelme(tmp_path / 'labelme', [shape])) == 1
    assert message in capsys.readouterr().err


def test_links_out_of_the_export_are_not_followed(tmp_path, capsys):
    save(tmp_path / 'private/a.jpg', photo())
    source = write_coco(tmp_path / 'cvat/instances_default.json',
                        [annotation(1, 1, 1, box(1, 1, 9, 9))]).parent
    (source / 'a.jpg').symlink_to(tmp_path / 'private/a.jpg')
    (source / 'images').symlink_to(tmp_path / 'private')
    assert prepare(tmp_path / 'out', source) == 1
    assert 'which is not below' in capsys.readouterr().err


@pytest.mark.parametrize(('content', 'message'), [
    ('{"images": [', 'is no JSON'), ('[' * 100_000, 'nested too deep'), ('{}', 'no export'),
    ('', 'is no JSON')])
def test_no_export(tmp_path, capsys, content, message):
    (tmp_path / 'in').mkdir()
    (tmp_path / 'in/a.json').write_text(content)
    assert prepare(tmp_path / 'out', tmp_path / 'in') == 1
    assert message in capsys.readouterr().err


# --- Again, and elsewhere --------------------------------------------------------------------

def test_again_makes_only_what_has_changed(tmp_path):
    entries = [annotation(1, 1, 1, box(1, 1, 9, 9)), annotation(2, 2, 1, box(1, 1, 9, 9))]
    source = write_cvat(tmp_path / 'cvat', entries, pictures=('a.jpg', 'b.jpg'))
    output = tmp_path / 'out'
    assert prepare(output, source) == 0
    names = ('panoptic/a.png', 'panoptic/b.png', 'panoptic.json')
    before = [(output / name).stat().st_ino for name in names]
    assert prepare(output, source) == 0
    assert [(output / name).stat().st_ino for name in names] == before
    entries[1] = annotation(2, 2, 1, box(1, 1, 19, 9))
    write_cvat(tmp_path / 'cvat', entries, pictures=('a.jpg', 'b.jpg'))
    os.utime(source / 'images/default/a.jpg', ns=(0, 0))
    assert prepare(output, source) == 0
    assert (open_dataset(output)[1].ids > 0).sum() == 18 * 8
    assert prepare(output, source, '--stuff', 'floor') == 0
    assert open_dataset(output).vocabulary.is_thing == (True, False)


def test_a_broken_run_leaves_no_json_that_says_something_else(tmp_path, capsys):
    entries = [annotation(1, 1, 1, box(1, 1, 9, 9)), annotation(2, 2, 1, box(1, 1, 9, 9))]
    source = write_cvat(tmp_path / 'cvat', entries, pictures=('a.jpg', 'b.jpg'))
    assert prepare(tmp_path / 'out', source) == 0
    entries = [annotation(1, 1, 1, box(1, 1, 19, 9)), annotation(2, 2, 1, 'bad')]
    write_cvat(tmp_path / 'cvat', entries, pictures=('a.jpg', 'b.jpg'))
    assert prepare(tmp_path / 'out', source) == 1
    assert '1 of 2 images cannot be used' in capsys.readouterr().err
    assert not (tmp_path / 'out/panoptic.json').exists()
    entries[1] = annotation(2, 2, 1, box(1, 1, 9, 9))
    write_cvat(tmp_path / 'cvat', entries, pictures=('a.jpg', 'b.jpg'))
    assert prepare(tmp_path / 'out', source) == 0
    assert [(sample.ids > 0).sum() for sample in open_dataset(tmp_path / 'out')] == [144, 64]


def test_other_data_are_not_overwritten(tmp_path, capsys):
    source = write_cvat(tmp_path / 'cvat', [annotation(1, 1, 1, box(1, 1, 9, 9))])
    mine = write_folder(tmp_path / 'mine')
    before = (mine / 'panoptic.json').read_bytes()
    assert prepare(mine, source) == 1
    assert 'is there already, and is not of this export' in capsys.readouterr().err
    assert (mine / 'panoptic.json').read_bytes() == before
    assert prepare(source / 'out', source) == 1
    assert 'choose a folder beside it' in capsys.readouterr().err


@pytest.mark.parametrize(('more', 'message'), [
    (['--stuff', 'flor'], "--stuff names 'flor', which is no class of the export; its classes "
                          "are 'chair', 'floor'"),
    (['--images', 'nowhere'], 'nowhere: there is no such file or folder')])
def test_wrong_options(tmp_path, capsys, more, message):
    source = write_cvat(tmp_path / 'cvat', [annotation(1, 1, 1, box(1, 1, 9, 9))])
    assert prepare(tmp_path / 'out', source, *more) == 1
    assert message in capsys.readouterr().err


def test_options_that_do_not_go_together(tmp_path, capsys):
    for arguments in (['x', '--stuff', 'floor'], ['x', '--from', 'y', '--check']):
        with pytest.raises(SystemExit):
            main(arguments)
    assert prepare('cityscapes', tmp_path) == 1
    assert 'is a published data set' in capsys.readouterr().err


def test_panoptic_files_are_recognised(tmp_path, capsys):
    assert prepare(tmp_path / 'out', write_folder(tmp_path / 'mine')) == 1
    assert 'is in COCO panoptic format already' in capsys.readouterr().err


def test_a_picture_that_is_annotated_twice(tmp_path, capsys):
    source = write_cvat(tmp_path / 'cvat', [annotation(1, 1, 1, box(1, 1, 9, 9))])
    text = (source / 'annotations/instances_default.json').read_text()
    (source / 'annotations/instances_copy.json').write_text(json.dumps(json.loads(text)))
    assert prepare(tmp_path / 'out', source) == 1
    assert 'is annotated twice' in capsys.readouterr().err
