# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command `eov-seg`, with the smallest variant and untrained weights."""

from __future__ import annotations

import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
import torch

from eov_seg_core import commands, EOVSeg
from eov_seg_core.checkpoint import read_checkpoint, save_checkpoint
from eov_seg_core.cli import main
from eov_seg_core.export import read_panoptic_png
from eov_seg_core.media import find_sources, MediaError, read_image

ROOT = Path(__file__).parents[2]
WORDS = ['--things', 'person,pedestrian', 'chair', '--stuff', 'floor', 'wall']


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('weights') / 'tiny.safetensors'
    save_checkpoint(EOVSeg.from_variant('t'), path)
    return str(path)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))


@pytest.fixture
def pictures(tmp_path):
    """A folder with two images of different sizes, a broken one, and a file of another kind."""
    folder = tmp_path / 'pictures'
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, size in (('b.png', (40, 60, 3)), ('a.jpg', (50, 30, 3))):
        cv2.imwrite(str(folder / name), rng.integers(0, 256, size, dtype=np.uint8))
    (folder / 'notes.txt').write_text('no picture')
    (folder / 'sub').mkdir()
    cv2.imwrite(str(folder / 'sub' / 'c.png'), np.zeros((8, 8, 3), np.uint8))
    return folder


@pytest.fixture
def video(tmp_path):
    path = str(tmp_path / 'clip.avi')
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*'MJPG'), 5, (64, 48))
    for level in (0, 100, 200):
        writer.write(np.full((48, 64, 3), level, np.uint8))
    writer.release()
    return path


def segment(checkpoint, output, *arguments):
    return main(['segment', *map(str, arguments), '-o', str(output), '--checkpoint', checkpoint,
                 '--input-size', '64', '--device', 'cpu'])


def read(path):
    return json.loads(path.read_text(encoding='utf-8'))


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


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


def test_vocabulary_from_preset_and_file(checkpoint, pictures, tmp_path):
    assert segment(checkpoint, tmp_path / 'a', pictures / 'a.jpg',
                   '--vocabulary', 'cityscapes') == 0
    assert len(read(tmp_path / 'a' / 'panoptic.json')['categories']) == 19
    words = tmp_path / 'words.yaml'
    words.write_text('things: [Straße]\nstuff: [floor, "wall,brick wall"]\n', encoding='utf-8')
    assert segment(checkpoint, tmp_path / 'b', pictures / 'a.jpg', '--vocabulary', words) == 0
    names = [entry['name'] for entry in read(tmp_path / 'b' / 'panoptic.json')['categories']]
    assert names == ['Straße', 'floor', 'wall']


@pytest.mark.parametrize(('arguments', 'words'), [
    (['--untrained'], 'vocabulary'),
    (['--untrained', '--things', 'a', '--vocabulary', 'cityscapes'], 'either'),
    (['--untrained', '--vocabulary', 'no_such'], 'no_such'),
    (['--untrained', '--things', 'a', 'a'], "'a'"),
    (['--things', 'a'], 'weights'),
    (['--things', 'a', '--checkpoint', 'no/such.pth'], 'no/such.pth'),
    (['--things', 'a', '--untrained', '--precision', 'int8'], 'int8'),
    (['--things', 'a', '--untrained', '--device', 'cuda:99'], 'cuda:99'),
    (['--things', 'a', '--variant', 't', '--untrained', '--input-size', '3'], 'input_size')])
def test_wrong_options_are_one_line(pictures, tmp_path, capsys, arguments, words):
    assert main(['segment', str(pictures), '-o', str(tmp_path / 'output'), *arguments]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if 'eov-seg: error:' in line]
    assert len(lines) == 1
    assert words in lines[0]


@pytest.mark.parametrize('arguments', [
    [], ['fly'], ['segment'], ['segment', 'a.png', '-o', 'x', '--max-frames', '0'],
    ['segment', 'a.png', '-o', 'x', '--untrained', '--checkpoint', 'y'], ['convert', 'a']])
