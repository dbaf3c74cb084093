# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Time and memory of one frame, host image in, result out, with its split.

    python -m benchmarks.frame [--variant s] [--checkpoint FILE] [--threads 2] [--rounds 5]

Without a checkpoint the weights are those of the golden data: random, but with masks of many sizes
and labels that differ, so that the merge has real work.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
import contextlib
from pathlib import Path
import resource
import statistics
import tempfile
import time

import numpy as np
import torch

from benchmarks.random_weights import random_model
from eov_seg_core import EOVSeg, Segmenter, Vocabulary
from eov_seg_core.config import VARIANTS
import eov_seg_core.segmenter as segmenter_module

PARTS = ('cnn', 'vit', 'aggregator', 'decoder')


def load_model(variant: str, checkpoint: Path | None) -> EOVSeg:
    """Return a model with a checkpoint's weights, or with those of the golden data."""
    if checkpoint is not None:
        return EOVSeg.from_checkpoint(checkpoint, variant)
    return random_model(variant)


def peak_gib() -> float:
    """Return the largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2 ** 20


@contextlib.contextmanager
def split_times(segmenter: Segmenter) -> Iterator[dict[str, list[float]]]:
    """Collect the seconds of each part of a frame; parts are summed by name."""
    times: dict[str, list[float]] = {}

    def timed(name: str, function):  # noqa: ANN001, ANN202
        def call(*args, **kwargs):  # noqa: ANN002, ANN003, ANN202
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                times.setdefault(name, []).append(time.perf_counter() - start)
        return call

    model = segmenter.model
    with contextlib.ExitStack() as stack:
        for part in PARTS:
            module = segmenter.network.cnn if part == 'cnn' else getattr(model, part)
            module.forward = timed(part, module.forward)
            stack.callback(delattr, module, 'forward')
        for name in ('embed_with_clip', 'finish'):
            setattr(model, name, timed('clip branch', getattr(model, name)))
            stack.callback(delattr, model, name)
        for name in ('preprocess', 'postprocess'):
            original = getattr(segmenter_module, name)
            setattr(segmenter_module, name, timed(name, original))
            stack.callback(setattr, segmenter_module, name, original)
        yield times


def main() -> None:
    """Print load time, memory, frame time and split."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--variant', default='s', choices=VARIANTS)
    parser.add_argument('--checkpoint', type=Path)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--size', type=int, nargs=2, default=(480, 640), metavar=('H', 'W'))
    parser.add_argument('--vocabulary', default='ade20k_150')
    parser.add_argument('--precision', default='fp32', choices=['fp32', 'mixed', 'fp16', 'bf16'])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    start = time.perf_counter()
    model = load_model(options.variant, options.checkpoint)
    print(f'model in memory after {time.perf_counter() - start:.1f} s, peak {peak_gib():.2f} GiB')
    image = np.random.default_rng(0).integers(0, 256, (*options.size, 3), np.uint8)
    with tempfile.TemporaryDirectory() as cache:
        segmenter = Segmenter(model, device='cpu', precision=options.precision,
                              embedding_cache_dir=cache, runtime='torch')
        vocabulary = Vocabulary.preset(options.vocabulary)
        start = time.perf_counter()
        segmenter.set_vocabulary(vocabulary)
        print(f'{options.vocabulary}: {len(vocabulary.synonyms)} names encoded in '
              f'{time.perf_counter() - start:.1f} s, peak {peak_gib():.2f} GiB')
        measure(segmenter, image, options.rounds)


def measure(segmenter: Segmenter, image: np.ndarray, rounds: int) -> None:
    """Print the times of frames after a warm-up."""
    segmenter(image)
    frames = []
    with split_times(segmenter) as times:
        for _ in range(rounds):
            start = time.perf_counter()
            result = segmenter(image)
            frames.append(time.perf_counter() - start)
    print(f'{image.shape[0]} x {image.shape[1]}, {len(result.segments)} segments, '
          f'{torch.get_num_threads()} threads, {segmenter.precision}: median '
          f'{1e3 * statistics.median(frames):.0f} ms, best {1e3 * min(frames):.0f} ms; '
          f'peak {peak_gib():.2f} GiB')
    for name in ('preprocess', *PARTS, 'clip branch', 'postprocess'):
        print(f'  {name:12} {1e3 * statistics.median(times[name]):7.1f} ms')


if __name__ == '__main__':
    main()
