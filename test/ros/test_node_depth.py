# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Images with depth over real DDS: points and boxes, and what is said where they cannot be."""

from __future__ import annotations

import time

from diagnostic_msgs.msg import DiagnosticArray
from fake_segmenter import FakeSegmenter
import numpy as np
import pytest
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header
from vision_msgs.msg import Detection3DArray

from eov_seg_ros.conversions import image_message
from eov_seg_ros.pipeline import depth_faults

pytestmark = pytest.mark.ros

HEIGHT, WIDTH = 48, 64
WORDS = {'vocabulary__things': ['chair'], 'vocabulary__stuff': ['wall']}
IN_CAMERA = {'depth': True, 'world_frame': '', **WORDS}


class RGBD:
    """A camera with depth; each message of a picture can be changed or left out."""

    def __init__(self, client) -> None:
        self._client = client
        self._depths, self._infos = (
            client.node.create_publisher(kind, topic, qos_profile_sensor_data)
            for kind, topic in ((Image, 'depth/image_raw'), (CameraInfo, 'camera_info')))
        self._images = client.images
        self.count = 0

    def send(self, *, depth_late_s=0.0, frame='eye', encoding='32FC1', size=(HEIGHT, WIDTH),
             has_depth=True, has_info=True, unit=None, k=60.0, info_frame='eye', every=1,
             image_frame='eye') -> Header:
        """Publish a picture, stamped now; return its header."""
        self.count += 1
        stamp_ns = time.time_ns()
        header, depth_header = Header(frame_id=image_frame), Header(frame_id=frame)
        for entry, value_ns in ((header, stamp_ns),
                                (depth_header, stamp_ns + round(depth_late_s * 1e9))):
            entry.stamp.sec, entry.stamp.nanosec = divmod(value_ns, 10**9)
        dtype = {'32FC1': np.float32, '16UC1': np.uint16, 'mono8': np.uint8}[encoding]
        metres = np.random.default_rng(self.count).uniform(1.9, 2.1, size)
        if unit is None:
            unit = 1000 if dtype == np.uint16 else 1
        depth = (metres * unit).astype(dtype)
        if has_info:
            self._infos.publish(CameraInfo(
                header=Header(stamp=header.stamp, frame_id=info_frame), width=WIDTH,
                height=HEIGHT, distortion_model='plumb_bob',
                k=[k, 0.0, 32.0, 0.0, k, 24.0, 0.0, 0.0, 1.0] if k else [0.0] * 9))
        if has_depth and self.count % every == 0:
            self._depths.publish(image_message(depth_header, depth, encoding))
        self._images.publish(image_message(header, np.full((HEIGHT, WIDTH, 3), 99, np.uint8),
                                           'rgb8'))
        return header

    def close_depth(self) -> None:
        """End the publishers of all but the image."""
        for publisher in (self._depths, self._infos):
            self._client.node.destroy_publisher(publisher)

    def send_until(self, condition, timeout_s: float = 20.0, **changes):
        """Publish pictures at 10 Hz until the condition holds; return its value."""
        end_s = time.monotonic() + timeout_s
        while not (value := condition()):
            assert time.monotonic() < end_s, self._client.log
            self.send(**changes)
            self._client.spin_for(0.1)
        return value


@pytest.fixture
def camera(client) -> RGBD:
    return RGBD(client)


@pytest.fixture
def diagnostics(client) -> list[DiagnosticArray]:
    return client.listen_to('/diagnostics', DiagnosticArray)


def values_of(diagnostics) -> dict[str, str]:
    return {value.key: value.value for value in diagnostics[-1].status[0].values}


@pytest.mark.parametrize('encoding', ['32FC1', '16UC1'])
def test_points_and_boxes_carry_the_header_of_their_image(client, start_node, camera, diagnostics,
                                                          encoding):
    start_node(FakeSegmenter(), **IN_CAMERA)
    clouds = client.listen_to('eov_seg/points', PointCloud2)
    boxes = client.listen_to('eov_seg/detections_3d', Detection3DArray)
    client.listen('detections')
    camera.send_until(lambda: clouds and boxes, encoding=encoding)
    stamp = boxes[-1].header.stamp
    client.wait_for(lambda: any(cloud.header == boxes[-1].header for cloud in clouds))
    flat = next(entry for entry in client.received['detections'] if entry.header.stamp == stamp)
    detection, = boxes[-1].detections
    assert boxes[-1].header.frame_id == detection.header.frame_id == 'eye'
    assert [entry.id for entry in flat.detections] == [detection.id]
    assert detection.bbox.center.position.z == pytest.approx(2.0, abs=0.1)
    assert (clouds[-1].height, clouds[-1].width) == (HEIGHT, WIDTH)
    client.wait_for(lambda: diagnostics and 'depth_distance_p95_ms' in values_of(diagnostics))
    values = values_of(diagnostics)
    assert int(values['depth_matched']) >= 1
    assert (values['depth_unmatched'], values['depth_refused']) == ('0', '0')
    assert float(values['depth_distance_p95_ms']) == 0


