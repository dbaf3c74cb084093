# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Names of precisions and devices, and the contexts that compute in half precision.

`mixed` computes the spatial branch in half precision, `fp16` and `bf16` the whole network but for
islands in float32: where a half-precision position, count or sum over pixels would move masks
(sampling positions, mask sums and logits, softmax over the names, ensemble).
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor

PRECISIONS = ('auto', 'fp32', 'mixed', 'fp16', 'bf16')
_HALF_DTYPES = {'fp16': torch.float16, 'bf16': torch.bfloat16}


class Arithmetic(NamedTuple):
    """In which types a network multiplies; None: those of the weights.

    Attributes:
        spatial: Of the spatial branch.
        network: Of all of the network; not None only together with `spatial`.
    """

    spatial: torch.dtype | None = None
    network: torch.dtype | None = None


def half_precision(device: torch.device, dtype: torch.dtype | None) -> torch.autocast:
    """Return a context that multiplies in `dtype` on `device`; None switches autocast off."""
    return torch.autocast(device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None)


def float32_island(device: torch.device) -> AbstractContextManager[object]:
    """Return a context that switches an enclosing autocast off."""
    if torch.is_autocast_enabled(device.type):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()


def widened(values: Tensor) -> Tensor:
    """Return half-precision values as float32, others as they are."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def resolve_device(device: str | torch.device) -> torch.device:
    """Turn `auto`, `cpu`, `cuda` or `cuda:N` into a device that is there.

    Raises:
        ValueError: The name is unknown, or the device is not there.
    """
    if str(device) == 'auto':
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    try:
        resolved = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(_unknown(device)) from error
    if resolved.type not in ('cpu', 'cuda'):    # such as meta, which computes nothing
        raise ValueError(_unknown(device))
    if resolved.type == 'cuda' and (resolved.index or 0) >= torch.cuda.device_count():
        raise ValueError(f'device {device!r} was asked for, but PyTorch sees '
                         f"{torch.cuda.device_count()} CUDA devices; use 'auto' or 'cpu', or "
                         'check the driver and that PyTorch is a CUDA build')
    return resolved


def _unknown(device: object) -> str:
    return f"device must be 'auto', 'cpu', 'cuda' or 'cuda:N', got {str(device)!r:.80}"


def resolve_precision(precision: str, device: torch.device) -> str:
    """Turn `auto` into `mixed` on CUDA and `fp32` elsewhere.

    Raises:
        ValueError: The name is unknown.
    """
    if precision not in PRECISIONS:
        raise ValueError(f'precision must be one of {", ".join(PRECISIONS)}; got {precision!r}')
    if precision != 'auto':
        return precision
    return 'mixed' if device.type == 'cuda' else 'fp32'


def arithmetic(precision: str, device: torch.device) -> Arithmetic:
    """Return what a resolved precision means on a device."""
    if precision == 'mixed':
        return Arithmetic(torch.float16 if device.type == 'cuda' else torch.bfloat16)
    half = _HALF_DTYPES.get(precision)
    return Arithmetic(half, half)
