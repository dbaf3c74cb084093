# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The sub-command `bag`, with the real network."""

from __future__ import annotations

import importlib.util

from bag_case import make_bag
from cli_case import make_checkpoint, WORDS
import pytest
from rosbags.rosbag2 import Reader

from eov_seg_core.app.cli import main


def run(*arguments) -> int:
    return main(['bag', *map(str, arguments), *WORDS, '--input-size', '32', '--device', 'cpu'])


def test_two_recordings_with_the_network(tmp_path, capsys) -> None:
    bags = [make_bag(tmp_path / name, 3) for name in ('monday', 'at.10.05', 'at.10.06', 'tuesday')]
    arguments = [*bags, '-o', tmp_path / 'out', '--checkpoint', make_checkpoint(tmp_path)]
    assert run(*arguments) == 0
    assert 'tuesday: 3 frames = 3 done + 0 failed + 0 skipped (3 done now)' in \
        capsys.readouterr().out
    with Reader(tmp_path / 'out' / 'monday') as reader:
        assert {entry.topic: entry.msgcount for entry in reader.connections} == {
            '/eov_seg/label_info': 1, '/eov_seg/panoptic': 3, '/eov_seg/detections': 3}
    assert (tmp_path / 'out' / 'at.10.06' / 'metadata.yaml').exists()
    assert run(*arguments) == 0
    assert '(0 done now)' in capsys.readouterr().out


def test_one_bad_recording_does_not_stop_the_next(tmp_path, capsys) -> None:
    (tmp_path / 'bad.mcap').write_bytes(b'no bag')
    good = make_bag(tmp_path / 'good', 1)
    assert run(tmp_path / 'bad.mcap', good, '-o', tmp_path / 'out', '--untrained',
               '--variant', 't') == 1
    output = capsys.readouterr()
    assert 'bad.mcap cannot be read as a bag' in output.err
    assert 'good: 1 frame = 1 done' in output.out


@pytest.mark.parametrize(('arguments', 'sentence'), [
    (['a/x.mcap', 'b/x.mcap'], 'several recordings are called x'),
    (['x.mcap', '--part-seconds', '0'], 'a part must have 0.001 to 1000000 seconds'),
    (['x.mcap', '--rate', '-1'], 'the rate must be more than 0'),
    (['x.mcap', '--name', 'eov'], "the name 'eov' is none of ROS; expected / and"),
    (['x.mcap', '--name', '/a b'], "the name '/a b' is none of ROS"),
    (['x.mcap', '--name', '/a/'], "the name '/a/' is none of ROS"),
    (['x.mcap', '--name', '/1a'], "the name '/1a' is none of ROS")])
def test_wrong_options_are_told_before_the_weights_are_read(
        tmp_path, capsys, arguments, sentence) -> None:
    assert run(*arguments, '-o', tmp_path / 'out') == 2
    assert sentence in capsys.readouterr().err


def test_a_missing_library_is_told(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    assert run('x.mcap', '-o', tmp_path / 'out') == 2
    assert "pip install 'eov_seg_ros[bags]'" in capsys.readouterr().err


def test_too_many_bad_frames_are_told(tmp_path, capsys) -> None:
    bag = make_bag(tmp_path / 'bag', 4, broken=[0, 1])
    arguments = [bag, '-o', tmp_path / 'out', '--untrained', '--variant', 't']
    assert run(*arguments, '--max-error-rate', '0.5') == 1
    assert run(*arguments) == 3
    assert '2 of 4 frames failed, more than the share of 0.01' in capsys.readouterr().err


@pytest.mark.parametrize('share', ['2/2', '1', 'a/b', '-1/2', '0/0'])
def test_wrong_shares_are_refused(share, capsys) -> None:
    with pytest.raises(SystemExit):
        run('x.mcap', '-o', 'out', '--shard', share)
    assert '--shard: expected ' in capsys.readouterr().err
