# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings: memory over a long one, and frames a second with one and two processes.

    .venv/bin/python -m benchmarks.recordings [--frames 10000] [--workers 1 2]

Makes a recording of small frames, labels it in this process and prints the slope of its memory;
then labels the first tenth in several processes that share the parts and the cores.  The time in
which a process starts, which a run over finished labels shows, is taken off.  Exit status 1:
memory grew by more than 1 MB in 1000 frames, or a frame was lost.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import os
from pathlib import Path
import subprocess
import sys
import tempfile
import time

import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer

from eov_seg_core.app.bag.runner import BagJob, JobRunner
from eov_seg_core.app.commands import ModelOptions
from eov_seg_core.recordings.options import LabelOptions
from eov_seg_core.recordings.source import IMAGE, image_typestore
from eov_seg_core.vocabulary import Vocabulary

HEIGHT, WIDTH, INPUT_SIZE, RATE_HZ, PART_S = 48, 64, 64, 10, 10
WARM_UP_SHARE = 0.2
"""Part of the frames whose memory is not counted into the slope."""
MOST_MB = 1.0
"""Largest growth in 1000 frames."""


def make_bag(path: Path, frames: int) -> Path:
    """Write small frames of noise, 10 of a second."""
    types = image_typestore()
    rng = np.random.default_rng(0)
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection('/camera/image_raw', IMAGE, typestore=types)
        for index in range(frames):
            log_ns = 10**18 + index * 10**9 // RATE_HZ
            header = types.types['std_msgs/msg/Header'](
                stamp=types.types['builtin_interfaces/msg/Time'](
                    sec=log_ns // 10**9, nanosec=log_ns % 10**9), frame_id='camera')
            image = types.types[IMAGE](
                header=header, height=HEIGHT, width=WIDTH, encoding='rgb8', is_bigendian=0,
                step=3 * WIDTH, data=rng.integers(0, 256, HEIGHT * WIDTH * 3, np.uint8))
            writer.write(connection, log_ns, types.serialize_cdr(image, IMAGE))
    return path


def memory_mb() -> float:
    """Return the resident memory of this process."""
    pages = int(Path('/proc/self/statm').read_text(encoding='ascii').split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE') / 2**20


def label_and_watch(bag: Path, output: Path) -> tuple[float, float, bool]:
    """Label a recording.

    Returns:
        Frames a second, MB of memory for each 1000 frames, and whether no frame was lost.
    """
    runner = JobRunner(BagJob(
        inputs=[str(bag)], output=str(output), labels=LabelOptions(part_s=PART_S),
        vocabulary=Vocabulary(things=['chair'], stuff=['floor']),
        model=ModelOptions(variant='t', device='cpu', input_size=INPUT_SIZE)))
    seen: list[tuple[int, float]] = []
    done = 0

    def progress(count: int) -> None:
        nonlocal done
        done += count
        if done % 50 == 0:
            seen.append((done, memory_mb()))

    with runner.opened(bag) as labeller:
        start = time.perf_counter()
        report = labeller.run(progress, print)
        seconds = time.perf_counter() - start
    late = seen[int(len(seen) * WARM_UP_SHARE):]
    slope = float(np.polyfit(*zip(*late), 1)[0]) * 1000 if len(late) > 2 else float('nan')
    tenths = ', '.join(f'{memory:.0f}' for _, memory in seen[::max(len(seen) // 10, 1)])
    print(f'memory in MB from frame {seen[0][0]} to {seen[-1][0]}, after each tenth: {tenths}; '
          f'{slope:+.2f} MB for 1000 frames')
    return report.frames / seconds, slope, report.frames == report.done


def seconds_of(workers: int, bag: Path, output: Path) -> float:
    """Return how long processes take that share a recording, their start included."""
    command = [sys.executable, '-m', 'eov_seg_core.app.cli', 'bag', str(bag), '-o', str(output),
               '--variant', 't', '--things', 'chair', '--stuff', 'floor', '--device', 'cpu',
               '--input-size', str(INPUT_SIZE), '--part-seconds', str(PART_S)]
    threads = max((os.cpu_count() or 1) // workers, 1)
    start = time.perf_counter()
    processes = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                  env={**os.environ, 'OMP_NUM_THREADS': str(threads)})
                 for _ in range(workers)]
    if any([process.wait() for process in processes]):
        raise RuntimeError(f'{" ".join(command)} failed')
    return time.perf_counter() - start


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--frames', type=int, default=10000, metavar='N')
    parser.add_argument('--workers', type=int, nargs='+', default=[1, 2], metavar='N')
    options = parser.parse_args(argv)
    if options.frames < 500:
        parser.error('--frames must be at least 500')
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bag = make_bag(folder / 'long', options.frames)
        rate, slope, is_complete = label_and_watch(bag, folder / 'labelled')
        print(f'this process: {rate:.1f} frames/s of {WIDTH} x {HEIGHT}, network input '
              f'{INPUT_SIZE}')
        frames = options.frames // 10
        short = make_bag(folder / 'short', frames)
        for workers in options.workers:
            output = folder / f'with_{workers}'
            whole = seconds_of(workers, short, output)
            start = seconds_of(workers, short, output)
            print(f'{workers} processes: {frames / max(whole - start, 1e-9):.1f} frames/s, after '
                  f'{start:.1f} s until they have started')
    return 0 if is_complete and slope <= MOST_MB else 1


if __name__ == '__main__':
    sys.exit(main())
