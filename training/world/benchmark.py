# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The open-vocabulary benchmark of the built-in world: new rooms, and words of five kinds."""

from __future__ import annotations

import random

import numpy as np

from eov_seg_core.vocabulary import Vocabulary
from eov_seg_core.world import generate_scene, random_camera, render, Scene
from training.data.samples import PanopticSample, SegmentLabel
from training.world.distractors import distractor_names
from training.world.frames import HEIGHT, MIN_AREA, WIDTH
from training.world.split import (
    BASE,
    base_vocabulary,
    HELD_OUT_PAIRS,
    MASK_CATEGORIES,
    NOVEL,
    Pair,
    STUFF,
    SYNONYMS,
    TRAINED_PAIRS,
)

DISTRACTORS = 100
"""How many names of things that are nowhere the split `distractors` adds."""
_PAIR_OBJECTS = (4, 9)
SPLITS = ('base', 'novel', 'pairs', 'synonyms', 'distractors')
OLDER_NAMES = {'nuisance': 'distractors'}
"""Earlier names of splits, which commands, recipes and started evaluations may still use."""


class WorldBenchmark:
    """One split of the benchmark, a panoptic data set: one view of each of many new rooms.

    - `base`: rooms of base categories, base names.
    - `novel`: rooms of all categories, all names; judged are the novel categories.
    - `pairs`: of each base category one held-out pair and one trained pair, in rooms of these
      pairs only; judged are the held-out ones.
    - `synonyms`: rooms of base categories, of each name a synonym that was never a mask label.
    - `distractors`: rooms of base categories, base names and 100 names of what is nowhere, none of
      which was used in a training; judged are the base names.

    Things of fewer than 40 visible pixels, and the rare object without a name in the vocabulary,
    are void.

    Args:
        split: One of `SPLITS`, or an older name; images are called by the name that is given.
        rooms: How many images.
        seed: Of the first room; the others follow.

    Attributes:
        vocabulary: What is looked for.
        judged: Names of the classes whose mean is the figure of the split.

    Raises:
        ValueError: There is no such split.
    """

    def __init__(self, split: str, rooms: int = 300, seed: int = 1_000_000) -> None:
        kind = OLDER_NAMES.get(split, split)
        if kind not in SPLITS:
            raise ValueError(f'the world has no split {split!r}; expected one of '
                             f'{", ".join(SPLITS)}')
        self._split = split
        self._rooms = rooms
        self._seed = seed
        self.vocabulary, self.judged = _words(kind)
        self._class_of = {name: number for number, name in enumerate(self.vocabulary.names)}

    def __len__(self) -> int:
        """Return the number of images."""
        return self._rooms

    def __getitem__(self, index: int) -> PanopticSample:
        """Render one image; IndexError behind the last one, so that loops end."""
        if not 0 <= index < self._rooms:
            raise IndexError(f'image {index} of {self._rooms}')
        scene = _room(self._split, self._seed + index)
        frame = render(scene, random_camera(scene, 0, WIDTH, HEIGHT))
        segments = []
        for item in frame.objects:
            known = self._class_of.get(self._name(item.name, item.color))
            if known is not None and item.area >= (MIN_AREA if item.is_thing else 1):
                segments.append(SegmentLabel(item.id, known))
        shown = np.isin(frame.ids, [segment.id for segment in segments])
        return PanopticSample(f'world_{self._split}_{self._seed + index}', frame.rgb,
                              np.where(shown, frame.ids, 0).astype(np.int32), tuple(segments))

    def _name(self, name: str, color: str | None) -> str:
        """Return what the vocabulary calls an object, if it knows it."""
        if self._split == 'pairs' and name not in STUFF:
            return f'{color} {name}'
        return SYNONYMS[name][0] if self._split == 'synonyms' else name


def _words(split: str) -> tuple[Vocabulary, tuple[str, ...]]:
    """Return the vocabulary of a split, and the names by which it is judged."""
    base = base_vocabulary()
    if split == 'novel':
        return Vocabulary(things=(*BASE, *NOVEL), stuff=STUFF), NOVEL
    if split == 'pairs':
        held_out, trained = _benchmark_pairs()
        phrases = [' '.join(pair) for pair in (*held_out, *trained)]
        return Vocabulary(things=phrases, stuff=STUFF), tuple(phrases[:len(held_out)])
    if split == 'synonyms':
        things, stuff = ([SYNONYMS[name][0] for name in names] for names in (BASE, STUFF))
        return Vocabulary(things=things, stuff=stuff), (*things, *stuff)
    if split == 'distractors':
        foreign = distractor_names(for_training=False)
        wrong = random.Random(0).sample(foreign, DISTRACTORS)
        return Vocabulary(things=(*BASE, *wrong), stuff=STUFF), base.names
    return base, base.names


def _benchmark_pairs() -> tuple[list[Pair], list[Pair]]:
    """Return a held-out and a trained pair of each base category."""
    by_name = [([pair for pair in pairs if pair[1] == name])
               for name in BASE for pairs in (HELD_OUT_PAIRS, TRAINED_PAIRS)]
    held_out, trained = by_name[::2], by_name[1::2]
    # not always the first colour, else all pairs would be of two or three colours
    return ([pairs[number % len(pairs)] for number, pairs in enumerate(held_out)],
            [pairs[(5 * number) % len(pairs)] for number, pairs in enumerate(trained)])


def _room(split: str, seed: int) -> Scene:
    if split == 'novel':
        return generate_scene(seed)
    if split != 'pairs':
        return generate_scene(seed, categories=MASK_CATEGORIES)
    rng = random.Random(f'pairs {seed}')
    held_out, trained = _benchmark_pairs()
    objects: list[tuple[str | None, str]] = [
        *rng.choices((*held_out, *trained), k=rng.randint(*_PAIR_OBJECTS))]
    if rng.random() < 0.5:
        objects.append((None, 'rug'))
    while True:
        try:
            return generate_scene(seed, objects=objects)
        except ValueError:      # no room could hold them all
            if not objects:
                raise
            objects.pop(0)
