# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A sheet of what variant `t` finds in rooms of the world's benchmark.

    python -m benchmarks.variant_t FILE.png [--seed 3000000] [--rooms 2] [--input-size 288]

Each row is one room: the picture, the truth and what was found.  Base names come first, then novel
categories, then pairs of colour and name.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch

from eov_seg_core import Segmenter
from eov_seg_core.visualization import draw_overlay
from training.data.samples import PanopticSample, Target
from training.run.callbacks.panels import truth_of
from training.world.benchmark import WorldBenchmark

SPLITS = ('base', 'novel', 'pairs')


def main() -> None:
    """Write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('sheet', type=Path, metavar='FILE')
    parser.add_argument('--checkpoint', help='other weights than those of the package')
    parser.add_argument('--seed', type=int, default=3_000_000, help='of the first room')
    parser.add_argument('--rooms', type=int, default=2, help='of each split')
    parser.add_argument('--input-size', type=int, default=288)
    options = parser.parse_args()
    segmenter = Segmenter.from_pretrained('t', options.checkpoint, device='cpu',
                                          input_size=options.input_size, runtime='torch')
    rows = [row for split in SPLITS
            for row in draw_rows(segmenter, WorldBenchmark(split, options.rooms, options.seed))]
    if not cv2.imwrite(str(options.sheet), np.vstack(rows)[..., ::-1]):
        parser.error(f'{options.sheet} could not be written')


def draw_rows(segmenter: Segmenter, rooms: WorldBenchmark) -> list[np.ndarray]:
    """Return picture, truth and result of each room side by side, (H, 3 W, 3) uint8 RGB."""
    segmenter.set_vocabulary(rooms.vocabulary)
    return [draw_row(segmenter, rooms, rooms[index]) for index in range(len(rooms))]


def draw_row(segmenter: Segmenter, rooms: WorldBenchmark, room: PanopticSample) -> np.ndarray:
    """Return picture, truth and result of one room."""
    shown = [segment for segment in room.segments if not segment.is_crowd]
    masks_Thw = room.ids == np.array([segment.id for segment in shown]).reshape(-1, 1, 1)
    target = Target(torch.tensor([segment.class_index for segment in shown]),
                    torch.from_numpy(masks_Thw))
    truth = truth_of(target, room.ids.shape, rooms.vocabulary)
    found = segmenter(room.image_rgb)
    return np.hstack([room.image_rgb, draw_overlay(room.image_rgb, truth, 0.6),
                      draw_overlay(room.image_rgb, found, 0.6)])


if __name__ == '__main__':
    main()
