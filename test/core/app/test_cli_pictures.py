# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`eov-seg segment --parts` and `--list`, with untrained weights."""

from __future__ import annotations

import os

from bag_case import visible_below
from cli_case import names_in, read, run_apart, WORDS
import pytest

from eov_seg_core.app.cli import main


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))


def command(checkpoint, output, *arguments):
    return ['segment', *map(str, arguments), '-o', str(output), '--checkpoint', checkpoint,
            '--input-size', '32', '--device', 'cpu', *WORDS]


def segment(checkpoint, output, *arguments):
    return main(command(checkpoint, output, *arguments))


def test_parts_with_the_network(checkpoint, pictures, tmp_path, monkeypatch, capsys):
    """The labels of single pictures are those without --parts; the list is found from here."""
    assert segment(checkpoint, tmp_path / 'plain', pictures) == 0
    (tmp_path / 'list').write_text('pictures/a.jpg\npictures/missing.png\npictures/b.png\n')
    monkeypatch.chdir(tmp_path)
    assert segment(checkpoint, 'out', '--list', 'list', '--parts', '--format',
                   'coco-instances') == 1
    printed = capsys.readouterr()
    assert '3 pictures = 2 done + 1 failed + 0 skipped (2 done now)' in printed.out
    assert 'missing.png cannot be read' in printed.err
    for name in names_in(tmp_path / 'plain' / 'panoptic'):
        plain = (tmp_path / 'plain' / 'panoptic' / name).read_bytes()
        assert (tmp_path / 'out' / 'panoptic' / 'part_00000' / name).read_bytes() == plain
    assert (read(tmp_path / 'out' / 'detections.json')
            == read(tmp_path / 'plain' / 'detections.json'))
    segments = [annotation['segments_info'] for annotation in
                read(tmp_path / 'plain' / 'panoptic.json')['annotations']]
    instances = read(tmp_path / 'out' / 'instances_rle.json')['annotations']
    assert [annotation['area'] for annotation in instances] == [
        segment['area'] for found in segments for segment in found]
    assert segment(checkpoint, 'out', pictures) == 2
    assert 'holds results in parts; go on with --parts' in capsys.readouterr().err
    assert segment(checkpoint, 'plain', pictures, '--parts') == 2
    assert 'holds files that are not of this command' in capsys.readouterr().err


def test_a_list_without_parts(checkpoint, pictures, tmp_path):
    (tmp_path / 'list').write_bytes(os.fsencode(pictures / 'b.png') + b'\0')
    assert segment(checkpoint, tmp_path / 'out', '--list', tmp_path / 'list') == 0
    assert names_in(tmp_path / 'out' / 'panoptic') == ['b.png']


@pytest.mark.parametrize(('arguments', 'sentence'), [
    ([], 'there is nothing to segment; name an INPUT, or a file with --list'),
    (['x.png', '--shard', '0/2'], '--shard is for work in parts; add --parts'),
    (['x.png', '--part-pictures', '5'], '--part-pictures is for work in parts'),
    (['x.png', '--parts', '--max-frames', '5'], '--max-frames does not go with --parts'),
    (['x.png', '--parts', '--workers', '2'], '--workers is for --engine ray'),
    (['x.png', '--parts', '--engine', 'ray', '--shard', '0/2'], '--shard is for --engine local'),
    (['camera:0', '--parts'], 'camera:0 is a camera or a stream'),
    (['out/overlay', '--parts'], 'lies in the folder of results'),
    (['--list', 'missing', '--parts'], 'missing: No such file or directory')])
def test_options_that_do_not_go_together(checkpoint, tmp_path, monkeypatch, capsys, arguments,
                                         sentence):
    monkeypatch.chdir(tmp_path)
    assert segment(checkpoint, 'out', *arguments) == 2
    assert sentence in capsys.readouterr().err


def test_links_that_go_in_circles_are_left_out(checkpoint, pictures, tmp_path, capsys):
    (pictures / 'circle.png').symlink_to('circle.png')
    assert segment(checkpoint, tmp_path / 'out', pictures, '--parts') == 0
    printed = capsys.readouterr()
    assert '1 broken links, pipes and devices' in printed.err
    assert '2 pictures = 2 done' in printed.out


def test_an_input_that_is_not_there(checkpoint, pictures, tmp_path, capsys):
    assert segment(checkpoint, tmp_path / 'out', 'missing', '--parts') == 1
    assert segment(checkpoint, tmp_path / 'out', 'missing', pictures, '--parts') == 1
    printed = capsys.readouterr()
    assert printed.err.count('missing: there is no such file or folder') == 2
    assert '2 pictures = 2 done' in printed.out


@pytest.mark.slow
def test_ray_writes_what_one_process_writes(checkpoint, pictures, tmp_path):
    pytest.importorskip('ray', reason='Ray is not installed: the extra ray')
    options = (pictures, '--parts', '--part-pictures', '1')
    assert segment(checkpoint, tmp_path / 'local', *options) == 0
    done = run_apart(*command(checkpoint, tmp_path / 'ray', *options, '--engine', 'ray'))
    assert done.returncode == 0, done.stderr
    assert visible_below(tmp_path / 'ray') == visible_below(tmp_path / 'local')
