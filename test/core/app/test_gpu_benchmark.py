# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The one command for a machine with a GPU, as far as a machine without one can tell."""

from __future__ import annotations

import json
from pathlib import Path
import subprocess
import sys
from types import SimpleNamespace

import pytest

from benchmarks import gpu
from eov_seg_core.app import cli

SETTINGS = gpu.Settings(device='cuda', rounds=200, warm_up=100, size=(640, 480),
                        pairs=tuple(gpu.PAIRS), shortcuts=True)


def entry(frames_per_second, **setting):
    clock = {'wall_ms': {'p50': 1000 / frames_per_second}, 'frames_per_second': frames_per_second}
    return {'setting': {'precision': 'fp16', 'compile': False, 'cuda_graphs': True, **setting},
            'speeds': dict.fromkeys(('network', 'network + merge', 'host to host'), clock),
            'parity': {'equal_pixels': 0.995, 'segments': 7}, 'device_memory_mib': 900.0,
            'start_up_s': {'vocabulary': 0.5, 'first frame': 1.0, 'warm-up': 2.0},
            'fallbacks': {'compile': 'no compiler'} if setting.get('compile') else {}}


def report(*entries):
    return {'variant': 's', 'load_s': 1.0, 'settings': list(entries),
            'first_over_second': {'network + merge': {'wall': {'p50': 0.25}}},
            'machine': {'device': 'a GPU', 'libraries': {'torch': '2.9'}}}


def test_every_step_is_a_command_that_is_there():
    steps = dict(gpu.steps('s', Path('s.safetensors'), SETTINGS))
    assert list(steps) == ['s precision', 's half', 's graphs', 's compile', 's shortcuts']
    parser = cli.build_parser()
    for name in gpu.PAIRS:
        module, *arguments = steps[f's {name}']
        assert module == cli.__name__
        assert parser.parse_args([*arguments, '--json', 'x.json']).against == [gpu.PAIRS[name]]


def test_a_row_for_each_setting_and_a_line_for_each_failure():
    results = {
        's precision': report(entry(320.0), entry(100.0, precision='fp32')),
        's graphs': report(entry(300.0), entry(90.0, cuda_graphs=False)),
        's compile': report(entry(310.0), entry(350.0, compile=True)),
        's shortcuts': {'merge': {'equal_pixels': 1.0, 'without_over_with': {
            'wall': {'p25': 1.0, 'p50': 1.1, 'p75': 1.2}}}},
        'm precision': {'error': 'exit code 2: out of memory'}}
    text = gpu.tables(json.loads(json.dumps(results)))
    rows = [line for line in text.splitlines() if line.startswith('| s |')]
    assert [row.split(' | ')[1] for row in rows] == [
        'fp16', 'fp32', 'fp16, no graphs', 'fp16, compiled, WITHOUT compile', 'merge']
    assert rows[0].startswith('| s | fp16 | 300 | 320 | 3.12 |')
    assert '| 1 | 99.500 % |' in rows[0]
    assert '| 0.250 | 99.500 % |' in rows[1]
    assert rows[0].endswith('| 2.5 | 2.0 |')
    assert '- m precision: exit code 2: out of memory' in text
    assert text.startswith('a GPU; torch 2.9')


def test_nothing_measured_is_still_a_page():
    assert 'nothing could be measured' in gpu.tables({})
    assert 'broken' in gpu.tables({'s shortcuts': {'error': 'broken'}})


@pytest.mark.parametrize('code', [0, 1])
def test_a_step_that_fails_does_not_end_the_run(tmp_path, monkeypatch, code):
    def run(command, **_):
        Path(command[-1]).write_text(json.dumps(report(entry(100.0), entry(50.0))))
        return SimpleNamespace(returncode=code, stdout='', stderr='first\nlast line\n')

    monkeypatch.setattr(subprocess, 'run', run)
    monkeypatch.setattr(sys, 'argv', ['gpu', str(tmp_path), '--variants', 's', 'm', '--checkpoint',
                                      f's={__file__}', f'm={__file__}', '--no-shortcuts'])
    assert gpu.main() == code
    results = json.loads((tmp_path / 'gpu.json').read_text())
    assert len(results) == 2 * len(gpu.PAIRS)
    assert ('error' in results['m compile']) == bool(code)
    assert ('last line' in (tmp_path / 'gpu.md').read_text()) == bool(code)
    assert (tmp_path / 's_precision.log').exists()
