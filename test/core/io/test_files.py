# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Locks of folders."""

import os
import signal
import time

import pytest

from eov_seg_core.io.files import held, locked


def fork_sleeper():
    """Start a process that inherits what is open, as a worker of a data loader does."""
    process = os.fork()
    if process == 0:
        time.sleep(60)
        os._exit(0)
    return process


def test_a_folder_is_free_while_a_worker_of_the_finished_run_lives(tmp_path):
    with locked(tmp_path, 'training'):
        worker = fork_sleeper()
    try:
        with locked(tmp_path, 'training'), held(tmp_path / 'sign') as is_held:
            assert is_held
    finally:
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, 0)


def test_a_fork_that_leaves_does_not_open_the_folder(tmp_path):
    lock = locked(tmp_path, 'training')
    lock.__enter__()
    process = os.fork()
    if process == 0:
        lock.__exit__(None, None, None)
        os._exit(0)
    assert os.waitpid(process, 0)[1] == 0
    with pytest.raises(ValueError, match='another training is writing to'):
        locked(tmp_path, 'training').__enter__()
    lock.__exit__(None, None, None)
    with locked(tmp_path, 'training'):
        pass
