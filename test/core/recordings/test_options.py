# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Several cameras, other topics copied, all outputs, batches and shares of the work."""

from __future__ import annotations

from pathlib import Path

from bag_case import label, make_bag, START_NS, STEP_NS, StripSegmenter, visible
import cv2
from mcap.reader import make_reader
import numpy as np
import pytest
from rosbags.interfaces import QosDurability, QosReliability
from rosbags.rosbag2 import Reader, StoragePlugin, Writer

from eov_seg_core.recordings.messages import MessageWriter
from eov_seg_core.recordings.options import IN_SPACE, LabelOptions, OUTPUTS
from eov_seg_core.recordings.quality_of_service import node_qos
from eov_seg_core.recordings.sample import write_sample
from eov_seg_core.recordings.space.session import LabelledFrame

TYPES = MessageWriter().types
TEXT = 'std_msgs/msg/String'
FLAT = tuple(topic for topic in OUTPUTS if topic not in IN_SPACE)


def read(bag: Path) -> dict[str, list[tuple[int, bytes]]]:
    """Return log times and bytes of every topic."""
    with Reader(bag) as reader:
        found: dict[str, list[tuple[int, bytes]]] = {
            entry.topic: [] for entry in reader.connections}
        for entry, log_ns, data in reader.messages():
            found[entry.topic].append((log_ns, bytes(data)))
        return found


def decoded(bag: Path, topic: str, kind: str):
    return [TYPES.deserialize_cdr(data, kind) for _, data in read(bag)[topic]]


def test_two_cameras_in_one_run(tmp_path) -> None:
    bag = make_bag(tmp_path / 'in', 12, second='/back/image')
    topics = ['/cam/image_raw', '/back/image']
    report = label(bag, tmp_path / 'out', topics=topics, coco=tmp_path / 'coco')
    assert (report.frames, report.done) == (24, 24)
    assert {topic: len(found) for topic, found in read(tmp_path / 'out').items()} == {
        f'/eov_seg/{camera}/{topic}': count for camera in ('back', 'cam')
        for topic, count in (('label_info', 2), ('panoptic', 12), ('detections', 12))}
    names = {path.name for path in (tmp_path / 'coco' / 'images').iterdir()}
    assert len(names) == 24
    assert f'out_back_image_{START_NS}.jpg' in names
    alone = label(bag, tmp_path / 'alone', topic='/back/image')
    assert alone.done == 12
    assert read(tmp_path / 'alone')['/eov_seg/panoptic'] == read(
        tmp_path / 'out')['/eov_seg/back/panoptic']


def test_all_outputs_tell_the_same(tmp_path) -> None:
    label(make_bag(tmp_path / 'in', 3), tmp_path / 'out', outputs=FLAT)
    images = {topic: decoded(tmp_path / 'out', f'/eov_seg/{topic}', 'sensor_msgs/msg/Image')[2]
              for topic in ('panoptic', 'semantic', 'instance')}
    assert [images[topic].encoding for topic in images] == ['32SC1', 'mono8', 'mono16']
    panoptic = images['panoptic'].data.view(np.int32)
    assert np.array_equal(images['semantic'].data, panoptic >> 16)
    assert np.array_equal(images['instance'].data.view(np.uint16), panoptic >> 16)  # 1 and 2
    overlay = decoded(tmp_path / 'out', '/eov_seg/overlay/compressed',
                      'sensor_msgs/msg/CompressedImage')[2]
    assert overlay.format == 'rgb8; jpeg compressed bgr8'
    assert cv2.imdecode(overlay.data, cv2.IMREAD_COLOR).shape == (4, 6, 3)
    assert overlay.header == images['panoptic'].header


def test_no_output_but_the_class_map(tmp_path) -> None:
    label(make_bag(tmp_path / 'in', 3), tmp_path / 'out', outputs=())
    assert {topic: len(found) for topic, found in read(tmp_path / 'out').items()} == {
        '/eov_seg/label_info': 1}


def test_more_than_255_names_need_16_bits() -> None:
    header, = (image.header for image in [TYPES.types['sensor_msgs/msg/Image'](
        header=TYPES.types['std_msgs/msg/Header'](
            stamp=TYPES.types['builtin_interfaces/msg/Time'](sec=1, nanosec=2), frame_id='a'),
        height=0, width=0, encoding='', is_bigendian=0, step=0, data=np.zeros(0, np.uint8))])
    result, = StripSegmenter()([np.zeros((4, 6, 3), np.uint8)])
    for classes, encoding in ((255, 'mono8'), (256, 'mono16')):
        data = MessageWriter().semantic(LabelledFrame(header, None, result), classes)
        assert TYPES.deserialize_cdr(data, 'sensor_msgs/msg/Image').encoding == encoding


@pytest.mark.parametrize('options', [{'every': 3}, {'batch': 4}, {'every': 3, 'batch': 4}])
def test_batches_and_every_third_image(tmp_path, options) -> None:
    segmenter = StripSegmenter()
    bag = make_bag(tmp_path / 'in', 25, broken=[1])
    report = label(bag, tmp_path / 'out', segmenter=segmenter, **options)
    label(bag, tmp_path / 'one_by_one', every=options.get('every', 1))
    assert report.done + report.failed + report.skipped == 25
    assert max(segmenter.batches) == options.get('batch', 1)
    assert sum(segmenter.batches) == report.done
    assert read(tmp_path / 'out') == read(tmp_path / 'one_by_one')
    if 'every' in options:
        assert [log_ns for log_ns, _ in read(tmp_path / 'out')['/eov_seg/panoptic']] == [
            START_NS + index * STEP_NS for index in (0, 3, 6, 9, 10, 13, 16, 19, 20, 23)]


