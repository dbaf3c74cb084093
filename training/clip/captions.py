# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Captions of regions of the world, and which caption fits which region.

A caption fits every region that it does not contradict: "a red thing" fits a red chair and a red
ball.  Captions come in groups whose members exclude each other (names, colours, pairs, what stands
on what), so that in each group one caption fits a region and the others are wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
import random

import torch
from torch import Tensor

from eov_seg_core.inference.text_encoder import TEMPLATES
from eov_seg_core.world.materials import COLORS
from training.clip.views import CATEGORIES, Region
from training.world.split import SYNONYMS, TRAINED_PAIRS

_SYNONYM_SHARE = 0.4
_DISTRACTORS = 24
_FURTHER_PAIRS = 32
_ADJECTIVES = {'wood': 'wooden', 'tiles': 'tiled', 'carpet': 'carpeted'}
_MATERIALS = ('wood', 'tiles', 'carpet', 'marble', 'concrete', 'plaster', 'wallpaper', 'brick')
_RELATIONS = ('{} on a {}', '{} on the {}', '{} standing on a {}')
_HANGING = ('{} on the {}', '{} hanging on the {}')


@dataclass(frozen=True)
class CaptionGroup:
    """Captions that exclude each other.

    Attributes:
        texts: T captions.
        target_R: (R,) int64 index of the caption that fits each region; -1: none does.
        weight: Of this group in the loss.
    """

    texts: list[str]
    target_R: Tensor
    weight: float


def caption_groups(regions: Sequence[Region], rng: random.Random,
                   distractors: Sequence[str]) -> list[CaptionGroup]:
    """Make the captions of a batch.

    Args:
        regions: All regions of the batch.
        rng: Source of all choices.
        distractors: Names of things that are not in the world.
    """
    names = {name: _one_of_its_names(name, rng) for name in CATEGORIES}
    wrong = rng.sample(list(distractors), min(_DISTRACTORS, len(distractors)))
    groups = [
        _group(regions, CATEGORIES, lambda region: region.category, names.__getitem__, rng,
               weight=1.0, wrong=wrong),
        _group(regions, tuple(COLORS), lambda region: region.color,
               lambda color: f'{color} {rng.choice(("thing", "object", "one"))}', rng,
               weight=0.3),
        _group(regions, _pairs(regions, rng), _pair, lambda pair: ' '.join(
            (pair[0], _one_of_its_names(pair[1], rng))), rng, weight=1.0, wrong=wrong[:8]),
        _group(regions, _present(regions, _relation), _relation,
               lambda relation: _tell(relation, names, rng), rng, weight=0.2)]
    return [group for group in groups if len(group.texts) > 1]


def all_words(distractors: Sequence[str]) -> str:
    """Return a text that holds every word of every caption that can be drawn."""
    names = [name for first, others in SYNONYMS.items() for name in (first, *others)]
    materials = [*_MATERIALS, *_ADJECTIVES.values()]
    phrases = [form.format('', '') for form in (*TEMPLATES, *_RELATIONS, *_HANGING)]
    # a full stop is a token of its own behind any word, as in the templates
    return ' '.join([*names, *COLORS, *materials, *distractors, *phrases, 'thing object one .'])


def _group(regions: Sequence[Region], meanings: Sequence[object],
           meaning_of: Callable[[Region], object], tell: Callable[..., str],
           rng: random.Random, *, weight: float, wrong: Sequence[str] = ()) -> CaptionGroup:
    index = {meaning: number for number, meaning in enumerate(meanings)}
    target_R = torch.tensor([index.get(meaning_of(region), -1) for region in regions])
    texts = [tell(meaning) for meaning in meanings] + list(wrong)
    return CaptionGroup([rng.choice(TEMPLATES).format(text) for text in texts], target_R, weight)


def _pair(region: Region) -> tuple[str, str] | None:
    """Return how a region looks and what it is; None if nothing is known of its looks."""
    if region.color is not None:
        return region.color, region.category
    if region.material is not None:
        return _ADJECTIVES.get(region.material, region.material), region.category
    return None


def _relation(region: Region) -> tuple[str, str] | None:
    return None if region.support is None else (region.category, region.support)


def _present(regions: Sequence[Region], meaning_of: Callable[[Region], object]) -> list[object]:
    """Return the meanings that occur, each once, in the order of the regions."""
    return list(dict.fromkeys(meaning for region in regions
                              if (meaning := meaning_of(region)) is not None))


def _pairs(regions: Sequence[Region], rng: random.Random) -> list[object]:
    """Return the pairs that occur, and others that could; never one that is held out."""
    others = rng.sample(TRAINED_PAIRS, _FURTHER_PAIRS)
    return list(dict.fromkeys([*_present(regions, _pair), *others]))


def _one_of_its_names(name: str, rng: random.Random) -> str:
    return rng.choice(SYNONYMS[name]) if rng.random() < _SYNONYM_SHARE else name


def _tell(relation: tuple[str, str], names: dict[str, str], rng: random.Random) -> str:
    forms = _HANGING if relation[1] == 'wall' else _RELATIONS
    return rng.choice(forms).format(names[relation[0]], names[relation[1]])
