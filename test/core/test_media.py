# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures from files: names and pixels."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from eov_seg_core.media import find_sources, MediaError, read_image


def test_sources_have_names_of_their_own(tmp_path):
    for name in ('x.png', 'x.jpg', 'x_1.png'):
        (tmp_path / name).write_bytes(b'')
    sources, problems = find_sources([str(tmp_path), str(tmp_path / 'x.png'), 'camera:0'])
    assert problems == []
    names = [source.name for source in sources]
    assert len(set(names)) == len(names) == 5
    assert names[-1] == 'camera_0'
    assert sources[-1].is_camera


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