def make_busy_bag(path: Path) -> Path:
    """Add to 25 images a text in the first second, once latched and once not."""
    make_bag(path.with_name('images'), 25)
    with Reader(path.with_name('images')) as reader, Writer(
            path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        text = TYPES.serialize_cdr(TYPES.types[TEXT](data='hello'), TEXT)
        image = writer.add_connection('/cam/image_raw', 'sensor_msgs/msg/Image', typestore=TYPES)
        latched = writer.add_connection('/map', TEXT, typestore=TYPES,
                                        offered_qos_profiles=[node_qos(is_latched=True)])
        plain = writer.add_connection('/tick', TEXT, typestore=TYPES,
                                      offered_qos_profiles=[node_qos()])
        static = writer.add_connection('/tf_static', TEXT, typestore=TYPES)
        for index, (_, log_ns, data) in enumerate(reader.messages()):
            writer.write(image, log_ns, data)
            if index < 3:
                for connection in (latched, plain, static):
                    writer.write(connection, log_ns + 1, bytes(text) + bytes([index, 0, 0, 0]))
    return path


def test_topics_are_copied_untouched_with_their_qos(tmp_path) -> None:
    bag = make_busy_bag(tmp_path / 'in')
    report = label(bag, tmp_path / 'out', copy='.*')
    assert report.done == 25
    source, ours = read(bag), read(tmp_path / 'out')
    assert ours['/cam/image_raw'] == source['/cam/image_raw']
    assert ours['/tick'] == source['/tick']
    with Reader(tmp_path / 'out') as reader:
        qos = {entry.topic: entry.ext.offered_qos_profiles for entry in reader.connections}
    assert qos['/map'] == [node_qos(is_latched=True)]
    assert qos['/tick'] == [node_qos()]
    assert qos['/cam/image_raw'] == []
    # recorded without QoS; a player latches it only with
    assert qos['/tf_static'][0].durability is QosDurability.TRANSIENT_LOCAL
    assert qos['/tf_static'][0].reliability is QosReliability.RELIABLE


def test_latched_messages_stand_at_the_start_of_every_part(tmp_path) -> None:
    bag = make_busy_bag(tmp_path / 'in')
    label(bag, tmp_path / 'out', copy='/map|/tf_.*')
    source, ours = read(bag), read(tmp_path / 'out')
    texts = [data for _, data in source['/map']]
    starts = [START_NS + second * 10**9 for second in (1, 2)]
    assert ours['/map'] == source['/map'] + [(start, texts[-1]) for start in starts]
    assert ours['/tf_static'] == source['/tf_static'] + [
        (start, text) for start in starts for text in texts]
    assert '/tick' not in ours


def test_a_part_without_images_keeps_what_is_copied(tmp_path) -> None:
    bag = make_bag(tmp_path / 'in', 12, broken=range(10))
    label(bag, tmp_path / 'out', copy='/cam/.*')
    assert read(tmp_path / 'out')['/cam/image_raw'] == read(bag)['/cam/image_raw']


def test_what_cannot_be_copied_is_told(tmp_path) -> None:
    bag = make_bag(tmp_path / 'in', 2)
    with pytest.raises(ValueError, match="'\\[' is no regular expression"):
        label(bag, tmp_path / 'out', copy='[')
    label(bag, tmp_path / 'labelled', copy='.*')
    with pytest.raises(ValueError, match='/eov_seg/label_info, .* with --name'):
        label(tmp_path / 'labelled', tmp_path / 'again', topic='/cam/image_raw', copy='.*')
    assert label(tmp_path / 'labelled', tmp_path / 'again', topic='/cam/image_raw', copy='.*',
                 name='/second').done == 2


def test_shares_together_are_the_whole(tmp_path) -> None:
    bag = make_bag(tmp_path / 'in', 65)
    label(bag, tmp_path / 'a' / 'out')
    new = [label(bag, tmp_path / 'b' / 'out', shard=(index, 3)).new for index in range(3)]
    assert sorted(new) == [20, 20, 25]
    assert visible(tmp_path / 'a' / 'out') == visible(tmp_path / 'b' / 'out')


def test_more_shares_than_parts(tmp_path) -> None:
    bag = make_bag(tmp_path / 'in', 1)
    assert sorted(label(bag, tmp_path / 'out', shard=(index, 3)).new
                  for index in range(3)) == [0, 0, 1]
    assert (tmp_path / 'out' / 'metadata.yaml').exists()


def test_mcaps_own_reader_reads_a_copy_of_the_sample(tmp_path) -> None:
    write_sample(tmp_path / 'room', seconds=0.2, width=32, height=24)
    label(tmp_path / 'room', tmp_path / 'out', copy='.*', outputs=OUTPUTS, tracking='3d')
    with (tmp_path / 'out' / 'part_00000.mcap').open('rb') as file:
        channels = make_reader(file).get_summary().channels.values()
    assert {channel.topic for channel in channels} == {
        '/camera/image_raw', '/camera/depth/image_raw', '/camera/camera_info', '/tf',
        '/tf_static', *(f'/eov_seg/{topic}' for topic in ('label_info', *OUTPUTS))}


@pytest.mark.parametrize(('options', 'sentence'), [
    ({'outputs': ('depth',)}, 'expected each once, of panoptic'),
    ({'outputs': ('panoptic', 'panoptic')}, 'expected each once'),
    ({'every': 0}, 'at least 1'), ({'batch': 0}, 'at least 1')])
def test_wrong_options_are_refused(options, sentence) -> None:
    with pytest.raises(ValueError, match=sentence):
        LabelOptions(**options)
