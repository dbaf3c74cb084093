# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pseudo-random weights that can be made anywhere, for benchmarks and for the golden data.

The golden outputs in `test/golden` were computed with them: do not change a value.

Every tensor is drawn from a generator of its own, seeded by its published name, then scaled so
that a random network has masks of different sizes and labels that differ.  They are no
initialisation scheme.  `RandomState` is used because NumPy guarantees that its stream never
changes.
"""

from __future__ import annotations

from collections.abc import Mapping
import math
import zlib

import numpy as np
import torch
from torch import Tensor

from eov_seg_core import EOVSeg

_TEXT = '.clip_model.transformer.'
# (part of the name, standard deviation) of tensors that are no matrices
_DEVIATIONS = (
    ('object_kernels.weight', 0.5), ('token_embedding', 0.5),
    ('attnpool.positional_embedding', 3.0), ('positional_embedding', 0.1),
    ('class_embedding', 0.1), ('void_embedding', 1.0), ('deconv.bias', 0.05))
# matrices behind a ReLU: every row is centred, so that the common positive level drops out
_CENTRED = ('class_embed.layers.1.', 'class_embed.layers.2.', 'fc_mask.', 'ffn.layers.1.',
            'lateral_conv', '.mlp.c_proj.', '.mlp.fc2.', 'attnpool.')


SEED = 20250
"""Of the weights with which the golden outputs were computed."""


def random_model(variant: str) -> EOVSeg:
    """Build a variant with the weights of the golden data."""
    model = EOVSeg.from_variant(variant)
    model.load_official_state_dict(make_state_dict(model.official_state_dict(), SEED))
    return model


def make_state_dict(template: Mapping[str, Tensor], seed: int) -> dict[str, Tensor]:
    """Make a value for every entry of a state dict with published names."""
    return {name: _make(name, tuple(tensor.shape), tensor.dtype, seed)
            for name, tensor in template.items()}


def _make(name: str, shape: tuple[int, ...], dtype: torch.dtype, seed: int) -> Tensor:
    last = name.rsplit('.', 1)[-1]
    if not dtype.is_floating_point:
        return torch.zeros(shape, dtype=dtype)
    if last == 'logit_scale':
        return torch.full(shape, 4.6052 if 'clip_model' in name else math.log(90.0))
    count = math.prod(shape)
    random = _random(name, seed)
    if last == 'running_var':
        return _tensor(0.5 + random.random_sample(count), shape)
    values = random.standard_normal(count).astype(np.float32).reshape(shape)
    if last in ('bias', 'in_proj_bias') and not name.endswith('deconv.bias'):
        return _tensor(_bias(name, values, seed), shape)
    if len(shape) == 1 and last == 'weight':
        gain = 0.4 if '.bn3.' in name else 1.0
        return _tensor(gain * (1.0 + 0.1 * values), shape)
    special = _special(name, last, values)
    return _tensor(_matrix(name, last, values) if special is None else special, shape)


def _random(name: str, seed: int) -> np.random.RandomState:
    return np.random.RandomState((zlib.crc32(name.encode()) ^ seed) & 0xFFFFFFFF)


def _tensor(values: np.ndarray, shape: tuple[int, ...]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32).reshape(shape))


def _special(name: str, last: str, values: np.ndarray) -> np.ndarray | None:
    """Scale tensors that are neither bias nor gain nor matrix; None for the others."""
    if last == 'running_mean':
        return values * 0.1
    if name.endswith('vas.offset'):
        return 0.2 + 0.05 * values
    if name.endswith('vas.scale'):
        return 1.0 + 0.1 * values
    if last == 'gamma':
        return 0.3 + 0.05 * values
    for part, deviation in _DEVIATIONS:
        if part in name:
            return values * deviation
    return None


def _bias(name: str, values: np.ndarray, seed: int) -> np.ndarray:
    values = values * 0.05
    if name.endswith('dcn_offset.bias'):
        values = values * 4.0
    if name.endswith('loc_conv.bias'):
        values = values * 20.0
    if name.endswith('fc_mask.bias'):
        # against the mean feature, so that masks become small and of different areas
        mean = _random('lite_aggr.loc_conv.bias', seed).standard_normal(values.size)
        values = values - np.float32(0.9 / math.sqrt(values.size)) * mean.astype(np.float32)
    return values


def _matrix(name: str, last: str, values: np.ndarray) -> np.ndarray:
    shape = values.shape
    if last in ('text_projection', 'proj'):
        fan_in = shape[0]
    elif 'up_sample' in name or ('output_upscaling' in name and len(shape) == 4):
        fan_in = shape[0] * shape[2] * shape[3] // 4
    else:
        fan_in = math.prod(shape[1:])
    values = values * np.float32(math.sqrt(_gain(name, len(shape)) / fan_in))
    if any(part in name for part in _CENTRED):
        mean = values.reshape(shape[0], -1).astype(np.float64).mean(axis=1).astype(np.float32)
        values = values - mean.reshape((-1,) + (1,) * (len(shape) - 1))
    if name.endswith('loc_conv.weight'):
        values[:, -2:] *= np.float32(25.0)   # the two coordinates
    if name.endswith('in_proj_weight') and _TEXT in name:
        values[:2 * shape[1]] *= np.float32(4.0)   # sharper attention: queries and keys
    return values


def _gain(name: str, rank: int) -> float:
    gain = 2.0 if '.visual.' in name and rank == 4 else 1.0
    if 'dcn_offset' in name:
        gain = 1.0
    if 'out_proj' in name and '.transformer.' in name:
        gain = 4.0
    if 's_atten.out_proj' in name:
        gain = 0.2
    if 'output_conv' in name:
        gain = 0.1
    if _TEXT in name and '.mlp.c_proj.' in name:
        gain = 4.0
    return gain
