# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings that were cut off, or are not what they should be."""

from __future__ import annotations

from pathlib import Path
import random
import shutil
import sqlite3

from bag_case import edited, label, make_bag, messages, START_NS, STEP_NS
from mcap.reader import make_reader
from mcap.records import Channel, Message, Schema
from mcap.stream_reader import StreamReader
from mcap.writer import CompressionType, IndexType
from mcap.writer import Writer as McapWriter
import pytest
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import get_types_from_msg

from eov_seg_core.app.cli import main
from eov_seg_core.recordings.files.opening import open_recording
from eov_seg_core.recordings.messages import MessageWriter
from eov_seg_core.recordings.options import PictureOptions
from eov_seg_core.recordings.source import Source

TOPIC = '/cam/image_raw'
FILL = 'UPDATE messages SET data = zeroblob(100000)'      # so that pages reach the disk


def read(path: Path):
    """Return topic, log time and bytes of all messages, and the notes."""
    with open_recording(path) as recording:
        return [(entry.topic, log_ns, bytes(data)) for entry, log_ns, data
                in recording.messages(recording.connections)], recording.notes


def other_writer(bag: Path, target: Path, **options) -> Path:
    """Write the messages of a bag with the writer of MCAP, as recorders in C++ do."""
    with (bag / f'{bag.name}.mcap').open('rb') as source, target.open('wb') as file:
        writer = McapWriter(file, chunk_size=600, **options)
        writer.start('ros2')
        channels: dict[int, int] = {}
        for schema, channel, message in make_reader(source).iter_messages():
            if channel.id not in channels:
                number = writer.register_schema(schema.name, schema.encoding, schema.data)
                channels[channel.id] = writer.register_channel(
                    channel.topic, channel.message_encoding, number, channel.metadata)
            writer.add_message(channels[channel.id], message.log_time, message.data,
                               message.publish_time)
        writer.finish()
    return target


def found_by_mcap(path: Path):
    """Return what MCAP's own reader yields until it fails."""
    topics: dict[int, str] = {}
    found = []
    with path.open('rb') as file:
        try:
            for record in StreamReader(file, skip_magic=False).records:
                if isinstance(record, Channel):
                    topics[record.id] = record.topic
                elif isinstance(record, Message):
                    found.append((topics[record.channel_id], record.log_time, record.data))
                assert not isinstance(record, Schema) or record.encoding == 'ros2msg'
        except Exception:   # noqa: BLE001  the end is missing
            pass
    return found


@pytest.mark.parametrize('options', [
    {'compression': CompressionType.ZSTD}, {'compression': CompressionType.LZ4},
    {'index_types': IndexType.NONE, 'use_statistics': False},
    {'use_chunking': False, 'use_statistics': False}],
    ids=['zstd', 'lz4', 'no index', 'no chunks'])
def test_of_a_file_that_was_cut_anywhere_all_whole_messages_are_read(tmp_path, options) -> None:
    whole = other_writer(make_bag(tmp_path / 'in', 25, second='/back/image'),
                         tmp_path / 'whole.mcap', **options)
    data, cut = whole.read_bytes(), tmp_path / 'cut.mcap'
    expected, notes = read(whole)
    assert (len(expected), notes) == (50, ())
    rng, counts = random.Random(0), set()
    for end in [*rng.sample(range(8, len(data)), 25), len(data) - 1]:
        cut.write_bytes(data[:end])
        expected = found_by_mcap(cut)
        counts.add(len(expected))
        if expected:
            found, notes = read(cut)
            assert sorted(found) == sorted(expected)
            assert notes == (f'{cut} was cut off; what is there was read',)
        else:
            with pytest.raises(ValueError, match='was cut off before its first message'):
                read(cut)
    assert len(counts) > 5


