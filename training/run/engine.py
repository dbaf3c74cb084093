# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A whole run: weights and data in, training by Lightning, weights out."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
import logging
from pathlib import Path
from typing import Any, Literal

import lightning
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch.loggers import TensorBoardLogger
import torch
from torch.utils.data import DataLoader

from eov_seg_core.io.files import locked
from eov_seg_core.network.model import EOVSeg
from eov_seg_core.pretrained import load_pretrained
from eov_seg_core.weights.builtin import has_builtin_weights
from eov_seg_core.weights.checkpoint import CheckpointError
from eov_seg_core.weights.choice import is_here, NoWeightsError
from eov_seg_core.weights.download.cache import weights_file
from training.ablation import ablate
from training.data.samples import TrainingData, TrainingExample
from training.data.stream import ExampleStream, make_loader, StepPositions
from training.data.training_data import PanopticTrainingData
from training.recipe import BUILTIN, PUBLISHED, Recipe
from training.recipe_file import read_recipe, RecipeError, resume_conflicts, write_recipe
from training.run.callbacks.averaging import AveragedWeights
from training.run.callbacks.bad_steps import BadSteps, DivergedError, not_finite
from training.run.callbacks.panels import Panels
from training.run.callbacks.reporting import Report
from training.run.callbacks.validation import Validation
from training.run.module import TrainingModule
from training.run.saving import (
    checkpoint_step,
    CheckpointFiles,
    Checkpoints,
    checkpoints,
    newest_usable,
)
from training.run.sources import training_data, validation_data
from training.run.sync_batch_norm import SyncBatchNorms

_log = logging.getLogger(__name__)
_PRECISIONS: dict[str, Literal['32-true', 'bf16-mixed', '16-mixed']] = {
    '32': '32-true', 'bf16': 'bf16-mixed', '16': '16-mixed'}
_MOST_BAD_STEPS = {'32': 5, 'bf16': 5, '16': 25}
"""Bad steps in a row that end a run; float16 begins with some, until its loss scale has fallen."""


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """Where a run happens; it trains the same anywhere, up to rounding.

    Attributes:
        output: Folder of the run: recipe, checkpoints, TensorBoard files, weights.
        accelerator: `auto`, `cpu` or `cuda`.
        devices: Processes on each machine, one for each device; None: all GPUs, or one CPU.
        machines: How many machines take part.

    Raises:
        ValueError: There is no device or no machine.
    """

    output: Path
    accelerator: str = 'auto'
    devices: int | None = None
    machines: int = 1

    def __post_init__(self) -> None:
        """Refuse numbers below one."""
        for name, value in (('devices', self.devices), ('machines', self.machines)):
            if value is not None and value < 1:
                raise ValueError(f'--{name} must be at least 1, got {value}')

    @property
    def weights(self) -> Path:
        """The exported weights."""
        return self.output / 'model.safetensors'


def train(recipe: Recipe, settings: RunSettings) -> int | None:
    """Train, from the newest checkpoint in the output folder if there is one.

    Args:
        recipe: What to do.
        settings: Where.

    Returns:
        The signal that stopped the run, which a second call then continues; None at the end, and
        in all processes but the first.

    Raises:
        ValueError: The recipe, its data or its weights cannot be used, a checkpoint in the output
            folder is of another recipe, or another run is writing there.
        DivergedError: Loss or weights do not stay finite.
        OSError: A file cannot be read or written.
    """
    settings.output.mkdir(parents=True, exist_ok=True)
    # the other processes of a run work for the first one
    is_first = rank_zero_only.rank == 0     # type: ignore[attr-defined]
    with locked(settings.output, 'training') if is_first else nullcontext():
        return _train(recipe, settings)


def _train(recipe: Recipe, settings: RunSettings) -> int | None:
    _check_folder(recipe, settings.output)
    last = newest_usable(settings.output / 'checkpoints')
    stream = ExampleStream(training_data(recipe), recipe.seed)
    model = initial_model(recipe)
    ablate(model, recipe.ablate)
    module = TrainingModule(recipe, model)
    _check_words(recipe, module, stream.data)
    stopping = Checkpoints(settings.output / 'checkpoints', recipe.checkpoint)
    average = None if recipe.ema_decay is None else AveragedWeights(recipe.ema_decay)
    callbacks: list[lightning.Callback] = [] if average is None else [average]
    bad_steps = BadSteps(stream.name, _MOST_BAD_STEPS[recipe.precision])
    callbacks += [Report(recipe), bad_steps, stopping,
                  Panels(stream.data, recipe.report, recipe.seed)]
    validated = validation_data(recipe)
    if validated is not None:
        callbacks.append(Validation(validated, recipe.validation))
    trainer = _trainer(recipe, settings, callbacks, 0 if last is None else checkpoint_step(last))
    if trainer.is_global_zero:
        write_recipe(recipe, settings.output / 'recipe.yaml')
    batches = _Batches(recipe, stream, trainer)
    trainer.fit(module, datamodule=batches, ckpt_path=last)
    if not trainer.is_global_zero:  # Lightning takes another status of theirs for a failure
        return None
    if bad_steps.total:
        _log.warning('%d of %d steps were left out, since their gradient was not finite',
                        bad_steps.total, trainer.global_step)
    with nullcontext() if average is None else average.in_place(module):
        _export(module.model, settings.weights)
    return stopping.stopped_by


