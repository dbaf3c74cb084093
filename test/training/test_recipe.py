# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recipes: the published defaults, strict reading, and what a resumed run may change."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
import re

import pytest
import yaml

from training.recipe import (
    AugmentationConfig,
    CheckpointConfig,
    OptimizerConfig,
    Recipe,
    ScheduleConfig,
)
from training.recipe_file import (
    field_names,
    read_recipe,
    RecipeError,
    resume_conflicts,
    write_recipe,
)


@pytest.fixture
def recipe_file(tmp_path):
    """Return a function that writes a recipe and returns its path."""
    def write(text: str):
        path = tmp_path / 'recipe.yaml'
        path.write_text(text, encoding='utf-8')
        return path
    return write


def test_defaults_are_the_published_recipe():
    recipe = Recipe()
    assert (recipe.batch_size, recipe.steps, recipe.precision) == (16, 200_000, '32')
    assert (recipe.optimizer.lr, recipe.optimizer.weight_decay) == (1e-4, 0.05)
    assert recipe.optimizer.max_grad_norm == 0.01
    assert recipe.schedule.milestones == (163_889, 187_546)
    assert (recipe.schedule.factor, recipe.schedule.warmup_steps) == (0.1, 0)
    assert recipe.sync_batch_norm
    assert recipe.checkpoint.every == recipe.validation.every == 5000
    assert recipe.augmentation == AugmentationConfig(size=1024, min_scale=0.1, max_scale=2.0)
    assert (recipe.data.name, recipe.data.split) == ('coco_panoptic', 'train')


def test_an_empty_recipe_is_the_default(recipe_file):
    assert read_recipe(recipe_file('# nothing\n')) == Recipe()


@pytest.mark.parametrize('variant', ['s', 'm', 'l'])
def test_published_recipes_hold_only_what_differs(checkout, variant):
    path = checkout / 'config/training' / f'{variant}_coco.yaml'
    assert yaml.safe_load(path.read_text()) == {'variant': variant}
    assert read_recipe(path) == Recipe(variant=variant)


def test_every_recipe_of_the_project_can_be_read(checkout):
    paths = sorted((checkout / 'config/training').glob('*.yaml'))
    assert len(paths) >= 4
    for path in paths:
        read_recipe(path)


def test_the_fine_tuning_recipe_has_ten_lines(checkout):
    lines = (checkout / 'config/training/finetune_example.yaml').read_text().splitlines()
    assert len([line for line in lines if line and not line.startswith('#')]) == 10


def test_fields_and_overrides(recipe_file):
    path = recipe_file('variant: m\noptimizer: {lr: 1e-3}\naugmentation: {size: [64, 96]}\n')
    recipe = read_recipe(path, ['optimizer.weight_decay=0', 'precision=16', 'ema_decay=0.99',
                                'loss.cost.ce=1', 'schedule.milestones=[5, 7]', 'steps=9'])
    assert recipe.optimizer == OptimizerConfig(lr=1e-3, weight_decay=0.0)
    assert recipe.augmentation.size_hw == (64, 96)
    assert (recipe.precision, recipe.ema_decay, recipe.steps) == ('16', 0.99, 9)
    assert (recipe.loss.cost.ce, recipe.loss.loss.ce) == (1.0, 2.0)
    assert recipe.schedule.milestones == (5, 7)
    assert read_recipe(path, ['augmentation.size=64']).augmentation.size_hw == (64, 64)


def test_null_switches_off(recipe_file):
    path = recipe_file('init_checkpoint: weights.safetensors\nvalidation: {split: val}\n')
    recipe = read_recipe(path, ['init_checkpoint=null', 'validation.split=null'])
    assert recipe.init_checkpoint is None
    assert recipe.validation.split is None


