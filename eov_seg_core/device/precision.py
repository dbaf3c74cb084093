# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Names of precisions and devices, and the context that computes in half precision."""

from __future__ import annotations

import torch

PRECISIONS = ('auto', 'fp32', 'fp16', 'bf16')
_HALF_DTYPES = {'fp16': torch.float16, 'bf16': torch.bfloat16}


def half_precision(device: torch.device, dtype: torch.dtype | None) -> torch.autocast:
    """Return a context that multiplies in `dtype` on `device`; None switches autocast off."""
    return torch.autocast(device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None)


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
    """Turn `auto` into `fp16` on CUDA and `fp32` elsewhere.

    Raises:
        ValueError: The name is unknown.
    """
    if precision not in PRECISIONS:
        raise ValueError(f'precision must be one of {", ".join(PRECISIONS)}; got {precision!r}')
    if precision != 'auto':
        return precision
    return 'fp16' if device.type == 'cuda' else 'fp32'


def half_dtype(precision: str) -> torch.dtype | None:
    """Return the torch dtype of a resolved half precision; None for `fp32`."""
    return _HALF_DTYPES.get(precision)
