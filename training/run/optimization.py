# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Optimiser and learning rate of a recipe."""

from __future__ import annotations

from bisect import bisect_right
import math
from typing import Any

import torch
from torch import nn

from eov_seg_core.network.model import EOVSeg
from training.recipe import OptimizerConfig, ScheduleConfig

_WITHOUT_DECAY = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.Embedding)


def make_optimizer(model: EOVSeg, auxiliary: nn.Module,
                   config: OptimizerConfig) -> torch.optim.AdamW:
    """Return AdamW over the trainable weights of the network and of its further losses.

    As published, norm layers and embeddings do not decay, except the norm of the spatial branch,
    which is a class of its own there and decays like any other weight.
    """
    decaying: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for module in (*model.modules(), *auxiliary.modules()):
        decays = (not isinstance(module, _WITHOUT_DECAY)
                  or module is model.decoder.spatial_upscaler.norm)
        own = [parameter for parameter in module.parameters(recurse=False)
               if parameter.requires_grad]
        (decaying if decays else others).extend(own)
    groups: list[dict[str, Any]] = [{'params': decaying}, {'params': others, 'weight_decay': 0.0}]
    return torch.optim.AdamW(groups, lr=config.lr, betas=config.betas,
                             weight_decay=config.weight_decay)


def lr_factor(config: ScheduleConfig, total_steps: int, step: int) -> float:
    """Return by what the learning rate is multiplied in a step, counted from 0."""
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    if config.kind == 'cosine':
        progress = (step - config.warmup_steps) / max(total_steps - config.warmup_steps, 1)
        return 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
    return config.factor ** bisect_right(config.milestones, step)
