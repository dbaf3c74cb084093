# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The preparation of data sets: interrupted, damaged, and its command."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import cv2
from dataset_case import photo, save, write_folder
import numpy as np
from prepare_case import (
    classes_of,
    expected_ade,
    prepare,
    WINDOW,
    write_ade,
    write_ade_full,
    write_cityscapes,
    write_context,
    write_voc,
)
import pytest

from eov_seg_core.io.coco import read_panoptic_png
from eov_seg_core.vocabulary import Vocabulary
from training.data import data_sets, open_dataset
from training.prepare import steps
from training.prepare.__main__ import main

# --- Interruptions ---------------------------------------------------------------------------

PREPARED = {
    'ade20k_150': (write_ade, 'ADEChallengeData2016/ade20k_panoptic_val'),
    'ade20k_150_semantic': (write_ade, 'ADEChallengeData2016/annotations_detectron2/validation'),
    'ade20k_847': (write_ade_full, 'ADE20K_2021_17_01/annotations_detectron2/validation'),
    'cityscapes': (write_cityscapes, 'cityscapes/gtFine/cityscapes_panoptic_val'),
    'pascal_voc_20': (write_voc, 'pascal_voc_d2/annotations_pascal20/validation'),
    'pascal_context_59': (write_context, 'pascal_ctx_d2/annotations_ctx59/validation'),
    'pascal_context_459': (write_context, 'pascal_ctx_d2/annotations_ctx459/validation'),
}


@pytest.mark.parametrize('name', PREPARED)
def test_files_that_are_lost_are_made_again_and_no_others(tmp_path, name):
    write, where = PREPARED[name]
    write(tmp_path)
    with pytest.raises(FileNotFoundError):
        open_dataset(name, tmp_path)
    assert prepare(name, tmp_path) == 0
    files = sorted((tmp_path / where).iterdir())
    contents = [file.read_bytes() for file in files]
    files[0].unlink()
    (tmp_path / where / '.0123456789abcdef.tmp').write_bytes(contents[0][:20])
    kept = files[1].stat()
    with pytest.raises(FileNotFoundError, match=f'training.prepare {name} --root'):
        open_dataset(name, tmp_path)
    assert prepare(name, tmp_path) == 0
    assert sorted((tmp_path / where).iterdir()) == files
    assert [file.read_bytes() for file in files] == contents
    assert files[1].stat().st_mtime_ns == kept.st_mtime_ns
    assert prepare(name, tmp_path, '--check') == 0


@pytest.mark.parametrize('name', ['ade20k_150', 'ade20k_150_semantic'])
def test_broken_source_is_named_and_the_rest_is_done(tmp_path, capsys, name):
    folder = write_ade(tmp_path)
    path = folder / 'annotations/validation/ADE_val_00000000.png'
    sound = path.read_bytes()
    path.write_bytes(sound[:40])
    assert prepare(name, tmp_path) == 1
    error = capsys.readouterr().err
    assert '1 of 3 images cannot be used' in error
    assert f'{path} is damaged' in error
    with pytest.raises(FileNotFoundError, match=f'training.prepare {name} --root'):
        open_dataset(name, tmp_path)
    path.write_bytes(sound)
    assert prepare(name, tmp_path) == 0
    assert prepare(name, tmp_path, '--check') == 0


def test_full_disk_ends_the_work_at_once(tmp_path, capsys, monkeypatch):
    def full(path, content):
        raise OSError(28, 'No space left on device', str(path))

    write_ade(tmp_path, 30)
    monkeypatch.setattr(steps, 'replace_file', full)
    assert prepare('ade20k_150_semantic', tmp_path) == 1
    error = capsys.readouterr().err
    assert error.count('No space left') == 1
    assert 'ADE_val_00000000.png' in error


def test_line_that_was_cut_off_counts_for_nothing(tmp_path):
    """As after a kill: two PNGs, of the second no line but a piece, and no JSON."""
    folder = write_ade(tmp_path)
    assert prepare('ade20k_150', tmp_path) == 0
    json_path = folder / 'ade20k_panoptic_val.json'
    whole = json_path.read_bytes()
    content = json.loads(whole)
    lines = [json.dumps({'image': image, 'annotation': annotation})
             for image, annotation in zip(content['images'], content['annotations'])]
    (folder / '.ade20k_panoptic_val.json.unfinished').write_text(lines[0] + '\n' + lines[1][:50])
    json_path.unlink()
    first, second, third = sorted((folder / 'ade20k_panoptic_val').iterdir())
    third.unlink()
    kept = first.stat()
    assert prepare('ade20k_150', tmp_path) == 0
    assert json_path.read_bytes() == whole
    assert first.stat().st_mtime_ns == kept.st_mtime_ns
    assert [path.name for path in folder.glob('.*')] == []


