# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`eov-seg segment`: what it writes and how it ends, with untrained weights."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
import os
import signal
import subprocess
import sys
import time

from cli_case import make_video, names_in, read, ROOT, WORDS
import cv2
import numpy as np
import pytest

from eov_seg_core.app import commands
from eov_seg_core.app.cli import main
from eov_seg_core.io import coco as export
from eov_seg_core.io.coco import read_panoptic_png


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))


@pytest.fixture
def video(tmp_path):
    return make_video(tmp_path / 'clip.avi')


def segment(checkpoint, output, *arguments):
    return main(['segment', *map(str, arguments), '-o', str(output), '--checkpoint', checkpoint,
                 '--input-size', '64', '--device', 'cpu'])


def test_folder(checkpoint, pictures, tmp_path, capsys):
    output = tmp_path / 'output'
    assert segment(checkpoint, output, pictures, *WORDS) == 0
    assert names_in(output) == ['detections.json', 'overlay', 'panoptic', 'panoptic.json']
    assert names_in(output / 'overlay') == ['a.jpg', 'b.jpg']
    assert names_in(output / 'panoptic') == ['a.png', 'b.png']
    content = read(output / 'panoptic.json')
    assert [image['file_name'] for image in content['images']] == ['a.jpg', 'b.png']
    assert [category['name'] for category in content['categories']] == [
        'person', 'chair', 'floor', 'wall']
    for image, annotation in zip(content['images'], content['annotations']):
        ids = read_panoptic_png(output / 'panoptic' / annotation['file_name'])
        assert ids.shape == (image['height'], image['width'])
        for entry in annotation['segments_info']:
            assert (ids == entry['id']).sum() == entry['area']
    assert capsys.readouterr().out.startswith('2 segmented: ')


def test_bad_files_are_reported_and_skipped(checkpoint, pictures, tmp_path, capsys):
    (pictures / 'broken.png').write_bytes(b'\x89PNG nonsense')
    (pictures / 'empty.jpg').write_bytes(b'')
    output = tmp_path / 'output'
    assert segment(checkpoint, output, tmp_path / 'missing.png', pictures, *WORDS) == 1
    captured = capsys.readouterr()
    for name in ('missing.png', 'broken.png', 'empty.jpg'):
        assert captured.err.count(f'{name}') == 1
    assert '2 segmented, 3 failed' in captured.out
    assert len(read(output / 'panoptic.json')['annotations']) == 2


def test_video(checkpoint, video, tmp_path):
    output = tmp_path / 'output'
    assert segment(checkpoint, output, video, *WORDS, '--max-frames', '2') == 0
    assert names_in(output / 'panoptic') == ['clip_000000.png', 'clip_000001.png']
    assert segment(checkpoint, output, video, *WORDS, '--skip-existing') == 0
    assert len(names_in(output / 'panoptic')) == 3
    assert len(read(output / 'panoptic.json')['images']) == 3


def test_cut_video_is_reported_and_kept(checkpoint, video, tmp_path, capsys):
    video.write_bytes(video.read_bytes()[:video.stat().st_size // 2])
    output = tmp_path / 'output'
    assert segment(checkpoint, output, video, *WORDS) == 1
    captured = capsys.readouterr()
    written = len(read(output / 'panoptic.json')['annotations'])
    assert 1 <= written < 3
    assert f'{written} segmented, 1 failed' in captured.out
    assert f'clip.avi is damaged or cut off: {written} frames' in captured.err
    assert segment(checkpoint, output, video, *WORDS, '--skip-existing') == 1
    assert f'0 segmented, {written} skipped, 1 failed' in capsys.readouterr().out


def test_skip_existing(checkpoint, pictures, tmp_path, capsys):
    output = tmp_path / 'output'
    assert segment(checkpoint, output, pictures / 'a.jpg', *WORDS) == 0
    before = (output / 'panoptic' / 'a.png').stat().st_mtime_ns
    assert segment(checkpoint, output, pictures, *WORDS, '--skip-existing') == 0
    assert '1 segmented, 1 skipped' in capsys.readouterr().out
    assert (output / 'panoptic' / 'a.png').stat().st_mtime_ns == before
    assert len(read(output / 'panoptic.json')['images']) == 2
    assert segment(checkpoint, output, pictures, '--things', 'cup', '--skip-existing') == 2
    assert 'another vocabulary' in capsys.readouterr().err


def test_every_input_has_its_own_output(checkpoint, pictures, video, tmp_path, capsys):
    for name in ('clip_000001.jpg', 'a.png', 'other/a.jpg'):
        path = tmp_path / 'pictures' / name
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), np.zeros((16, 24, 3), np.uint8))
    output = tmp_path / 'output'
    inputs = (pictures, pictures / 'other', video)
    assert segment(checkpoint, output, *inputs, *WORDS) == 0
    assert '8 segmented' in capsys.readouterr().out
    content = read(output / 'panoptic.json')
    written = [annotation['file_name'] for annotation in content['annotations']]
    assert sorted(written) == names_in(output / 'panoptic')
    assert len(set(written)) == len(names_in(output / 'overlay')) == 8
    assert len({image['origin'] for image in content['images']}) == 8
    for image, name in zip(content['images'], written):
        ids = read_panoptic_png(output / 'panoptic' / name)
        assert ids.shape == (image['height'], image['width'])
    assert segment(checkpoint, output, *inputs[::-1], *WORDS, '--skip-existing') == 0
    assert '0 segmented, 8 skipped' in capsys.readouterr().out
    assert read(output / 'panoptic.json') == content


