# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whatever a file or a message holds, the answer is a result or a sentence, at a bounded price.

`fuzz.child` states the bounds of memory and time; a fault comes with the command that repeats it.
"""

from __future__ import annotations

from fuzz.sandbox import count, run_cases
import pytest

pytest.importorskip('torch', reason='PyTorch is not installed')
TARGETS = {
    # target: cases of the short form
    'raw': 1000, 'compressed': 300,
    'picture': 300, 'coco_png': 200,
    'vocabulary': 300, 'recipe': 60,
    'panoptic_json': 200, 'results_json': 200,
    'weights.safetensors': 12, 'weights.pth': 12,
}


@pytest.mark.parametrize('target', TARGETS)
def test_each_case_is_accepted_or_refused_in_a_sentence(target):
    if target in ('raw', 'compressed'):
        pytest.importorskip('rclpy', reason='rclpy is not installed: scripts/setup_env.sh')
    report = run_cases(target, count(TARGETS[target]))
    assert not report.faults, '\n'.join(report.faults)
    # A generator that makes nothing good, or nothing bad, would test nothing.
    assert report.share('accepted') > 0.05, report.outcomes
    assert report.share('refused') > 0.05, report.outcomes


def test_a_bad_entry_of_the_text_cache_heals():
    report = run_cases('weights.cache_entry', count(30))
    assert not report.faults, '\n'.join(report.faults)
