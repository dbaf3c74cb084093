# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a newcomer types by mistake: one line that says what to do, and exit status 1 or 2."""

import os

import numpy as np
from PIL import Image
import pytest

from eov_seg_core.app.cli import main
from eov_seg_core.app.words import choose_vocabulary

SEGMENT = ['segment', 'room.png', '--variant', 't', '-o', 'out']


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ('room.png', 'room2.png'):
        Image.fromarray(np.zeros((40, 50, 3), np.uint8)).save(name)
    (tmp_path / 'notes.txt').write_text('chair\nfloor\n')
    (tmp_path / 'empty').mkdir()
    return tmp_path


@pytest.mark.parametrize(('words', 'message'), [
    ([None, ['chair', 'room2.png'], []], 'room2.png is the name of a picture or video; put the'),
    ([None, ['chair'], ['gone.MP4']], 'gone.MP4 is the name of a picture or video'),
    ([None, ['notes.txt'], []], 'notes.txt is a file; give it as --vocabulary notes.txt'),
    (['world', ['chair'], []], '--vocabulary world was given together with --things; leave one'),
    (['world', ['chair'], ['floor']], 'together with --things and --stuff;'),
    ([None, [], []], 'say what to look for: --things chair person --stuff floor, or --voc'),
    (['wrld', [], []], 'neither a file nor a preset; presets are .*; did you mean world'),
    (['empty', [], []], '--vocabulary empty is neither a file nor a preset'),
])
def test_words_that_are_none(folder, words, message):
    with pytest.raises(ValueError, match=message):
        choose_vocabulary(*words)


def test_words_with_dots_are_words(folder):
    words = choose_vocabulary(None, ['St. Bernard', 'mr.smith', 'v1.2', 'readme.txt'], [])
    assert words.names == ('St. Bernard', 'mr.smith', 'v1.2', 'readme.txt')
    assert choose_vocabulary('notes.txt', [], []).names == ('chair', 'floor')


@pytest.mark.parametrize(('options', 'message'), [
    (['--input-size', '3'], '--input-size: expected a whole number of pixels in 32..2560, got'),
    (['--input-size', '5000'], "of pixels in 32..2560, got '5000'"),
    (['--input-size', 'abc'], "a whole number of pixels in 32..2560, got 'abc'"),
    (['--score-threshold', 'x'], "--score-threshold: expected a number, got 'x'"),
    (['--overlap-threshold', '3'], '--overlap-threshold: expected a number in 0..1, got 3'),
    (['--score-threshold', 'nan'], 'expected a number in 0..1, got nan'),
    (['--max-megapixels', 'abc'], "--max-megapixels: expected a number, got 'abc'"),
    (['--max-frames', '1.5'], "--max-frames: expected a whole number at least 1, got '1.5'"),
])
def test_numbers_that_are_none(folder, capsys, options, message):
    with pytest.raises(SystemExit):
        main([*SEGMENT, *options, '--things', 'chair'])
    last = capsys.readouterr().err.splitlines()[-1]
    assert message in last
    assert 'argument' in last
    assert '_' not in last      # no names of Python


@pytest.mark.parametrize('command', [['benchmark'], ['bag-sample', 'sample']])
@pytest.mark.parametrize('size', [('1', '999999'), ('15', '480'), ('640', '4097'), ('-1', '64')])
def test_sizes_that_no_room_is_rendered_in(folder, capsys, command, size):
    with pytest.raises(SystemExit):
        main([*command, '--size', *size])
    last = capsys.readouterr().err.splitlines()[-1]
    assert 'argument --size: expected a whole number of pixels in 16..4096, got' in last
    assert not (folder / 'sample').exists()


@pytest.mark.parametrize('option', ['--threads', '--busy'])
@pytest.mark.parametrize('number', ['0', '100000000', '9' * 5000, 'all'])
def test_threads_that_no_machine_runs(capsys, option, number):
    with pytest.raises(SystemExit):
        main(['benchmark', option, number])
    last = capsys.readouterr().err.splitlines()[-1]
    assert f'argument {option}: expected a whole number in 1..1024, got' in last
    assert len(last) < 200


def test_inputs_that_are_none(folder, capsys):
    assert main(['segment', 'notes.txt', 'empty', 'gone.png', '--variant', 't', '-o', 'out',
                 '--things', 'chair']) == 1
    lines = capsys.readouterr().err.splitlines()
    assert 'notes.txt is a text, no picture (12 bytes); expected JPEG, PNG' in lines[-1]
    assert [line for line in lines if 'empty' in line] == [
        'eov-seg: error: empty: the folder holds no image and no video']
    assert 'eov-seg: error: gone.png: there is no such file or folder' in lines


@pytest.mark.parametrize('parts', [[], ['--parts']])
def test_inputs_that_no_system_takes_cost_no_others(folder, capsys, parts):
    os.mkfifo('pipe.png')
    wrong = ['', 'n' * 5000, 'pipe.png', 'loop.png']
    os.symlink('loop.png', 'loop.png')
    assert main(['segment', *wrong, 'room.png', '--variant', 't', '-o', 'out', '--input-size',
                 '32', *parts, '--things', 'chair']) == 1
    printed = capsys.readouterr()
    lines = [line for line in printed.err.splitlines() if 'error' in line]
    assert 'eov-seg: error: an input is empty' in lines[0]
    assert 'there is no such file' in lines[1]
    assert 'pipe.png is a pipe, a device or a socket; expected a file or a folder' in lines[2]
    assert 'loop.png: there is no such file' in lines[3]
    assert ('1 picture = 1 done' if parts else '1 segmented, 4 failed') in printed.out


@pytest.mark.parametrize(('arguments', 'name'), [
    (['segment', 'room.png', '--variant', 't', '-o', '', '--things', 'chair'], '--output'),
    (['bag', '', '-o', 'out', '--things', 'chair'], 'INPUT'), (['bag-sample', ''], 'DIR')])
def test_an_empty_name_is_not_this_folder(folder, capsys, arguments, name):
    with pytest.raises(SystemExit):
        main(arguments)
    assert f"{name}: expected a folder, got ''" in capsys.readouterr().err


@pytest.mark.parametrize('start', [b'\x89MCAP0\r\n', b'SQLite format 3\0'])
def test_a_recording_among_pictures_is_told_where_it_belongs(folder, tmp_path, capsys, start):
    (tmp_path / 'rec.mcap').write_bytes(start + bytes(100))
    assert main(['segment', 'rec.mcap', '--variant', 't', '-o', 'out', '--things', 'chair']) == 1
    assert 'is a recording, no picture: eov-seg bag labels recordings' in capsys.readouterr().err
    assert not (folder / 'panoptic.json').exists()


def test_an_output_that_is_a_file(folder, capsys):
    for output in ('room2.png', 'notes.txt/out'):
        assert main(['segment', 'room.png', '--variant', 't', '-o', output,
                     '--things', 'chair']) == 2
        line, = capsys.readouterr().err.splitlines()
        assert f'--output {output}: ' in line
        assert 'is a file or lies in one; name a folder' in line
        assert 'Errno' not in line


def test_a_picture_as_the_list_is_refused_in_one_line(folder, capsys):
    noise = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    for name in ('noise.png', 'noise.jpg'):
        Image.fromarray(noise).save(name)
        assert main(['segment', '--list', name, '--variant', 't', '-o', 'out', '--things',
                     'chair']) == 2
        line, = capsys.readouterr().err.splitlines()
        assert f'{name} is no list of paths, but a picture or another binary file' in line
