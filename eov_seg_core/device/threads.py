# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How the threads of PyTorch wait for each other."""

from __future__ import annotations

import os

_SPINS = '2000'
"""Some tens of microseconds: longer than most waits in an operation, shorter than a time slice."""


def share_cores() -> None:
    """Let threads that wait for each other give their core away soon.

    Call it before PyTorch is imported.  Its OpenMP (libgomp) lets them spin for milliseconds.
    Where other processes want the cores, as on a robot, that is time which the thread they wait
    for cannot have: a frame beside two busy processes took 1.7 times as long.  On idle cores both
    are equally fast (docs/performance.md, "Beside other processes").  `OMP_WAIT_POLICY` and
    `GOMP_SPINCOUNT` in the environment win.
    """
    if 'OMP_WAIT_POLICY' not in os.environ:
        os.environ.setdefault('GOMP_SPINCOUNT', _SPINS)
