# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Boxes drawn into the image of a camera and from above: at the pixels where they are."""

from __future__ import annotations

import numpy as np

from eov_seg_core.geometry import Box, CameraModel, LEVEL_CAMERA
from eov_seg_core.geometry.drawing import draw_boxes, draw_from_above, DrawnBox

CAMERA = CameraModel(160, 120, 100., 100., 79.5, 59.5)


def drawn(box, text=''):
    image = np.full((120, 160, 3), 77, np.uint8)
    picture = draw_boxes(image, CAMERA, LEVEL_CAMERA, [DrawnBox(box, 'chair', text)])
    assert (image == 77).all(), 'the image itself stays'
    return np.argwhere((picture != 77).any(axis=-1))


def test_a_box_is_drawn_where_the_camera_sees_it() -> None:
    # the near face, 2 m ahead, is the largest: 0.4 m / 2 m * 100 = 20 pixels
    pixels = drawn(Box((2.5, 0, 0), (1, .4, .4)))
    assert np.abs(pixels.min(axis=0) - (49.5, 69.5)).max() <= 4
    assert np.abs(pixels.max(axis=0) - (69.5, 89.5)).max() <= 4


def test_the_part_behind_the_camera_is_cut_off_and_the_rest_is_drawn() -> None:
    assert len(drawn(Box((-2, 0, 0), (1, 1, 1)), 'text')) == 0
    # the camera is in the box: lines run out of the image, and none crosses its middle
    pixels = drawn(Box((0, 0, 0), (4, 1, 1)))
    assert len(pixels)
    assert not (np.abs(pixels - (59.5, 79.5)) < 15).all(axis=1).any()


def test_from_above_x_is_right_and_y_is_up() -> None:
    truth, found = (DrawnBox(Box((x, y, 0), (.4, .2, 1)), 'chair')
                    for x, y in ((1, .5), (-1, -.5)))
    picture = draw_from_above((4, 2), (450, 250), [truth], [found])
    pale = picture[75, 325]     # 100 pixels a metre
    assert (pale >= 127).all()
    assert (pale < 255).any()
    assert (picture[175, 125] == 255).all(), 'what was found is not filled'
    outline = picture[175, 105].astype(int)
    assert (outline <= 128).all()
    assert np.abs(2 * outline + 255 - 2 * pale.astype(int)).max() <= 3, 'the colours have one name'


def test_from_above_the_camera_points_along_its_axis() -> None:
    pose = np.array(LEVEL_CAMERA)
    pose[:2, 3] = (1, .5)
    picture = draw_from_above((4, 2), (450, 250), [], [], pose).astype(int)
    red = np.argwhere(picture[..., 0] - picture[..., 1] > 100)[:, ::-1]
    assert np.abs(red.max(axis=0) - (355, 90)).max() <= 2
    assert np.abs(red.min(axis=0) - (310, 60)).max() <= 2
