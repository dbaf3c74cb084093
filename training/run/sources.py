# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From the name in a recipe to the data behind it."""

from __future__ import annotations

from training.data import CocoPanopticFolder, open_dataset, PanopticTrainingData
from training.data.augmentation import LargeScaleJitter
from training.data.samples import PanopticData, TrainingData
from training.recipe import Recipe
from training.world.benchmark import WorldBenchmark
from training.world.training_data import WorldTrainingData

WORLD = 'world'
"""Name of the built-in world, which is rendered instead of read."""
VALIDATION_SEED = 2_000_000
"""Of the first room of the world that a training is validated on; the benchmark has others."""


def training_data(recipe: Recipe) -> TrainingData:
    """Open what a recipe trains on.

    Raises:
        FileNotFoundError: A file is missing; the message says how to get it.
        ValueError: The data cannot be trained on, or contradicts itself.
    """
    augmentation = recipe.augmentation
    if recipe.data.name == WORLD:
        _refuse_unread(recipe)
        return WorldTrainingData(augmentation.size_hw, augmentation.flip, recipe.seed)
    height, width = augmentation.size_hw
    if height != width:
        raise ValueError(f'augmentation.size must be one number for {recipe.data.name}, got '
                         f'{augmentation.size}: large-scale jitter makes squares')
    jitter = LargeScaleJitter(height, (augmentation.min_scale, augmentation.max_scale),
                              augmentation.flip)
    return PanopticTrainingData(_panoptic(recipe, recipe.data.split), jitter)


def validation_data(recipe: Recipe) -> PanopticData | None:
    """Open what a recipe is validated on; None if it says so.

    Raises:
        FileNotFoundError: As for `training_data`.
        ValueError: As for `training_data`.
    """
    if recipe.validation.split is None:
        return None
    if recipe.data.name == WORLD:
        return WorldBenchmark(recipe.validation.split, rooms=recipe.validation.images,
                              seed=VALIDATION_SEED)
    return _panoptic(recipe, recipe.validation.split)


def _refuse_unread(recipe: Recipe) -> None:
    """Refuse fields of data sets that the built-in world has no use for."""
    default = Recipe()
    for name, value, unread in (
            ('data.split', recipe.data.split, default.data.split),
            ('augmentation.min_scale', recipe.augmentation.min_scale,
             default.augmentation.min_scale),
            ('augmentation.max_scale', recipe.augmentation.max_scale,
             default.augmentation.max_scale)):
        if value != unread:
            raise ValueError(f'{name} is {value}, but {WORLD} does not read it; remove it')


def _panoptic(recipe: Recipe, split: str) -> PanopticData:
    data = open_dataset(recipe.data.name, recipe.data.root, split)
    if not isinstance(data, CocoPanopticFolder):
        raise ValueError(f'{recipe.data.name} has no segments, only classes of pixels; choose '
                         'panoptic data')
    return data