@pytest.mark.parametrize(('changes', 'reason'), [
    ({'has_depth': False}, 'no depth image has come, although /depth/image_raw is published'),
    ({'has_info': False}, 'no camera_info has come, although /camera_info is published'),
    ({'depth_late_s': 0.033}, 'no depth image within depth_sync_s = 0.005 s of most images: the '
                              'nearest is'),
    ({'depth_late_s': 3600.0}, 'the clocks of image and depth differ, or depth stopped: their '
                              'stamps are 3'),
    ({'size': (24, 32)}, 'the depth image has 32 x 24 pixels and the image 64 x 48: depth must be '
                         'registered'),
    ({'frame': 'depth_eye'}, "the depth image has the frame_id 'depth_eye' and the image 'eye'"),
    ({'k': 0.0}, 'camera_info holds no calibration, K and P are all zero'),
    ({'k': -1.0}, 'camera_info cannot be used: the focal lengths are -1.0 and -1.0 pixels'),
    ({'encoding': '16UC1', 'unit': 1}, '16UC1 is in millimetres; does the publisher write metres'),
    ({'unit': 1000}, '32FC1 is in metres; does the publisher write millimetres'),
    ({'encoding': 'mono8'}, "the depth image has the encoding 'mono8'; expected 16UC1"),
])
def test_one_sentence_says_why_there_is_no_3d_and_2d_goes_on(client, start_node, camera,
                                                             diagnostics, changes, reason):
    start_node(FakeSegmenter(), **IN_CAMERA)
    boxes = client.listen_to('eov_seg/detections_3d', Detection3DArray)
    client.listen('detections')
    camera.send_until(lambda: reason in client.log and client.received['detections'], **changes)
    assert reason in client.log
    assert not boxes
    camera.send_until(
        lambda: diagnostics and reason in diagnostics[-1].status[0].message, **changes)
    assert sum(reason in line for line in client.log.splitlines()) == 1


def test_topics_of_other_names_are_named(client, start_node, camera):
    for kind, topic in ((Image, 'camera/depth/aligned'), (CameraInfo, 'camera/info')):
        client.node.create_publisher(kind, topic, 1)
    start_node(FakeSegmenter(), **IN_CAMERA)
    client.listen('detections')
    client.listen_to('eov_seg/points', PointCloud2)
    camera.close_depth()
    camera.send_until(lambda: 'nobody publishes /depth/image_raw; of this type there is '
                      '/camera/depth/aligned; name the topic at the launch, depth_image:=...'
                      in client.log, has_depth=False, has_info=False)
    assert '/eov_seg/' not in [line for line in client.log.splitlines() if 'nobody' in line][0]


def test_a_slower_depth_is_said_and_3d_goes_on(client, start_node, camera):
    start_node(FakeSegmenter(), **IN_CAMERA)
    boxes = client.listen_to('eov_seg/detections_3d', Detection3DArray)
    camera.send_until(lambda: boxes and '3D for a part of the images only: images come every 0.1'
                      in client.log and 'set both streams of the camera to one rate' in client.log,
                      every=3)
    assert 'synchronise' not in client.log


def test_a_fault_that_is_over_is_told_and_told_again_when_it_comes_back(client, start_node, camera,
                                                                        monkeypatch):
    monkeypatch.setattr(depth_faults, '_OVER_S', 1.0)
    start_node(FakeSegmenter(), **IN_CAMERA)
    client.listen_to('eov_seg/points', PointCloud2)
    camera.send_until(lambda: 'has 32 x 24 pixels' in client.log, size=(24, 32))
    camera.send_until(lambda: '3D has come without a fault for 1 s' in client.log)
    camera.send_until(lambda: client.log.count('has 32 x 24 pixels') == 2, size=(24, 32))


def test_a_limit_that_pairs_an_image_with_the_depth_of_the_next_is_said(client, start_node,
                                                                        camera):
    start_node(FakeSegmenter(), depth_sync_s=0.9, **IN_CAMERA)
    client.listen_to('eov_seg/points', PointCloud2)
    camera.send_until(lambda: 'depth_sync_s = 0.9 is more than half of the 0.1' in client.log)


