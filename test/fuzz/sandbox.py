# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run hostile cases in child processes, and go on behind each case that ends one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import threading
from typing import Any

CHECKOUT = Path(__file__).parents[2]
SEED = int(os.environ.get('EOV_SEG_FUZZ_SEED', '16'))
TIMES = float(os.environ.get('EOV_SEG_FUZZ', '1'))
"""How many times the short form; 10 is the long form."""
SILENCE_S = 120
"""A child that says nothing for so long hangs; on a busy machine starting takes half a minute."""
_MOST_DEATHS = 20


@dataclass
class Report:
    """What became of the cases of one target.

    Attributes:
        outcomes: Number of cases that were `accepted`, `refused` or a `fault`.
        faults: One line each, with the command that repeats it.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def share(self, outcome: str) -> float:
        """Return the part of all cases with an outcome, 0..1."""
        return self.outcomes[outcome] / max(1, self.outcomes.total())


def count(short: int) -> int:
    """Return the number of cases: that of the short form times EOV_SEG_FUZZ."""
    return max(1, round(short * TIMES))


def environment() -> dict[str, str]:
    """Return the environment of a child that imports the project and the helpers of the tests."""
    paths = os.pathsep.join(map(str, (CHECKOUT, CHECKOUT / 'test')))
    # The ROS wheels' interpreter restarts itself once unless this says that it has done so.
    return {name: value for name, value in os.environ.items()
            if name != '_ROS_WHEELS_BOOTSTRAP_COMPLETE'} | {
                'PYTHONPATH': paths, 'OMP_NUM_THREADS': '1', 'OPENCV_LOG_LEVEL': 'SILENT'}


def run_cases(target: str, number: int, seed: int = SEED) -> Report:
    """Run the cases 0 to number - 1 of a target."""
    report = Report()
    first = deaths = 0
    current: int | None
    while first < number:
        current, kind = None, ''
        child = subprocess.Popen(
            [sys.executable, '-m', 'fuzz.child', target, str(seed), str(first), str(number)],
            cwd=CHECKOUT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True)
        for line in _lines(child):
            current, kind = line.get('start', current), line.get('kind', kind)
            if 'outcome' in line:
                _note(report, line['outcome'], f'{kind}: {line["text"]}', target, seed, current)
                first = current + 1
        error = child.communicate()[1]
        if current is None:
            report.faults.append(f'python -m fuzz.child {target} {seed} {first}: it died before '
                                 f'the first case: {error[-300:]}')
            break
        if first < number:
            _note(report, 'fault', f'{kind}: {_end_of(child.returncode)}; {error[-300:]}', target,
                  seed, current)
            first = current + 1
            deaths += 1
            if deaths == _MOST_DEATHS:
                report.faults.append(f'{target}: given up after {deaths} ended processes')
                break
    return report


def _note(report: Report, outcome: str, text: str, target: str, seed: int, number: int) -> None:
    report.outcomes[outcome] += 1
    if outcome == 'fault':
        report.faults.append(f'python -m fuzz.child {target} {seed} {number}: {text}')


def _lines(child: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    """Yield what a child prints; one that falls silent is killed."""
    watchdog = threading.Timer(SILENCE_S, child.kill)
    watchdog.start()
    for line in child.stdout or ():
        watchdog.cancel()
        watchdog = threading.Timer(SILENCE_S, child.kill)
        watchdog.start()
        if line.startswith('{'):
            yield json.loads(line)
    watchdog.cancel()


def _end_of(code: int) -> str:
    if code >= 0:
        return f'the process ended with status {code}'
    name = signal.Signals(-code).name
    return {'SIGXCPU': 'it took more processor time than it may',
            'SIGKILL': f'it said nothing for {SILENCE_S} s'}.get(name, f'{name} ended the process')