def initial_model(recipe: Recipe) -> EOVSeg:
    """Build the network that a run starts from; equal recipes give equal weights.

    Raises:
        CheckpointError: The recipe's checkpoint cannot be used.
        ValueError: It names none, and there are no public CLIP weights, or they could not be
            fetched; or the published weights are not here.
    """
    torch.manual_seed(recipe.seed)
    variant, named = recipe.variant, recipe.init_checkpoint
    if named in (BUILTIN, PUBLISHED):
        if not is_here(variant):
            raise ValueError(f'init_checkpoint is {PUBLISHED}, and {weights_file(variant)} is not '
                             f'there; fetch it with: eov-seg download {variant}')
        return load_pretrained(variant).model
    ways = (f'set init_checkpoint: {BUILTIN} for the weights that the package has'
            if has_builtin_weights(variant) else
            f'run eov-seg download {variant} and set init_checkpoint: {PUBLISHED}')
    try:
        return load_pretrained(variant, named, sources=('clip',)).model
    except CheckpointError as error:
        if named is not None and not Path(named).exists():
            raise ValueError(f'init_checkpoint: {error}; or {ways}') from error
        raise
    except NoWeightsError as error:
        raise ValueError(f'the recipe has no init_checkpoint, and CLIP has no public weights of '
                         f'variant {variant}: {ways}, or name a file that holds trained '
                         'CLIPs') from error
    except RuntimeError as error:
        raise ValueError(f'{error}; or {ways}') from error


def _check_words(recipe: Recipe, module: TrainingModule, data: TrainingData) -> None:
    """Refuse names that the text tower cannot tell apart, unless the recipe wants them."""
    if recipe.data.allow_unknown_words or not isinstance(data, PanopticTrainingData):
        return      # the world draws names that its text tower knows
    unknown, names = module.unknown_words(data.vocabulary), data.vocabulary.synonyms
    if unknown:
        raise ValueError(
            f'the text tower of these weights never learned {len(unknown)} of the {len(names)} '
            f'names of {recipe.data.name}, first {", ".join(map(repr, unknown[:5]))}. They look '
            'alike to it, so the training cannot tell them apart. Start from other weights '
            '(init_checkpoint), use names of the vocabulary preset '
            f'{module.model.config.training_vocabulary}, or set data.allow_unknown_words: true')


def _check_folder(recipe: Recipe, output: Path) -> None:
    """Refuse a folder in which another recipe was trained."""
    path = output / 'recipe.yaml'
    found = checkpoints(output / 'checkpoints')
    if not path.exists() or not found:
        return
    conflicts = resume_conflicts(read_recipe(path), recipe, checkpoint_step(found[-1]))
    if conflicts:
        raise RecipeError(f'{output} holds a run of another recipe ({"; ".join(conflicts)}); '
                          'restore these values to go on with it, or choose another --output')


class _Batches(lightning.LightningDataModule):
    """The stream of batches from the step on at which the trainer is."""

    def __init__(self, recipe: Recipe, stream: ExampleStream, trainer: lightning.Trainer) -> None:
        super().__init__()
        self._recipe = recipe
        self._stream = stream
        self._trainer = trainer

    def train_dataloader(self) -> DataLoader[tuple[int, TrainingExample]]:
        positions = StepPositions(self._recipe.batch_size, self._trainer.global_step,
                                  self._trainer.global_rank, self._trainer.world_size)
        return make_loader(self._stream, positions, self._recipe.workers,
                           pin_memory=torch.cuda.is_available())


def _trainer(recipe: Recipe, settings: RunSettings, callbacks: Iterable[lightning.Callback],
             first_step: int) -> lightning.Trainer:
    plugins: list[Any] = [CheckpointFiles()]
    if recipe.sync_batch_norm:
        plugins.append(SyncBatchNorms())
    trainer = lightning.Trainer(
        accelerator=settings.accelerator, devices=settings.devices or 'auto',
        num_nodes=settings.machines, precision=_PRECISIONS[recipe.precision],
        max_epochs=-1, max_steps=recipe.steps,
        # what was logged after the checkpoint is logged again
        logger=TensorBoardLogger(settings.output, name='', version='tensorboard',
                                 purge_step=first_step + 1),
        callbacks=list(callbacks), plugins=plugins, use_distributed_sampler=False,
        enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
        default_root_dir=settings.output)
    if recipe.batch_size % trainer.world_size:
        raise ValueError(f'{trainer.world_size} processes cannot share a batch_size of '
                         f'{recipe.batch_size} evenly; choose a multiple, or other devices')
    return trainer


def _export(model: EOVSeg, path: Path) -> None:
    """Write the weights; plain batch norms have the same entries as synchronised ones.

    Raises:
        DivergedError: They are not finite.
        OSError: The file cannot be written.
    """
    wrong = not_finite(model.state_dict().items())
    if wrong:
        raise DivergedError(f'the weights are not finite ({wrong[0]} and {len(wrong) - 1} more); '
                            'nothing is exported. Lower optimizer.lr')
    model.save(path)
    _log.info('weights: %s', path)
