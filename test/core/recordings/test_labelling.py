# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings are labelled frame by frame, in parts, whatever ends the process."""

from __future__ import annotations

from pathlib import Path
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from unittest.mock import Mock

import bag_case
from bag_case import label, make_bag, START_NS, STEP_NS, StripSegmenter, visible
from mcap.reader import make_reader
import numpy as np
import pytest
from rosbags.interfaces import QosDurability
from rosbags.rosbag2 import CompressionFormat, CompressionMode, Reader, Writer
from rosbags.typesys import get_typestore, Stores

from eov_seg_core.io.files import held
from eov_seg_core.recordings.messages import MessageWriter
from eov_seg_core.recordings.source import Source

TYPES = MessageWriter().types


def messages(bag: Path, topic: str):
    """Return log times and messages of a topic."""
    with Reader(bag) as reader:
        wanted = [entry for entry in reader.connections if entry.topic == topic]
        return [(log_ns, TYPES.deserialize_cdr(data, entry.msgtype))
                for entry, log_ns, data in reader.messages(wanted)]


def test_every_frame_has_labels_with_its_header_and_log_time(tmp_path) -> None:
    report = label(make_bag(tmp_path / 'in', 25), tmp_path / 'out')
    assert (report.frames, report.done, report.failed, report.skipped) == (25, 25, 0, 0)
    images = messages(tmp_path / 'out', '/eov_seg/panoptic')
    assert [log_ns for log_ns, _ in images] == [START_NS + i * STEP_NS for i in range(25)]
    stamps = [image.header.stamp.sec * 10**9 + image.header.stamp.nanosec for _, image in images]
    assert stamps == [START_NS + i * STEP_NS - 5_000_000 for i in range(25)]
    assert {image.header.frame_id for _, image in images} == {'optical'}
    for index, (_, image) in enumerate(images):
        cut = 1 + index % 5
        labels = image.data.view(np.int32).reshape(4, 6)
        assert image.encoding == '32SC1'
        assert (labels[:, :cut] == (1 << 16 | 1)).all()
        assert (labels[:, cut:] == 2 << 16).all()
    found = messages(tmp_path / 'out', '/eov_seg/detections')[3][1].detections
    assert [(one.id, one.results[0].hypothesis.class_id, one.bbox.size_x) for one in found] == [
        ('1', 'chair', 4.0)]


def test_the_class_map_is_latched_and_in_every_part(tmp_path) -> None:
    label(make_bag(tmp_path / 'in', 25), tmp_path / 'out')
    maps = messages(tmp_path / 'out', '/eov_seg/label_info')
    assert [log_ns for log_ns, _ in maps] == [START_NS + i * 10**9 for i in range(3)]
    assert [(one.class_id, one.class_name) for one in maps[0][1].class_map] == [
        (0, 'unlabeled'), (1, 'chair'), (2, 'floor')]
    with Reader(tmp_path / 'out') as reader:
        durability = {entry.topic: entry.ext.offered_qos_profiles[0].durability
                      for entry in reader.connections}
        assert [Path(entry['path']).name for entry in reader.storage.files] == [
            f'part_0000{i}.mcap' for i in range(3)]
    assert durability == {'/eov_seg/label_info': QosDurability.TRANSIENT_LOCAL,
                          '/eov_seg/panoptic': QosDurability.VOLATILE,
                          '/eov_seg/detections': QosDurability.VOLATILE}


def test_mcap_reads_our_files_with_its_own_reader(tmp_path) -> None:
    label(make_bag(tmp_path / 'in', 3), tmp_path / 'out')
    with (tmp_path / 'out' / 'part_00000.mcap').open('rb') as file:
        read = make_reader(file)
        found = [(channel.topic, schema.name, message.log_time)
                 for schema, channel, message in read.iter_messages()]
        assert read.get_summary().statistics.message_count == len(found) == 7
    assert ('/eov_seg/detections', 'vision_msgs/msg/Detection2DArray', START_NS) in found


@pytest.mark.parametrize('recorded', [
    {'storage': 'sqlite3'}, {'version': 8, 'store': Stores.ROS2_HUMBLE, 'storage': 'sqlite3'},
    {'version': 8, 'store': Stores.ROS2_HUMBLE}, {'store': Stores.ROS2_KILTED},
    {'is_compressed': True, 'topic': '/front/color/compressed'},
    {'compression': (CompressionMode.MESSAGE, CompressionFormat.ZSTD)},
    {'compression': (CompressionMode.FILE, CompressionFormat.ZSTD), 'storage': 'sqlite3'},
    {'compression': (CompressionMode.STORAGE, CompressionFormat.ZSTD)}])
