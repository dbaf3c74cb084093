# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""COCO files: what is written is what was found."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
import numpy as np
from PIL import Image
import pytest

from eov_seg_core.io.coco import (
    coco_categories,
    CocoWriter,
    ids_to_rgb,
    MAX_ID,
    read_categories,
    read_panoptic_png,
    rgb_to_ids,
    save_coco_panoptic,
)
from eov_seg_core.io.media import save_picture
from eov_seg_core.results.result import PanopticResult, Segment
from eov_seg_core.visualization import class_color
from eov_seg_core.vocabulary import Category, presets, Vocabulary

WORDS = Vocabulary(['person'], ['Straße'])


def make_result():
    instance = np.zeros((20, 30), np.int32)
    instance[2:7, 3:11] = 1
    instance[10:] = 2
    return PanopticResult(instance, [
        Segment(1, 1, 'person', True, 0.75, 40, (3, 2, 11, 7)),
        Segment(2, 2, 'Straße', False, 0.5, 300, (0, 10, 30, 20))])


def nothing():
    return PanopticResult(np.zeros((4, 5), np.int32), [])


def read(path):
    return json.loads(path.read_text(encoding='utf-8'))


@given(hnp.arrays(np.int32, hnp.array_shapes(min_dims=2, max_dims=2), elements=st.integers(
    0, MAX_ID)))
def test_ids_survive_colours(ids):
    rgb = ids_to_rgb(ids)
    assert rgb.dtype == np.uint8
    np.testing.assert_array_equal(rgb_to_ids(rgb), ids)


def test_ids_beyond_three_bytes_are_refused():
    for wrong in (MAX_ID + 1, -1):
        with pytest.raises(ValueError, match=str(wrong)):
            ids_to_rgb(np.array([[0, wrong]]))


def test_id_layout_is_little_endian_rgb():
    assert ids_to_rgb(np.array([[1 + 256 * 2 + 65536 * 3]])).tolist() == [[[1, 2, 3]]]


def test_one_result(tmp_path):
    result = make_result()
    save_coco_panoptic(result, WORDS, tmp_path / 'new' / 'folder', 'street')
    folder = tmp_path / 'new' / 'folder'
    # read with another library: channel order and values are what the format says
    rgb = np.array(Image.open(folder / 'panoptic' / 'street.png').convert('RGB')).astype(int)
    np.testing.assert_array_equal(rgb @ [1, 256, 65536], result.instance)
    np.testing.assert_array_equal(read_panoptic_png(folder / 'panoptic' / 'street.png'),
                                  result.instance)
    content = read(folder / 'panoptic.json')
    assert content['categories'] == [
        {'id': 1, 'name': 'person', 'supercategory': 'person', 'isthing': 1,
         'color': list(class_color('person'))},
        {'id': 2, 'name': 'Straße', 'supercategory': 'Straße', 'isthing': 0,
         'color': list(class_color('Straße'))}]
    assert content['images'] == [
        {'id': 1, 'file_name': 'street.png', 'height': 20, 'width': 30}]
    assert content['annotations'] == [{
        'image_id': 1, 'file_name': 'street.png', 'segments_info': [
            {'id': 1, 'category_id': 1, 'area': 40, 'bbox': [3, 2, 8, 5], 'iscrowd': 0,
             'score': 0.75},
            {'id': 2, 'category_id': 2, 'area': 300, 'bbox': [0, 10, 30, 10], 'iscrowd': 0,
             'score': 0.5}]}]
    assert read(folder / 'detections.json') == [
        {'image_id': 1, 'segment_id': 1, 'category_id': 1, 'category_name': 'person',
         'bbox': [3, 2, 8, 5], 'score': 0.75}]


def test_ids_and_colours_are_those_of_the_data_set(tmp_path):
    """COCO skips the number 12, so that its twelfth category is 13."""
    coco = Vocabulary.preset('coco_panoptic')
    result = PanopticResult(np.ones((4, 5), np.int32), [
        Segment(1, 12, 'stop sign', True, 0.75, 20, (0, 0, 5, 4))])
    save_coco_panoptic(result, coco, tmp_path, 'street')
    content = read(tmp_path / 'panoptic.json')
    assert content['annotations'][0]['segments_info'][0]['category_id'] == 13
    assert content['categories'][11] == {
        'id': 13, 'name': 'stop sign', 'supercategory': 'stop sign', 'isthing': 1,
        'color': [220, 220, 0]}
    assert read(tmp_path / 'detections.json')[0]['category_id'] == 13
    assert read_categories(tmp_path / 'panoptic.json') == dict(
        zip(coco.dataset_ids, coco.is_thing))


