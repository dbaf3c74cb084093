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
    CocoWriter,
    ids_to_rgb,
    MAX_ID,
    read_panoptic_png,
    rgb_to_ids,
    save_coco_panoptic,
)
from eov_seg_core.io.media import save_picture
from eov_seg_core.results.result import PanopticResult, Segment

NAMES, IS_THING = ['person', 'Straße'], [True, False]


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
    save_coco_panoptic(result, NAMES, IS_THING, tmp_path / 'new' / 'folder', 'street')
    folder = tmp_path / 'new' / 'folder'
    # read with another library: channel order and values are what the format says
    rgb = np.array(Image.open(folder / 'panoptic' / 'street.png').convert('RGB')).astype(int)
    np.testing.assert_array_equal(rgb @ [1, 256, 65536], result.instance)
    np.testing.assert_array_equal(read_panoptic_png(folder / 'panoptic' / 'street.png'),
                                  result.instance)
    content = read(folder / 'panoptic.json')
    assert content['categories'] == [
        {'id': 1, 'name': 'person', 'supercategory': 'person', 'isthing': 1},
        {'id': 2, 'name': 'Straße', 'supercategory': 'Straße', 'isthing': 0}]
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


def test_many_results_and_none(tmp_path):
    writer = CocoWriter(tmp_path, NAMES, IS_THING)
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
    writer = CocoWriter(tmp_path, NAMES, IS_THING, resume=True)
    writer.add(make_result(), 'a', 'a.jpg')
    writer.add(nothing(), 'b', 'b.jpg')
    writer.save()
    (tmp_path / 'panoptic' / 'b.png').unlink()
    writer = CocoWriter(tmp_path, NAMES, IS_THING, resume=True)
    assert 'a' in writer
    assert 'b' not in writer
    assert 'c' not in writer
    writer.add(make_result(), 'c', 'c.jpg')
    writer.save()
    assert [image['id'] for image in read(tmp_path / 'panoptic.json')['images']] == [1, 2, 3]
    assert [found['image_id'] for found in read(tmp_path / 'detections.json')] == [1, 3]


@pytest.mark.parametrize('damage', ['{', '[]', '{"categories": []}'])
def test_damaged_json_is_not_resumed(tmp_path, damage):
    CocoWriter(tmp_path, NAMES, IS_THING).save()
    (tmp_path / 'panoptic.json').write_text(damage)
    with pytest.raises(ValueError, match=r'panoptic\.json'):
        CocoWriter(tmp_path, NAMES, IS_THING, resume=True)


def test_another_vocabulary_is_not_resumed(tmp_path):
    CocoWriter(tmp_path, NAMES, IS_THING).save()
    with pytest.raises(ValueError, match='another vocabulary'):
        CocoWriter(tmp_path, NAMES[::-1], IS_THING, resume=True)


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
