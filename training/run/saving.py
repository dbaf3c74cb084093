# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Saving the state of a run so that it survives a kill at any moment, and stopping on request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
import logging
import os
from pathlib import Path
import signal
from types import FrameType
from typing import Any

import lightning
from lightning.pytorch.plugins.io import CheckpointIO
import torch

from eov_seg_core.io.files import replacing, UNFINISHED
from training.recipe import CheckpointConfig
from training.run.callbacks.bad_steps import DivergedError, not_finite
from training.run.module import TrainingModule

_log = logging.getLogger(__name__)

_STOPPING = (signal.SIGINT, signal.SIGTERM)
_ENTRIES = {'state_dict', 'optimizer_states', 'lr_schedulers', 'loops', 'global_step'}
"""What every checkpoint holds."""
_Handler = Callable[[int, FrameType | None], Any] | int | None


class CheckpointFiles(CheckpointIO):
    """Checkpoints that are either whole or not there, read without executing pickled code."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path,
                        storage_options: Any | None = None) -> None:
        """Write a checkpoint and, when all of it is on the disk, move it to its place."""
        try:
            with replacing(Path(path)) as temporary, temporary.open('wb') as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
        except (OSError, RuntimeError) as error:    # PyTorch hides the cause behind one of its own
            reason = next((cause for cause in (error, error.__context__)
                           if isinstance(cause, OSError)), error)
            raise OSError(f'checkpoint {path} cannot be written ({reason}); those from before '
                          'are kept: make room, and the same command goes on') from error

    def load_checkpoint(self, path: str | Path, map_location: Any | None = None,
                        weights_only: bool | None = True) -> dict[str, Any]:
        """Read a checkpoint onto the CPU; tensors and plain containers only, whatever is asked.

        Raises:
            ValueError: The file is damaged or holds something else.
        """
        try:
            content: dict[str, Any] = torch.load(path, map_location='cpu', weights_only=True)
        except Exception as error:  # a damaged file makes the unpickler raise whatever it comes to
            reason = f'{type(error).__name__}: {error}'.partition('\n')[0]
            if 'weights_only' in reason:    # advice that would execute what the file says
                reason = 'it is no checkpoint, or holds objects that could execute anything'
            raise ValueError(f'checkpoint {path} is damaged ({reason})') from error
        return content

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove a checkpoint."""
        Path(path).unlink()


def checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints of a run, oldest first."""
    return sorted(folder.glob('step_*.ckpt'))


def checkpoint_step(path: Path) -> int:
    """Return after how many steps a checkpoint was saved."""
    return int(path.stem.removeprefix('step_'))


def newest_usable(folder: Path) -> Path | None:
    """Return the newest checkpoint of a run that can be read and is finite; None: there is none.

    Those that cannot be used are named in the log.

    Raises:
        ValueError: There are checkpoints, but none can be used.
    """
    found = checkpoints(folder)
    for path in reversed(found):
        try:
            _check_usable(path)
        except ValueError as error:
            _log.warning('%s; looking for the one before', error)
            continue
        return path
    if found:
        raise ValueError(f'none of the {len(found)} checkpoints in {folder} can be used; choose '
                         'another --output, or remove the folder to begin again')
    return None


def _check_usable(path: Path) -> None:
    content = CheckpointFiles().load_checkpoint(path)
    if not (isinstance(content, dict) and content.keys() >= _ENTRIES):
        raise ValueError(f'checkpoint {path} is none of a training run')
    if not_finite(content['state_dict'].items()):
        raise ValueError(f'checkpoint {path} holds weights that are not finite')


class Checkpoints(lightning.Callback):
    """Save the state every so often, at the end, and when SIGINT or SIGTERM asks to stop.

    A signal that reaches any process of a run stops all of them after the same step.

    Args:
        folder: Where the files go; it is made.
        config: When to save, and how many checkpoints stay.

    Attributes:
        stopped_by: The signal that ended the run; None if it reached its end.
    """

    def __init__(self, folder: Path, config: CheckpointConfig) -> None:
        self.stopped_by: int | None = None
        self._folder = folder
        self._config = config
        self._previous: Mapping[int, _Handler] = {}

    def on_train_start(self, trainer: lightning.Trainer,
                       pl_module: lightning.LightningModule) -> None:
        """Take the signals over, also from Lightning, whose handler ends the run mid-step."""
        if trainer.is_global_zero:
            self._folder.mkdir(parents=True, exist_ok=True)
            for leftover in self._folder.parent.rglob(UNFINISHED):   # of a process that was killed
                leftover.unlink()
        if trainer.received_sigterm:    # while everything was being set up
            self.stopped_by = signal.SIGTERM
        self._previous = {number: signal.signal(number, self._ask_to_stop)
                          for number in _STOPPING}

    def _ask_to_stop(self, number: int, frame: FrameType | None) -> None:
        self.stopped_by = number

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule,
                           outputs: Any, batch: Any, batch_idx: int) -> None:
        """Save if it is time; end the run after this step if a process was asked to stop."""
        if trainer.strategy.reduce_boolean_decision(self.stopped_by is not None, all=False):
            self.stopped_by = self.stopped_by or signal.SIGTERM
            trainer.should_stop = True
        step = trainer.global_step
        # after a bad step the next may show that all is lost: what was saved before stays longer
        was_good = not isinstance(pl_module, TrainingModule) or pl_module.step_was_good
        if (trainer.should_stop or step == trainer.max_steps
                or (step % self._config.every == 0 and was_good)):
            self._save(trainer, step)

    def _save(self, trainer: lightning.Trainer, step: int) -> None:
        # all processes hold the same weights, and so come to the same end
        wrong = not_finite(trainer.lightning_module.state_dict().items())
        if wrong:
            raise DivergedError(
                f'after step {step} the weights are not finite ({wrong[0]} and {len(wrong) - 1} '
                'more); they are not saved, and checkpoints from before are kept. Lower '
                'optimizer.lr')
        trainer.save_checkpoint(self._folder / f'step_{step:08d}.ckpt')
        if trainer.is_global_zero:
            for old in checkpoints(self._folder)[:-self._config.keep]:
                with suppress(FileNotFoundError):
                    old.unlink()

    def teardown(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule,
                 stage: str) -> None:
        """Give the signals back."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def on_exception(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule,
                     exception: BaseException) -> None:
        """Give the signals back here, too: Lightning tears nothing down after an error."""
        self.teardown(trainer, pl_module, 'fit')
