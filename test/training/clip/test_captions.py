# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Captions of regions: which fit, and what is never said."""

import random
import re

import pytest

from eov_seg_core.vocabulary import Vocabulary
from training.clip.captions import all_words, caption_groups
from training.clip.views import CATEGORIES, Region
from training.world.distractors import distractor_names
from training.world.split import HELD_OUT_PAIRS, SYNONYMS

DISTRACTORS = distractor_names(for_training=True)
REGIONS = (Region('chair', 'green', None, 'floor'), Region('mug', 'green', None, 'table'),
           Region('floor', None, 'wood', None), Region('rug', 'red', None, 'floor'))


def groups(regions, seed=0):
    return caption_groups(regions, random.Random(seed), DISTRACTORS)


@pytest.mark.parametrize('seed', range(5))
def test_the_caption_that_fits_says_what_the_region_is(seed):
    names, colors, pairs, relations = groups(REGIONS, seed)
    for number, region in enumerate(REGIONS):
        own = (region.category, *SYNONYMS[region.category])
        assert any(name in names.texts[names.target_R[number]] for name in own)
        said = pairs.texts[pairs.target_R[number]]
        assert (region.color or 'wooden') in said
        assert any(name in said for name in own)
    assert [int(target) >= 0 for target in colors.target_R] == [True, True, False, True]
    assert [int(target) >= 0 for target in relations.target_R] == [True, True, False, True]
    assert colors.target_R[0] == colors.target_R[1]     # one caption fits both green things


def test_one_region_of_a_plain_surface_and_none_at_all():
    names, *others = groups([Region('ceiling', None, None, None)])
    assert names.target_R.tolist() == [CATEGORIES.index('ceiling')]
    assert all((group.target_R == -1).all() for group in others)
    assert all(len(group.target_R) == 0 for group in groups([]))


def test_captions_exclude_each_other():
    for group in groups(REGIONS):
        assert len(group.texts) > 1
        assert group.weight > 0


def test_held_out_pairs_are_never_said():
    forbidden = re.compile('|'.join(rf'\b{color} {name}\b' for color, first in HELD_OUT_PAIRS
                                    for name in (first, *SYNONYMS[first])))
    for seed in range(40):
        for group in groups(REGIONS, seed):
            assert not [text for text in group.texts if forbidden.search(text)]


def test_equal_dice_say_the_same():
    assert ([group.texts for group in groups(REGIONS, 3)]
            == [group.texts for group in groups(REGIONS, 3)])
    assert groups(REGIONS, 3)[0].texts != groups(REGIONS, 4)[0].texts


def test_distractors_of_training_and_benchmark_differ_and_are_not_in_the_world():
    other = distractor_names(for_training=False)
    assert len(DISTRACTORS) > 300
    assert len(other) > 250
    assert not set(DISTRACTORS) & set(other)
    world = set(Vocabulary.preset('world').synonyms)
    assert not world & {*DISTRACTORS, *other}


def test_every_word_of_a_caption_is_known_beforehand():
    known = set(all_words(DISTRACTORS).replace('.', ' ').split())
    for seed in range(10):
        for group in groups(REGIONS, seed):
            for text in group.texts:
                assert set(text.replace('.', ' ').split()) <= known, text
