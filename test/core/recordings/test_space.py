# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth, ids that last and objects: the same as in the room, in every part and after any end."""

from __future__ import annotations

import json
from types import SimpleNamespace

from bag_case import edited, label, make_bag, messages, visible, visible_below
import numpy as np
import pytest

from eov_seg_core.geometry import CLOUD_DTYPE, depth_in_metres, SpaceView
from eov_seg_core.io.files import held
from eov_seg_core.recordings.files.opening import open_recording
from eov_seg_core.recordings.options import IN_SPACE, LabelOptions, SpaceOptions
from eov_seg_core.recordings.sample import write_sample
from eov_seg_core.recordings.source import Source
from eov_seg_core.recordings.space.session import SpaceSession
from eov_seg_core.recordings.space.topics import depth_topics
from eov_seg_core.tracking import Identities
from eov_seg_core.tracking.storage import state
from eov_seg_core.world import camera_path, generate_scene, render
from training.world.video import camera_model, truth_result, WORLD

FRAMES, WIDTH, HEIGHT = 24, 96, 72
OUTPUTS = ('panoptic', 'instance', 'detections', *IN_SPACE)
DEPTH = '/camera/depth/image_raw'


class TruthSegmenter:
    """Finds what is in the room, told by the pixels; ends the process after some images."""

    def __init__(self, views, last=None) -> None:
        self.vocabulary = WORLD
        self.thresholds = SimpleNamespace(score_threshold=0.25)
        self._results = {view.rgb.tobytes(): truth_result(view, view.ids)[0] for _, view in views}
        self._left = last

    def __call__(self, images):
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise KeyboardInterrupt
        return [self._results[image.tobytes()] for image in images]


@pytest.fixture(scope='module')
def views():
    """What the camera of the sample sees: (camera, view) of each frame."""
    scene = generate_scene(7)
    cameras = camera_path(scene, 120, width=WIDTH, height=HEIGHT)[:FRAMES]
    return [(camera, render(scene, camera, noise_seed=number))
            for number, camera in enumerate(cameras)]


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    path = tmp_path_factory.mktemp('sample') / 'room'
    write_sample(path, FRAMES / 10, width=WIDTH, height=HEIGHT)
    return path


@pytest.fixture
def follow(views, bag):
    """Label the sample with tracking in space."""
    def run(output, *, source=bag, last=None, **options):
        return label(source, output, segmenter=TruthSegmenter(views, last),
                     **({'tracking': '3d', 'outputs': OUTPUTS} | options))
    return run


@pytest.fixture(scope='module')
def labelled(views, bag, tmp_path_factory):
    folder = tmp_path_factory.mktemp('labelled')
    report = label(bag, folder / 'room', segmenter=TruthSegmenter(views), tracking='3d',
                   outputs=OUTPUTS)
    assert report.done == FRAMES
    return folder / 'room'


def test_ids_and_boxes_are_those_of_a_tracker_that_knows_the_room(views, labelled) -> None:
    identities = Identities(WORLD, ['eye'])
    found = [messages(labelled, f'/eov_seg/{topic}')
             for topic in ('instance', 'panoptic', 'detections', 'detections_3d', 'points')]
    assert [len(entries) for entries in found] == [FRAMES] * 5
    for index, (camera, view) in enumerate(views):
        millimetres = np.round(view.depth * 1000).astype(np.uint16)
        named = identities.update(
            'eye', truth_result(view, view.ids)[0], 1.7e9 + index / 10, SpaceView(
                depth_in_metres(millimetres), camera_model(camera), 'odom', camera.pose))
        instance, panoptic, boxes_2d, boxes, points = (entries[index][1] for entries in found)
        numbers = np.array([0, *named.ids])[named.result.instance]
        assert (instance.data.view(np.uint16).reshape(HEIGHT, WIDTH) == numbers).all()
        is_thing = np.array([False, *(item.is_thing for item in named.result.segments)])
        assert ((panoptic.data.view(np.int32).reshape(HEIGHT, WIDTH) & 0xffff)
                == np.where(is_thing[named.result.instance], numbers, 0)).all()
        assert {one.id for one in boxes_2d.detections} == {
            str(number) for number, item in zip(named.ids, named.result.segments)
            if item.is_thing}
        assert boxes.header.frame_id == 'odom'
        expected = {str(named.ids[number - 1]): box for number, box in named.boxes.items()}
        assert {one.id for one in boxes.detections} == set(expected)
        for one in boxes.detections:
            center = one.bbox.center.position
            assert (center.x, center.y, center.z) == pytest.approx(expected[one.id].center,
                                                                   abs=1e-3)
        cloud = points.data.view(CLOUD_DTYPE).reshape(HEIGHT, WIDTH)
        assert (cloud['instance'] == numbers).all()


