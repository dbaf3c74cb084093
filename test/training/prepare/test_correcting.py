# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Predict, correct, import, fine-tune: the lines of docs/training.md, run."""

from __future__ import annotations

import json
import re
import shlex

from dataset_case import photo, save
from export_case import annotation, box
import numpy as np
import pytest

from eov_seg_core.app import cli
from training import train
from training.data import open_dataset
from training.prepare import __main__ as prepare

COMMANDS = {'eov-seg': cli.main, 'training.prepare': prepare.main, 'training.train': train.main}
SHORT = ('steps=1', 'batch_size=1', 'augmentation.size=64', 'workers=0', 'loss.num_points=64',
         'report.panels=0', '--accelerator', 'cpu')


@pytest.fixture
def lines(checkout):
    """Return the commands of the docs as lists of words."""
    text = (checkout / 'docs/training.md').read_text()
    block = re.search(r'```bash\n(eov-seg segment photos .*?)```', text, re.DOTALL)[1]
    assert len(block.splitlines()) <= 10
    return [shlex.split(line) for line in block.splitlines() if not line.startswith('#')]


def run(words):
    name, arguments = ((words[2], words[3:]) if words[0] == 'python' else (words[0], words[1:]))
    return COMMANDS[name](arguments)


def correct(predicted, corrected):
    """Do what a person does in CVAT: import polygons, add one, and export all."""
    content = json.loads((predicted / 'instances_polygons.json').read_text())
    for category in content['categories']:
        del category['isthing']     # CVAT does not keep it
    entries = content['annotations']
    entries.append(annotation(len(entries) + 1, 1, 1, box(2, 2, 12, 12)))
    content['annotations'] = [{**entry, 'attributes': {'occluded': False}} for entry in entries]
    (corrected / 'annotations').mkdir(parents=True)
    (corrected / 'annotations/instances_default.json').write_text(json.dumps(content))


def test_the_lines_of_the_docs(checkout, lines, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    (tmp_path / 'config').symlink_to(checkout / 'config')
    for index in range(2):
        save(tmp_path / f'photos/{index}.png', photo(64, 80, index))
    predict, make, check, fine_tune, use = lines
    assert run(predict) == 0
    correct(tmp_path / 'predicted', tmp_path / 'corrected')
    assert run(make) == run(check) == 0
    data = open_dataset('my_rooms')
    assert data.vocabulary.is_thing == (True, True, False, False)
    assert data[0].ids[6, 6] > 0
    assert np.array_equal(data[1].image_rgb, photo(64, 80, 1))
    assert run([*fine_tune, *SHORT]) == 0
    assert run(use) == 0
    assert len(list((tmp_path / 'better/panoptic').iterdir())) == 2
