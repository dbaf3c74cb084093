# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Threads that wait leave the cores to others, in the command and in the node."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

COMMAND = """
import os
import sys

from eov_seg_core.app import cli

cli.announce_large_files = lambda: print(os.environ.get('GOMP_SPINCOUNT'), 'torch' in sys.modules)
sys.exit(cli.main(['info']))
"""
NODE = """
import os
import sys

from eov_seg_ros import segment_node

segment_node.run = lambda: print(os.environ.get('GOMP_SPINCOUNT'), 'torch' in sys.modules) or 0
segment_node.main()
"""


@pytest.mark.parametrize('code', [COMMAND, pytest.param(NODE, marks=pytest.mark.ros)])
@pytest.mark.parametrize(('given', 'expected'), [
    ({}, '2000'), ({'GOMP_SPINCOUNT': '300'}, '300'), ({'OMP_WAIT_POLICY': 'active'}, None)])
def test_threads_spin_shortly_unless_the_environment_says_otherwise(code, given, expected):
    ours = {name: value for name, value in os.environ.items()
            if name not in ('OMP_WAIT_POLICY', 'GOMP_SPINCOUNT')}
    done = subprocess.run([sys.executable, '-c', code], env={**ours, **given},
                          capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f'{expected} False\n')    # libgomp reads it with PyTorch
