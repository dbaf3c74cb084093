# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Wrong arguments of public functions that need no network: what came, and what was expected."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from eov_seg_core import PanopticResult, Segment, Vocabulary
from eov_seg_core.geometry import (
    as_matrix,
    box_iou,
    BoxOptions,
    CameraModel,
    depth_in_metres,
    fit_box,
    invert,
    labelled_cloud,
    segment_boxes,
    transform,
)
from eov_seg_core.io.coco import (
    coco_categories,
    CocoWriter,
    ids_to_rgb,
    read_panoptic_file,
    read_panoptic_png,
    rgb_to_ids,
    save_coco_panoptic,
)
from eov_seg_core.io.media import find_media, read_image, save_picture
from eov_seg_core.tracking import Tracker, TrackingOptions
from eov_seg_core.visualization import class_color, colorize, draw_legend, draw_overlay
from eov_seg_core.vocabulary import canonical_form
from eov_seg_core.world import Camera, camera_path, generate_scene, random_camera, render

NAN = float('nan')
IMAGE = np.zeros((6, 8, 3), np.uint8)
DEPTH = np.ones((6, 8), np.float32)
K = (9.0, 0.0, 4.0, 0.0, 9.0, 3.0, 0.0, 0.0, 1.0)
CAMERA = CameraModel.from_camera_info(8, 6, K)
WORDS = Vocabulary(['chair'], ['floor'])
IDS = np.zeros((6, 8), np.int32)
IDS[1:4, 2:6] = 1
RESULT = PanopticResult(IDS, [Segment(1, 1, 'chair', True, 0.9, 12, (2, 1, 6, 4))])


@pytest.fixture
def given(tmp_path):
    return SimpleNamespace(folder=tmp_path / 'out', scene=generate_scene(seed=1),
                           writer=CocoWriter(tmp_path / 'writer', WORDS))


