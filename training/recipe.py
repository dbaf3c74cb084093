# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a training run does: every setting once, with the published value as its default.

Where a run happens (devices, machines, output folder) is no part of it: see training/train.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
import math
from typing import Any, Literal

from eov_seg_core.config import VARIANTS
from eov_seg_core.inference.preprocess import SIZE_DIVISOR
from eov_seg_core.weights.builtin import has_builtin_weights
from training.ablation import TrainedPart
from training.loss.auxiliary import AuxiliaryConfig
from training.loss.losses import LossConfig

BUILTIN = 'builtin'
"""As `init_checkpoint`: the weights that the package ships."""
PUBLISHED = 'published'
"""As `init_checkpoint`: the weights that `eov-seg download` has fetched."""

_LARGEST = 1e18
"""Of factors: their product still fits into float32."""
_LARGEST_SIDE = 16_384
"""Pixels of a training image's side."""
_MOST_PROCESSES = 1024
_MOST_IMAGES = 65_536
"""Of a batch, and of the panels."""


def _free(default: Any) -> Any:
    """Return a field that may change when a run is resumed: it does not alter the weights."""
    return field(default=default, metadata={'free': True})


def _check(condition: bool, name: str, value: object, expected: str) -> None:
    if not condition:
        raise ValueError(f'{name} must be {expected}, got {value!r}')


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """What to train on.

    Attributes:
        name: A data set of docs/datasets.md, a folder in COCO's panoptic format, or `world`.
        root: Folder that holds the published data sets.
        split: Part of the data set.
        allow_unknown_words: Train although the weights' text tower never learned some names,
            which therefore look alike to it; variant `t` knows the built-in world's names only.
    """

    name: str = 'coco_panoptic'
    root: str = _free('datasets')
    split: str = 'train'
    allow_unknown_words: bool = False


@dataclass(frozen=True, kw_only=True)
class AugmentationConfig:
    """Large-scale jitter: scale, then crop or pad to the training size.

    Attributes:
        size: Height and width of the training images in pixels, or one number for both; multiples
            of 32.
        min_scale: Least scale, relative to the image just fitting into the training size.
        max_scale: Largest scale.
        flip: Probability of a horizontal flip.
    """

    size: int | tuple[int, int] = 1024
    min_scale: float = 0.1
    max_scale: float = 2.0
    flip: float = 0.5

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        for side in self.size_hw:
            _check(side >= SIZE_DIVISOR and side % SIZE_DIVISOR == 0, 'size', self.size,
                   f'a positive multiple of {SIZE_DIVISOR}, or two of them (height, width)')
            _check(side <= _LARGEST_SIDE, 'size', self.size, f'at most {_LARGEST_SIDE}')
        _check(0 < self.min_scale < math.inf, 'min_scale', self.min_scale, 'above 0')
        _check(self.min_scale <= self.max_scale < math.inf, 'max_scale', self.max_scale,
               f'at least min_scale ({self.min_scale})')
        _check(self.max_scale * max(self.size_hw) <= _LARGEST_SIDE, 'max_scale', self.max_scale,
               f'small enough for images of at most {_LARGEST_SIDE} pixels a side')
        _check(0 <= self.flip <= 1, 'flip', self.flip, 'in 0..1')

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return (self.size, self.size) if isinstance(self.size, int) else self.size


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """AdamW and gradient clipping.

    Attributes:
        lr: Learning rate before the schedule.
        weight_decay: Of all weights but those of norm layers and embeddings, which have none.
        betas: Decay of the two running means.
        max_grad_norm: Longest gradient, over all weights together; longer ones are scaled down.
    """

    lr: float = 1e-4
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.999)
    max_grad_norm: float = 0.01

    def __post_init__(self) -> None:
        """Refuse what does not train."""
        _check(self.lr > 0, 'lr', self.lr, 'above 0')
        _check(self.weight_decay >= 0, 'weight_decay', self.weight_decay, 'at least 0')
        for name in ('lr', 'weight_decay'):
            _check(getattr(self, name) <= _LARGEST, name, getattr(self, name),
                   f'at most {_LARGEST:g}')
        _check(all(0 <= beta < 1 for beta in self.betas), 'betas', self.betas, 'two in 0..1')
        _check(self.max_grad_norm > 0, 'max_grad_norm', self.max_grad_norm, 'above 0 (.inf: off)')


@dataclass(frozen=True, kw_only=True)
class ScheduleConfig:
    """How the learning rate changes.

    Attributes:
        kind: `multi_step`, or `cosine`, which falls to 0 at the end.
        warmup_steps: Steps in which it rises linearly first.
        milestones: Steps at which `multi_step` multiplies it by `factor`.
        factor: Multiplier of each milestone.
    """

    kind: Literal['multi_step', 'cosine'] = 'multi_step'
    warmup_steps: int = 0
    milestones: tuple[int, ...] = (163_889, 187_546)
    factor: float = 0.1

    def __post_init__(self) -> None:
        """Refuse contradictions, and values that the chosen kind does not read."""
        _check(self.warmup_steps >= 0, 'warmup_steps', self.warmup_steps, 'at least 0')
        _check(0 < self.factor <= 1, 'factor', self.factor, 'above 0 and at most 1')
        _check(list(self.milestones) == sorted(set(self.milestones))
               and all(step > 0 for step in self.milestones), 'milestones', self.milestones,
               'rising step numbers')
        for name in ('milestones', 'factor'):
            if self.kind == 'cosine' and getattr(self, name) != getattr(ScheduleConfig, name):
                raise ValueError(f'{name} is not read by the schedule cosine; remove it, or '
                                 'choose kind multi_step')