def test_skip_existing_tells_files_of_one_name_apart(checkpoint, pictures, tmp_path, capsys):
    cv2.imwrite(str(pictures / 'sub' / 'a.jpg'), np.zeros((16, 24, 3), np.uint8))
    output = tmp_path / 'output'
    assert segment(checkpoint, output, pictures / 'a.jpg', *WORDS) == 0
    assert segment(checkpoint, output, pictures / 'sub' / 'a.jpg', *WORDS, '--skip-existing') == 0
    assert 'skipped' not in capsys.readouterr().out
    sizes = [(image['height'], image['width'], image['origin'])
             for image in read(output / 'panoptic.json')['images']]
    assert sizes == [(50, 30, '../pictures/a.jpg'), (16, 24, '../pictures/sub/a.jpg')]
    assert names_in(output / 'overlay') == ['a.jpg', 'a_1.jpg']


def test_interrupt_leaves_complete_files(checkpoint, pictures, tmp_path, monkeypatch, capsys):
    calls = []

    def interrupt_at_second(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return draw(*arguments)

    draw = commands.draw_overlay
    monkeypatch.setattr(commands, 'draw_overlay', interrupt_at_second)
    assert segment(checkpoint, tmp_path / 'output', pictures, *WORDS) == 130
    assert '1 segmented (stopped)' in capsys.readouterr().out
    assert len(read(tmp_path / 'output' / 'panoptic.json')['annotations']) == 1


def test_interrupt_while_saving(checkpoint, pictures, tmp_path, monkeypatch):
    def interrupt_first(*arguments):
        monkeypatch.setattr(export, '_save_json', save)
        save(*arguments)
        raise KeyboardInterrupt

    save = export._save_json
    monkeypatch.setattr(export, '_save_json', interrupt_first)
    assert segment(checkpoint, tmp_path / 'output', pictures, *WORDS) == 130
    assert len(read(tmp_path / 'output' / 'panoptic.json')['annotations']) == 2
    assert isinstance(read(tmp_path / 'output' / 'detections.json'), list)


def test_vocabulary_from_preset_and_file(checkpoint, pictures, tmp_path):
    assert segment(checkpoint, tmp_path / 'a', pictures / 'a.jpg',
                   '--vocabulary', 'cityscapes') == 0
    assert len(read(tmp_path / 'a' / 'panoptic.json')['categories']) == 19
    words = tmp_path / 'words.yaml'
    words.write_text('things: [Straße]\nstuff: [floor, "wall,brick wall"]\n', encoding='utf-8')
    assert segment(checkpoint, tmp_path / 'b', pictures / 'a.jpg', '--vocabulary', words) == 0
    names = [entry['name'] for entry in read(tmp_path / 'b' / 'panoptic.json')['categories']]
    assert names == ['Straße', 'floor', 'wall']


def test_command_as_a_process(checkpoint, pictures, tmp_path):
    done = subprocess.run(
        [sys.executable, '-m', 'eov_seg_core.app.cli', 'segment', str(pictures), '-o',
         str(tmp_path / 'output'), '--checkpoint', checkpoint, '--input-size', '64', '--device',
         'cpu', *WORDS], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert 'Traceback' not in done.stderr
    assert len(read(tmp_path / 'output' / 'panoptic.json')['images']) == 2


@pytest.mark.skipif(os.name != 'posix', reason='signals as on POSIX')
@pytest.mark.parametrize(('number', 'status'), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_process_cleanly(checkpoint, tmp_path, number, status):
    folder = tmp_path / 'many'
    folder.mkdir()
    for index in range(500):
        cv2.imwrite(str(folder / f'{index:03d}.png'), np.zeros((64, 64, 3), np.uint8))
    output = tmp_path / 'output'
    process = subprocess.Popen(
        [sys.executable, '-m', 'eov_seg_core.app.cli', 'segment', str(folder), '-o', str(output),
         '--checkpoint', checkpoint, '--device', 'cpu', *WORDS],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        while process.poll() is None and not list(output.glob('panoptic/*.png')):
            time.sleep(0.05)
        process.send_signal(number)
        output_text, error = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == status, error
    assert '(stopped)' in output_text
    assert 'Traceback' not in error
    written = read(output / 'panoptic.json')['annotations']
    assert 1 <= len(written) < 500
    for annotation in written:
        assert (output / 'panoptic' / annotation['file_name']).exists()


@pytest.mark.parametrize('before', [signal.SIG_DFL, signal.SIG_IGN])
def test_the_handler_of_sigterm_is_restored(checkpoint, pictures, tmp_path, monkeypatch, before):
    def terminate(*_):
        signal.raise_signal(signal.SIGTERM)

    ours = signal.signal(signal.SIGTERM, before)
    try:
        assert segment(checkpoint, tmp_path / 'done', pictures, *WORDS) == 0
        assert signal.getsignal(signal.SIGTERM) == before
        monkeypatch.setattr(commands, 'draw_overlay', terminate)
        assert segment(checkpoint, tmp_path / 'stopped', pictures, *WORDS) == 143
        monkeypatch.setattr(commands, 'build_segmenter', terminate)     # before any picture
        assert segment(checkpoint, tmp_path / 'early', pictures, *WORDS) == 143
        assert signal.getsignal(signal.SIGTERM) == before
    finally:
        signal.signal(signal.SIGTERM, ours)
    assert read(tmp_path / 'stopped' / 'panoptic.json')['annotations'] == []


def test_another_thread_can_run_it(checkpoint, pictures, tmp_path):
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(segment, checkpoint, tmp_path / 'o', pictures, *WORDS).result() == 0