def test_zeros_that_a_file_system_leaves_are_not_read(tmp_path) -> None:
    whole = other_writer(make_bag(tmp_path / 'in', 25), tmp_path / 'whole.mcap')
    data, cut = whole.read_bytes(), tmp_path / 'cut.mcap'
    cut.write_bytes(data[:1500])
    expected = read(cut)
    cut.write_bytes(data[:1500] + bytes(4096))
    assert read(cut) == expected
    # a chunk whose place is there, and whose content is not
    cut.write_bytes(data[:1450] + bytes(4096))
    assert 0 < len(read(cut)[0]) <= len(expected[0])


def split(bag: Path, folder: Path, count: int) -> Path:
    """Write the messages of a bag in turn to several files, without metadata.yaml."""
    folder.mkdir()
    for number in range(count):
        def chosen(topic, log_ns, message, number=number):
            is_of_this = (log_ns - START_NS) // STEP_NS % count == number
            return (log_ns, message) if is_of_this else None

        name = f'{folder.name}_{number}'
        shutil.move(edited(bag, folder.with_name(name), chosen) / f'{name}.mcap', folder)
    return folder


def test_a_folder_that_a_killed_recorder_leaves(tmp_path, capsys) -> None:
    folder = split(make_bag(tmp_path / 'in', 25), tmp_path / 'room', 3)
    last = folder / 'room_2.mcap'
    last.write_bytes(last.read_bytes()[:-30])
    arguments = ['bag', str(folder), '--things', 'chair', '--untrained', '--variant', 't',
                 '--device', 'cpu', '--input-size', '32', '-o']
    assert main([*arguments, str(tmp_path / 'out')]) == 0
    output = capsys.readouterr()
    assert 'room: 25 frames = 25 done' in output.out
    assert f'eov-seg: note: {folder} has no metadata.yaml, as a recording that' in output.err
    assert f'eov-seg: note: {last} was cut off; what is there was read' in output.err
    assert [log_ns for log_ns, _ in messages(tmp_path / 'out' / 'room', '/eov_seg/panoptic')] == [
        START_NS + index * STEP_NS for index in range(25)]    # merged by time
    last.write_bytes(b'')
    report = label(folder, tmp_path / 'b' / 'room')
    assert (report.frames, report.done) == (17, 17)
    assert 'room_2.mcap is empty; the recorder was ended before it wrote a message; it is the ' \
        'last file, and was left out' in report.notes[-1]


def test_folders_that_hold_something_else(tmp_path) -> None:
    bag = make_bag(tmp_path / 'room', 3)
    shutil.copy(bag / 'room.mcap', bag / 'room_1.mcap')
    assert 'room_1.mcap is not in metadata.yaml, and was left out' in label(
        bag, tmp_path / 'a' / 'out').notes[0]
    (bag / 'metadata.yaml').write_text('rosbag2_bagfile_information: [')
    report = label(bag, tmp_path / 'b' / 'out')
    assert (report.done, len(report.notes)) == (6, 1)
    assert 'metadata.yaml is damaged; the files beside it were read' in report.notes[0]
    (bag / 'metadata.yaml').unlink()
    shutil.copy(bag / 'room.mcap', bag / 'kitchen.mcap')
    with pytest.raises(ValueError, match='files of several recordings, kitchen, room; name the f'):
        label(bag, tmp_path / 'c' / 'out')
    bag = make_bag(tmp_path / 'hall', 3)
    (bag / 'hall.mcap').unlink()
    with pytest.raises(ValueError, match='metadata.yaml names hall.mcap, not in the folder'):
        label(bag, tmp_path / 'd' / 'out')
    (bag / 'metadata.yaml').unlink()
    with pytest.raises(ValueError, match='no metadata.yaml, and no .mcap or .db3 file'):
        label(bag, tmp_path / 'd' / 'out')


@pytest.mark.parametrize(('name', 'content', 'sentence'), [
    ('a.mcap', b'', 'a.mcap is empty; the recorder'), ('a.db3', b'', 'a.db3 is empty; the rec'),
    ('a.mcap', b'hello', 'magic is invalid.*"mcap recover"'),
    ('a.bag', b'#ROSBAG V2.0\n', 'a.bag is a recording of ROS 1; convert it with "rosbags-conv'),
    ('a.png', b'no bag', "Unrecognized storage format '.png'")])