@pytest.mark.parametrize('override', [
    'steps=1.5', 'steps=1e400', 'steps=1' + 30 * '0', 'steps=true', 'steps=null', 'steps=[1]',
    'batch_size=1' + 19 * '0', 'batch_size=1000000', 'seed=-1', 'seed=1' + 30 * '0',
    'workers=100000', 'workers=-1', 'optimizer.lr=.nan', 'optimizer.lr=.inf', 'optimizer.lr=1e39',
    'optimizer.lr=1' + 400 * '0', 'optimizer.weight_decay=1e300', 'optimizer.betas=[1]',
    'optimizer.betas=[.nan, 0.9]', 'optimizer.max_grad_norm=.nan', 'optimizer=3',
    'loss.num_points=0', 'loss.num_points=99999999999', 'loss.oversampling=1e300',
    'loss.cost.ce=.nan', 'loss.loss.mask=1e300', 'loss.void_weight=.inf',
    'augmentation.size=999999968', 'augmentation.size=[64]', 'augmentation.max_scale=1e300',
    'augmentation.min_scale=.nan', 'augmentation.flip=.nan', 'schedule.milestones=[1, 1]',
    'schedule.milestones=[1' + 30 * '0' + ']', 'schedule.factor=.nan',
    'auxiliary.dense_text_weight=.nan', 'auxiliary.dense_text_weight=1e300',
    'auxiliary.ground_truth_queries=1' + 18 * '0', 'validation.input_size=999999',
    'report.panels=999999999', 'checkpoint.keep=0', 'data=3', 'data.name=null', 'variant=[s]',
    'precision=64', 'ema_decay=.nan', 'ema_decay=1', 'ablate=vas', 'ablate=[vit]', '__class__=3',
    'data.__init__=3', '=3', 'a', 'steps: 3', 'steps=&a [*a]', 'steps=' + 5000 * '['])
def test_hostile_values_are_refused_in_a_sentence(tmp_path, override):
    path = tmp_path / 'recipe.yaml'
    path.write_text('variant: t')
    with pytest.raises(RecipeError) as refusal:
        read_recipe(path, [override])
    assert len(str(refusal.value)) < 6000


@pytest.mark.parametrize(('text', 'overrides', 'message'), [
    ('learning_rate: 1', [], 'there is no field learning_rate'),
    ('batchsize: 8', [], 'no field batchsize; did you mean batch_size?'),
    ('lr: 1e-3', [], 'no field lr; did you mean optimizer.lr?'),
    ('optimizer: {weight_decy: 0}', [], 'no field optimizer.weight_decy; did you mean '
                                        'optimizer.weight_decay?'),
    ('', ['optimiser.lr=1'], 'no field optimiser; did you mean optimizer'),
    ('', ['steps'], "override 'steps' is no key=value"),
    ('', ['steps.more=1'], 'steps must be a whole number'),
    ('steps: 3', ['steps.more=1'], 'steps has no fields'),
    ('steps: ten', [], "steps must be a whole number, got 'ten'"),
    ('steps: 10.5', [], 'steps must be a whole number, got 10.5'),
    ('batch_size: true', [], 'batch_size must be a whole number, got True'),
    ('optimizer: {lr: fast}', [], "optimizer.lr must be a number, got 'fast'"),
    ('optimizer: {betas: [0.9]}', [], 'optimizer.betas must be a list of 2 numbers'),
    ('compile: 1', [], 'compile must be true or false, got 1'),
    ('precision: fp8', [], "precision must be one of 32, bf16, 16, got 'fp8'"),
    ('ema_decay: soon', [], "ema_decay must be a number or null, got 'soon'"),
    ('optimizer: 3', [], 'optimizer must be a group of fields, got 3'),
    ('[1, 2]', [], 'holds a list, expected fields'),
    ('a: [', [], 'cannot be read'),
    ('', ['steps=['], 'the value is no YAML'),
    ('variant: x', [], "variant must be one of t, s, m, l, got 'x'"),
    ('steps: 0', [], 'steps must be at least 1, got 0'),
    ('optimizer: {lr: 0}', [], 'optimizer.lr must be above 0, got 0'),
    ('optimizer: {lr: .nan}', [], 'optimizer.lr must be above 0, got nan'),
    ('loss: {importance: 2}', [], 'loss.importance must lie in 0..1, got 2'),
    ('loss: {cost: {ce: -1}}', [], 'loss.cost.weight ce must be finite and at least 0'),
    ('augmentation: {size: 100}', [], 'augmentation.size must be a positive multiple of 32'),
    ('augmentation: {min_scale: 3}', [], 'augmentation.max_scale must be at least min_scale'),
    ('schedule: {milestones: [5, 3]}', [], 'schedule.milestones must be rising step numbers'),
    ('schedule: {kind: cosine, factor: 0.5}', [], 'factor is not read by the schedule cosine'),
])
def test_refusals_name_file_and_field(recipe_file, text, overrides, message):
    path = recipe_file(text)
    with pytest.raises(RecipeError) as error:
        read_recipe(path, overrides)
    assert message in str(error.value)
    assert str(path) in str(error.value) or 'override' in str(error.value)


