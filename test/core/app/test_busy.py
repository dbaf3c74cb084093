# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Busy processes work when they are told to, and end with the process that started them."""

from __future__ import annotations

from contextlib import suppress
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import pytest

from eov_seg_core.app.benchmark.busy import BusyProcesses

PATIENCE_S = 60.0


def until(condition):
    """Wait until something is so; how long does not matter."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def pids_of(others):
    return [process.pid for process in others._processes]


def ticks(pid):
    """Return the processor time that a process took, in ticks of 10 ms."""
    fields = Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()
    return int(fields[11]) + int(fields[12])


def is_resting(pid):
    before = ticks(pid)
    time.sleep(0.3)
    return ticks(pid) == before


def is_gone(pid):
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()[0] == 'Z'
    return True


def test_they_work_when_told_to_and_end_with_the_block():
    with BusyProcesses(2) as others:
        pids = pids_of(others)
        assert len(set(pids)) == 2
        until(lambda: all(map(is_resting, pids)))
        for _ in range(2):
            ends = [ticks(pid) + 5 for pid in pids]
            with others.at_work():
                for pid, end in zip(pids, ends):
                    until(lambda pid=pid, end=end: ticks(pid) > end)
            until(lambda: all(map(is_resting, pids)))
    assert all(map(is_gone, pids))


def test_one_that_is_ended_by_somebody_else_is_said():
    with BusyProcesses(1) as others:
        pid, = pids_of(others)
        os.kill(pid, signal.SIGKILL)
        until(lambda: is_gone(pid))
        with pytest.raises(RuntimeError, match='ended by somebody else'), others.at_work():
            pass


KILLED = """
import time
from eov_seg_core.app.benchmark.busy import BusyProcesses
with BusyProcesses(1) as others, others.at_work():
    print(others._processes[0].pid, flush=True)
    time.sleep(600)
"""


def test_they_end_with_a_process_that_is_killed():
    with subprocess.Popen([sys.executable, '-c', KILLED], stdout=subprocess.PIPE) as process:
        pid = int(process.stdout.readline())
        process.kill()
    until(lambda: is_gone(pid))
