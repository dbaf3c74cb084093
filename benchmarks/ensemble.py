# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the geometric ensemble is worth to variant `t`: PQ on the world with other exponents.

    python -m benchmarks.ensemble --split base,novel --exponents 0,0 0.4,0.8 0.6,0.95

Exponents are those of CLIP's part for seen and for other names (section 3.5); 0,0 leaves it out.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

from eov_seg_core import Segmenter
from training.evaluation.dataset import evaluate
from training.world.benchmark import WorldBenchmark
from training.world.scores import choose_splits, WorldScores


def main() -> None:
    """Print a line for each pair of exponents."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--exponents', nargs='+', type=_exponents, metavar='SEEN,OTHERS',
                        default=[(0.0, 0.0), (0.4, 0.8), (0.6, 0.95)])
    parser.add_argument('--split', type=choose_splits, default=choose_splits('base,novel'))
    parser.add_argument('--rooms', type=int, default=120)
    parser.add_argument('--seed', type=int, default=3_000_000, help='of the first room')
    parser.add_argument('--checkpoint', help='other weights than those of the package')
    options = parser.parse_args()
    segmenter = Segmenter.from_pretrained('t', options.checkpoint, device='cpu',
                                          runtime='torch')
    for exponents in options.exponents:
        quality = {split: measure(segmenter, WorldBenchmark(split, options.rooms, options.seed),
                                  exponents) for split in options.split}
        print(*exponents, *(f'{split} {100 * pq:.1f}' for split, pq in quality.items()),
              sep='  ', flush=True)


def measure(segmenter: Segmenter, rooms: WorldBenchmark, exponents: tuple[float, float]) -> float:
    """Return the mean PQ of the judged names, 0..1; the segmenter keeps the exponents.

    Args:
        segmenter: On a CPU, where no captured graph remembers other exponents.
        rooms: One split of the benchmark, at least one judged name in it.
        exponents: Of CLIP's part for seen and for other names, 0..1.
    """
    alpha, beta = exponents
    segmenter.model.config = replace(segmenter.model.config, ensemble_alpha=alpha,
                                     ensemble_beta=beta)
    scores = WorldScores({'rooms': evaluate(segmenter, rooms, ['panoptic'])},
                         {'rooms': rooms.judged})
    return scores.figures('rooms')['pq'] or 0.0


def _exponents(text: str) -> tuple[float, float]:
    alpha, beta = text.split(',')
    return float(alpha), float(beta)


if __name__ == '__main__':
    main()
