# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Small data, and runs of the training command, for its tests."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import cv2
from dataset_case import save, segment, write_folder
import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
import torch
import yaml

from eov_seg_core.network.model import EOVSeg

CHECKOUT = Path(__file__).parents[1]
SIZE = 128
WALL, FLOOR, BALL, BOX, CONE = range(1, 6)
CATEGORIES = [{'id': WALL, 'name': 'wall', 'isthing': 0},
              {'id': FLOOR, 'name': 'floor', 'isthing': 0},
              {'id': BALL, 'name': 'ball', 'isthing': 1},
              {'id': BOX, 'name': 'box,crate', 'isthing': 1},
              {'id': CONE, 'name': 'cone', 'isthing': 1}]
COLORS = {WALL: (90, 80, 100), FLOOR: (180, 170, 150), BALL: (220, 40, 40), BOX: (40, 200, 60),
          CONE: (50, 60, 220)}


def room(seed):
    """Return ids and JSON segments of wall and floor, and of a ball, a box and a cone."""
    rng = np.random.default_rng(seed)
    ids = np.where(np.arange(SIZE)[:, None] < 77, 1, 2) * np.ones((1, SIZE), np.int32)
    ids = np.ascontiguousarray(ids, np.int32)
    segments = [segment(1, WALL), segment(2, FLOOR)]
    for number, (x, y, kind) in enumerate(zip((32, 96, 64), (42, 42, 96), rng.permutation(3))):
        x, y = x + int(rng.integers(-6, 7)), y + int(rng.integers(-6, 7))
        r, key = int(rng.integers(17, 26)), 3 + number
        if kind == 0:
            cv2.circle(ids, (x, y), r, key, -1)
        elif kind == 1:
            cv2.rectangle(ids, (x - r, y - r), (x + r, y + r), key, -1)
        else:
            corners = np.array([(x - r, y + r), (x + r, y + r), (x, y - r)], np.int32)
            cv2.fillPoly(ids, [corners], key)
        segments.append(segment(key, BALL + int(kind)))
    return ids, segments


def empty_room():
    return np.zeros((SIZE, SIZE), np.int32), []


def floor_only():
    return np.ones((SIZE, SIZE), np.int32), [segment(1, FLOOR)]


def crowded_room():
    """Return 64 boxes, more than variant t has queries."""
    rows, columns = np.indices((SIZE, SIZE)) // 16
    ids = (rows * 8 + columns + 1).astype(np.int32)
    return ids, [segment(key, BOX) for key in range(1, 65)]


def write_rooms(folder: Path, rooms):
    """Write a folder in COCO panoptic format whose images show the segments in their colours."""
    write_folder(folder, rooms, CATEGORIES)
    for index, (ids, segments) in enumerate(rooms):
        picture = np.zeros((SIZE, SIZE, 3), np.uint8)
        for entry in segments:
            picture[ids == entry['id']] = COLORS[entry['category_id']]
        save(folder / 'images' / f'room_{index}.jpg', picture)
    return folder


def write_untrained(path: Path):
    """Write weights of variant t as they are drawn."""
    torch.manual_seed(0)
    EOVSeg.from_variant('t').save(path)
    return path


class Runs:
    """Starts the training command with small recipes; all of them use one thread.

    Args:
        folder: Where everything goes.
        rooms: What to train on.
        recipe: Fields that differ from those of a small run.
    """

    def __init__(self, folder: Path, rooms, **recipe) -> None:
        self.folder = folder
        self.path = folder / 'recipe.yaml'
        small = {
            'variant': 't', 'init_checkpoint': str(write_untrained(folder / 't.safetensors')),
            'data': {'name': str(write_rooms(folder / 'rooms', rooms))},
            'augmentation': {'size': SIZE}, 'loss': {'num_points': 1024}, 'batch_size': 4,
            'workers': 0, 'validation': {'split': None},
            'report': {'scalars_every': 1, 'panels': 0}}
        self.path.write_text(yaml.safe_dump(small | recipe))

    def output(self, name):
        return self.folder / name

    def start(self, name, *overrides, devices=1, program=('-m', 'training.train')):
        """Start a run in a process group of its own; a program must call `training.train.main`."""
        environment = os.environ | {
            'OMP_NUM_THREADS': '1', 'XDG_CACHE_HOME': str(self.folder / 'cache'),
            'GLOO_SOCKET_IFNAME': 'lo', 'MASTER_ADDR': '127.0.0.1',
            # a program that lies elsewhere finds our packages, too
            'PYTHONPATH': os.pathsep.join(filter(None, (
                str(CHECKOUT), os.environ.get('PYTHONPATH', ''))))}
        return subprocess.Popen(
            [sys.executable, *map(str, program), str(self.path), *overrides,
             '--output', str(self.output(name)), '--accelerator', 'cpu',
             '--devices', str(devices)],
            cwd=CHECKOUT, env=environment, start_new_session=True, text=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def finish(self, process, timeout_s=240):
        """Wait for a run; return its exit status and what it said."""
        try:
            _, said = process.communicate(timeout=timeout_s)
        finally:
            end_group(process)
        return process.returncode, said

    def train(self, name, *overrides, devices=1, timeout_s=240):
        """Run to the end."""
        status, said = self.finish(self.start(name, *overrides, devices=devices), timeout_s)
        assert status == 0, said
        return said

    def wait_for_step(self, process, name, step, timeout_s=120):
        """Wait until a checkpoint of a step or a later one is there."""
        end = time.monotonic() + timeout_s
        while not any(int(path.stem[5:]) >= step for path in
                      (self.output(name) / 'checkpoints').glob('step_*.ckpt')):
            assert process.poll() is None, self.finish(process)
            assert time.monotonic() < end, f'no step {step} after {timeout_s} s'
            time.sleep(0.02)

    def events(self, name):
        """Return what a run wrote for TensorBoard."""
        events = EventAccumulator(str(self.output(name) / 'tensorboard'),
                                  size_guidance={'scalars': 0})
        return events.Reload()

    def scalars(self, name):
        """Return tag -> step -> value, float32 as written."""
        events = self.events(name)
        curves = defaultdict(dict)
        for tag in events.Tags()['scalars']:
            for event in events.Scalars(tag):
                curves[tag][event.step] = event.value
        return curves


def end_group(process):
    """Kill what is left of the process group of a run."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
