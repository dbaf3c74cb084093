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


class AveragedWeights(lightning.Callback):
    """Average the trainable weights over the steps; statistics of batch norms stay as they are.

    In the first steps the average is that of all steps so far, so that the untrained weights it
    starts from do not linger.

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
        self._average = {name: known.get(name, weight.detach()).to(weight.device, copy=True)
                         for name, weight in _trained(pl_module)}

    @torch.no_grad()
    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule,
                           outputs: Any, batch: Any, batch_idx: int) -> None:
        """Move the average towards the weights."""
        share = max(1 - self._decay, 1 / trainer.global_step)
        torch._foreach_lerp_([self._average[name] for name, _ in _trained(pl_module)],
                             [weight.detach() for _, weight in _trained(pl_module)], share)

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
        weights = dict(_trained(module))
        saved = {name: weight.clone() for name, weight in weights.items()}
        for name, weight in weights.items():
            weight.copy_(self._average[name])
        try:
            yield
        finally:
            for name, weight in weights.items():
                weight.copy_(saved[name])


def _trained(module: nn.Module) -> list[tuple[str, nn.Parameter]]:
    return [(name, weight) for name, weight in module.named_parameters() if weight.requires_grad]
