# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The built-in world as training data for masks: rooms of base categories only.

The vocabulary changes from batch to batch, so that the network learns to compare with words rather
than to know a list: a third of the batches name colour and category ("red chair"), and some carry
names of things that are nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
import random

import cv2
import numpy as np
import numpy.typing as npt
import torch

from eov_seg_core.vocabulary import Vocabulary
from eov_seg_core.world.materials import COLORS
from training.data.samples import Target, TrainingBatch, TrainingExample
from training.world.distractors import distractor_names
from training.world.frames import (
    CachedFrames,
    DEFAULT_CACHE,
    FrameObject,
    MASK_FRAMES,
    MIN_AREA,
    WorldFrame,
)
from training.world.split import BASE, base_vocabulary, STUFF, TRAINED_PAIRS

_NAMES = (*BASE, *STUFF)
_COLORS = ('', *COLORS)
_PAIR_BATCHES = 0.35
_FURTHER_PAIRS = 16
_DISTRACTOR_BATCHES = 0.5
_MOST_DISTRACTORS = 40
_BRIGHTNESS = 0.3
_BASE_PAIRS = tuple(pair for pair in TRAINED_PAIRS if pair[1] in BASE)


class WorldTrainingData:
    """Frames of base categories: flipped, brightened, and resized to the training size.

    Args:
        size: Height and width of the examples in pixels, multiples of 32.
        flip: Probability of a horizontal flip.
        seed: Of the vocabularies.
        cache: Folder of the rendered frames.
    """

    def __init__(self, size: tuple[int, int], flip: float = 0.5, seed: int = 0,
                 cache: Path = DEFAULT_CACHE) -> None:
        self.vocabulary = base_vocabulary()
        self._size = size
        self._flip = flip
        self._seed = seed
        self._distractors = distractor_names(for_training=True)
        self._frames = CachedFrames(MASK_FRAMES, cache)

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self._frames)

    def example(self, index: int, generator: torch.Generator) -> TrainingExample:
        """Read, or render, and vary one frame.

        The labels hold name and colour; `collate` turns them into labels of the batch.
        """
        frame = self._frames[index]
        flip, brightness = torch.rand(2, generator=generator).tolist()
        rgb, ids = frame.rgb, frame.ids
        if flip < self._flip:
            rgb, ids = rgb[:, ::-1], ids[:, ::-1]
        gain = np.float32(1 + _BRIGHTNESS * (2 * brightness - 1))
        bright = np.clip(rgb * gain, 0, 255).astype(np.uint8)
        height, width = self._size
        pixels = cv2.resize(bright, (width, height), interpolation=cv2.INTER_LINEAR)
        small_ids: npt.NDArray[np.uint8] = np.asarray(cv2.resize(
            np.ascontiguousarray(ids), (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)
        return TrainingExample(torch.from_numpy(pixels).permute(2, 0, 1).contiguous(),
                               _target(frame, small_ids))

    def name(self, index: int) -> str:
        """Return what to call a frame."""
        return f'frame {index} of the world'

    def collate(self, examples: Sequence[TrainingExample],
                positions: Sequence[int]) -> TrainingBatch:
        """Stack examples, choose the words of the batch, and translate the labels."""
        rng = random.Random(f'{self._seed} {positions[0]}')
        targets = [example.target for example in examples]
        if rng.random() < _PAIR_BATCHES:
            vocabulary, label_of = self._pairs(targets, rng)
        else:
            vocabulary, label_of = self._names(rng)
        translated = [Target(torch.tensor([label_of(int(label)) for label in target.labels_T],
                                          dtype=torch.int64), target.masks_Thw)
                      for target in targets]
        return TrainingBatch(torch.stack([example.pixels_CHW for example in examples]),
                             translated, vocabulary, tuple(positions))

    def _names(self, rng: random.Random) -> tuple[Vocabulary, Callable[[int], int]]:
        """Return the base names, half of the time with names of things that are nowhere."""
        wrong = (rng.sample(self._distractors, rng.randint(1, _MOST_DISTRACTORS))
                 if rng.random() < _DISTRACTOR_BATCHES else [])
        vocabulary = Vocabulary(things=[*BASE, *wrong], stuff=STUFF)
        index = {name: number for number, name in enumerate(vocabulary.names)}
        return vocabulary, lambda label: index[_NAMES[label // len(_COLORS)]]

    def _pairs(self, targets: Sequence[Target],
               rng: random.Random) -> tuple[Vocabulary, Callable[[int], int]]:
        """Return the pairs of the batch, and others that could be; stuff has its plain name."""
        present = {_phrase(int(label)) for target in targets for label in target.labels_T}
        others = {' '.join(pair) for pair in rng.sample(_BASE_PAIRS, _FURTHER_PAIRS)}
        vocabulary = Vocabulary(things=sorted((present | others).difference(STUFF)), stuff=STUFF)
        index = {name: number for number, name in enumerate(vocabulary.names)}
        return vocabulary, lambda label: index[_phrase(label)]


def _target(frame: WorldFrame, ids: npt.NDArray[np.uint8]) -> Target:
    """Return the segments with labels that hold name and colour."""
    shown = [item for item in frame.objects
             if item.area >= (MIN_AREA if item.is_thing else 1)]
    masks_Thw = ids == np.array([item.id for item in shown], np.uint8).reshape(-1, 1, 1)
    return Target(torch.tensor([_label(item) for item in shown], dtype=torch.int64),
                  torch.from_numpy(masks_Thw))


def _label(item: FrameObject) -> int:
    return _NAMES.index(item.name) * len(_COLORS) + _COLORS.index(item.color or '')


def _phrase(label: int) -> str:
    """Return colour and name of a thing, the name of stuff."""
    name, color = _NAMES[label // len(_COLORS)], _COLORS[label % len(_COLORS)]
    return name if name in STUFF else f'{color} {name}'
