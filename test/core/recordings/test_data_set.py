# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings become data sets that training takes."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time

import bag_case
from bag_case import label, make_bag, picture, START_NS, STEP_NS, StripSegmenter, visible_below
import numpy as np
import pytest

from eov_seg_core.io.coco import read_panoptic_file, read_panoptic_png
from eov_seg_core.io.coco.parts import merge_parts
from eov_seg_core.io.media import read_image
from eov_seg_core.recordings.dataset import DataSet
from eov_seg_core.recordings.options import PictureOptions
from eov_seg_core.vocabulary import Vocabulary


def read(folder):
    return json.loads((folder / 'panoptic.json').read_text())


def numbers(folder):
    """Return which frames of the recording the data set has."""
    return [(int(entry['file_name'].rpartition('_')[2][:-4]) - START_NS) // STEP_NS
            for entry in read(folder)['images']]


def test_images_labels_and_json_agree(tmp_path) -> None:
    label(make_bag(tmp_path / 'in', 12), tmp_path / 'monday', coco=tmp_path / 'coco')
    content = read(tmp_path / 'coco')
    assert len(read_panoptic_file(tmp_path / 'coco' / 'panoptic.json').annotations) == 12
    assert [entry['id'] for entry in content['images']] == list(range(1, 13))
    assert [(entry['name'], entry['isthing']) for entry in content['categories']] == [
        ('chair', 1), ('floor', 0)]
    stamp_ns = START_NS + 3 * STEP_NS - 5_000_000
    assert content['images'][3] == {
        'id': 4, 'file_name': f'monday_cam_image_raw_{START_NS + 3 * STEP_NS}.jpg', 'height': 4,
        'width': 6, 'bag': 'monday', 'topic': '/cam/image_raw',
        'stamp': {'sec': stamp_ns // 10**9, 'nanosec': stamp_ns % 10**9}}
    found = content['annotations'][3]
    ids = read_panoptic_png(tmp_path / 'coco' / 'panoptic' / found['file_name'])
    assert found['image_id'] == 4
    for segment in found['segments_info']:
        assert (ids == segment['id']).sum() == segment['area']
    image = read_image(tmp_path / 'coco' / 'images' / content['images'][3]['file_name'])
    assert np.abs(image.astype(int) - picture(3)).max() <= 2    # JPEG


def test_no_picture_and_one(tmp_path) -> None:
    label(make_bag(tmp_path / 'a', 1, broken=[0]), tmp_path / 'none', coco=tmp_path / 'coco')
    assert read(tmp_path / 'coco')['images'] == read(tmp_path / 'coco')['annotations'] == []
    label(make_bag(tmp_path / 'b', 1), tmp_path / 'one', coco=tmp_path / 'coco')
    assert len(read(tmp_path / 'coco')['images']) == 1


@pytest.mark.parametrize(('options', 'expected'), [
    # stamps are 5 ms before the times of the log, so that frame 0 lies in the second before
    ({'period_s': 1.0}, [0, 1, 11, 21]),
    # a change of one in 255 for each frame
    ({'min_change': 1.9 / 255}, [*range(0, 25, 2)]),
    ({'period_s': 1.0, 'min_change': 0.5}, [0]),
    # the chair has 0.5 and the floor 0.75: the wider the chair, the smaller the mean
    ({'max_score': 0.6}, [3, 4, 8, 9, 13, 14, 18, 19, 23, 24])])
def test_a_data_set_may_have_fewer_pictures(tmp_path, options, expected) -> None:
    report = label(make_bag(tmp_path / 'in', 25), tmp_path / 'out', coco=tmp_path / 'coco',
                   pictures=PictureOptions(**options), part_s=60)
    assert report.done == 25
    assert numbers(tmp_path / 'coco') == expected


@pytest.mark.parametrize('options', [
    {'period_s': 0.0}, {'min_change': 1.1}, {'max_score': -1.0}, {'period_s': float('nan')}])
def test_wrong_options_are_refused(options) -> None:
    with pytest.raises(ValueError, match='must be more than 0 and at most'):
        PictureOptions(**options)


def test_frames_of_equal_log_times_have_names_of_their_own(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(bag_case, 'STEP_NS', 0)
    label(make_bag(tmp_path / 'in', 3), tmp_path / 'out', coco=tmp_path / 'coco')
    assert [entry['file_name'] for entry in read(tmp_path / 'coco')['images']] == [
        f'out_cam_image_raw_{START_NS}{end}.jpg' for end in ('', '_1', '_2')]


def test_the_order_of_recordings_does_not_show(tmp_path) -> None:
    bags = {name: make_bag(tmp_path / f'in_{name}', count)
            for name, count in (('monday', 12), ('tuesday', 3))}
    for folder, names in (('a', ['monday', 'tuesday']), ('b', ['tuesday', 'monday'])):
        for name in names:
            label(bags[name], tmp_path / folder / name, coco=tmp_path / folder / 'coco')
    assert visible_below(tmp_path / 'a' / 'coco') == visible_below(tmp_path / 'b' / 'coco')
    assert len(read(tmp_path / 'a' / 'coco')['images']) == 15


def test_pictures_that_are_missing_are_made_again(tmp_path) -> None:
    bag = make_bag(tmp_path / 'in', 25)
    label(bag, tmp_path / 'out', coco=tmp_path / 'coco')
    before = visible_below(tmp_path / 'coco')
    next((tmp_path / 'coco' / 'panoptic').iterdir()).unlink()
    (tmp_path / 'coco' / 'panoptic.json').unlink()
    assert label(bag, tmp_path / 'out', coco=tmp_path / 'coco').new == 10
    assert visible_below(tmp_path / 'coco') == before


def test_pictures_of_something_else_are_never_mixed(tmp_path) -> None:
    label(make_bag(tmp_path / 'in', 2), tmp_path / 'out', coco=tmp_path / 'coco')
    with pytest.raises(ValueError, match='labelled with other words'):
        DataSet(tmp_path / 'coco', Vocabulary(things=['stool']))
    with pytest.raises(ValueError, match='another recording or topic that is called out'):
        label(make_bag(tmp_path / 'in2', 3), tmp_path / 'b' / 'out', coco=tmp_path / 'coco')
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine' / 'thesis.txt').touch()
    with pytest.raises(ValueError, match='not of this command'):
        DataSet(tmp_path / 'mine', StripSegmenter().vocabulary)


def test_merging_nothing_is_a_data_set_of_nothing(tmp_path) -> None:
    assert merge_parts([], [], tmp_path / 'panoptic.json') == 0
    assert read(tmp_path) == {'images': [], 'annotations': [], 'categories': []}


@pytest.mark.slow
def test_kill_9_at_random_gives_the_same_data_set(tmp_path) -> None:
    bag = make_bag(tmp_path / 'in', 100)
    label(bag, tmp_path / 'a' / 'out', coco=tmp_path / 'a' / 'coco', tracking='2d')
    rng, kills = random.Random(1), 0
    for _ in range(6):
        process = subprocess.Popen([sys.executable, bag_case.__file__, str(bag),
                                    *(str(tmp_path / 'b' / name) for name in ('out', 'coco'))])
        time.sleep(rng.uniform(0.6, 1.4))
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    assert kills >= 2
    label(bag, tmp_path / 'b' / 'out', coco=tmp_path / 'b' / 'coco', tracking='2d')
    for name in ('out', 'coco'):
        assert visible_below(tmp_path / 'a' / name) == visible_below(tmp_path / 'b' / name)
