# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth and CameraInfo to a view, and a view with a result to messages."""

from __future__ import annotations

from dataclasses import replace
import math

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed: scripts/setup_env.sh')

from sensor_msgs.msg import CameraInfo, Image  # noqa: E402
from std_msgs.msg import Header  # noqa: E402

from eov_seg_core.geometry import (  # noqa: E402
    as_matrix,
    Box,
    boxes_of,
    CLOUD_DTYPE,
    invert,
    LEVEL_CAMERA,
    segment_boxes,
    space_view,
    transform,
)
from eov_seg_core.io.image_messages.decoding import decode_depth  # noqa: E402
from eov_seg_core.results.result import PanopticResult, Segment  # noqa: E402
from eov_seg_core.world import camera_path, generate_scene, render  # noqa: E402
from eov_seg_ros.class_ids import ClassIds  # noqa: E402
from eov_seg_ros.conversions import image_message  # noqa: E402
from eov_seg_ros.space.messages import detections_3d, points  # noqa: E402

HEADER = Header(frame_id='eye')
K = [100.0, 0.0, 32.0, 0.0, 100.0, 24.0, 0.0, 0.0, 1.0]
LABELS = ClassIds().assign(['wall', 'chair'])


def camera_info(**changes) -> CameraInfo:
    return CameraInfo(**{'header': HEADER, 'width': 64, 'height': 48, 'k': K,
                         'distortion_model': 'plumb_bob', **changes})


def view_of(depth, info=None, *, is_rectified=False):
    return space_view(HEADER, (48, 64), image_message(HEADER, depth, '32FC1'),
                      info or camera_info(), range_m=(0.15, 10.0), is_rectified=is_rectified)


@pytest.fixture
def depth() -> np.ndarray:
    return np.random.default_rng(0).uniform(1, 3, (48, 64)).astype(np.float32)


def a_result(*names: str) -> PanopticResult:
    """Return a square for each name, side by side; a wall is stuff."""
    instance = np.zeros((48, 64), np.int32)
    segments = []
    for number, name in enumerate(names, 1):
        left = 20 * number - 16
        instance[10:30, left:left + 16] = number
        segments.append(Segment(number, 1 + (name == 'chair'), name, name == 'chair', 0.5, 320,
                                (left, 10, left + 16, 30)))
    return PanopticResult(instance, segments)


def test_depth_is_read_as_millimetres_and_as_metres():
    millimetres = np.array([[0, 1500], [2000, 60000]], np.uint16)
    np.testing.assert_array_equal(decode_depth(image_message(HEADER, millimetres, '16UC1')),
                                  millimetres)
    metres = np.array([[np.nan, 1.5]], np.float32)
    np.testing.assert_array_equal(decode_depth(image_message(HEADER, metres, '32FC1')), metres)


@pytest.mark.parametrize(('encoding', 'dtype'), [('16UC1', np.uint16), ('32FC1', np.float32)])
def test_padded_rows_and_big_endian_samples_are_honoured(encoding, dtype):
    expected = np.array([[1, 2, 3], [400, 500, 600]], dtype)
    rows = expected.astype(expected.dtype.newbyteorder('>')).view(np.uint8)
    padded = np.pad(rows, ((0, 0), (0, 5)), constant_values=77)
    message = Image(height=2, width=3, step=padded.shape[1], encoding=encoding, is_bigendian=1)
    message.data.frombytes(padded)
    got = decode_depth(message)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, expected)


def test_an_encoding_that_is_no_depth_is_refused():
    with pytest.raises(ValueError, match='expected 16UC1'):
        decode_depth(image_message(HEADER, np.zeros((2, 2), np.uint8), 'mono8'))


def test_a_message_that_contradicts_itself_is_refused(depth):
    message = image_message(HEADER, depth, '32FC1')
    message.height += 1
    with pytest.raises(ValueError, match='bytes'):
        decode_depth(message)


@pytest.mark.parametrize(('depth_shape', 'frame', 'info', 'reason'), [
    ((24, 32), 'eye', {}, 'registered to the image; use the camera driver'),
    ((48, 64), 'depth_eye', {}, "frame_id 'depth_eye' and the image 'eye'"),
    ((48, 64), 'eye', {'width': 128}, 'camera_info is for 128 x 48'),
    ((48, 64), 'eye', {'k': [0.0] * 9}, 'no calibration, K and P are all zero'),
    ((48, 64), 'eye', {'k': [0.0] * 9, 'width': 0, 'height': 0}, 'no calibration'),
    ((48, 64), 'eye', {'k': [-1.0] + [0.0] * 8}, 'cannot be used: .*; calibrate the camera'),
    ((48, 64), 'eye', {'d': [0.1] * 5, 'distortion_model': 'odd'}, 'distortion model'),
])
def test_what_does_not_fit_together_is_named(depth_shape, frame, info, reason):
    message = image_message(Header(frame_id=frame), np.ones(depth_shape, np.float32), '32FC1')
    with pytest.raises(ValueError, match=reason):
        space_view(HEADER, (48, 64), message, camera_info(**info), range_m=(0.15, 10.0),
                   is_rectified=False)


