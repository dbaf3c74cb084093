# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Words that change all the time while frames arrive, over DDS: `benchmarks.soak` judges them."""

from __future__ import annotations

import json
import subprocess
import sys

from fuzz.sandbox import CHECKOUT, count, environment, SEED
import pytest

pytestmark = pytest.mark.ros
EDITS_HZ = 10


@pytest.fixture(scope='module')
def report(isolated, tmp_path_factory):
    path = tmp_path_factory.mktemp('soak') / 'report.json'
    minutes = count(100) / EDITS_HZ / 60
    result = subprocess.run(
        [sys.executable, '-m', 'benchmarks.soak', '--minutes', str(minutes), '--seed', str(SEED),
         '--edits', str(EDITS_HZ), '--size', '120', '160', '--json', str(path)],
        cwd=CHECKOUT, env=environment() | {name: isolated[name] for name in isolated
                                           if name.startswith(('ROS_', 'FAST'))},
        capture_output=True, text=True, check=False)
    assert path.is_file(), result.stdout + result.stderr
    return json.loads(path.read_text(encoding='utf-8'))


def test_no_frame_carries_labels_of_another_vocabulary(report):
    assert report['counts']['processed'] > 30
    assert len(report['accepted_ms']) > 10
    assert report['mixed'] == []


def test_the_words_that_were_set_last_are_in_use(report):
    assert report['last_words_won']


def test_no_frame_is_lost_without_being_counted(report):
    assert report['counts']['lost'] == 0, report['counts']