def test_all_kinds_of_bags_give_the_same_labels(tmp_path, recorded) -> None:
    label(make_bag(tmp_path / 'plain', 12), tmp_path / 'expected')
    label(make_bag(tmp_path / 'in', 12, **recorded), tmp_path / 'out')
    ours, expected = (visible(tmp_path / name) for name in ('out', 'expected'))
    assert {name: data for name, data in ours.items() if name.endswith('.mcap')} == {
        name: data for name, data in expected.items() if name.endswith('.mcap')}


@pytest.mark.parametrize(('storage', 'version'), [('sqlite3', 9), ('sqlite3', 8), ('mcap', 8)])
def test_other_kinds_of_bags_are_written(tmp_path, storage, version) -> None:
    label(make_bag(tmp_path / 'in', 12), tmp_path / 'out', storage=storage, bag_version=version)
    assert len(messages(tmp_path / 'out', '/eov_seg/panoptic')) == 12


def test_a_file_without_its_folder_is_a_bag_of_one_frame(tmp_path) -> None:
    bag = make_bag(tmp_path / 'in', 1) / 'in.mcap'
    assert label(bag, tmp_path / 'out').done == 1
    assert len(messages(tmp_path / 'out', '/eov_seg/panoptic')) == 1


def test_frames_that_cannot_be_decoded_are_counted_and_told(tmp_path) -> None:
    problems: list[str] = []
    report = label(make_bag(tmp_path / 'in', 12, broken=(3, 11)), tmp_path / 'out',
                   problems=problems)
    assert (report.done, report.failed, len(problems)) == (10, 2, 2)
    assert problems[0].startswith(
        'out, part_00000, /cam/image_raw: 1 frame failed: the message is no sensor_msgs/msg/Image')


def test_a_part_and_a_bag_without_a_good_frame_have_no_file(tmp_path) -> None:
    report = label(make_bag(tmp_path / 'in', 12, broken=range(10)), tmp_path / 'out')
    assert (report.done, report.failed) == (2, 10)
    assert not (tmp_path / 'out' / 'part_00000.mcap').exists()
    assert len(messages(tmp_path / 'out', '/eov_seg/panoptic')) == 2
    label(make_bag(tmp_path / 'bad', 1, broken=[0]), tmp_path / 'none')
    assert not (tmp_path / 'none' / 'metadata.yaml').exists()


def test_a_rate_leaves_frames_out_and_counts_them(tmp_path) -> None:
    report = label(make_bag(tmp_path / 'in', 20), tmp_path / 'out', rate_hz=2, part_s=60)
    assert report.done + report.skipped == 20
    assert report.done in (4, 5)


def test_images_that_a_rate_leaves_out_are_not_decoded(tmp_path, monkeypatch) -> None:
    decoded, decode = [], Source.decode
    monkeypatch.setattr(Source, 'decode', lambda self, message, limit: (
        decoded.append(message), decode(self, message, limit))[1])
    report = label(make_bag(tmp_path / 'in', 20), tmp_path / 'out', rate_hz=2)
    assert 0 < len(decoded) == report.done < 20


def test_a_topic_without_messages_is_not_meant(tmp_path) -> None:
    types = get_typestore(Stores.ROS2_JAZZY)
    bag = make_bag(tmp_path / 'in', 2)
    with Reader(bag) as reader, Writer(tmp_path / 'two', version=9) as writer:
        entry, = reader.connections
        cam, _ = (writer.add_connection(topic, entry.msgtype, typestore=types)
                  for topic in ('/cam/image_raw', '/back/image'))
        for _, log_ns, data in reader.messages():
            writer.write(cam, log_ns, data)
    assert label(tmp_path / 'two', tmp_path / 'out').done == 2


def test_topics_and_recordings_that_cannot_be_meant_are_refused(tmp_path) -> None:
    two = make_bag(tmp_path / 'two', 2, second='/back/image')
    with pytest.raises(ValueError, match='/back/image, /cam/image_raw; choose with --image-t'):
        label(two, tmp_path / 'out')
    with pytest.raises(ValueError, match='topic /cam/imag; it has /cam/image_raw, /back/im'):
        label(two, tmp_path / 'out', topic='/cam/imag')
    assert label(two, tmp_path / 'out', topic='/back/image').done == 2
    with pytest.raises(ValueError, match='/cam/image_raw has no message'):
        label(make_bag(tmp_path / 'empty', 0), tmp_path / 'none')
    with pytest.raises(OSError, match='does not exist'):
        label(tmp_path / 'missing', tmp_path / 'none')


def test_a_second_run_does_nothing(tmp_path) -> None:
    bag = make_bag(tmp_path / 'in', 12)
    label(bag, tmp_path / 'out')
    before, segmenter = visible(tmp_path / 'out'), StripSegmenter()
    report = label(bag, tmp_path / 'out', segmenter=segmenter)
    assert (report.done, report.new, segmenter.calls) == (12, 0, 0)
    assert visible(tmp_path / 'out') == before