def test_objects_are_latched_in_every_part_and_end_complete(labelled) -> None:
    entries = messages(labelled, '/eov_seg/objects')
    parts = [json.loads((labelled / f'part_0000{i}.json').read_text()) for i in range(3)]
    for part in parts:
        topics = {entry['topic_metadata']['name']: entry
                  for entry in part['bag']['topics_with_message_count']}
        assert topics['/eov_seg/objects']['message_count'] >= 1
    last = entries[-1][1]
    assert last.header.frame_id == 'odom'
    seen = {one.id for _, entry in messages(labelled, '/eov_seg/detections_3d')
            for one in entry.detections}
    assert len(last.detections) >= 3
    assert {one.id for one in last.detections} <= seen


def test_the_data_set_has_the_ids(follow, labelled, tmp_path) -> None:
    follow(tmp_path / 'room', coco=tmp_path / 'coco', outputs=())
    content = json.loads((tmp_path / 'coco' / 'panoptic.json').read_text())
    numbers = [np.unique(entry.data.view(np.uint16)) for _, entry
               in messages(labelled, '/eov_seg/instance')]
    assert [{segment['track_id'] for segment in entry['segments_info']}
            for entry in content['annotations']] == [set(entry) - {0} for entry in numbers]


@pytest.mark.parametrize('last', [3, 14])
def test_a_run_that_is_ended_goes_on_with_the_same_ids(follow, labelled, tmp_path, last) -> None:
    with pytest.raises(KeyboardInterrupt):
        follow(tmp_path / 'room', last=last)
    report = follow(tmp_path / 'room')
    assert (report.done, report.new) == (FRAMES, FRAMES - last // 10 * 10)
    assert visible(tmp_path / 'room') == visible(labelled)


def test_the_state_of_another_version_is_refused(follow, labelled, tmp_path, monkeypatch) -> None:
    follow(tmp_path / 'room')
    (tmp_path / 'room' / 'part_00001.mcap').unlink()
    with monkeypatch.context() as patch:
        patch.setattr(state, '_FORMAT', 1)
        with pytest.raises(ValueError, match=r'00000.state.npz .*its format is 2, and this is 1'):
            follow(tmp_path / 'room')
    follow(tmp_path / 'room')
    assert visible(tmp_path / 'room') == visible(labelled)


def test_a_part_without_its_state_is_made_again(follow, labelled, tmp_path) -> None:
    follow(tmp_path / 'room')
    (tmp_path / 'room' / 'part_00000.state.npz').unlink()
    (tmp_path / 'room' / 'part_00001.mcap').unlink()
    assert follow(tmp_path / 'room').new == 20
    assert visible(tmp_path / 'room') == visible(labelled)
    (tmp_path / 'room' / 'part_00001.mcap').unlink()
    (tmp_path / 'room' / 'part_00000.state.npz').write_bytes(b'PK')
    with pytest.raises(ValueError, match=r'00000.state.npz holds no state of a tracker .* remove'):
        follow(tmp_path / 'room')


def test_a_recording_with_tracking_is_one_piece_of_work(follow, labelled, tmp_path) -> None:
    new = [follow(tmp_path / 'b' / 'room', shard=(index, 3)).new for index in range(3)]
    assert sorted(new) == [0, 0, FRAMES]
    assert visible(tmp_path / 'b' / 'room') == visible(labelled)
    (tmp_path / 'b' / 'room' / 'part_00000.json').unlink()
    with held(tmp_path / 'b' / 'room' / '.work' / 'all.lock'):
        assert follow(tmp_path / 'b' / 'room').missing_parts == 1


@pytest.mark.parametrize(('without', 'reason'), [
    ('/tf', "no transform places 'camera_optical_frame' or 'odom'"),
    ('/tf_static', "no transform places 'camera_optical_frame' or 'odom'")])
def test_without_transforms_frames_are_labelled_in_the_image(
        follow, bag, tmp_path, without, reason) -> None:
    source = edited(bag, tmp_path / 'in', lambda topic, log_ns, message: (
        None if topic == without else (log_ns, message)))
    problems: list[str] = []
    report = follow(tmp_path / 'room', source=source, problems=problems)
    assert (report.done, report.failed) == (FRAMES, 0)
    assert len(messages(tmp_path / 'room', '/eov_seg/instance')) == FRAMES
    assert len(messages(tmp_path / 'room', '/eov_seg/points')) == FRAMES
    assert not messages(tmp_path / 'room', '/eov_seg/detections_3d')
    assert len(problems) == 3
    assert f': 10 frames without depth or place: {reason}' in problems[0]


def test_boxes_in_the_frame_of_the_image_need_no_transforms(follow, bag, tmp_path) -> None:
    source = edited(bag, tmp_path / 'in', lambda topic, log_ns, message: (
        None if topic.startswith('/tf') else (log_ns, message)))
    follow(tmp_path / 'room', source=source, tracking='off', outputs=('detections_3d',),
           space=SpaceOptions(world_frame=''))
    boxes = messages(tmp_path / 'room', '/eov_seg/detections_3d')
    assert {entry.header.frame_id for _, entry in boxes} == {'camera_optical_frame'}
    assert all(one.bbox.center.position.z > 0 for _, entry in boxes for one in entry.detections)


def test_depth_and_transforms_that_come_later_are_waited_for(
        follow, bag, labelled, tmp_path) -> None:
    late = edited(bag, tmp_path / 'in', lambda topic, log_ns, message: (
        (log_ns if topic in ('/camera/image_raw', '/tf_static') else log_ns + 300_000_000),
        message))
    follow(tmp_path / 'room', source=late)
    for number in range(3):
        name = f'part_0000{number}.mcap'
        assert (tmp_path / 'room' / name).read_bytes() == (labelled / name).read_bytes()


def test_depth_of_another_moment_is_not_taken(follow, bag, tmp_path) -> None:
    def shift(topic, log_ns, message):
        if topic == DEPTH:
            message.header.stamp.nanosec += 20_000_000
        return log_ns, message

    source, problems = edited(bag, tmp_path / 'in', shift), []
    follow(tmp_path / 'a', source=source, problems=problems)
    assert f'{DEPTH} has no image within 0.005 s of its stamp; --depth-sync' in problems[0]
    assert not messages(tmp_path / 'a', '/eov_seg/points')
    follow(tmp_path / 'b', source=source, space=SpaceOptions(sync_s=0.02))
    assert len(messages(tmp_path / 'b', '/eov_seg/points')) == FRAMES


def test_an_image_that_is_not_newer_is_counted(follow, bag, tmp_path) -> None:
    def repeat(topic, log_ns, message):
        if topic == '/camera/image_raw' and message.header.stamp.nanosec == 500_000_000:
            message.header.stamp.nanosec = 400_000_000
        return log_ns, message

    report = follow(tmp_path / 'room', source=edited(bag, tmp_path / 'in', repeat),
                    tracking='2d', outputs=('instance',))
    assert (report.done, report.failed) == (FRAMES - 2, 2)      # one in each whole second


def topics_of(path, tracking='3d', **space):
    with open_recording(path) as reader:
        return depth_topics(Source(reader), LabelOptions(
            tracking=tracking, space=SpaceOptions(**space)))


def test_topics_are_found_by_frame_and_name(bag, tmp_path) -> None:
    expected = {'/camera/image_raw': (DEPTH, '/camera/camera_info')}
    assert topics_of(bag) == topics_of(bag, 'auto') == expected
    assert topics_of(bag, '2d') == {}
    with pytest.raises(ValueError, match='no depth topic /camera/dept; it has /camera/depth/im'):
        topics_of(bag, depth_topics=('/camera/dept',))
    with pytest.raises(ValueError, match='2 camera_info topics for 1 image topics'):
        topics_of(bag, info_topics=('/a', '/b'))

    def apart(topic, log_ns, message):
        if topic == DEPTH:
            message.header.frame_id = 'depth_optical_frame'
        return log_ns, message

    source = edited(bag, tmp_path / 'apart', apart)
    with pytest.raises(ValueError, match="must have the same frame_id.* 'depth_optical_frame'"):
        topics_of(source)
    assert topics_of(source, 'auto') == {}
    assert topics_of(source, depth_topics=(DEPTH,)) == expected
    with pytest.raises(ValueError, match='no topic has raw images of 16UC1'):
        topics_of(make_bag(tmp_path / 'flat', 2))


def test_objects_need_tracking_in_a_world() -> None:
    with pytest.raises(ValueError, match='choose the tracking 3d or auto, and a world frame'):
        LabelOptions(outputs=('objects',), tracking='2d')


def test_tracking_without_depth_is_in_the_image(tmp_path) -> None:
    bag = make_bag(tmp_path / 'in', 25)
    label(bag, tmp_path / 'out', tracking='auto', coco=tmp_path / 'coco')
    before = visible_below(tmp_path)
    (tmp_path / 'out' / 'part_00001.mcap').unlink()
    assert label(bag, tmp_path / 'out', tracking='auto', coco=tmp_path / 'coco').new == 10
    assert visible_below(tmp_path) == before
    found = [entry.detections[0].id for _, entry in messages(
        tmp_path / 'out', '/eov_seg/detections')]
    assert len(set(found)) < 5


def test_a_session_of_a_recording_without_depth_waits_for_nothing(tmp_path) -> None:
    with open_recording(make_bag(tmp_path / 'in', 2)) as reader:
        session = SpaceSession(Source(reader), LabelOptions(tracking='auto'), WORLD)
        assert not session.feed.connections
