# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The demo's judgement of boxes, ids and memory, on messages made by hand."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed: scripts/setup_env.sh')

from sensor_msgs.msg import CameraInfo, Image  # noqa: E402
from std_msgs.msg import Header  # noqa: E402
from vision_msgs.msg import Detection3DArray  # noqa: E402

from eov_seg_core.geometry import Box, LEVEL_CAMERA  # noqa: E402
from eov_seg_ros.demo.collector import NODE, Received  # noqa: E402
from eov_seg_ros.demo.space import SpaceWatcher, TRUTH  # noqa: E402
from eov_seg_ros.space.messages import box_of, detection, pose_in_world  # noqa: E402
from eov_seg_ros.space.truth import odometry  # noqa: E402

SOFA, CHAIR = Box((2, 0, 0), (1, .5, .5), .3), Box((2, 1, 0), (.5, .5, 1))


def boxes(*entries):
    return Detection3DArray(detections=[
        detection(Header(), number, name, 1.0, pose_in_world(box), box.size)
        for number, name, box in entries])


def frame(stamp_s):
    """Return a frame in which the camera sees a red sofa, object 5, and a blue chair, object 6."""
    camera = CameraInfo(width=32, height=24, k=[20., 0, 16, 0, 20, 12, 0, 0, 1])
    image = Image(height=24, width=32, encoding='rgb8', data=bytes(24 * 32 * 3))
    return Received('', round(stamp_s * 1e9), 0, 0., {
        'image_raw': image, 'camera_info': camera,
        'odometry': odometry(Header(), LEVEL_CAMERA, 'camera_link'),
        f'{NODE}/detections_3d': boxes((1, 'sofa', SOFA)),
        f'{TRUTH}/detections_3d': boxes((5, 'red sofa', SOFA), (6, 'blue chair', CHAIR))})


@pytest.fixture
def watcher():
    """Return a watcher after five frames, in which the sofa was called 1, 1, 2, 2, 2."""
    watcher = SpaceWatcher((6, 4))
    truth = np.zeros((24, 32), np.int32)
    truth[:10], truth[10:12] = 3 << 16 | 5, 4 << 16 | 6
    for stamp_s, number in enumerate((1, 1, 2, 2, 2)):
        found = np.where(truth & 0xffff == 5, 7 << 16 | number, 9 << 16).astype(np.int32)
        in_image, above = watcher.take_frame(frame(stamp_s), found, truth)
        assert (in_image != 0).any()
        assert in_image.shape == (24, 32, 3)
        assert above.shape == (240, 320, 3)
    return watcher


def test_ids_are_counted_by_the_truth(watcher):
    assert watcher.counts.compute()['switches'] == 1


def test_a_message_holds_the_box_that_it_was_made_of():
    message, = boxes((1, 'sofa', SOFA)).detections
    found = box_of(message)
    assert found.center == SOFA.center
    assert found.size == SOFA.size
    assert found.yaw_rad == pytest.approx(SOFA.yaw_rad)


def test_the_memory_is_compared_with_things_that_have_a_word(watcher):
    words = {'red sofa': 'sofa', 'blue chair': 'chair'}
    assert watcher.figures(words) == {
        'there': 2, 'found': 0, 'remembered': 0, 'invented': 0, 'center_cm': None}
    moved = Box((2.1, 0, 0), SOFA.size, SOFA.yaw_rad)
    watcher.take_memory(boxes((2, 'sofa', moved), (8, 'lamp', CHAIR)))
    assert watcher.figures(words) == {
        'there': 2, 'found': 1, 'remembered': 2, 'invented': 1, 'center_cm': 10.}
    assert watcher.figures({'blue chair': 'chair'}) == {
        'there': 1, 'found': 0, 'remembered': 2, 'invented': 2, 'center_cm': None}


def test_the_map_shows_what_is_remembered(watcher):
    before = watcher.large_map()
    watcher.take_memory(boxes((2, 'sofa', SOFA)))
    assert before.shape == (320, 480, 3)
    assert (watcher.large_map() != before).any()
