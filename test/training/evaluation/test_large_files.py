# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every command says that it reads a large JSON: without a line, minutes look like a fault."""

import logging

from dataset_case import write_folder
import pytest

from eov_seg_core.app import cli
from eov_seg_core.io import files
from training import evaluate, panoptic_quality


@pytest.fixture(autouse=True)
def small_is_large(monkeypatch):
    monkeypatch.setattr(files, '_LARGE_BYTES', 1)
    yield
    logging.getLogger(files.__name__).setLevel(logging.NOTSET)


@pytest.mark.parametrize('command', ['evaluate', 'panoptic_quality', 'segment'])
def test_a_large_json_is_announced(tmp_path, capsys, caplog, command):
    folder = write_folder(tmp_path / 'data')
    path = folder / 'panoptic.json'
    path.write_text('{"images": []')     # cut off: it is read, and nothing else is done
    if command == 'evaluate':
        status = evaluate.main(['--data', str(folder), '--variant', 't'])
    elif command == 'panoptic_quality':
        status = panoptic_quality.main([str(path), str(path), '--gt-folder', str(folder),
                                        '--pred-folder', str(folder)])
    else:
        status = cli.main(['segment', str(folder / 'images'), '-o', str(folder), '--variant', 't',
                           '--things', 'chair'])
    assert status in (1, 2)
    assert f'reading {path}, 0 MB' in caplog.text
    assert 'is no JSON' in capsys.readouterr().err
