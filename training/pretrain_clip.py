# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Train variant `t`'s CLIP on captioned regions of the built-in world.

    python -m training.pretrain_clip --output runs/t_clip

Text tower, CNN and ViT learn together: both image towers pool their features inside the box of an
object exactly as the CLIP branch pools them inside masks, and compare them with the same captions.
It can be stopped at any moment and run again; the result is `clip.safetensors` in the output
folder, a checkpoint of variant `t` whose aggregator and decoder are untrained.  Several processes
share a batch under `torchrun --nproc-per-node N -m training.pretrain_clip`; on a CPU one process
with one thread for each core is the fastest.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
import json
import math
import os
from pathlib import Path
import random
import sys
import time
from typing import Any

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from eov_seg_core.device.precision import resolve_device
from eov_seg_core.io.files import locked
from eov_seg_core.io.text import error_line
from eov_seg_core.network.model import EOVSeg
from training.clip.accuracy import dense_accuracy
from training.clip.captions import caption_groups, CaptionGroup
from training.clip.trainer import ClipTrainer
from training.clip.views import ClipViews, View
from training.run.callbacks.bad_steps import DivergedError, not_finite
from training.run.saving import CheckpointFiles
from training.world.distractors import distractor_names
from training.world.frames import CachedFrames, CLIP_FRAMES, DEFAULT_CACHE

_MAX_LOGIT_SCALE = math.log(100)


@dataclass(frozen=True)
class ClipRecipe:
    """How CLIP is trained; the defaults made the weights that we ship.

    Attributes:
        steps: Optimiser steps.
        batch_size: Views of a step.
        lr: Highest learning rate, of AdamW.
        weight_decay: Of matrices and kernels; vectors have none.
        warmup: Steps until the highest learning rate; a cosine leads down to 0 afterwards.
        seed: Of weights, views and captions.
    """

    steps: int = 4000
    batch_size: int = 16
    lr: float = 1e-3
    weight_decay: float = 0.05
    warmup: int = 100
    seed: int = 0


def train(output: Path, recipe: ClipRecipe, cache: Path, device: torch.device,
          validate_every: int, workers: int) -> None:
    """Train, or go on where the run in that folder stopped."""
    output.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    distractors = distractor_names(for_training=True)
    trainer = ClipTrainer(distractors).to(device)
    optimizer = torch.optim.AdamW(_parameter_groups(trainer, recipe.weight_decay), lr=recipe.lr)
    first = _restore(output, recipe, trainer, optimizer)
    rank, processes = _process()
    module = DistributedDataParallel(trainer) if processes > 1 else trainer
    batches = _batches(recipe, first, cache, workers, rank, processes)
    bar = tqdm(batches, total=recipe.steps, initial=first,
               unit='step', disable=rank > 0)
    writer = SummaryWriter(str(output)) if rank == 0 else None
    for step, views in enumerate(bar, first):
        regions = [region for view in views for region in view.regions]
        rng = random.Random(f'{recipe.seed} {step} {rank}')
        groups = caption_groups(regions, rng, distractors)
        losses = _step(module, trainer, optimizer, recipe, step, views, groups)
        if writer is None:
            continue
        bar.set_postfix(losses)
        values = {f'loss/{name}': value for name, value in losses.items()}
        if (step + 1) % validate_every == 0 or step + 1 == recipe.steps:
            accuracy = dense_accuracy(trainer, cache)
            _log(output, step + 1, {**losses, **accuracy})
            values |= {f'accuracy/{name}': value for name, value in accuracy.items()}
            _save(output, recipe, trainer, optimizer, step + 1)
        for name, value in values.items():
            writer.add_scalar(name, value, step)
    if rank == 0:
        _export(trainer, output / 'clip.safetensors')


def _process() -> tuple[int, int]:
    """Return this process's number and how many there are; torchrun says so."""
    if 'WORLD_SIZE' not in os.environ:
        return 0, 1
    distributed.init_process_group()
    return distributed.get_rank(), distributed.get_world_size()


def _step(module: nn.Module, trainer: ClipTrainer, optimizer: torch.optim.Optimizer,
          recipe: ClipRecipe, step: int, views: Sequence[View],
          groups: Sequence[CaptionGroup]) -> dict[str, float]:
    for group in optimizer.param_groups:
        group['lr'] = recipe.lr * _schedule(step, recipe)
    module.train()
    losses = module(views, groups)
    optimizer.zero_grad()
    (losses['cnn'] + 0.5 * losses['vit']).backward()
    # of all processes, so that they come to the same end
    if not nn.utils.clip_grad_norm_(trainer.parameters(), 1.0).isfinite():
        raise DivergedError(f'the gradient of step {step + 1} is not finite; last.ckpt is kept as '
                            'it was saved before. Choose another --seed or --batch-size')
    optimizer.step()
    trainer.model.clip_logit_scale.data.clamp_(max=_MAX_LOGIT_SCALE)
    return {name: loss.item() for name, loss in losses.items()}