@pytest.mark.parametrize(('call', 'message'), [
    # pictures
    (lambda it: class_color(None), "of a class is None .*; expected a string such as 'chair'"),
    (lambda it: canonical_form(5), r'name is 5 \(int\); expected a string'),
    (lambda it: colorize(None), r'result is None \(NoneType\); expected a PanopticResult'),
    (lambda it: colorize(IMAGE), r'result is an array of shape \(6, 8, 3\) and dtype uint8'),
    (lambda it: draw_overlay(None, RESULT), r'image is None .*; expected an \(H, W, 3\) uint8'),
    (lambda it: draw_overlay(RESULT, IMAGE), 'result is an array .*; expected a PanopticResult'),
    (lambda it: draw_overlay(IMAGE[:2], RESULT), r'shape \(2, 8, 3\) .*expected \(6, 8, 3\)'),
    (lambda it: draw_overlay(IMAGE / 255, RESULT), 'dtype float64; expected .* uint8'),
    (lambda it: draw_overlay(IMAGE, RESULT, 5), 'alpha must lie in 0..1, got 5'),
    (lambda it: draw_overlay(IMAGE, RESULT, NAN), 'alpha must lie in 0..1, got nan'),
    (lambda it: draw_overlay(IMAGE, RESULT, '0.5'), "alpha must lie in 0..1, got '0.5'"),
    (lambda it: draw_overlay(IMAGE, RESULT, ids=[]), 'are 0 ids; expected one for each of 1 seg'),
    (lambda it: draw_legend(RESULT, 0), 'width is 0 .*; expected a whole number of pixels'),
    (lambda it: draw_legend(RESULT, '100'), "width is '100'"),
    (lambda it: draw_legend(None, 100), 'expected a PanopticResult'),
    # results
    (lambda it: RESULT.mask(99), 'no segment 99; `segments` lists those that it has: 1'),
    (lambda it: RESULT.mask('chair'), "expected a Segment or its id, a whole number, got 'chair'"),
    (lambda it: RESULT.select(5), "name must be a string such as 'chair', or None, got 5"),
    (lambda it: RESULT.select(min_score=NAN), 'min_score must lie in 0..1, got nan'),
    (lambda it: RESULT.select(is_thing='yes'), "is_thing must be True, False or None, got 'yes'"),
    (lambda it: RESULT.to_coco('world'), "vocabulary is 'world' .*; expected a Vocabulary, or"),
    (lambda it: RESULT.to_coco(Vocabulary(['cup'])), "class 1 of this result is 'chair', which"),
    # files
    (lambda it: save_coco_panoptic(RESULT, WORDS, None, 'a'), 'a path must be a string'),
    (lambda it: save_coco_panoptic(RESULT, None, it.folder, 'a'), 'expected a Vocabulary'),
    (lambda it: CocoWriter(it.folder, 'chair'), "vocabulary is 'chair' .*; expected a Vocabulary"),
    (lambda it: it.writer.add(None, 'a', 'a.png'), 'expected a PanopticResult'),
    *((lambda it, name=name: it.writer.add(RESULT, name, 'a.png'), 'without folder and ending')
      for name in ('../../a', '/tmp/a', 'b/a', None)),
    (lambda it: coco_categories('chair'), 'expected a Vocabulary'),
    (lambda it: ids_to_rgb(np.array([[-1]])), r'ids lie in -1..-1, expected 0..16777215'),
    (lambda it: ids_to_rgb(np.array([[1 << 24]])), 'expected 0..16777215'),
    (lambda it: ids_to_rgb(DEPTH), 'dtype float32; expected an .* array of integers'),
    (lambda it: ids_to_rgb([[1]]), r'map of ids is \[\[1\]\] \(list\)'),
    (lambda it: rgb_to_ids(IMAGE[..., 0]), r'shape \(6, 8\) .*; expected an \(H, W, 3\) uint8'),
    (lambda it: rgb_to_ids(IMAGE / 255), 'dtype float64; expected'),
    (lambda it: rgb_to_ids(None), 'picture of ids is None'),
    (lambda it: read_panoptic_file(None), 'a path must be a string'),
    (lambda it: read_panoptic_png(None), 'a path must be a string'),
    (lambda it: read_image(None), 'a path must be a string'),
    (lambda it: save_picture('a.png', IMAGE / 255), 'dtype float64; expected an .* uint8 RGB'),
    (lambda it: save_picture('a.png', IMAGE[..., :2]), r'shape \(6, 8, 2\)'),
    (lambda it: save_picture('a.png', IMAGE[None]), r'shape \(1, 6, 8, 3\)'),
    (lambda it: save_picture('a.png', None), 'picture is None'),
    (lambda it: save_picture('a.gif', IMAGE), 'must end in .png or .jpg'),
    (lambda it: find_media('a.png'), "list of inputs is 'a.png' .*; expected a list of paths"),
    (lambda it: find_media(None), 'list of inputs is None'),
    # geometry
    (lambda it: CameraModel.from_camera_info(8, 6, None), 'expected 9 and 12 numbers'),
    (lambda it: CameraModel.from_camera_info(8, 6, K[:8]), 'K has 8 numbers and P has 0'),
    (lambda it: CameraModel.from_camera_info(8, 6, [0.0] * 9), 'focal lengths are 0.0 and 0.0'),
    (lambda it: CameraModel.from_camera_info('8', 6, K), 'expected a width and a height of at l'),
    (lambda it: CAMERA.back_project(DEPTH[:5]), r'shape \(5, 8\), but the camera has 8 x 6'),
    (lambda it: CAMERA.back_project(None), 'depth is None .*; expected an array of 6 x 8'),
    (lambda it: CAMERA.project(np.zeros((3, 2))), r'shape \(3, 2\) .*; expected \(..., 3\) met'),
    *((lambda it, step=step: CAMERA.subsampled(step), f'step is {step}; expected a whole number')
      for step in (0, -1, 1.5)),
    *((lambda it, pose=pose: as_matrix(pose), r'expected a \(4, 4\) matrix')
      for pose in (None, 'map', np.eye(3), np.full((4, 4), NAN))),
    (lambda it: as_matrix(np.zeros((4, 4))), 'expected orthonormal columns'),
    (lambda it: as_matrix(((0, 0, 0), (0, 0, 0, 0))), 'quaternion x y z w that is not zero'),
    (lambda it: invert(np.eye(3)), r'shape \(3, 3\) .*; expected a \(4, 4\) matrix'),
    (lambda it: transform(np.eye(4), np.zeros((5, 2))), r'shape \(5, 2\) .*; expected \(..., 3\)'),
    *((lambda it, points=points: fit_box(points), 'expected .N, 3. finite numbers')
      for points in (None, np.zeros((0, 3)), np.zeros((5, 2)), np.full((5, 3), NAN))),
    (lambda it: box_iou(None, None), r'is None \(NoneType\); expected a Box'),
    (lambda it: depth_in_metres(None), r'depth image is None .*; expected an \(H, W\) array'),
    (lambda it: depth_in_metres(IMAGE), r'depth image is uint8 of the shape \(6, 8, 3\)'),
    (lambda it: depth_in_metres(DEPTH, (10, 1)), 'range of depths is 10 to 1 m'),
    (lambda it: segment_boxes(None, DEPTH, CAMERA), 'expected a PanopticResult'),
    (lambda it: segment_boxes(RESULT, None, CAMERA), 'depth is None'),
    (lambda it: segment_boxes(RESULT, DEPTH, 'front'), "camera is 'front' .*a CameraModel, as"),
    (lambda it: segment_boxes(RESULT, DEPTH, CAMERA, np.eye(3)), 'pose has the shape'),
    (lambda it: BoxOptions(min_depth_part=2), 'min_depth_part in 0..1'),
    (lambda it: labelled_cloud(DEPTH[:5], CAMERA, IMAGE, IDS, IDS), 'the depth has the shape'),
    # tracking
    (lambda it: TrackingOptions(min_hits='3'), "min_hits is '3'; expected 1 to"),
    (lambda it: TrackingOptions(track_iou=NAN), 'track_iou is nan; expected 0 to 1'),
    *((lambda it, words=words: Tracker(words), 'expected a Vocabulary')
      for words in (None, ['chair'])),
    (lambda it: Tracker(WORDS).update(None, stamp_s=0.0), 'expected a PanopticResult'),
    *((lambda it, stamp=stamp: Tracker(WORDS).update(RESULT, stamp_s=stamp), 'a finite number of')
      for stamp in ('now', None, NAN)),
    (lambda it: Tracker(WORDS).update(RESULT, DEPTH[:2], np.eye(4), stamp_s=0.0, camera=CAMERA),
     'the depth has the shape'),
    # world
    *((lambda it, seed=seed: generate_scene(seed=seed), 'expected a whole number from 0 on')
      for seed in ('a', -1, 1.5)),
    (lambda it: random_camera(None), 'scene is None .*a Scene, as generate_scene'),
    (lambda it: random_camera(it.scene, width='640'), "image is '640' x 240 pixels; expected"),
    (lambda it: random_camera(it.scene, height=0), 'image is 320 x 0 pixels'),
    *((lambda it, frames=frames: camera_path(it.scene, frames), f'path has {frames!r} frames')
      for frames in (0, -1, '5')),
    (lambda it: render(it.scene, None), 'camera is None .*a Camera, as random_camera'),
    (lambda it: render(None, None), 'expected a Scene'),
    (lambda it: Camera.look_at((0, 0, 0), (0, 0, 1)), 'not straight above or below'),
])
def test_wrong_arguments_say_what_came_and_what_was_expected(given, call, message):
    with pytest.raises(ValueError, match=message):
        call(given)
    files = [path.name for path in given.folder.parent.rglob('*') if path.is_file()]
    assert files == []
