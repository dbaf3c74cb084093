# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The exponential moving average of the weights while they are trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning
import torch
from torch import nn, Tensor

from training.run.module import TrainingModule


class AveragedWeights(lightning.Callback):
    """Average the trainable weights over the steps, and with them the statistics of batch norms.

    Averaged weights with the statistics of the last ones would not fit each other: while the
    learning rate is high, that costs more than averaging gains.  In the first steps the average is
    that of all steps so far, so that the untrained weights it starts from do not linger.

    Args:
        decay: Share of the average that a step leaves as it is, between 0 and 1.
    """

    def __init__(self, decay: float) -> None:
        self._decay = decay
        self._average: dict[str, Tensor] = {}

    def on_train_start(self, trainer: lightning.Trainer,
                       pl_module: lightning.LightningModule) -> None:
        """Start from the weights, or put what a checkpoint held onto their device."""
        known = self._average
        self._average = {name: known.get(name, value).to(value.device, copy=True)
                         for name, value in _averaged(pl_module)}

    @torch.no_grad()
    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule,
                           outputs: Any, batch: Any, batch_idx: int) -> None:
        """Move the average towards the weights, unless the step left them as they were."""
        if isinstance(pl_module, TrainingModule) and not pl_module.step_was_good:
            return
        share = max(1 - self._decay, 1 / trainer.global_step)
        torch._foreach_lerp_([self._average[name] for name, _ in _averaged(pl_module)],
                             [value for _, value in _averaged(pl_module)], share)

    def state_dict(self) -> dict[str, Any]:
        """Return the average, for checkpoints."""
        return self._average

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the average of a checkpoint."""
        self._average = dict(state_dict)

    @contextmanager
    @torch.no_grad()
    def in_place(self, module: nn.Module) -> Iterator[None]:
        """Let a module have the average as its weights for a while."""
        values = dict(_averaged(module))
        saved = {name: value.clone() for name, value in values.items()}
        for name, value in values.items():
            value.copy_(self._average[name])
        try:
            yield
        finally:
            for name, value in values.items():
                value.copy_(saved[name])


def _averaged(module: nn.Module) -> list[tuple[str, Tensor]]:
    """Return what is averaged; the whole numbers among the buffers only count steps."""
    weights = [(name, weight.detach()) for name, weight in module.named_parameters()
               if weight.requires_grad]
    return weights + [(name, buffer) for name, buffer in module.named_buffers()
                      if buffer.is_floating_point()]
