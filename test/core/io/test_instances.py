# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""COCO instances files of results, read as pycocotools reads them."""

from __future__ import annotations

import json

import cv2
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from eov_seg_core.io.coco import CocoWriter, write_instances
from eov_seg_core.io.coco.instances import polygons, run_lengths
from eov_seg_core.results.result import PanopticResult, Segment
from eov_seg_core.vocabulary import Vocabulary

coco_mask = pytest.importorskip('pycocotools.mask', reason='pycocotools is in the extra training')

masks = st.tuples(st.integers(1, 7), st.integers(1, 7)).flatmap(
    lambda size: st.lists(st.booleans(), min_size=size[0] * size[1], max_size=size[0] * size[1])
    .map(lambda bits: np.array(bits).reshape(size)))


def filled(mask):
    """Return a mask with its holes filled: what cannot be reached from outside, by edges."""
    outside = cv2.connectedComponents(1 - np.pad(mask, 1).astype(np.uint8), connectivity=4)[1]
    return (outside != outside[0, 0])[1:-1, 1:-1]


@settings(deadline=None, max_examples=200)
@given(masks)
def test_run_lengths_are_exact(mask):
    encoded = coco_mask.frPyObjects(run_lengths(mask), *mask.shape)
    np.testing.assert_array_equal(coco_mask.decode(encoded).astype(bool), mask)


@settings(deadline=None, max_examples=200)
@given(masks)
def test_polygons_are_exact_but_for_holes(mask):
    outlines = polygons(mask)
    if not mask.any():
        assert outlines == []
        return
    encoded = coco_mask.merge(coco_mask.frPyObjects(outlines, *mask.shape))
    np.testing.assert_array_equal(coco_mask.decode(encoded).astype(bool), filled(mask))


def test_a_folder_of_results(tmp_path):
    from pycocotools.coco import COCO
    ids = np.zeros((6, 8), np.int32)
    ids[1:3, 1:4], ids[4:] = 1, 2
    ids[5, 3] = 0
    result = PanopticResult(ids, [Segment(1, 1, 'chair', True, 0.9, 6, (1, 1, 4, 3)),
                                  Segment(2, 2, 'floor', False, 0.5, 15, (0, 4, 8, 6))])
    writer = CocoWriter(tmp_path, Vocabulary(['chair'], ['floor']))
    writer.add(result, 'a', 'a.jpg')
    writer.add(PanopticResult(np.zeros((2, 2), np.int32), []), 'empty', 'empty.jpg')
    writer.save()
    write_instances(tmp_path)
    for name in ('instances_rle.json', 'instances_polygons.json'):
        truth = COCO(str(tmp_path / name))
        assert [image['file_name'] for image in truth.loadImgs(truth.getImgIds())] == [
            'a.jpg', 'empty.jpg']
        assert truth.getAnnIds(imgIds=[2]) == []
        for annotation, key in zip(truth.loadAnns(truth.getAnnIds(imgIds=[1])), (1, 2)):
            np.testing.assert_array_equal(truth.annToMask(annotation).astype(bool), ids == key)
            assert annotation['iscrowd'] == 0
        assert truth.loadCats(truth.getCatIds())[1]['name'] == 'floor'
    annotations = json.loads((tmp_path / 'instances_rle.json').read_text())['annotations']
    assert (annotations[0]['bbox'], annotations[0]['area']) == ([1, 1, 3, 2], 6)


def test_no_results(tmp_path):
    CocoWriter(tmp_path, Vocabulary(['chair'])).save()
    write_instances(tmp_path)
    assert json.loads((tmp_path / 'instances_polygons.json').read_text())['annotations'] == []
