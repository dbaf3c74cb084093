# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The harness finds the faults that were planted, goes on behind them, and repeats them."""

from __future__ import annotations

from dataclasses import replace
import subprocess
import sys

from fuzz.hostile import DAMAGES, picture
from fuzz.sandbox import CHECKOUT, environment, run_cases
import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed: scripts/setup_env.sh')

from benchmarks.ledger import Ledger  # noqa: E402
from benchmarks.soak import Report  # noqa: E402


def test_every_planted_fault_is_found():
    report = run_cases('planted', 12, seed=0)
    found = '\n'.join(report.faults)
    assert report.outcomes.total() == 12, 'it went on behind those that ended the process'
    for kind, text in (('KeyError', 'KeyError in use'), ('long', 'a message of 100000 characters'),
                       ('memory', 'it took 15'), ('hang', 'it took more processor time'),
                       ('crash', 'SIGSEGV ended the process'),
                       ('exit', 'the process ended with status 0')):
        assert f'{kind}: {text}' in found, found
    assert ': good:' not in found
    assert ': refused:' not in found
    line = next(line for line in report.faults if 'KeyError' in line)
    command = line.partition(': ')[0].split()
    again = subprocess.run([sys.executable, *command[1:]], cwd=CHECKOUT, env=environment(),
                           capture_output=True, text=True, check=True)
    assert 'KeyError in use' in again.stdout


def test_a_target_that_cannot_be_set_up_is_one_fault():
    report = run_cases('no_such_target', 12)
    fault, = report.faults
    assert 'it died before the first case' in fault
    assert 'no_such_target' in fault


def test_one_seed_makes_the_same_cases_and_another_one_others():
    def cases(seed):
        return [picture(np.random.default_rng([seed, number])) for number in range(50)]

    assert cases(1) == cases(1)
    assert cases(1) != cases(2)
    assert len({case.kind for case in cases(1)}) > len(DAMAGES)


def test_the_ledger_finds_frames_of_another_vocabulary():
    ledger = Ledger(all_names=True)
    ledger.add_class_map(20, {0: 'unlabeled', 1: 'chair', 3: 'floor'})   # in any order
    ledger.add_class_map(10, {0: 'unlabeled', 1: 'chair', 2: 'wall'})
    ledger.add_frame(11, 'good', {'chair', 'wall'}, {0, 1, 2})
    ledger.add_frame(12, 'hides one', {'chair', 'wall'}, {0, 2})
    ledger.add_frame(21, 'good as well', {'chair', 'floor'}, {1, 3})
    ledger.settle(1000)
    assert ledger.mixed == []
    ledger.add_frame(9, 'before any map', {'chair', 'wall'}, {0, 1, 2})
    ledger.add_frame(22, 'old words', {'chair', 'wall'}, {0, 1, 2})
    ledger.add_frame(23, 'old ids', {'chair', 'floor'}, {0, 1, 2})
    ledger.add_frame(24, 'one word less', {'chair'}, {0, 1})
    ledger.settle(24)
    assert [line.partition(' has')[0] for line in ledger.mixed] == [
        'frame before any map', 'frame old words', 'frame old ids']
    ledger.settle(25)
    assert 'one word less' in ledger.mixed[-1]
    assert ledger.processed == 7


def test_what_is_no_good_run():
    counts = {'sent': 5, 'processed': 3, 'skipped': 1, 'failed': 0, 'lost_by_dds': 1, 'lost': 0}
    good = Report(9.0, [], counts, [], [], last_words_won=True)
    assert good.is_good
    assert not replace(good, counts={**counts, 'lost': 1}).is_good
    assert not replace(good, mixed=['frame 1 has']).is_good
    assert not replace(good, last_words_won=False).is_good


def test_the_slope_is_that_of_the_memory_after_the_warm_up():
    samples = [(float(second), 500.0 if second < 20 else 100 + second / 3600, 30, 12)
               for second in range(100)]
    report = Report(100.0, samples, {'lost': 0}, [], [], last_words_won=True)
    assert report.mib_per_hour() == pytest.approx(1.0)
    assert replace(report, samples=samples[:1]).mib_per_hour() is None
    assert replace(report, samples=[]).mib_per_hour() is None
