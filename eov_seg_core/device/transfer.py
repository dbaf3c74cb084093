# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Copies between the host and a GPU that neither side waits for longer than it must.

A copy from or to ordinary memory stops the host until the GPU has finished all that was asked of
it before.  Pinned memory is read and written by the GPU itself, in the order of its stream.
"""

from __future__ import annotations

import torch
from torch import Tensor


def to_device(host: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor from host memory to a device, without waiting for the device.

    Args:
        host: On the CPU; may be changed or dropped afterwards.
        device: Where the copy shall lie; for the CPU the tensor itself is returned.
    """
    if device.type != 'cuda':
        return host.to(device)
    # PyTorch keeps the pinned memory until the GPU has read it, and then for the next frame
    return host.pin_memory().to(device, non_blocking=True)


def to_host(*tensors: Tensor) -> list[Tensor]:
    """Copy tensors of one device to host memory, waiting once; those on the CPU as they are.

    Args:
        tensors: At least one, all on one device.
    """
    if not tensors[0].is_cuda:
        return [tensor.cpu() for tensor in tensors]
    # PyTorch takes pinned memory for copies that nobody waits for
    copies = [tensor.to('cpu', non_blocking=True) for tensor in tensors]
    torch.cuda.current_stream(tensors[0].device).synchronize()
    return copies
