# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The endless, seeded stream of examples: a position alone decides what stands there.

So a run goes on after a stop as if there had been none, and neither the number of processes nor
that of their workers changes what is trained.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import signal

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from training.data.samples import TrainingBatch, TrainingData, TrainingExample

_ORDER, _AUGMENTATION, _POINTS, _PANELS = range(4)
"""What random numbers are for; each purpose has a sequence of its own."""


def _generator(seed: int, purpose: int, number: int,
               device: torch.device | str = 'cpu') -> torch.Generator:
    state = np.random.SeedSequence((seed, purpose, number)).generate_state(1, np.uint64)
    return torch.Generator(device).manual_seed(int(state[0]))


def point_generator(seed: int, position: int, device: torch.device) -> torch.Generator:
    """Return the source of the loss's random points for the image at a position."""
    return _generator(seed, _POINTS, position, device)


def panel_generator(seed: int, index: int) -> torch.Generator:
    """Return the source of the augmentation of an image that is only looked at."""
    return _generator(seed, _PANELS, index)


class ExampleStream(Dataset[tuple[int, TrainingExample]]):
    """Examples by position: epoch after epoch, each in an order of its own.

    Args:
        data: At least one image; also an attribute.
        seed: Of order and augmentation.

    Raises:
        ValueError: The data set is empty.
    """

    def __init__(self, data: TrainingData, seed: int) -> None:
        if not len(data):
            raise ValueError('the training data has no image')
        self.data = data
        self._seed = seed
        self._epoch = -1
        self._order: list[int] = []

    def __getitem__(self, position: int) -> tuple[int, TrainingExample]:
        """Return a position and the augmented example that stands there."""
        generator = _generator(self._seed, _AUGMENTATION, position)
        return position, self.data.example(self._index(position), generator)

    def name(self, position: int) -> str:
        """Return what to call the image that stands at a position."""
        return self.data.name(self._index(position))

    def _index(self, position: int) -> int:
        """Return which image of the data set stands at a position."""
        epoch, offset = divmod(position, len(self.data))
        if epoch != self._epoch:
            order = torch.randperm(len(self.data),
                                   generator=_generator(self._seed, _ORDER, epoch))
            self._epoch, self._order = epoch, order.tolist()
        return self._order[offset]

    def collate(self, items: Sequence[tuple[int, TrainingExample]]) -> TrainingBatch:
        """Make a batch of what `__getitem__` returned."""
        return self.data.collate([example for _, example in items],
                                  [position for position, _ in items])


class StepPositions(Sampler[list[int]]):
    """The positions of every step from a first one on, as far as they fall to one process.

    Args:
        batch_size: Images of a step over all processes, a multiple of their number.
        first_step: Steps that are done already.
        rank: Number of this process, from 0.
        world_size: Number of processes.
    """

    def __init__(self, batch_size: int, first_step: int = 0, rank: int = 0,
                 world_size: int = 1) -> None:
        self._batch_size = batch_size
        self._first_step = first_step
        self._share = batch_size // world_size
        self._rank = rank

    def __iter__(self) -> Iterator[list[int]]:
        """Yield lists of positions without end."""
        first = self._first_step * self._batch_size + self._rank * self._share
        while True:
            yield list(range(first, first + self._share))
            first += self._batch_size


def make_loader(stream: ExampleStream, positions: StepPositions, workers: int,
                pin_memory: bool) -> DataLoader[tuple[int, TrainingExample]]:
    """Return what yields the batches of a process, made by its workers or, for 0, by itself."""
    return DataLoader(stream, batch_sampler=positions, collate_fn=stream.collate,
                      num_workers=workers, pin_memory=pin_memory,
                      worker_init_fn=_ignore_signals if workers else None)


def _ignore_signals(_: int) -> None:
    """Leave it to the training process to end its workers, after the step that it finishes."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