def test_a_calibration_of_another_frame_is_said_and_3d_goes_on(client, start_node, camera):
    start_node(FakeSegmenter(), **IN_CAMERA)
    boxes = client.listen_to('eov_seg/detections_3d', Detection3DArray)
    camera.send_until(lambda: boxes and "3D may be wrong: camera_info has the frame_id 'depth_eye'"
                      " and the image 'eye'" in client.log, info_frame='depth_eye')


def test_depth_that_comes_back_brings_3d_back(client, start_node, camera):
    start_node(FakeSegmenter(), **IN_CAMERA)
    boxes = client.listen_to('eov_seg/detections_3d', Detection3DArray)
    client.listen('detections')
    camera.send_until(lambda: client.received['detections'], size=(24, 32))
    assert not boxes
    camera.send_until(lambda: boxes)


def test_nothing_is_paired_or_segmented_without_a_subscriber(client, start_node, camera,
                                                             diagnostics):
    segmenter = FakeSegmenter()
    start_node(segmenter, **IN_CAMERA)
    client.wait_for(lambda: client.node.count_subscribers('depth/image_raw'))
    calls = segmenter.calls
    camera.send_until(lambda: diagnostics and float(values_of(diagnostics)['input_rate_hz']) > 2)
    assert segmenter.calls == calls
    assert values_of(diagnostics)['depth_matched'] == values_of(diagnostics)['depth_unmatched'] \
        == '0'


def test_without_depth_there_is_no_topic_subscription_or_figure_of_it(client, start_node,
                                                                      diagnostics):
    start_node(FakeSegmenter(), **WORDS)
    client.listen('detections')
    client.wait_for(lambda: diagnostics and 'input_rate_hz' in values_of(diagnostics))
    for topic in ('depth/image_raw', 'camera_info'):
        assert client.node.count_subscribers(topic) == 0
    for topic in ('eov_seg/points', 'eov_seg/detections_3d'):
        assert client.node.count_publishers(topic) == 0
    assert not [name for name in values_of(diagnostics) if name.startswith('depth')]


def test_each_camera_has_its_own_depth(client, start_node, diagnostics):
    start_node(FakeSegmenter(), camera_names=['left', 'right'], **IN_CAMERA)
    client.wait_for(lambda: client.node.count_publishers('eov_seg/left/points')
                    and client.node.count_publishers('eov_seg/right/detections_3d'))
    client.wait_for(lambda: client.node.count_subscribers('left/depth/image_raw')
                    and client.node.count_subscribers('right/camera_info'))


def test_a_range_of_depths_that_is_none_is_refused(client, start_node):
    start_node(FakeSegmenter(), **IN_CAMERA)
    client.listen('detections')
    for value, reason in (([20.0, 10.0], 'must be below the second'), ([1.0], '2 numbers'),
                          ([-1.0, 5.0], '0 to 1000'), (['1', '5'], 'a list of numbers')):
        result, = client.set(depth_range_m=value)
        assert not result.successful
        assert reason in result.reason
    assert client.set(depth_range_m=[1, 5])[0].successful


def test_mask_and_calibration_have_the_stamps_of_their_images(client, start_node, camera):
    segmenter = FakeSegmenter()
    start_node(segmenter, mask_classes=['Chair', 'ghost'], **IN_CAMERA)
    infos = client.listen_to('eov_seg/camera_info', CameraInfo)
    mask_infos = client.listen_to('eov_seg/mask/camera_info', CameraInfo)
    client.wait_for(lambda: client.node.count_subscribers('camera_info'))
    calls = segmenter.calls
    camera.send_until(lambda: camera.count > 5)
    assert segmenter.calls == calls     # nobody wants an image
    masks = client.listen_to('eov_seg/mask/image', Image)
    camera.send_until(lambda: masks and infos and mask_infos
                      and masks[-1].header == infos[-1].header == mask_infos[-1].header)
    assert masks[-1].encoding == 'mono8'
    mask = np.frombuffer(masks[-1].data, np.uint8).reshape(HEIGHT, WIDTH)
    assert set(np.unique(mask[:, :21])) == {255}
    assert not mask[:, 22:].any()
    assert (infos[-1].width, infos[-1].k[0], infos[-1].header.frame_id) == (WIDTH, 60.0, 'eye')
    client.wait_for(lambda: 'mask_classes holds ghost, which the vocabulary does not have'
                    in client.log)
    assert client.set(mask_classes=['wall'])[0].successful
    masks.clear()
    camera.send_until(lambda: masks and np.frombuffer(masks[-1].data, np.uint8)
                      .reshape(HEIGHT, WIDTH)[0, 30] == 255)