def test_stopped_at_any_moment(tmp_path, checkout):
    """Kill the command, stop it as Ctrl-C does, run it again: the result is that of one run."""
    once, often = tmp_path / 'once', tmp_path / 'often'
    for root in (once, often):
        write_ade(root, 150)
    command = [sys.executable, '-m', 'training.prepare', 'ade20k_150', '--split', 'val',
               '--jobs', '1', '--root', str(often)]
    progress = often / 'ADEChallengeData2016/ade20k_panoptic_val'
    stopped = 0
    for share, how, status in ((20, signal.SIGKILL, -signal.SIGKILL), (60, signal.SIGINT, 130)):
        process = subprocess.Popen(command, cwd=checkout, stdout=subprocess.DEVNULL)
        while process.poll() is None and len(list(progress.glob('*.png'))) < share:
            time.sleep(0.001)
        process.send_signal(how)
        stopped += process.wait(60) == status
    assert stopped, 'the command was done before it could be stopped'
    assert prepare('ade20k_150', often) == 0
    assert prepare('ade20k_150', once) == 0
    name = 'ADEChallengeData2016/ade20k_panoptic_val.json'
    assert (often / name).read_bytes() == (once / name).read_bytes()
    data = open_dataset('ade20k_150', often)
    assert len(data) == 150
    for sample in data:
        np.testing.assert_array_equal(classes_of(sample), expected_ade())


# --- The command -----------------------------------------------------------------------------

def test_check_lists_all_that_is_broken(tmp_path, capsys):
    folder = write_folder(tmp_path / 'mine', None)
    assert main([str(folder), '--check', '--split', 'val']) == 0
    assert '2 images sound' in capsys.readouterr().out
    for name in ('images/room_0.jpg', 'panoptic/room_1.png'):
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[:len(data) // 2])
    assert main([str(folder), '--check', '--split', 'val']) == 1
    error = capsys.readouterr().err
    assert '2 of 2 images cannot be used' in error
    assert 'room_0.jpg is damaged' in error
    assert 'room_1.png is no picture' in error


def test_check_finds_a_label_that_is_no_class(tmp_path, capsys):
    folder = write_ade(tmp_path)
    prepare('ade20k_150_semantic', tmp_path)
    maps = folder / 'annotations_detectron2/validation'
    save(maps / 'ADE_val_00000000.png', np.full((40, 60), 150, np.uint8))
    save(maps / 'ADE_val_00000001.png', np.zeros((40, 61), np.uint8))
    save(maps / 'ADE_val_00000002.png', photo())
    assert prepare('ade20k_150_semantic', tmp_path, '--check') == 1
    error = capsys.readouterr().err
    assert 'has the value 150; expected 0..149, or 255 for pixels that are not judged' in error
    assert 'ADE_val_00000001.png has 61 x 40 pixels, but its image' in error
    assert 'ADE_val_00000002.png has colours' in error


@pytest.mark.parametrize('name', data_sets())
def test_nothing_is_there(tmp_path, capsys, name):
    assert prepare(name, tmp_path) == 1
    error = capsys.readouterr().err
    assert str(tmp_path) in error
    assert 'Download' in error
    with pytest.raises(FileNotFoundError, match='Download|training.prepare'):
        open_dataset(name, tmp_path)


@pytest.mark.parametrize('lost', ['annotations/validation/ADE_val_00000001.png',
                                  'annotations_instance/validation/ADE_val_00000001.png'])
def test_lost_source(tmp_path, capsys, lost):
    folder = write_ade(tmp_path)
    (folder / lost).unlink()
    assert prepare('ade20k_150', tmp_path) == 1
    error = capsys.readouterr().err
    assert f'{folder / lost}: there is no such file; expected a label map. Download' in error


@pytest.mark.parametrize(('arguments', 'message'), [
    (['ade20k'], "no data set 'ade20k' to prepare; there are coco_panoptic, ade20k_150"),
    (['ade20k_150'], '--root is missing'),
])
def test_wrong_arguments(capsys, arguments, message):
    assert main(arguments) == 1
    assert message in capsys.readouterr().err


def test_jobs_must_be_positive(capsys):
    with pytest.raises(SystemExit):
        main(['cityscapes', '--root', '.', '--jobs', '0'])
    assert 'at least 1, got 0' in capsys.readouterr().err


def test_wrong_ways_to_open(tmp_path):
    with pytest.raises(ValueError, match='cityscapes needs root'):
        open_dataset('cityscapes')
    with pytest.raises(ValueError, match='vocabulary of its own'):
        open_dataset('cityscapes', tmp_path, vocabulary=Vocabulary(['car']))


def test_pngs_have_the_published_form(tmp_path):
    folder = write_ade(tmp_path, 1)
    prepare('ade20k_150', tmp_path)
    path = folder / 'ade20k_panoptic_val/ADE_val_00000000.png'
    assert read_panoptic_png(path).max() == 1 + WINDOW + 256 * 3
    assert cv2.imread(str(path), cv2.IMREAD_UNCHANGED).shape == (40, 60, 3)