def _schedule(step: int, recipe: ClipRecipe) -> float:
    """Return the learning rate of a step as a part of the highest."""
    if step < recipe.warmup:
        return (step + 1) / recipe.warmup
    done = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    return 0.5 * (1 + math.cos(math.pi * done))


def _parameter_groups(trainer: ClipTrainer, weight_decay: float) -> list[dict[str, Any]]:
    trained = [parameter for parameter in trainer.parameters() if parameter.requires_grad]
    return [{'params': [item for item in trained if item.dim() > 1],
             'weight_decay': weight_decay},
            {'params': [item for item in trained if item.dim() <= 1], 'weight_decay': 0.0}]


def _batches(recipe: ClipRecipe, first: int, cache: Path, workers: int, rank: int,
             processes: int) -> Iterator[list[View]]:
    views = ClipViews(CachedFrames(CLIP_FRAMES, cache), recipe.seed,
                      recipe.steps * recipe.batch_size)
    if recipe.batch_size % processes:
        raise ValueError(f'a batch of {recipe.batch_size} views cannot be shared by {processes} '
                         'processes; choose a --batch-size that they divide')
    positions = range(first * recipe.batch_size + rank, len(views), processes)
    return iter(DataLoader(views, batch_size=recipe.batch_size // processes, sampler=positions,
                           num_workers=workers, collate_fn=list))


def _restore(output: Path, recipe: ClipRecipe, trainer: ClipTrainer,
             optimizer: torch.optim.Optimizer) -> int:
    """Load the last checkpoint of the run; return the number of steps that are done."""
    path = output / 'last.ckpt'
    if not path.exists():
        return 0
    state = CheckpointFiles().load_checkpoint(path)
    entries = {'recipe', 'trainer', 'optimizer', 'step'}
    if not (isinstance(state, dict) and state.keys() >= entries):
        raise ValueError(f'{path} is no checkpoint of this training; remove it to begin again')
    if state['recipe'] != asdict(recipe):
        raise ValueError(f'{path} was trained with {state["recipe"]}, not with {asdict(recipe)}; '
                         'give the same options, or another --output')
    trainer.load_state_dict(state['trainer'])
    optimizer.load_state_dict(state['optimizer'])
    return int(state['step'])


def _save(output: Path, recipe: ClipRecipe, trainer: ClipTrainer,
          optimizer: torch.optim.Optimizer, step: int) -> None:
    wrong = not_finite(trainer.state_dict().items())
    if wrong:
        raise DivergedError(f'after step {step} the weights are not finite ({wrong[0]} and '
                            f'{len(wrong) - 1} more); they are not saved')
    CheckpointFiles().save_checkpoint(
        {'recipe': asdict(recipe), 'trainer': trainer.state_dict(),
         'optimizer': optimizer.state_dict(), 'step': step}, output / 'last.ckpt')


def _export(trainer: ClipTrainer, path: Path) -> None:
    model = EOVSeg.from_variant('t')
    text = {f'text_tower.{name}': value for name, value in trainer.full_text_tower().items()}
    model.load_state_dict({**trainer.model.state_dict(), **text})
    model.save(path)


def _log(output: Path, step: int, values: dict[str, float]) -> None:
    with (output / 'log.jsonl').open('a', encoding='utf-8') as file:
        entry = {'step': step, 'time': round(time.time()), **values}
        file.write(json.dumps(entry) + '\n')
    figures = ', '.join(f'{name} {value:.3f}' for name, value in values.items())
    tqdm.write(f'step {step}: {figures}')


def main() -> int:
    """Run the command; return its exit status."""
    defaults = ClipRecipe()
    parser = argparse.ArgumentParser(description='Train the CLIP of variant t on the world.')
    parser.add_argument('--output', type=Path, default=Path('runs/t_clip'))
    parser.add_argument('--cache', type=Path, default=DEFAULT_CACHE)
    parser.add_argument('--steps', type=int, default=defaults.steps)
    parser.add_argument('--batch-size', type=int, default=defaults.batch_size)
    parser.add_argument('--seed', type=int, default=defaults.seed)
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--validate-every', type=int, default=200, help='steps')
    parser.add_argument('--workers', type=int, default=1, help='processes that read frames')
    options = parser.parse_args()
    recipe = ClipRecipe(steps=options.steps, batch_size=options.batch_size, seed=options.seed)
    try:
        options.output.mkdir(parents=True, exist_ok=True)
        is_first = os.environ.get('RANK', '0') == '0'
        with locked(options.output, 'training') if is_first else nullcontext():
            train(options.output, recipe, options.cache, resolve_device(options.device),
                  options.validate_every, options.workers)
    except (DivergedError, OSError, ValueError) as error:
        sys.stderr.write(f'{error_line("training.pretrain_clip", error)}\n')
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
