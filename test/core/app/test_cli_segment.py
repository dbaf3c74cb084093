# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`eov-seg segment`: what it writes and how it ends, with untrained weights."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
import json
import os
import signal
import subprocess
import sys
import time

from cli_case import make_video, names_in, read, ROOT, WORDS
import cv2
import numpy as np
import picture_case
import pytest

from eov_seg_core.app import commands
from eov_seg_core.app.cli import main
from eov_seg_core.io.coco import read_panoptic_png
from eov_seg_core.io.coco import writer as export
from eov_seg_core.io.files import locked


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


def test_a_second_run_keeps_the_first(checkpoint, pictures, tmp_path, capsys):
    output = tmp_path / 'output'
    assert segment(checkpoint, output, pictures / 'a.jpg', *WORDS) == 0
    assert segment(checkpoint, output, pictures / 'b.png', *WORDS) == 0
    assert '1 segmented, 1 kept of earlier runs: ' in capsys.readouterr().out
    assert segment(checkpoint, output, pictures / 'b.png', *WORDS) == 0
    names = [image['file_name'] for image in read(output / 'panoptic.json')['images']]
    assert names == ['a.jpg', 'b.png']
    assert segment(checkpoint, output, pictures / 'b.png', '--things', 'dog') == 2
    assert 'another vocabulary' in capsys.readouterr().err


@pytest.mark.parametrize('foreign', [
    'panoptic.json', 'detections.json', 'panoptic/b.png', 'overlay/b.jpg'])
def test_files_of_somebody_else_are_not_overwritten(checkpoint, pictures, tmp_path, capsys,
                                                    foreign):
    path = tmp_path / 'output' / foreign
    path.parent.mkdir(parents=True)
    path.write_text('{"images": [], "annotations": [], "categories": []}')
    assert segment(checkpoint, tmp_path / 'output', pictures, *WORDS) == 2
    assert 'not overwritten' in capsys.readouterr().err
    assert path.read_text() == '{"images": [], "annotations": [], "categories": []}'
    assert names_in(tmp_path / 'output') == [foreign.split('/')[0]]


def test_results_are_no_input(checkpoint, pictures, tmp_path, capsys):
    output = tmp_path / 'output'
    assert segment(checkpoint, output, pictures, *WORDS) == 0
    before = (output / 'overlay' / 'a.jpg').read_bytes()
    assert segment(checkpoint, output, output / 'overlay', *WORDS) == 2
    assert 'lies in the folder of results' in capsys.readouterr().err
    assert (output / 'overlay' / 'a.jpg').read_bytes() == before


def test_one_run_at_a_time(checkpoint, pictures, tmp_path, capsys):
    output = tmp_path / 'output'
    output.mkdir()
    with locked(output, 'run of eov-seg'):
        assert segment(checkpoint, output, pictures, *WORDS) == 2
    assert 'another run of eov-seg is writing to' in capsys.readouterr().err
    assert segment(checkpoint, output, pictures, *WORDS) == 0


def test_what_a_killed_run_leaves_is_taken_up(checkpoint, pictures, tmp_path, monkeypatch):
    def killed(*_):
        raise ZeroDivisionError     # nothing catches it, and nothing is saved

    output = tmp_path / 'output'
    with monkeypatch.context() as patch:
        patch.setattr(commands, 'draw_overlay', killed)
        patch.setattr(commands.CocoWriter, 'add', killed)
        with pytest.raises(ZeroDivisionError):
            segment(checkpoint, output, pictures, *WORDS)
    (output / 'panoptic' / 'a.png').write_bytes(b'half')
    assert segment(checkpoint, output, pictures, *WORDS) == 0
    assert len(read(output / 'panoptic.json')['images']) == 2


@pytest.mark.skipif(sys.platform != 'linux', reason='other systems refuse such names')
def test_file_names_that_are_no_text(checkpoint, pictures, tmp_path, capsys):
    """One costs nothing of the others, and comes back from the JSON as it is."""
    names = [b'caf\xe9.png', b'new\nline.png', b'a:b.png']
    folder = tmp_path / 'odd'
    folder.mkdir()
    for name in names:
        (folder / os.fsdecode(name)).write_bytes((pictures / 'b.png').read_bytes())
    (folder / 'bad\nname.png').write_bytes(b'')
    output = tmp_path / os.fsdecode(b'out\xe9')
    assert segment(checkpoint, output, folder, *WORDS) == 1
    printed = capsys.readouterr()
    assert printed.err.count('\n') == 2, 'a note, and an error'
    assert 'bad\\nname.png' in printed.err
    assert r'out\udce9' in printed.out
    content = json.loads((output / 'panoptic.json').read_bytes().decode('utf-8', 'strict'))
    found = {os.fsencode(image['file_name']) for image in content['images']}
    assert found == set(names)
    for annotation in content['annotations']:
        assert (output / 'panoptic' / annotation['file_name']).exists()


def test_pictures_that_are_too_large(checkpoint, pictures, tmp_path, capsys):
    (pictures / 'bomb.png').write_bytes(picture_case.png(60000, 60000, 1, 0, b''))
    (pictures / 'b0.png').write_bytes(picture_case.png(70000, 16, 8, 0, b''))
    output = tmp_path / 'output'
    assert segment(checkpoint, output, pictures, *WORDS) == 1
    printed = capsys.readouterr()
    assert '2 segmented, 2 failed' in printed.out
    assert 'a side may have at most 65500' in printed.err
    assert segment(checkpoint, tmp_path / 'b', pictures / 'a.jpg', *WORDS, '--max-megapixels',
                   '0.001') == 1
    with pytest.raises(SystemExit):
        segment(checkpoint, tmp_path / 'c', pictures, *WORDS, '--max-megapixels', '0')


def test_a_video_over_http(checkpoint, video, tmp_path):
    handler = partial(SimpleHTTPRequestHandler, directory=str(video.parent))
    server = ThreadingHTTPServer(('127.0.0.1', 0), handler)
    with ThreadPoolExecutor(1) as pool:
        serving = pool.submit(server.serve_forever, 0.05)
        try:
            address = f'http://me:secret@127.0.0.1:{server.server_port}/{video.name}'
            assert segment(checkpoint, tmp_path / 'o', address, *WORDS, '--max-frames', '2') == 0
        finally:
            server.shutdown()
            server.server_close()
        serving.result()
    content = (tmp_path / 'o' / 'panoptic.json').read_text()
    assert len(json.loads(content)['images']) == 2
    assert 'secret' not in content


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
    def interrupt_third(*arguments):    # two files when it starts, two at its end
        save(*arguments)
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt

    calls = []
    save = export.save_json
    monkeypatch.setattr(export, 'save_json', interrupt_third)
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
    def terminate(*_, **__):
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