def test_a_missing_recipe(tmp_path):
    with pytest.raises(RecipeError, match='nowhere.yaml cannot be read'):
        read_recipe(tmp_path / 'nowhere.yaml')


def test_writing_and_reading_again(tmp_path):
    recipe = Recipe(variant='l', ema_decay=0.999, augmentation=AugmentationConfig(size=(64, 96)),
                    schedule=ScheduleConfig(kind='cosine', warmup_steps=5))
    write_recipe(recipe, tmp_path / 'recipe.yaml')
    assert read_recipe(tmp_path / 'recipe.yaml') == recipe


def test_what_a_resumed_run_may_change():
    recipe = Recipe()
    assert resume_conflicts(recipe, recipe, 5) == []
    harmless = replace(recipe, workers=0, checkpoint=CheckpointConfig(every=7), steps=9)
    assert resume_conflicts(recipe, harmless, 5) == []
    assert resume_conflicts(recipe, replace(recipe, batch_size=8), 5) == [
        'batch_size: was 16, now 8']
    assert resume_conflicts(recipe, replace(recipe, optimizer=OptimizerConfig(lr=1.0)), 5) == [
        'optimizer.lr: was 0.0001, now 1.0']
    cosine = replace(recipe, schedule=ScheduleConfig(kind='cosine'))
    assert resume_conflicts(cosine, replace(cosine, steps=9), 5) == ['steps: was 200000, now 9']


@pytest.mark.parametrize(('milestones', 'step', 'allowed'), [
    ((40, 60), 40, True), ((70,), 39, True), ((70,), 40, False), ((40, 90), 41, True),
    ((41,), 41, False), ((), 0, True)])
def test_milestones_may_change_until_they_are_passed(milestones, step, allowed):
    before = replace(Recipe(), schedule=ScheduleConfig(milestones=(40, 50)))
    now = replace(before, schedule=ScheduleConfig(milestones=milestones))
    assert (resume_conflicts(before, now, step) == []) == allowed


def test_every_field_is_read_by_something(checkout):
    code = '\n'.join(path.read_text() for path in (checkout / 'training').rglob('*.py')
                     if path.name not in ('recipe.py', 'recipe_file.py'))
    names = [name.rpartition('.')[2] for name in field_names()]
    assert [name for name in names if not re.search(rf'\.{name}(_hw)?\b', code)] == []


def test_the_documentation_lists_every_field_with_its_default(checkout):
    rows = re.findall(r'^\| `([a-z_.]+)`( \*)? \| ([^|]+) \|',
                      (checkout / 'docs/training.md').read_text(encoding='utf-8'), re.MULTILINE)
    listed = {name: (yaml.safe_load(default), bool(star)) for name, star, default in rows
              if name in field_names()}
    assert sorted(listed) == sorted(field_names())
    assert listed == dict(described_fields(Recipe()))


def described_fields(config, prefix=''):
    """Yield dotted name -> (default as in YAML, whether a resumed run may change it)."""
    for item in fields(config):
        value = getattr(config, item.name)
        if is_dataclass(value):
            yield from described_fields(value, f'{prefix}{item.name}.')
        else:
            plain = list(value) if isinstance(value, tuple) else value
            plain = 32 if plain == '32' else plain
            yield prefix + item.name, (plain, 'free' in item.metadata)