def test_usage_errors(arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


def test_untrained_warns_loudly(pictures, tmp_path, capsys):
    assert main(['segment', str(pictures / 'a.jpg'), '-o', str(tmp_path / 'output'), *WORDS,
                 '--variant', 't', '--untrained', '--input-size', '64', '--device', 'cpu']) == 0
    assert 'UNTRAINED WEIGHTS' in capsys.readouterr().err


def test_no_usable_input_needs_no_weights(tmp_path, capsys):
    assert main(['segment', str(tmp_path), 'camera:x', '-o', str(tmp_path / 'output'), *WORDS,
                 '--untrained']) == 1
    error = capsys.readouterr().err
    assert 'no image' in error
    assert 'camera:x' in error
    assert not (tmp_path / 'output').exists()


def test_info(checkpoint, capsys):
    assert main(['info', '--variant', 't', '--device', 'cpu', '--json']) == 0
    plain = json.loads(capsys.readouterr().out)
    assert main(['info', '--checkpoint', checkpoint, '--device', 'cpu', '--json']) == 0
    entries = json.loads(capsys.readouterr().out)
    assert entries['variant'] == 't'
    model = EOVSeg.from_variant('t')
    assert entries['parameters_with_text_tower'] == sum(p.numel() for p in model.parameters())
    model.release_text_tower()
    assert entries['parameters'] == sum(p.numel() for p in model.parameters())
    assert len(entries['checkpoint_sha256']) == 64
    assert {'torch', 'torchvision', 'open_clip_torch', 'timm', 'numpy', 'opencv'} <= set(
        entries['libraries'])
    assert plain['checkpoint_sha256'] is None
    assert plain['parameters'] == entries['parameters']
    assert main(['info', '--device', 'cpu']) == 0
    assert '75,283,785' in capsys.readouterr().out


def test_info_of_another_variant_is_refused(checkpoint, capsys):
    assert main(['info', '--checkpoint', checkpoint, '--variant', 's']) == 2
    assert "variant 't'" in capsys.readouterr().err


def test_convert_there_and_back(checkpoint, tmp_path, capsys):
    published, ours = tmp_path / 'tiny.pth', tmp_path / 'again.safetensors'
    assert main(['convert', checkpoint, str(published)]) == 0
    assert main(['convert', str(published), str(ours)]) == 0
    assert read_checkpoint(published).official
    before, after = read_checkpoint(checkpoint).state, read_checkpoint(ours).state
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        assert torch.equal(tensor, after[name])
    first, second = capsys.readouterr().out.splitlines()
    assert first.split()[-1] == second.split()[-1]


@pytest.mark.parametrize(('target', 'words'), [
    ('x.onnx', '.safetensors'), ('missing/x.pth', 'missing')])
def test_convert_refuses(checkpoint, tmp_path, capsys, target, words):
    assert main(['convert', checkpoint, str(tmp_path / target)]) == 2
    assert words in capsys.readouterr().err


def test_failed_convert_keeps_the_old_target(tmp_path, capsys):
    (tmp_path / 'broken.safetensors').write_bytes(b'nothing')
    (tmp_path / 'old.pth').write_bytes(b'old')
    assert main(['convert', str(tmp_path / 'broken.safetensors'), str(tmp_path / 'old.pth')]) == 2
    assert 'broken.safetensors' in capsys.readouterr().err
    assert (tmp_path / 'old.pth').read_bytes() == b'old'
    assert names_in(tmp_path) == ['broken.safetensors', 'old.pth']


def test_help_needs_no_torch():
    code = ('import sys\nfrom eov_seg_core.cli import main\n'
            'try:\n    main(["segment", "--help"])\n'
            'except SystemExit:\n    sys.exit("torch" in sys.modules)')
    assert subprocess.run([sys.executable, '-c', code], cwd=ROOT, check=False,
                          stdout=subprocess.DEVNULL).returncode == 0


def test_command_as_a_process(checkpoint, pictures, tmp_path):
    done = subprocess.run(
        [sys.executable, '-m', 'eov_seg_core.cli', 'segment', str(pictures), '-o',
         str(tmp_path / 'output'), '--checkpoint', checkpoint, '--input-size', '64', '--device',
         'cpu', *WORDS], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert 'Traceback' not in done.stderr
    assert len(read(tmp_path / 'output' / 'panoptic.json')['images']) == 2


@pytest.mark.skipif(os.name != 'posix', reason='signals as on POSIX')
def test_ctrl_c_ends_a_process_cleanly(checkpoint, tmp_path):
    folder = tmp_path / 'many'
    folder.mkdir()
    for index in range(500):
        cv2.imwrite(str(folder / f'{index:03d}.png'), np.zeros((64, 64, 3), np.uint8))
    output = tmp_path / 'output'
    process = subprocess.Popen(
        [sys.executable, '-m', 'eov_seg_core.cli', 'segment', str(folder), '-o', str(output),
         '--checkpoint', checkpoint, '--device', 'cpu', *WORDS],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        while process.poll() is None and not list(output.glob('panoptic/*.png')):
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, error
    assert 'Traceback' not in error
    written = read(output / 'panoptic.json')['annotations']
    assert 1 <= len(written) < 500
    for annotation in written:
        assert (output / 'panoptic' / annotation['file_name']).exists()


def test_sources_have_names_of_their_own(tmp_path):
    for name in ('x.png', 'x.jpg', 'x_1.png'):
        (tmp_path / name).write_bytes(b'')
    sources, problems = find_sources([str(tmp_path), str(tmp_path / 'x.png'), 'camera:0'])
    assert problems == []
    names = [source.name for source in sources]
    assert len(set(names)) == len(names) == 5
    assert names[-1] == 'camera_0'
    assert sources[-1].is_camera


def test_images_of_any_kind_become_rgb(tmp_path):
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (6, 7), dtype=np.uint8)
    color = rng.integers(0, 256, (6, 7, 4), dtype=np.uint8)
    deep = (grey.astype(np.uint16) << 8) + 7
    for name, array in (('grey', grey), ('alpha', color), ('deep', deep)):
        cv2.imwrite(str(tmp_path / f'{name}.png'), array)
        assert read_image(tmp_path / f'{name}.png').shape == (6, 7, 3)
    np.testing.assert_array_equal(read_image(tmp_path / 'alpha.png'), color[:, :, 2::-1])
    with pytest.raises(MediaError, match='nothing'):
        read_image(tmp_path / 'nothing.png')
