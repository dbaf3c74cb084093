# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Locks of folders, and what is read as a file."""

import errno
import os
import signal
import time

import pytest

from eov_seg_core.io.files import held, locked, read_file, read_json, replacing
from eov_seg_core.io.media import MediaError, read_image
from eov_seg_core.io.yaml_text import read_text


@pytest.mark.parametrize(('read', 'error'), [
    (read_file, OSError), (read_json, OSError), (read_text, OSError), (read_image, MediaError)])
def test_a_pipe_that_nobody_writes_to_is_refused_at_once(tmp_path, read, error):
    os.mkfifo(tmp_path / 'x')
    with pytest.raises(error, match='x is a pipe, a device or a socket; expected a file'):
        read(tmp_path / 'x')


def test_a_full_disk_is_said_with_the_name_of_the_file(tmp_path):
    with (pytest.raises(OSError, match=f"No space left on device: '{tmp_path}/x'") as caught,
          replacing(tmp_path / 'x')):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))      # as `write` does, without name
    assert caught.value.errno == errno.ENOSPC
    assert not list(tmp_path.iterdir())


def test_an_error_of_another_file_keeps_its_name(tmp_path):
    with pytest.raises(FileNotFoundError, match='other'), replacing(tmp_path / 'x'):
        (tmp_path / 'other').read_bytes()


def test_a_file_larger_than_any_picture_is_refused_before_it_is_read(tmp_path):
    with (tmp_path / 'x').open('wb') as file:
        file.truncate(5 << 30)      # holes only, which take no room on the disk
    with pytest.raises(OSError, match='5 GiB; expected at most 4 GiB'):
        read_file(tmp_path / 'x')


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