@dataclass(frozen=True, kw_only=True)
class ValidationConfig:
    """Panoptic quality while training, of the weights as they are.

    Attributes:
        split: Part of the same data set; null: no validation.
        every: Steps between two measurements.
        images: Most images; the first ones of the split.
        input_size: Short side of the network's input in pixels.
    """

    split: str | None = _free('val')
    every: int = _free(5000)
    images: int = _free(500)
    input_size: int = _free(640)

    def __post_init__(self) -> None:
        """Refuse numbers below one."""
        for name in ('every', 'images', 'input_size'):
            _check(getattr(self, name) >= 1, name, getattr(self, name), 'at least 1')
        _check(self.input_size <= _LARGEST_SIDE, 'input_size', self.input_size,
               f'at most {_LARGEST_SIDE}')


@dataclass(frozen=True, kw_only=True)
class ReportConfig:
    """What a run writes while it lasts.

    Attributes:
        scalars_every: Steps between two entries of the loss curves.
        panels_every: Steps between two panels of image, truth and prediction.
        panels: How many images each of them shows; 0: none.
    """

    scalars_every: int = _free(20)
    panels_every: int = _free(1000)
    panels: int = _free(4)

    def __post_init__(self) -> None:
        """Refuse intervals below one."""
        for name in ('scalars_every', 'panels_every'):
            _check(getattr(self, name) >= 1, name, getattr(self, name), 'at least 1')
        _check(0 <= self.panels <= _MOST_IMAGES, 'panels', self.panels, f'in 0..{_MOST_IMAGES}')


@dataclass(frozen=True, kw_only=True)
class CheckpointConfig:
    """When the state of a run is saved.

    Attributes:
        every: Steps between two checkpoints.
        keep: How many of them stay, newest first.
    """

    every: int = _free(5000)
    keep: int = _free(2)

    def __post_init__(self) -> None:
        """Refuse numbers below one."""
        for name in ('every', 'keep'):
            _check(getattr(self, name) >= 1, name, getattr(self, name), 'at least 1')


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A whole training run; the defaults are the published one of variant `s`.

    Attributes:
        variant: `t`, `s`, `m` or `l`.
        init_checkpoint: Weights to start from, our `.safetensors` or an official `.pth`, both
            CLIPs included; `builtin`: those of the package, which only `t` has; `published`:
            those that `eov-seg download` fetched; null: CLIP's public weights, the rest drawn
            anew.
        data: What to train on.
        augmentation: How its images are varied.
        batch_size: Images of a step, over all processes.
        steps: Length of the run.
        optimizer: AdamW and gradient clipping.
        schedule: Learning rate over the steps.
        loss: Weights and points of matching and loss.
        auxiliary: Further losses, off as published.
        ablate: Parts of the network to do without, `vas` and `tdee`; none as published.
        precision: Arithmetic of both CLIPs and the aggregator: 32, bf16 or 16; the decoder and
            the loss are always computed in float32.
        sync_batch_norm: Take batch statistics over all processes.
        ema_decay: Decay for each step of the averaged weights that are exported; null: export the
            last weights.
        compile: Compile the network with torch.compile.
        seed: Of everything that is drawn.
        workers: Processes that read and augment, for each training process; 0: none.
        validation: Panoptic quality while training.
        report: Curves and pictures.
        checkpoint: When the state is saved.

    Raises:
        ValueError: A value is out of range; the message names the field.
    """

    variant: str = 's'
    init_checkpoint: str | None = None
    data: DataConfig = DataConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    batch_size: int = 16
    steps: int = 200_000
    optimizer: OptimizerConfig = OptimizerConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    loss: LossConfig = LossConfig()
    auxiliary: AuxiliaryConfig = AuxiliaryConfig()
    ablate: tuple[TrainedPart, ...] = ()
    precision: Literal['32', 'bf16', '16'] = '32'
    sync_batch_norm: bool = True
    ema_decay: float | None = None
    compile: bool = _free(False)
    seed: int = 0
    workers: int = _free(4)
    validation: ValidationConfig = ValidationConfig()
    report: ReportConfig = ReportConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()

    def __post_init__(self) -> None:
        """Refuse values that cannot be trained with."""
        _check(self.variant in VARIANTS, 'variant', self.variant, f'one of {", ".join(VARIANTS)}')
        _check(self.init_checkpoint != BUILTIN or has_builtin_weights(self.variant),
               'init_checkpoint', self.init_checkpoint, 'a file, because variant '
               f'{self.variant} has no built-in weights; only t has. Or {PUBLISHED}, for those '
               'that eov-seg download fetched')
        _check(self.init_checkpoint != PUBLISHED or not has_builtin_weights(self.variant),
               'init_checkpoint', self.init_checkpoint, f'{BUILTIN}, because the weights of '
               f'variant {self.variant} are in the package')
        for name in ('batch_size', 'steps'):
            _check(getattr(self, name) >= 1, name, getattr(self, name), 'at least 1')
        for name in ('seed', 'workers'):
            _check(getattr(self, name) >= 0, name, getattr(self, name), 'at least 0')
        _check(self.batch_size <= _MOST_IMAGES, 'batch_size', self.batch_size,
               f'at most {_MOST_IMAGES}')
        _check(self.workers <= _MOST_PROCESSES, 'workers', self.workers,
               f'at most {_MOST_PROCESSES}')
        _check(self.ema_decay is None or 0 < self.ema_decay < 1, 'ema_decay', self.ema_decay,
               'between 0 and 1, or null')
