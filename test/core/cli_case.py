# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the tests of the command `eov-seg` share: tiny weights, pictures, words."""

from __future__ import annotations

import json
from pathlib import Path
import subprocess
import sys

import cv2
import numpy as np
import torch

from eov_seg_core import EOVSeg

ROOT = Path(__file__).parents[2]
WORDS = ['--things', 'person,pedestrian', 'chair', '--stuff', 'floor', 'wall']


def make_checkpoint(folder):
    """Save untrained weights of the smallest variant."""
    torch.manual_seed(0)
    path = folder / 'tiny.safetensors'
    EOVSeg.from_variant('t').save(path)
    return str(path)


def make_pictures(folder):
    """Make a folder with two images of different sizes, one in a folder below, and a text."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, size in (('b.png', (40, 60, 3)), ('a.jpg', (50, 30, 3))):
        cv2.imwrite(str(folder / name), rng.integers(0, 256, size, dtype=np.uint8))
    (folder / 'notes.txt').write_text('no picture')
    (folder / 'sub').mkdir()
    cv2.imwrite(str(folder / 'sub' / 'c.png'), np.zeros((8, 8, 3), np.uint8))
    return folder


def make_video(path, frames=3, fourcc='MJPG'):
    """Write frames of noise, which no codec makes small."""
    rng = np.random.default_rng(0)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*fourcc), 5, (64, 48))
    for _ in range(frames):
        writer.write(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8))
    writer.release()
    return path


def read(path):
    return json.loads(path.read_text(encoding='utf-8'))


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def run_apart(*arguments):
    """Run `eov-seg` in a process of its own, and return what it printed and its exit status.

    Ray needs one: it removes the handlers of SIGSEGV and SIGABRT, also Python's fault handler, so
    that a later crash of the tests would say nothing.
    """
    return subprocess.run([sys.executable, '-m', 'eov_seg_core.app.cli', *map(str, arguments)],
                          capture_output=True, text=True, timeout=300, check=False)
