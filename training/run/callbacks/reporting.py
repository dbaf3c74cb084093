# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Progress bar and loss curves of a run."""

from __future__ import annotations

import time
from typing import Any

import lightning
import torch
from tqdm import tqdm

from training.recipe import Recipe
from training.run.module import TrainingModule
from training.run.optimization import lr_factor


class Report(lightning.Callback):
    """Show a progress bar, and write the loss and its terms to TensorBoard.

    Losses are those of the whole batch of a step, over all processes; the rate is the mean since
    the entry before.

    Args:
        recipe: What is trained.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._bar: tqdm[Any] | None = None
        self._last_entry = (0, 0.0)

    def on_train_start(self, trainer: lightning.Trainer,
                       pl_module: lightning.LightningModule) -> None:
        """Open the bar where the run goes on."""
        self._last_entry = (trainer.global_step, time.perf_counter())
        self._bar = tqdm(total=trainer.max_steps, initial=trainer.global_step, unit='step',
                         dynamic_ncols=True, disable=not trainer.is_global_zero)

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule,
                           outputs: Any, batch: Any, batch_idx: int) -> None:
        """Count the step; write an entry if it is time."""
        if self._bar is not None:
            self._bar.update()
        step = trainer.global_step
        if step % self._recipe.report.scalars_every and step != trainer.max_steps:
            return
        if not isinstance(pl_module, TrainingModule):
            raise TypeError(f'expected a TrainingModule, got {type(pl_module).__name__}')
        values = torch.stack([outputs['loss'].detach(), *outputs['terms'].values()]).float()
        values = trainer.strategy.reduce(values, reduce_op='mean')
        names = ['loss', *(f'loss/{name}' for name in outputs['terms'])]
        rate = self._images_per_s(step)
        scalars = {**dict(zip(names, values.tolist())), 'images_per_s': rate,
                   'lr': self._lr_of(step - 1),
                   'grad_norm': float(pl_module.grad_norm)}
        for logger in trainer.loggers:
            logger.log_metrics(scalars, step)
        if self._bar is not None:
            self._bar.set_postfix_str(f'loss {scalars["loss"]:.3f}, {rate:.1f} images/s')

    def _lr_of(self, step: int) -> float:
        return self._recipe.optimizer.lr * lr_factor(
            self._recipe.schedule, self._recipe.steps, step)

    def _images_per_s(self, step: int) -> float:
        before, start = self._last_entry
        self._last_entry = (step, time.perf_counter())
        return (step - before) * self._recipe.batch_size / (self._last_entry[1] - start)

    def teardown(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule,
                 stage: str) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()

    def on_exception(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule,
                     exception: BaseException) -> None:
        """Close the bar, so that what is said next has a line of its own."""
        self.teardown(trainer, pl_module, 'fit')