def test_files_that_are_no_recording(tmp_path, name, content, sentence) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=sentence):
        label(tmp_path / name, tmp_path / 'out')


def test_files_of_mcap_that_are_not_of_ros_2(tmp_path) -> None:
    with (tmp_path / 'a.mcap').open('wb') as file:
        writer = McapWriter(file)
        writer.start('ros1')
        writer.finish()
    with pytest.raises(ValueError, match="no recording of ROS 2: .* is 'ros1', expected 'ros2'"):
        label(tmp_path / 'a.mcap', tmp_path / 'out')


def test_bytes_that_were_changed_in_the_middle(tmp_path) -> None:
    whole = other_writer(make_bag(tmp_path / 'in', 25), tmp_path / 'whole.mcap')
    data = bytearray(whole.read_bytes())
    data[len(data) // 3] ^= 255
    whole.write_bytes(data)
    with pytest.raises(ValueError, match='cannot be read as a bag .*"mcap recover"'):
        label(whole, tmp_path / 'out')


def test_a_database_that_was_cut_off(tmp_path) -> None:
    bag = make_bag(tmp_path / 'in', 25, storage='sqlite3') / 'in.db3'
    bag.write_bytes(bag.read_bytes()[:20000])
    with pytest.raises(ValueError, match='disk image is malformed.* sqlite3 FILE ".recover" | sq'):
        label(bag, tmp_path / 'out')


@pytest.mark.parametrize(('mode', 'count'), [('WAL', 24), ('DELETE', 12)])
def test_messages_in_a_journal_of_the_database_are_not_overlooked(tmp_path, mode, count) -> None:
    bag = make_bag(tmp_path / 'in', 12, storage='sqlite3')
    recorder = sqlite3.connect(bag / 'in.db3', isolation_level=None)
    for command in (f'PRAGMA journal_mode={mode}', 'PRAGMA cache_size=1', 'BEGIN',
                    'INSERT INTO messages (topic_id, timestamp, data) '
                    'SELECT topic_id, timestamp + 1, data FROM messages',
                    *(['COMMIT'] if mode == 'WAL' else [FILL])):
        recorder.execute(command)
    killed = shutil.copytree(bag, tmp_path / 'killed')
    recorder.close()
    with pytest.raises(ValueError, match='killed while it wrote in.db3; bring both together: '
                       'sqlite3 .*killed/in.db3 "SELECT count.* FROM messages"'):
        label(killed, tmp_path / 'out')
    connection = sqlite3.connect(killed / 'in.db3')     # what the sentence says
    assert connection.execute('SELECT count(*) FROM messages').fetchone() == (count,)
    connection.close()
    assert label(killed, tmp_path / 'out').done == count


def test_recordings_without_images(tmp_path) -> None:
    types = MessageWriter().types
    for name, topics in (('empty', 0), ('few', 1), ('many', 25)):
        with Writer(tmp_path / name, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
            for number in range(topics):
                entry = writer.add_connection(f'/odom{number:02d}', 'nav_msgs/msg/Odometry',
                                              typestore=types)
                writer.write(entry, START_NS, b'\0\1\0\0')
    for name, sentence in (('empty', 'its topics are none'),
                           ('few', r'its topics are /odom00 \(nav_msgs/msg/Odometry\)$'),
                           ('many', r'/odom19 \(nav_msgs/msg/Odometry\) and 5 more')):
        with pytest.raises(ValueError, match=f'no sensor_msgs/msg/Image and no .*{sentence}'):
            label(tmp_path / name, tmp_path / 'out')


def test_images_without_stamps_have_the_times_of_the_log(tmp_path) -> None:
    def clear(topic, log_ns, message):
        message.header.stamp.sec = message.header.stamp.nanosec = 0
        return log_ns, message

    bag = edited(make_bag(tmp_path / 'in', 25), tmp_path / 'zero', clear)
    assert label(bag, tmp_path / 'a' / 'out', rate_hz=1, part_s=60).done == 3
    assert label(bag, tmp_path / 'b' / 'out', tracking='2d').done == 25
    label(bag, tmp_path / 'c' / 'out', coco=tmp_path / 'coco', part_s=60,
          pictures=PictureOptions(period_s=1))
    assert len(list((tmp_path / 'coco' / 'images').iterdir())) == 3


def test_a_clock_that_was_set_back_loses_no_frame(tmp_path) -> None:
    def set_back(topic, log_ns, message):
        message.header.stamp.sec -= 1000 if log_ns > START_NS + 12 * STEP_NS else 0
        return log_ns, message

    bag = edited(make_bag(tmp_path / 'in', 25), tmp_path / 'back', set_back)
    for number, options in enumerate([{}, {'tracking': '2d'}]):
        assert label(bag, tmp_path / str(number) / 'out', **options).done == 25
    report = label(bag, tmp_path / 'rate' / 'out', rate_hz=5, part_s=60)
    assert 12 <= report.done <= 14


def test_the_first_error_may_end_the_run(tmp_path, capsys) -> None:
    good, bad = make_bag(tmp_path / 'good', 2), make_bag(tmp_path / 'bad', 25, broken=[13])
    (tmp_path / 'empty.mcap').touch()
    rest = [str(good), '--things', 'chair', '--untrained', '--variant', 't', '--device', 'cpu',
            '--input-size', '32', '--part-seconds', '1', '-o', str(tmp_path / 'out')]
    for first, sentence in ((bad, '"--on-error skip" labels the others'),
                            (tmp_path / 'empty.mcap', 'empty.mcap is empty')):
        assert main(['bag', str(first), *rest, '--on-error', 'stop']) == 1
        assert sentence in capsys.readouterr().err
    assert [path.name for path in (tmp_path / 'out').glob('*/part_*.json')] == ['part_00000.json']
    assert main(['bag', str(bad), *rest]) == 3
    assert {path.parent.name for path in (tmp_path / 'out').glob('*/metadata.yaml')} == {
        'good', 'bad'}


def test_topics_are_copied_from_files_that_do_not_describe_their_types(tmp_path) -> None:
    types = MessageWriter().types
    types.register(get_types_from_msg('int32 x\nstd_msgs/Header header', 'mine/msg/Thing'))
    bag = tmp_path / 'in'
    with Writer(bag, version=9, storage_plugin=StoragePlugin.SQLITE3) as writer, Reader(
            make_bag(tmp_path / 'images', 3)) as reader:
        image = writer.add_connection(TOPIC, 'sensor_msgs/msg/Image', typestore=types)
        thing = writer.add_connection('/thing', 'mine/msg/Thing', typestore=types)
        for _, log_ns, data in reader.messages():
            writer.write(image, log_ns, data)
            writer.write(thing, log_ns, b'\0\1\0\0\1\2\3\4')

    def copied(output: Path):
        report = label(bag / 'in.db3', output, copy='.*')
        assert report.done == 3
        with Reader(output) as reader:
            assert len(list(reader.messages())) == 3 * 4 + 1
            return {entry.topic: (entry.digest, entry.msgdef.data) for entry in reader.connections
                    if not entry.topic.startswith('/eov_seg')}

    described = copied(tmp_path / 'a' / 'out')
    database = sqlite3.connect(bag / 'in.db3')
    with database:      # as an .mcap file
        database.execute("UPDATE topics SET type_description_hash = ''")
    assert copied(tmp_path / 'b' / 'out') == described
    with database:      # as before Jazzy
        database.execute('DELETE FROM message_definitions')
    database.close()
    bare = copied(tmp_path / 'c' / 'out')
    assert bare[TOPIC] == described[TOPIC]
    assert bare['/thing'] == ('RIHS00_' + 64 * '0', '')


def test_a_pattern_that_copies_nothing_is_told(tmp_path) -> None:
    with open_recording(make_bag(tmp_path / 'in', 1)) as recording, pytest.raises(
            ValueError, match=r"'/map' matches no whole topic of .*; they are /cam/image_raw \("):
        Source(recording, copy='/map')
