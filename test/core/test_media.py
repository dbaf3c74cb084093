# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures from files: names and pixels."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from eov_seg_core.media import find_media, MediaError, name_sources, read_image


def names(paths, folder='.', known=None):
    return [source.name for source in name_sources(paths, folder, known)]


def test_media_of_arguments(tmp_path):
    for name in ('x.png', 'a.AVI', 'notes.txt'):
        (tmp_path / name).write_bytes(b'')
    (tmp_path / 'empty').mkdir()
    paths, problems = find_media([str(tmp_path), 'camera:0', 'camera:', str(tmp_path / 'empty')])
    assert paths == [str(tmp_path / 'a.AVI'), str(tmp_path / 'x.png'), 'camera:0']
    assert [problem.split(':')[0] for problem in problems] == ['camera', str(tmp_path / 'empty')]
    assert find_media([]) == ([], [])


@pytest.mark.parametrize(('paths', 'expected'), [
    ([], []),
    (['a.jpg'], ['a']),
    (['a.jpg', 'a.png', 'a_1.png', 'other/a.jpg', 'a.jpg'], ['a', 'a_1', 'a_1_1', 'a_2', 'a_3']),
    (['a.jpg', 'A.png'], ['a', 'A_1']),
    (['clip.avi', 'clip_000001.jpg'], ['clip', 'clip_000001_1']),
    (['clip_000001.jpg', 'clip.avi'], ['clip_000001', 'clip_1']),
    (['clip.avi', 'clip.jpg', 'clip_1.jpg', 'clip.mp4'], ['clip', 'clip', 'clip_1', 'clip_1']),
    (['camera:0', 'camera_0.avi', 'camera_0_1000000.png'],
     ['camera_0', 'camera_0_1', 'camera_0_1000000_1'])])
def test_no_two_pictures_share_a_name(paths, expected):
    assert names(paths) == expected


def test_known_origins_keep_their_names():
    known = {'a': 'p/a.jpg', 'clip_000000': 'clip.avi#0', 'clip_000001': 'clip.avi#1'}
    paths = ['q/a.jpg', 'p/a.jpg', 'clip_000007.png', 'q/clip.avi', 'clip.avi', 'p/a.jpg']
    assert names(paths, '.', known) == ['a_1', 'a', 'clip_000007_1', 'clip_1', 'clip', 'a_2']


def test_origins_do_not_depend_on_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / 'in').mkdir()
    monkeypatch.chdir(tmp_path)
    outside = name_sources(['in/a.jpg', 'camera:0'], 'out')
    monkeypatch.chdir(tmp_path / 'in')
    assert name_sources(['a.jpg'], '../out')[0].origin == outside[0].origin == '../in/a.jpg'
    assert outside[1].origin == 'camera:0'


def test_images_of_any_kind_become_rgb(tmp_path):
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (6, 7), dtype=np.uint8)
    color = rng.integers(0, 256, (6, 7, 4), dtype=np.uint8)
    deep = (grey.astype(np.uint16) << 8) + 7
    for name, array in (('grey', grey), ('alpha', color), ('deep', deep)):
        cv2.imwrite(str(tmp_path / f'{name}.png'), array)
        assert read_image(tmp_path / f'{name}.png').shape == (6, 7, 3)
    np.testing.assert_array_equal(read_image(tmp_path / 'alpha.png'), color[:, :, 2::-1])
    with pytest.raises(MediaError, match='nothing'):
        read_image(tmp_path / 'nothing.png')
