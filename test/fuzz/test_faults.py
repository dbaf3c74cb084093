# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What goes wrong around a run of `eov-seg segment`: kill -9, full disks, homes, memory."""

from __future__ import annotations

import json
from pathlib import Path
import resource
import signal
import subprocess
import sys
import time

import cv2
from fuzz.sandbox import CHECKOUT, environment
import numpy as np
import pytest

pytest.importorskip('torch', reason='PyTorch is not installed')
PICTURES = 12
SEGMENT = (sys.executable, '-m', 'eov_seg_core.app.cli', 'segment', '--variant', 't',
           '--input-size', '64', '--things', 'chair', '--stuff', 'floor', '--untrained')


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / 'pictures'
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(PICTURES):
        cv2.imwrite(str(folder / f'{number:02d}.png'), rng.integers(0, 256, (48, 64, 3), np.uint8))
    return folder


def segment(pictures: Path, output: Path, *options: str, limit: int | None = None,
            **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command; the limit is that of the size of a file."""
    return subprocess.run(
        [*SEGMENT, str(pictures), '--output', str(output), *options], cwd=CHECKOUT,
        env=environment() | variables, capture_output=True, text=True, check=False,
        preexec_fn=None if limit is None else lambda: resource.setrlimit(
            resource.RLIMIT_FSIZE, (limit, limit)))


def assert_refused(result: subprocess.CompletedProcess[str], text: str) -> None:
    assert result.returncode == 2, result.stderr
    assert 'Traceback' not in result.stderr
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith('eov-seg: error: ')
    assert text in last


def assert_whole(output: Path) -> None:
    """Assert that every file that is not hidden can be read to its end."""
    for path in output.rglob('[!.]*'):
        if path.suffix in ('.png', '.jpg'):
            assert cv2.imread(str(path), cv2.IMREAD_UNCHANGED) is not None, path
        elif path.suffix == '.json':
            json.loads(path.read_text(encoding='utf-8'))


def test_what_a_killed_run_left_is_whole_and_is_gone_on_with(pictures, tmp_path):
    output = tmp_path / 'out'
    process = subprocess.Popen([*SEGMENT, str(pictures), '--output', str(output)], cwd=CHECKOUT,
                               env=environment(), stderr=subprocess.DEVNULL)
    end_s = time.monotonic() + 120
    while len(list(output.glob('panoptic/[!.]*.png'))) < 3:
        assert time.monotonic() < end_s
        assert process.poll() is None, 'it was done too soon'
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert_whole(output)
    again = segment(pictures, output, '--skip-existing')
    assert again.returncode == 0, again.stderr
    content = json.loads((output / 'panoptic.json').read_text(encoding='utf-8'))
    assert sorted(image['file_name'] for image in content['images']) == sorted(
        path.name for path in pictures.iterdir())
    assert_whole(output)


def test_a_file_that_may_not_grow_is_named(pictures, tmp_path):
    result = segment(pictures, tmp_path / 'out', limit=200)
    assert_refused(result, 'File too large')
    assert_whole(tmp_path / 'out')


@pytest.fixture
def small_disk(tmp_path):
    """Return a folder with 64 KiB of room."""
    folder = tmp_path / 'disk'
    folder.mkdir()
    mount = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', str(folder)],
                           capture_output=True, text=True, check=False)
    if mount.returncode:
        pytest.skip(f'a small disk cannot be made here: {mount.stderr.strip()}')
    yield folder
    subprocess.run(['umount', str(folder)], check=True)


def test_a_full_disk_is_named(pictures, small_disk):
    assert_refused(segment(pictures, small_disk / 'out'), 'No space left on device')
    assert_whole(small_disk / 'out')


def test_a_home_that_cannot_be_written_to_costs_only_the_cache(pictures, tmp_path):
    # /proc is read-only for root as well
    result = segment(pictures, tmp_path / 'out', HOME='/proc', XDG_CACHE_HOME='/proc/cache')
    assert result.returncode == 0, result.stderr
    assert 'Traceback' not in result.stderr


def test_a_truncated_checkpoint_is_named(tmp_path):
    shipped = (CHECKOUT / 'eov_seg_core/assets/eov_seg_t.safetensors').read_bytes()
    path = tmp_path / 'cut.safetensors'
    path.write_bytes(shipped[:len(shipped) // 2])
    result = subprocess.run(
        [sys.executable, '-m', 'eov_seg_core.app.cli', 'info', '--checkpoint', str(path)],
        cwd=CHECKOUT, env=environment(), capture_output=True, text=True, check=False)
    assert_refused(result, 'cut.safetensors')


def test_without_gpu_memory_the_pictures_before_are_kept(pictures, tmp_path, monkeypatch, capsys):
    import torch

    from eov_seg_core import Segmenter
    from eov_seg_core.app.cli import main

    calls = []

    def run_out(self, image, *args, **options):
        calls.append(image)
        if len(calls) == 3:
            raise torch.cuda.OutOfMemoryError('CUDA out of memory. Tried to allocate 2 GiB')
        return original(self, image, *args, **options)

    original = Segmenter.__call__
    monkeypatch.setattr(Segmenter, '__call__', run_out)
    status = main([*SEGMENT[3:], str(pictures), '--output', str(tmp_path / 'out')])
    assert status in (1, 2)
    assert 'CUDA out of memory' in capsys.readouterr().err
    assert_whole(tmp_path / 'out')
    content = json.loads((tmp_path / 'out/panoptic.json').read_text(encoding='utf-8'))
    assert len(content['images']) >= 2
