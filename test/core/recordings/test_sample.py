# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The sample recording holds what a camera driver and a robot publish."""

from __future__ import annotations

from unittest.mock import Mock

from bag_case import label, visible
import numpy as np
import pytest
from rosbags.interfaces import QosDurability
from rosbags.rosbag2 import Reader, Writer

from eov_seg_core.app.cli import main
from eov_seg_core.geometry.pose import as_matrix
from eov_seg_core.recordings.files.opening import open_recording
from eov_seg_core.recordings.sample import write_sample
from eov_seg_core.recordings.source import image_typestore, Source
from eov_seg_core.world import camera_path, generate_scene, render


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    path = tmp_path_factory.mktemp('sample') / 'sample'
    assert write_sample(path, seconds=0.3, width=32, height=24) == 3
    return path


def test_a_sample_that_cannot_be_written_is_said_and_leaves_nothing(tmp_path, monkeypatch, capsys
                                                                    ) -> None:
    write = Mock(side_effect=[None, OSError(28, 'No space left on device')])
    monkeypatch.setattr(Writer, 'write', write)
    assert main(['bag-sample', str(tmp_path / 'rec'), '--size', '32', '24']) == 2
    assert capsys.readouterr().err == (
        f'eov-seg: error: {tmp_path / "rec"}: No space left on device\n')
    assert not list(tmp_path.iterdir())


def messages(bag, topic):
    types = image_typestore()
    with Reader(bag) as reader:
        wanted = [entry for entry in reader.connections if entry.topic == topic]
        return [types.deserialize_cdr(data, entry.msgtype)
                for entry, _, data in reader.messages(wanted)]


def test_images_and_depth_are_those_of_the_room(bag) -> None:
    cameras = camera_path(generate_scene(7), 120, width=32, height=24)
    view = render(generate_scene(7), cameras[2], noise_seed=2)
    image = messages(bag, '/camera/image_raw')[2]
    depth = messages(bag, '/camera/depth/image_raw')[2]
    assert np.array_equal(image.data.reshape(24, 32, 3), view.rgb)
    metres = depth.data.view('<u2').reshape(24, 32) / 1000
    assert np.abs(metres - view.depth).max() < 0.0006
    assert image.header == depth.header == messages(bag, '/camera/camera_info')[2].header


def test_the_transforms_give_the_pose_of_the_camera(bag) -> None:
    moving = messages(bag, '/tf')[1].transforms[0]
    fixed, = messages(bag, '/tf_static')[0].transforms
    assert (moving.header.frame_id, moving.child_frame_id, fixed.child_frame_id) == (
        'odom', fixed.header.frame_id, messages(bag, '/camera/image_raw')[0].header.frame_id)

    def matrix(entry):
        t, q = entry.transform.translation, entry.transform.rotation
        return as_matrix(((t.x, t.y, t.z), (q.x, q.y, q.z, q.w)))

    expected = camera_path(generate_scene(7), 120, width=32, height=24)[1].pose
    assert np.allclose(matrix(moving) @ matrix(fixed), expected, atol=1e-9)


def test_static_transforms_are_latched(bag) -> None:
    with Reader(bag) as reader:
        durability = {entry.topic: entry.ext.offered_qos_profiles[0].durability
                      for entry in reader.connections}
    assert durability.pop('/tf_static') is QosDurability.TRANSIENT_LOCAL
    assert set(durability.values()) == {QosDurability.VOLATILE}


def test_equal_options_give_equal_bytes(bag, tmp_path) -> None:
    write_sample(tmp_path / 'sample', seconds=0.3, width=32, height=24)
    assert visible(tmp_path / 'sample') == visible(bag)


def test_depth_is_not_taken_for_pictures(bag, tmp_path) -> None:
    with open_recording(bag) as reader:
        assert list(Source(reader).cameras) == ['/camera/image_raw']
    assert label(bag, tmp_path / 'out').done == 3


def test_the_command_writes_it_once(tmp_path, capsys) -> None:
    arguments = ['bag-sample', str(tmp_path / 'a'), '--seconds', '0.1', '--size', '16', '16']
    assert main(arguments) == 0
    assert 'a: 1 image' in capsys.readouterr().out
    assert main(arguments) == 2
    assert 'is there already' in capsys.readouterr().err
    for seconds in ('0', '0.04', '-1', 'nan', 'inf', '1e12'):
        assert main(['bag-sample', str(tmp_path / 'b'), '--seconds', seconds]) == 2
        assert 's is not made; expected 0.1 to 3600 s' in capsys.readouterr().err
    assert not (tmp_path / 'b').exists()
