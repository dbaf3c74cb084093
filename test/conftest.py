# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures that all tests share."""

from __future__ import annotations

import os
from pathlib import Path
import signal
import subprocess

from hypothesis import HealthCheck, settings
import pytest

CHECKOUT = Path(__file__).parents[1]

# Whoever starts the tests in the background of a script has SIGINT ignored, and so would every
# process that a test starts, before Python has a say in it: Ctrl-C could then not be tested.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# An example may wait for a core of a busy machine; that says nothing about the code.
settings.register_profile('busy', deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile('busy')

# An engine takes a minute to build, and golden outputs are PyTorch's.  Tests of engines name them.
os.environ['EOV_SEG_RUNTIME'] = 'torch'

# Tests in several processes shall not hear each other's nodes: each gets a domain of its own.
_PROCESS = int(os.environ.get('PYTEST_XDIST_WORKER', 'gw0').removeprefix('gw'))
if _PROCESS and 'ROS_DOMAIN_ID' in os.environ:
    os.environ['ROS_DOMAIN_ID'] = str((int(os.environ['ROS_DOMAIN_ID']) + 101 * _PROCESS) % 233)


@pytest.fixture(scope='session')
def checkout() -> Path:
    """Return the top of the checkout."""
    return CHECKOUT


@pytest.fixture(scope='session')
def parity_dir() -> Path:
    """Return the folder of the large golden data, or skip: most clones do not have it.

    The small golden files in test/golden keep parity tested everywhere.
    """
    path = Path(os.environ.get('EOV_SEG_PARITY_DIR', CHECKOUT.parent / 'shared' / 'parity'))
    if not (path / 'recipe.py').is_file():
        pytest.skip(f'the large parity data is not in {path}; EOV_SEG_PARITY_DIR names its folder')
    return path


@pytest.fixture(scope='session')
def project_files() -> list[Path]:
    """List the files of the project, committed or about to be, relative to the checkout."""
    git = subprocess.run(
        ['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'],
        cwd=CHECKOUT, capture_output=True, text=True, check=False)
    if git.returncode:
        pytest.skip(f'the files of the project are not known without git: {git.stderr.strip()}')
    return [Path(name) for name in git.stdout.split('\0') if name and (CHECKOUT / name).is_file()]
