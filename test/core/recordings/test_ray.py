# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ray's workers write what one process writes."""

from __future__ import annotations

import importlib.util

from bag_case import make_bag, visible
from cli_case import run_apart
import pytest

from eov_seg_core.app.cli import main

WORDS = ['--things', 'chair', '--stuff', 'floor', '--untrained', '--variant', 't', '--device',
         'cpu', '--input-size', '32', '--part-seconds', '1']


def run(*arguments) -> int:
    return main(['bag', *map(str, arguments), *WORDS])


@pytest.mark.slow
def test_the_labels_are_those_of_one_process(tmp_path) -> None:
    pytest.importorskip('ray', reason='Ray is not installed: the extra ray')
    good = make_bag(tmp_path / 'good', 25, broken=[24])
    (tmp_path / 'bad.mcap').write_bytes(b'no bag')
    assert run(good, '-o', tmp_path / 'local') == 3
    done = run_apart('bag', tmp_path / 'bad.mcap', good, '-o', tmp_path / 'ray', *WORDS,
                     '--engine', 'ray')
    assert done.returncode == 3, done.stderr
    assert 'good: 25 frames = 24 done + 1 failed + 0 skipped (24 done now)' in done.stdout
    assert 'bad.mcap cannot be read as a bag' in done.stderr
    assert visible(tmp_path / 'local' / 'good') == visible(tmp_path / 'ray' / 'good')


@pytest.mark.slow
def test_workers_that_have_no_place_get_no_work(tmp_path) -> None:
    """Ray starts as many as there are cores; a task of another one would never begin."""
    pytest.importorskip('ray', reason='Ray is not installed: the extra ray')
    done = run_apart('bag', make_bag(tmp_path / 'in', 25), '-o', tmp_path / 'out', *WORDS,
                     '--engine', 'ray', '--workers', '50')
    assert done.returncode == 0, done.stderr
    assert 'in: 25 frames = 25 done' in done.stdout


@pytest.mark.parametrize(('arguments', 'sentence'), [
    (['--workers', '2'], '--workers is for --engine ray'),
    (['--engine', 'ray', '--shard', '0/2'], '--shard is for --engine local')])
def test_options_that_do_not_go_together(tmp_path, capsys, arguments, sentence) -> None:
    assert run('x.mcap', '-o', tmp_path / 'out', *arguments) == 2
    assert sentence in capsys.readouterr().err


def test_a_missing_library_is_told(tmp_path, capsys, monkeypatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, 'find_spec',
                        lambda name: None if name == 'ray' else find(name))
    assert run('x.mcap', '-o', tmp_path / 'out', '--engine', 'ray') == 2
    assert "pip install 'eov_seg_ros[ray]'" in capsys.readouterr().err