@pytest.mark.parametrize('name', presets())
def test_every_category_has_a_colour_of_its_own(name):
    """COCO's converters tell stuff apart by colour, and black means no label."""
    categories = coco_categories(Vocabulary.preset(name))
    colors = [tuple(category['color']) for category in categories]
    assert len({(0, 0, 0), *colors}) == len(categories) + 1
    assert all(0 <= value <= 255 for color in colors for value in color)
    assert len({category['id'] for category in categories}) == len(categories)


def test_colours_that_are_taken_are_replaced():
    words = Vocabulary.from_categories([
        Category((name,), False, color=color) for name, color in (
            ('a', (0, 0, 0)), ('b', (9, 255, 255)), ('c', (9, 255, 255)), ('d', (0, 0, 1)))])
    assert [category['color'] for category in coco_categories(words)] == [
        [0, 0, 1], [9, 255, 255], [9, 0, 0], [0, 0, 2]]


def test_many_results_and_none(tmp_path):
    writer = CocoWriter(tmp_path, WORDS)
    writer.save()
    assert read(tmp_path / 'panoptic.json')['annotations'] == []
    assert read(tmp_path / 'detections.json') == []
    writer.add(make_result(), 'a', 'a.jpg')
    writer.add(nothing(), 'b', 'b.jpg')
    writer.add(make_result(), 'b', 'b.jpg')
    writer.save()
    content = read(tmp_path / 'panoptic.json')
    assert [image['id'] for image in content['images']] == [1, 2]
    assert [entry['image_id'] for entry in content['annotations']] == [1, 2]
    assert len(read(tmp_path / 'detections.json')) == 2
    assert sorted(path.name for path in (tmp_path / 'panoptic').iterdir()) == ['a.png', 'b.png']


def test_resume_keeps_what_is_there(tmp_path):
    writer = CocoWriter(tmp_path, WORDS, resume=True)
    writer.add(make_result(), 'a', 'a.jpg')
    writer.add(nothing(), 'b', 'b.jpg')
    writer.save()
    (tmp_path / 'panoptic' / 'b.png').unlink()
    writer = CocoWriter(tmp_path, WORDS, resume=True)
    assert 'a' in writer
    assert 'b' not in writer
    assert 'c' not in writer
    writer.add(make_result(), 'c', 'c.jpg')
    writer.save()
    assert [image['id'] for image in read(tmp_path / 'panoptic.json')['images']] == [1, 2, 3]
    assert [found['image_id'] for found in read(tmp_path / 'detections.json')] == [1, 3]


@pytest.mark.parametrize('damage', ['{', '[]', '{"categories": []}'])
def test_damaged_json_is_not_resumed(tmp_path, damage):
    CocoWriter(tmp_path, WORDS).save()
    (tmp_path / 'panoptic.json').write_text(damage)
    with pytest.raises(ValueError, match=r'panoptic\.json'):
        CocoWriter(tmp_path, WORDS, resume=True)


def test_another_vocabulary_is_not_resumed(tmp_path):
    CocoWriter(tmp_path, WORDS).save()
    with pytest.raises(ValueError, match='another vocabulary'):
        CocoWriter(tmp_path, Vocabulary(['Straße'], ['person']), resume=True)


def test_other_synonyms_are_not_resumed(tmp_path):
    words = Vocabulary(['chair,seat'], ['floor'])
    CocoWriter(tmp_path, words).save()
    assert read(tmp_path / 'panoptic.json')['categories'][0]['synonyms'] == ['seat']
    CocoWriter(tmp_path, words, resume=True)
    for other in ('chair,armchair', 'chair', 'chair,seat,stool'):
        with pytest.raises(ValueError, match='or with other synonyms of them; choose another'):
            CocoWriter(tmp_path, Vocabulary([other], ['floor']), resume=True)


def test_results_that_name_no_synonyms_are_refused_with_what_to_do(tmp_path):
    CocoWriter(tmp_path, Vocabulary(['chair'], ['floor'])).save()     # as an older version wrote
    with pytest.raises(ValueError, match='names no synonyms: .*older eov-seg.*another folder'):
        CocoWriter(tmp_path, Vocabulary(['chair,seat'], ['floor']), resume=True)


def test_a_failed_write_leaves_nothing_behind(tmp_path):
    with pytest.raises(OSError, match='missing'):
        save_picture(tmp_path / 'missing' / 'a.png', np.zeros((2, 2, 3), np.uint8))
    (tmp_path / 'a.png').mkdir()
    with pytest.raises(OSError):    # noqa: PT011
        save_picture(tmp_path / 'a.png', np.zeros((2, 2, 3), np.uint8))
    assert [path.name for path in tmp_path.iterdir()] == ['a.png']


def test_no_picture_is_not_read(tmp_path):
    (tmp_path / 'a.png').write_bytes(b'no picture')
    with pytest.raises(ValueError, match='no picture'):
        read_panoptic_png(tmp_path / 'a.png')
