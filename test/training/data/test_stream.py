# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The stream of examples: a position alone decides what stands there."""

from __future__ import annotations

from itertools import islice

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest
import torch

from eov_seg_core.vocabulary import Vocabulary
from training.data.samples import Target, TrainingBatch, TrainingExample
from training.data.stream import ExampleStream, make_loader, point_generator, StepPositions


class Numbers:
    """Training data whose examples hold their index and a draw of their generator."""

    vocabulary = Vocabulary(things=['number'])

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def example(self, index, generator):
        pixels = torch.zeros(3, 1, 2, dtype=torch.float64)
        pixels[0, 0, 0] = index
        pixels[0, 0, 1] = torch.rand(1, generator=generator).item()
        return TrainingExample(pixels, Target(torch.zeros(0, dtype=torch.int64),
                                              torch.zeros(0, 1, 2, dtype=torch.bool)))

    def collate(self, examples, positions):
        return TrainingBatch(torch.stack([example.pixels_CHW for example in examples]),
                             [example.target for example in examples], self.vocabulary,
                             tuple(positions))


def values(stream, positions):
    return [stream[position][1].pixels_CHW[0, 0].tolist() for position in positions]


def test_no_image():
    with pytest.raises(ValueError, match='no image'):
        ExampleStream(Numbers(0), seed=0)


def test_one_image_comes_again_and_again_but_augmented_anew():
    drawn = values(ExampleStream(Numbers(1), seed=0), range(5))
    assert [index for index, _ in drawn] == [0] * 5
    assert len({draw for _, draw in drawn}) == 5


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(0, 2**40), st.integers(0, 3))
def test_every_epoch_holds_every_image_once(count, seed, epoch):
    drawn = values(ExampleStream(Numbers(count), seed),
                   range(epoch * count, (epoch + 1) * count))
    assert sorted(index for index, _ in drawn) == list(range(count))


def test_a_position_alone_decides():
    stream = ExampleStream(Numbers(7), seed=3)
    in_order = values(stream, range(30))
    assert [values(stream, [position])[0] for position in reversed(range(30))] == in_order[::-1]
    assert values(ExampleStream(Numbers(7), seed=3), range(30)) == in_order
    assert values(ExampleStream(Numbers(7), seed=4), range(30)) != in_order


def test_epochs_have_orders_of_their_own():
    stream = ExampleStream(Numbers(50), seed=0)
    first, second = ([index for index, _ in values(stream, range(start, start + 50))]
                     for start in (0, 50))
    assert first != second


@settings(deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 10))
def test_processes_share_every_step(share, world_size, first_step):
    batch_size = share * world_size
    steps = [list(islice(StepPositions(batch_size, first_step, rank, world_size), 3))
             for rank in range(world_size)]
    together = [position for step in zip(*steps) for part in step for position in part]
    start = first_step * batch_size
    assert together == list(range(start, start + 3 * batch_size))


def test_workers_change_nothing():
    stream = ExampleStream(Numbers(5), seed=1)
    batches = [list(islice(make_loader(stream, StepPositions(3, 2), workers, pin_memory=False), 4))
               for workers in (0, 2)]
    for alone, helped in zip(*batches):
        assert alone.positions == helped.positions
        assert torch.equal(alone.pixels_BCHW, helped.pixels_BCHW)
    assert batches[0][0].positions == (6, 7, 8)


def test_points_depend_on_seed_and_position():
    def draw(seed, position):
        return torch.rand(4, generator=point_generator(seed, position, torch.device('cpu')))
    assert torch.equal(draw(0, 5), draw(0, 5))
    assert not torch.equal(draw(0, 5), draw(0, 6))
    assert not torch.equal(draw(0, 5), draw(1, 5))
