# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`python -m training.evaluate` on a folder in COCO's panoptic format, with untrained weights."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys

from cli_case import make_checkpoint
import cv2
import numpy as np
import pytest
import torch

from eov_seg_core.io.coco import ids_to_rgb
from eov_seg_core.io.media import save_picture
from training.evaluate import main
from training.panoptic_quality import main as panoptic_quality

CATEGORIES = [{'id': 1, 'name': 'person', 'isthing': 1}, {'id': 2, 'name': 'wall', 'isthing': 0}]
IMAGES = 3


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    return make_checkpoint(tmp_path_factory.mktemp('weights'))


@pytest.fixture(autouse=True)
def _threads_as_before():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def data(tmp_path):
    """Return a folder with three images, each with a person before a wall."""
    folder = tmp_path / 'data'
    (folder / 'images').mkdir(parents=True)
    (folder / 'panoptic').mkdir()
    rng = np.random.default_rng(0)
    for index in range(1, IMAGES + 1):
        noise = rng.integers(0, 256, (40, 48, 3), np.uint8)
        cv2.imwrite(str(folder / f'images/{index}.jpg'), noise)
        ids = np.full((40, 48), 300)
        ids[10:30, 4 * index:4 * index + 12] = 7
        save_picture(folder / f'panoptic/{index}.png', ids_to_rgb(ids))
    (folder / 'panoptic.json').write_text(json.dumps({
        'images': [{'id': index, 'file_name': f'{index}.jpg'} for index in range(1, IMAGES + 1)],
        'annotations': [{'image_id': index, 'file_name': f'{index}.png', 'segments_info': [
            {'id': 300, 'category_id': 2}, {'id': 7, 'category_id': 1}]}
            for index in range(1, IMAGES + 1)],
        'categories': CATEGORIES}))
    return folder


@pytest.fixture
def arguments(data, checkpoint):
    return ['--data', str(data), '--variant', 't', '--checkpoint', checkpoint, '--device', 'cpu',
            '--input-size', '64', '--threads', '1']


def test_figures_as_table_json_and_csv(arguments, data, tmp_path, capsys):
    """The saved predictions have the PQ that the command prints."""
    output, files = tmp_path / 'out', [tmp_path / 'all.json', tmp_path / 'classes.csv']
    arguments += ['--output', str(output), '--json', str(files[0]), '--csv', str(files[1])]
    assert main(arguments) == 0
    table = capsys.readouterr().out
    for word in ('3 images', 'PQ', 'mIoU', 'AP50', 'network', 'outside', 'images/s'):
        assert word in table
    scores = json.loads(files[0].read_text())
    assert (scores['images'], scores['broken']) == (IMAGES, [])
    assert scores['milliseconds']['network'] > 0
    with files[1].open(newline='') as lines:
        assert [row['name'] for row in csv.DictReader(lines)] == ['person', 'wall']
    saved = json.loads((output / 'scores.json').read_text())
    run = saved.pop('run')
    assert saved == scores
    assert (run['variant'], run['tasks']) == ('t', ['panoptic', 'semantic', 'instance'])

    assert panoptic_quality([
        str(data / 'panoptic.json'), str(output / 'panoptic.json'), '--gt-folder',
        str(data / 'panoptic'), '--pred-folder', str(output / 'panoptic')]) == 0
    again = json.loads(capsys.readouterr().out)
    assert {name: again[name] for name in ('All', 'Things', 'Stuff')} == scores['panoptic']


@pytest.mark.parametrize('option', ['--threads', '--processes'])
def test_threads_that_no_machine_runs(arguments, capsys, option):
    with pytest.raises(SystemExit):
        main([*arguments, option, '100000000'])
    assert f'argument {option}: expected a whole number in 1..1024' in capsys.readouterr().err


def test_a_folder_of_another_run_is_refused(arguments, tmp_path, capsys):
    arguments += ['--output', str(tmp_path / 'out'), '--limit', '1', '--tasks', 'panoptic']
    assert main(arguments) == 0
    assert main([*arguments, '--overlap-threshold', '0.5', '--fine-tuned']) == 1
    message = capsys.readouterr().err
    assert 'overlap_threshold was 0.8 and is now 0.5' in message
    assert 'fine_tuned was False and is now True' in message


def test_a_broken_image_is_named_or_counted(arguments, data, tmp_path, capsys):
    (data / 'images/2.jpg').write_bytes(b'no picture')
    arguments += ['--tasks', 'panoptic']
    assert main(arguments) == 1
    assert 'images/2.jpg' in capsys.readouterr().err
    report = tmp_path / 'all.json'
    assert main([*arguments, '--skip-broken', '--json', str(report)]) == 0
    assert '2 images; left out, because they cannot be used: 1' in capsys.readouterr().out
    message, = json.loads(report.read_text())['broken']
    assert 'images/2.jpg' in message


@pytest.mark.parametrize(('options', 'message'), [
    (['--data', 'nowhere'], 'nowhere'),
    (['--tasks', 'boxes'], 'tasks are boxes; choose from'),
    (['--variant', 's'], "holds variant 't', but 's' was asked for"),
    (['--device', 'tpu'], 'device must be'),
    (['--overlap-threshold', '2'], 'overlap_threshold must lie in 0..1'),
])
def test_what_cannot_be_used_is_one_line(arguments, options, message, capsys):
    assert main([*arguments, *options]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith('python -m training.evaluate: error: ')
    assert message in error


@pytest.mark.slow
def test_two_processes_give_the_figures_of_one(arguments, tmp_path, checkout):
    reports = [tmp_path / 'one.json', tmp_path / 'two.json']
    assert main([*arguments, '--json', str(reports[0])]) == 0
    subprocess.run(
        [sys.executable, '-m', 'training.evaluate', *arguments, '--processes', '2', '--json',
         str(reports[1])], cwd=checkout, timeout=500, check=True,
        env={**os.environ, 'OMP_NUM_THREADS': '1'})
    one, two = (json.loads(report.read_text()) for report in reports)
    for scores in (one, two):
        del scores['milliseconds'], scores['frame_rate']
    assert one == two
