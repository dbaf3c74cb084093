# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Many pictures: what parts cost beside the network, and memory over a long list.

    .venv/bin/python -m benchmarks.pictures [--pictures 20000] [--size 640 480] [--readers 1 2 4]

Labels a list that names one JPEG many times, with a stand-in for the network that takes no time,
so that what is left is the machinery: reading, drawing, writing, counting.  Prints the pictures a
second for each number of readers, beside those of a plain loop that reads, draws and writes; then
the growth of the memory.  Exit status 1: memory grew by more than 1 MB in 1000 pictures.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
import sys
import tempfile
import time
from typing import Any

import numpy as np

from benchmarks.recordings import memory_mb, MOST_MB, WARM_UP_SHARE
from eov_seg_core.io.coco import ids_to_rgb
from eov_seg_core.io.media import read_image, save_picture
from eov_seg_core.pictures.labelling import PictureLabeller
from eov_seg_core.pictures.options import PictureOptions
from eov_seg_core.results.result import PanopticResult, Segment
from eov_seg_core.visualization import draw_overlay
from eov_seg_core.vocabulary import Vocabulary
from eov_seg_core.world import generate_scene, random_camera, render


class NoNetwork:
    """Gives every picture the same twenty segments."""

    def __init__(self, height: int, width: int) -> None:
        self.vocabulary = Vocabulary(things=['chair'], stuff=['floor'])
        columns = np.arange(width) * 20 // width + 1
        instance = np.broadcast_to(columns.astype(np.int32), (height, width)).copy()
        self._result = PanopticResult(instance, [
            Segment(key, 1, 'chair', True, 0.5, int((instance == key).sum()), (0, 0, 1, 1))
            for key in range(1, 21)])

    def __call__(self, images: Sequence[Any]) -> list[PanopticResult]:
        """Return a result for each picture."""
        return [self._result for _ in images]


def plain_rate(picture: Path, folder: Path, segmenter: NoNetwork, count: int) -> float:
    """Return how many pictures a second a loop reads, draws and writes."""
    start = time.perf_counter()
    for index in range(count):
        rgb = read_image(picture)
        result, = segmenter([rgb])
        save_picture(folder / f'{index}.jpg', draw_overlay(rgb, result))
        save_picture(folder / f'{index}.png', ids_to_rgb(result.instance))
    return count / (time.perf_counter() - start)


def parts_rate(picture: Path, output: Path, segmenter: Any, count: int, readers: int
               ) -> tuple[float, float]:
    """Return pictures a second, and MB of memory for each 1000 pictures."""
    seen: list[tuple[int, float]] = []
    done = 0

    def progress(new: int) -> None:
        nonlocal done
        done += new
        if done % 50 == 0:
            seen.append((done, memory_mb()))

    start = time.perf_counter()
    report = PictureLabeller(lambda: (str(picture) for _ in range(count)), output, segmenter,
                             PictureOptions(readers=readers, part_size=500), {}).run(
                                 progress, print)
    seconds = time.perf_counter() - start
    if report.done != count:
        raise RuntimeError(f'{count} pictures, but {report.done} are done')
    late = seen[int(len(seen) * WARM_UP_SHARE):]
    slope = float(np.polyfit(*zip(*late), 1)[0]) * 1000 if len(late) > 2 else float('nan')
    return count / seconds, slope


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--pictures', type=int, default=20000, metavar='N')
    parser.add_argument('--size', type=int, nargs=2, default=(640, 480),
                        metavar=('WIDTH', 'HEIGHT'))
    parser.add_argument('--readers', type=int, nargs='+', default=[1, 2, 4], metavar='N')
    options = parser.parse_args(argv)
    if options.pictures < 1000:
        parser.error('--pictures must be at least 1000')
    width, height = options.size
    scene = generate_scene(seed=7)
    rgb = np.asarray(render(scene, random_camera(scene, width=width, height=height)).rgb)
    segmenter = NoNetwork(height, width)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        picture = folder / 'picture.jpg'
        save_picture(picture, rgb)
        few = options.pictures // 10
        (folder / 'plain').mkdir()
        plain = plain_rate(picture, folder / 'plain', segmenter, few)
        print(f'plain loop: {plain:.1f} pictures/s of {width} x {height}')
        for readers in options.readers:
            rate, _ = parts_rate(picture, folder / f'readers_{readers}', segmenter, few, readers)
            print(f'parts, {readers} readers: {rate:.1f} pictures/s, {rate / plain:.2f} of the '
                  'plain loop')
        rate, slope = parts_rate(picture, folder / 'long', segmenter, options.pictures, 2)
        print(f'{options.pictures} pictures: {rate:.1f}/s; memory {slope:+.2f} MB for 1000 '
              'pictures')
    return 0 if slope <= MOST_MB else 1


if __name__ == '__main__':
    sys.exit(main())