def test_a_part_that_is_missing_or_short_is_made_again(tmp_path) -> None:
    bag = make_bag(tmp_path / 'in', 25)
    label(bag, tmp_path / 'out')
    before = visible(tmp_path / 'out')
    (tmp_path / 'out' / 'part_00000.mcap').unlink()
    (tmp_path / 'out' / 'part_00001.mcap').write_bytes(b'cut')
    assert label(bag, tmp_path / 'out').new == 20
    assert visible(tmp_path / 'out') == before


def test_labels_of_something_else_are_never_mixed(tmp_path) -> None:
    bag = make_bag(tmp_path / 'in', 2)
    label(bag, tmp_path / 'out')
    with pytest.raises(ValueError, match='other words, weights, options or version'):
        label(bag, tmp_path / 'out', settings={'weights': 'others'})
    with pytest.raises(ValueError, match='another recording or topic'):
        label(make_bag(tmp_path / 'in2', 3), tmp_path / 'out')
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine' / 'thesis.txt').touch()
    with pytest.raises(ValueError, match='not of this command'):
        label(bag, tmp_path / 'mine')


def test_a_part_of_another_process_is_left_to_it(tmp_path) -> None:
    bag, output = make_bag(tmp_path / 'in', 25), tmp_path / 'out'
    (output / '.work').mkdir(parents=True)
    with held(output / '.work' / 'part_00001.lock') as is_mine:
        assert is_mine
        report = label(bag, output)
    assert (report.done, report.missing_parts) == (15, 1)
    assert not (output / 'metadata.yaml').exists()
    assert label(bag, output).new == 10
    assert (output / 'metadata.yaml').exists()


def test_what_a_killed_process_leaves_is_removed_when_nobody_writes_any_more(tmp_path) -> None:
    bag, output = make_bag(tmp_path / 'in', 25), tmp_path / 'out'
    unfinished, other = output / '.0123456789abcdef.tmp', output / '.mine.tmp'
    folder = output / '.work' / 'part_00000'
    folder.mkdir(parents=True)
    for path in (unfinished, other, folder / 'metadata.yaml'):
        path.touch()
    with held(output / '.work' / 'part_00002.lock'):
        label(bag, output)
    assert unfinished.exists(), 'it may be of the other process'
    folder.mkdir()
    label(bag, output)
    assert not unfinished.exists()
    assert not folder.exists()
    assert other.exists()


@pytest.mark.parametrize(('storage', 'error'), [
    ('mcap', OSError(28, 'No space left on device')),
    ('sqlite3', sqlite3.OperationalError('database or disk is full'))])
def test_a_full_disk_is_said_with_what_was_written(tmp_path, monkeypatch, storage, error) -> None:
    bag = make_bag(tmp_path / 'in', 3)
    monkeypatch.setattr(Writer, 'write', Mock(side_effect=error))
    with pytest.raises(OSError, match='part_00000') as raised:
        label(bag, tmp_path / 'out', storage=storage)
    assert error.args[-1] in str(raised.value)
    monkeypatch.undo()
    assert label(bag, tmp_path / 'out', storage=storage).done == 3


def test_the_folder_for_work_may_be_removed(tmp_path) -> None:
    bag, output = make_bag(tmp_path / 'in', 25), tmp_path / 'out'
    label(bag, output)
    shutil.rmtree(output / '.work')
    assert label(bag, output).done == 25


def start(bag: Path, output: Path) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, bag_case.__file__, str(bag), str(output)])


@pytest.mark.slow
def test_kill_9_at_random_loses_nothing(tmp_path) -> None:
    bag = make_bag(tmp_path / 'in', 300)
    label(bag, tmp_path / 'expected')
    rng = random.Random(0)
    kills = 0
    for _ in range(20):
        process = start(bag, tmp_path / 'out')
        time.sleep(rng.uniform(0.4, 1.2))
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    assert kills >= 5
    label(bag, tmp_path / 'out')
    assert visible(tmp_path / 'out') == visible(tmp_path / 'expected')
    assert not list(tmp_path.glob('out/.*.tmp'))


@pytest.mark.slow
def test_two_processes_share_the_work(tmp_path) -> None:
    bag = make_bag(tmp_path / 'in', 100)
    label(bag, tmp_path / 'expected')
    processes = [start(bag, tmp_path / 'out') for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert visible(tmp_path / 'out') == visible(tmp_path / 'expected')


def test_a_clock_that_jumped_is_told(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(bag_case, 'STEP_NS', 10**15)
    with pytest.raises(ValueError, match='choose longer parts, or cut off messages'):
        label(make_bag(tmp_path / 'in', 2), tmp_path / 'out')