@pytest.mark.parametrize(('value', 'encoding', 'reason'), [
    (2, '16UC1', 'its median is 2, and 16UC1 is in millimetres; does the publisher write metres'),
    (2000, '32FC1', 'its median is 2000, and 32FC1 is in metres; does the publisher write millim'),
    (0, '16UC1', 'empty'),
    (np.nan, '32FC1', 'empty'),
])
def test_depth_in_another_unit_is_named(value, encoding, reason):
    depth = np.full((48, 64), value, np.uint16 if encoding == '16UC1' else np.float32)
    with pytest.raises(ValueError, match=reason):
        space_view(HEADER, (48, 64), image_message(HEADER, depth, encoding), camera_info(),
                   range_m=(0.15, 10.0), is_rectified=False)
    depth[0, :4] = 2000 if encoding == '16UC1' else 2       # 4 of 3072 are enough
    view = space_view(HEADER, (48, 64), image_message(HEADER, depth, encoding), camera_info(),
                      range_m=(0.15, 10.0), is_rectified=False)
    assert np.isfinite(view.depth_m).sum() == 4


def test_the_lens_counts_unless_the_image_was_rectified(depth):
    p = [50.0, 0.0, 30.0, 0.0, 0.0, 50.0, 20.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    info = camera_info(d=[0.1, 0.0, 0.0, 0.0, 0.0], p=p)
    raw, rectified = (view_of(depth, info, is_rectified=value).camera for value in (False, True))
    assert (raw.fx, raw.cx, len(raw.distortion)) == (100, 32, 5)
    assert (rectified.fx, rectified.cx, rectified.distortion) == (50, 30, ())


def test_a_point_has_place_colour_class_and_instance(depth):
    depth[20, 10] = np.nan
    image = np.random.default_rng(1).integers(0, 256, (48, 64, 3), np.uint8)
    result = a_result('wall', 'chair')
    message = points(HEADER, image, result, LABELS, view_of(depth))
    assert message.header == HEADER
    assert (message.height, message.width, message.is_dense) == (48, 64, False)
    assert (message.point_step, message.row_step) == (24, 24 * 64)
    assert [(field.name, field.offset, field.datatype, field.count) for field in message.fields] \
        == [('x', 0, 7, 1), ('y', 4, 7, 1), ('z', 8, 7, 1), ('rgb', 12, 7, 1),
            ('label', 16, 6, 1), ('instance', 20, 6, 1)]
    cloud = np.frombuffer(message.data, CLOUD_DTYPE).reshape(48, 64)
    np.testing.assert_array_equal(cloud['z'], depth)
    np.testing.assert_allclose(cloud['x'], (np.arange(64) - 32) / 100 * depth, rtol=1e-5)
    np.testing.assert_array_equal(cloud['instance'], result.instance)
    assert set(cloud['label'][result.instance == 2].tolist()) == {LABELS.ids[1]}
    assert cloud['rgb'][3, 4] == int.from_bytes(image[3, 4].tobytes(), 'big')


def test_points_without_grid_are_those_with_depth(depth):
    depth[depth < 2] = np.nan
    image = np.zeros((48, 64, 3), np.uint8)
    for values in (depth, np.full_like(depth, np.nan)):
        message = points(HEADER, image, a_result(), LABELS,
                         replace(view_of(depth), depth_m=values), stride=2, organized=False)
        assert (message.height, message.is_dense) == (1, True)
        assert message.width == np.isfinite(values[::2, ::2]).sum()
        assert len(message.data) == message.row_step == 24 * message.width


@pytest.mark.parametrize('names', [(), ('wall',), ('chair',), ('chair', 'wall', 'chair')])
def test_each_thing_with_depth_has_a_detection(names, depth):
    result = a_result(*names)
    message = detections_3d(HEADER, result, boxes_of(result, view_of(depth)))
    assert message.header == HEADER
    assert [entry.id for entry in message.detections] == [
        str(number) for number, name in enumerate(names, 1) if name == 'chair']
    for entry in message.detections:
        hypothesis, = entry.results
        assert hypothesis.hypothesis.class_id == 'chair'
        assert hypothesis.pose.pose == entry.bbox.center
        assert entry.header == HEADER


def test_a_thing_without_depth_has_no_detection(depth):
    depth[:, :22] = np.nan
    result = a_result('chair', 'chair')
    message = detections_3d(HEADER, result, boxes_of(result, view_of(depth)))
    assert [entry.id for entry in message.detections] == ['2']


def test_boxes_are_those_of_the_core_in_the_frame_of_the_image():
    scene = generate_scene(5)
    frame = render(scene, camera_path(scene, 8, width=64, height=48)[0], noise_seed=0)
    view = view_of(frame.depth)
    segments = []
    for item in frame.objects:
        rows, columns = np.nonzero(frame.ids == item.id)
        if len(rows) > 30:
            segments.append((rows, columns))
    instance = np.zeros((48, 64), np.int32)
    listed = []
    for number, (rows, columns) in enumerate(segments, 1):
        instance[rows, columns] = number
        listed.append(Segment(number, 2, 'chair', True, 0.5, len(rows), (
            int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)))
    result = PanopticResult(instance, listed)
    boxes = segment_boxes(result, view.depth_m, view.camera)
    detections = detections_3d(HEADER, result, boxes_of(result, view)).detections
    assert len(detections) == len(boxes) > 0
    for entry in detections:
        expected = transform(invert(LEVEL_CAMERA), boxes[int(entry.id)].box.corners)
        center, size = entry.bbox.center, entry.bbox.size
        pose = as_matrix(((center.position.x, center.position.y, center.position.z),
                          (center.orientation.x, center.orientation.y, center.orientation.z,
                           center.orientation.w)))
        own = Box((0.0, 0.0, 0.0), (size.x, size.y, size.z)).corners
        np.testing.assert_allclose(transform(pose, own), expected, atol=1e-9)


def test_boxes_in_the_world_have_its_frame_and_the_ids_that_last(depth):
    result = a_result('wall', 'chair')
    place = as_matrix(((1.0, 2.0, 3.0), (0.0, 0.0, 0.0, 1.0))) @ LEVEL_CAMERA
    view = replace(view_of(depth), world_frame='odom', camera_in_world=place)
    message = detections_3d(HEADER, result, boxes_of(result, view), ids=[70, 71],
                            world_frame='odom')
    entry, = message.detections
    assert (message.header.frame_id, entry.header.frame_id, entry.id) == ('odom', 'odom', '71')
    box = boxes_of(result, view)[2]
    center = entry.bbox.center
    assert (center.position.x, center.position.y, center.position.z) == box.center
    assert center.position.x == pytest.approx(3.0, abs=0.5)     # 2 m ahead of x = 1
    assert 2 * math.atan2(center.orientation.z, center.orientation.w) == pytest.approx(box.yaw_rad)
    assert HEADER.frame_id == 'eye'


@pytest.mark.parametrize('world_frame', ['odom', ''])
def test_markers_delete_what_was_there_and_use_no_number_twice(depth, world_frame):
    pytest.importorskip('visualization_msgs', reason='visualization_msgs: scripts/setup_env.sh')
    from visualization_msgs.msg import Marker

    from eov_seg_ros.space.markers import markers

    result = a_result('chair', 'wall', 'chair')
    boxes = boxes_of(result, view_of(depth))
    first, *rest = markers(HEADER, result, boxes, ids=[8, 2, 9], world_frame=world_frame).markers
    assert first.action == Marker.DELETEALL
    assert [(entry.ns, entry.id, entry.type) for entry in rest] == [
        ('chair', 16, Marker.LINE_LIST), ('chair', 17, Marker.TEXT_VIEW_FACING),
        ('chair', 18, Marker.LINE_LIST), ('chair', 19, Marker.TEXT_VIEW_FACING)]
    assert all(entry.header.frame_id == (world_frame or 'eye') and entry.lifetime.sec == 1
               and entry.color.a == 1 for entry in rest)
    lines, text, *_ = rest
    ends = np.array([(point.x, point.y, point.z) for point in lines.points]).reshape(12, 2, 3)
    lengths = np.linalg.norm(ends[:, 0] - ends[:, 1], axis=-1)
    np.testing.assert_allclose(sorted(lengths), sorted(4 * boxes[1].size), atol=1e-9)
    assert (text.text, text.scale.z > 0) == ('chair 8', True)
    nothing = markers(HEADER, a_result(), {}, world_frame=world_frame).markers
    assert [entry.action for entry in nothing] == [Marker.DELETEALL]
