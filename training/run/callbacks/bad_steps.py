# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Steps whose gradient is not finite: they change nothing, are counted, and end a hopeless run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
import logging
import math
from typing import Any

import lightning
import torch
from torch import distributed, Tensor

from training.run.module import TrainingModule

_log = logging.getLogger(__name__)


class DivergedError(RuntimeError):
    """Training leads nowhere; the message names step, images and what to do."""


class BadSteps(lightning.Callback):
    """Report steps that `TrainingModule` has skipped, and end the run after several in a row.

    The gradient is that of all processes, so that all of them skip the same steps, end the run at
    the same one, and name the images of the one whose loss was bad.

    Args:
        name_of: Position in the stream of examples -> name of the image.
        most: So many bad steps in a row end the run, at least 1.

    Attributes:
        total: Bad steps since the beginning of the run, counted over its interruptions.
    """

    def __init__(self, name_of: Callable[[int], str], most: int) -> None:
        self.total = 0
        self._in_a_row = 0
        self._name_of = name_of
        self._most = most

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule,
                           outputs: Any, batch: Any, batch_idx: int) -> None:
        """Count the step if it was bad.

        Raises:
            DivergedError: Too many steps in a row were bad.
        """
        if not isinstance(pl_module, TrainingModule):
            raise TypeError(f'expected a TrainingModule, got {type(pl_module).__name__}')
        if pl_module.step_was_good:
            self._in_a_row = 0
            return
        self.total += 1
        self._in_a_row += 1
        loss, positions = _bad_share(float(outputs['loss']), [*map(int, batch.positions)])
        names = ', '.join(map(self._name_of, positions))
        step = trainer.global_step
        _log.warning('step %d is left out: its gradient is not finite (loss %g, images %s)',
                        step, loss, names)
        if self._in_a_row >= self._most:
            raise DivergedError(
                f'{self._most} steps in a row had a gradient that is not finite, the last one '
                f'step {step} with the images {names}. Lower optimizer.lr, or look at these '
                'images; checkpoints from before are kept, and nothing is exported')

    def state_dict(self) -> dict[str, Any]:
        """Return the count, for checkpoints."""
        return {'total': self.total}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the count of a checkpoint."""
        self.total = int(state_dict['total'])


def _bad_share(loss: float, positions: list[int]) -> tuple[float, list[int]]:
    """Return loss and images of the processes whose loss is not finite; of all if each is.

    Every process must call it at the same step: they wait for each other.
    """
    shares = [(loss, positions)]
    if distributed.is_available() and distributed.is_initialized():
        shares *= distributed.get_world_size()
        distributed.all_gather_object(shares, (loss, positions))
    bad = [share for share in shares if not math.isfinite(share[0])] or shares
    return bad[0][0], [position for _, part in bad for position in part]


def not_finite(tensors: Iterable[tuple[str, Tensor]]) -> list[str]:
    """Return the names of tensors that hold NaN or infinity."""
    return [name for name, tensor in tensors
            if tensor.is_floating_point() and not torch.isfinite(tensor).all()]
