# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Batch norm whose statistics are those of the batches of all processes.

PyTorch's own works on CUDA only.  The one here is for processes on CPUs: with it a step of several
processes is that of one with all their images, there as on GPUs.
"""

from __future__ import annotations

from typing import Any

from lightning.pytorch.plugins.layer_sync import LayerSync, TorchSyncBatchNorm
import torch
from torch import distributed, nn, Tensor


class _SumOverProcesses(torch.autograd.Function):
    """Sum of a tensor over all processes; its gradient is summed as well, as all use the sum."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        distributed.all_reduce(total)
        return total


class CPUSyncBatchNorm(nn.BatchNorm2d):
    """Batch norm over the images of all processes, of plain collective operations."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (B, C, h, w); in evaluation mode by the running statistics, as always."""
        if not self.training or not distributed.is_initialized():
            return super().forward(input)
        pixels = input.float()      # sums of many pixels need its digits
        count, mean_C, var_C = _statistics(pixels)
        with torch.no_grad():
            momentum, running = self.momentum or 0.0, dict(self.named_buffers(recurse=False))
            running['running_mean'].lerp_(mean_C, momentum)
            running['running_var'].lerp_(var_C * (count / (count - 1)), momentum)
            running['num_batches_tracked'].add_(1)
        scale_C = self.weight * (var_C + self.eps).rsqrt()
        output = ((pixels - mean_C[:, None, None]) * scale_C[:, None, None]
                  + self.bias[:, None, None])
        return output.to(input.dtype)


def _statistics(input_BChw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the number of pixels of all processes, and their mean and variance, (C,) each."""
    sums = torch.cat([input_BChw.sum((0, 2, 3)),
                      input_BChw.new_tensor([input_BChw[:, 0].numel()])])
    sums = _SumOverProcesses.apply(sums)
    count, mean_C = sums[-1], sums[:-1] / sums[-1]
    squares_C = (input_BChw - mean_C[:, None, None]).square().sum((0, 2, 3))
    return count, mean_C, _SumOverProcesses.apply(squares_C) / count


class SyncBatchNorms(LayerSync):
    """Tell Lightning to take batch statistics over all processes, on CUDA and on CPUs."""

    def apply(self, model: nn.Module) -> nn.Module:
        """Replace the trainable batch norms; the frozen ones use no batch statistics."""
        if torch.cuda.is_available() and next(model.parameters()).is_cuda:
            return TorchSyncBatchNorm().apply(model)
        for parent in list(model.modules()):
            for name, child in parent.named_children():
                if isinstance(child, nn.BatchNorm2d) and child.weight.requires_grad:
                    setattr(parent, name, _synchronised(child))
        return model

    def revert(self, model: nn.Module) -> nn.Module:
        """Go back to plain batch norms, which are the same outside training."""
        return TorchSyncBatchNorm().revert(model)


def _synchronised(norm: nn.BatchNorm2d) -> CPUSyncBatchNorm:
    """Return a synchronised batch norm that shares the weights and statistics of a plain one."""
    synchronised = CPUSyncBatchNorm(norm.num_features, norm.eps, norm.momentum)
    synchronised.weight, synchronised.bias = norm.weight, norm.bias
    for name, buffer in norm.named_buffers(recurse=False):
        setattr(synchronised, name, buffer)
    return synchronised.train(norm.training)
