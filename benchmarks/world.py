# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames a second of the built-in world, on one core; or a sheet of its rooms.

    python -m benchmarks.world [--size 240 320] [--rooms 12] [--rounds 5]
    python -m benchmarks.world --sheet FILE.png [--seed 0] [--shrink 1]

The time of a room is the best of its rounds, because other work on the machine only adds to it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
import statistics
import time

import cv2
import numpy as np

from eov_seg_core.visualization import class_color
from eov_seg_core.world import camera_path, Frame, generate_scene, random_camera, render

FARTHEST_M = 7.0


def main() -> None:
    """Print times, or write a sheet."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--size', type=int, nargs=2, default=(240, 320), metavar=('H', 'W'))
    parser.add_argument('--seed', type=int, default=0, help='of the first room')
    parser.add_argument('--rooms', type=int, default=12)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--sheet', type=Path, help='write pictures, depths and ids to this file')
    parser.add_argument('--shrink', type=int, default=1, help='how many times smaller the sheet')
    options = parser.parse_args()
    cv2.setNumThreads(1)
    if options.sheet is not None:
        sheet = draw_sheet(range(options.seed, options.seed + options.rooms), *options.size)
        height, width = sheet.shape[:2]
        sheet = cv2.resize(sheet, (width // options.shrink, height // options.shrink),
                           interpolation=cv2.INTER_AREA)
        if not cv2.imwrite(str(options.sheet), sheet[..., ::-1]):
            parser.error(f'{options.sheet} could not be written')
        return
    measure(range(options.seed, options.seed + options.rooms), *options.size, options.rounds)


def measure(seeds: range, height: int, width: int, rounds: int) -> None:
    """Print how long rooms and frames take."""
    furnishing, frames, solids, objects = [], [], [], []
    for seed in seeds:
        start = time.perf_counter()
        scene = generate_scene(seed)
        furnishing.append(time.perf_counter() - start)
        solids.append(len(scene.solids))
        objects.append(len(scene.objects))
        frames.append(min(time_frame(scene, camera) for _ in range(rounds)
                          for camera in camera_path(scene, 1, 0, width, height)))
    mean = statistics.mean(frames)
    print(f'{width} x {height}, {len(seeds)} rooms of {min(objects)} to {max(objects)} objects, '
          f'{statistics.mean(solids):.0f} solids on average')
    print(f'  room  {1e3 * statistics.mean(furnishing):6.1f} ms')
    print(f'  frame {1e3 * mean:6.1f} ms = {1 / mean:.1f} frames/s '
          f'(slowest room {1e3 * max(frames):.1f} ms)')


def time_frame(scene, camera) -> float:  # noqa: ANN001
    """Return the seconds of one frame."""
    start = time.perf_counter()
    render(scene, camera)
    return time.perf_counter() - start


def draw_sheet(seeds: range, height: int, width: int) -> np.ndarray:
    """Return pictures, depths and ids of rooms, two rooms to a row, as one RGB image."""
    tiles = []
    for seed in seeds:
        scene = generate_scene(seed)
        tiles.append(draw_truth(render(scene, random_camera(scene, 0, width, height))))
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % 2)
    return np.vstack([np.hstack(tiles[k:k + 2]) for k in range(0, len(tiles), 2)])


def draw_truth(frame: Frame) -> np.ndarray:
    """Return picture, depth and ids of one frame side by side."""
    near = np.clip(255 - frame.depth * (255 / FARTHEST_M), 0, 255).astype(np.uint8)
    depth = cv2.applyColorMap(near, cv2.COLORMAP_TURBO)[..., ::-1]
    colors = [(0, 0, 0)] + [class_color(f'{item.id} {item.name}') for item in frame.objects]
    return np.hstack([frame.rgb, depth, np.array(colors, np.uint8)[frame.ids]])


if __name__ == '__main__':
    main()
