# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ResNet as inference runs it: batch norms in the convolutions, channels last.

A batch norm of a frozen network is a linear map of each channel, so it can go into the convolution
before it; and the convolutions of CPUs and of tensor cores want the channels of a pixel side by
side, which spares them the reordering.  Both change the order of rounding only.  This is a copy
beside the model, which `EOVSeg.forward` is given: the model's own weights stay as they are.
"""

from __future__ import annotations

import copy

import torch
from torch import nn, Tensor
from torch.nn.utils.fusion import fuse_conv_bn_eval

from eov_seg_core.network.backbone import CNNFeatures, ConvNeXtCLIP, resnet_features, ResNetCLIP


def inference_cnn(cnn: ResNetCLIP | ConvNeXtCLIP, device: torch.device
                  ) -> FoldedResNet | ResNetCLIP | ConvNeXtCLIP:
    """Return what computes a CNN's features as fast as it can; the CNN itself where it does.

    Args:
        cnn: In evaluation mode, on that device; its weights must not change afterwards.
        device: Where it runs.
    """
    if device.type in ('cpu', 'cuda') and isinstance(cnn, ResNetCLIP):
        return FoldedResNet(cnn)
    return cnn


class FoldedResNet(nn.Module):
    """A copy of a ResNet's convolutions, with the batch norms in them.

    Args:
        cnn: In evaluation mode, on its device; its weights must not change afterwards.
    """

    def __init__(self, cnn: ResNetCLIP) -> None:
        super().__init__()
        # what the memo says of the attention pool spares copying it: it makes no feature map
        visual = copy.deepcopy(cnn.visual, {id(cnn.visual.attnpool): None})
        visual.requires_grad_(False)
        for module in visual.modules():
            _fold_children(module)
        self.visual = visual.to(memory_format=torch.channels_last)

    def forward(self, pixels_BCHW: Tensor) -> CNNFeatures:
        """Compute res2..res5 of normalised pixels (B, 3, H, W); H and W multiples of 32."""
        return resnet_features(
            self.visual, pixels_BCHW.contiguous(memory_format=torch.channels_last))


def _fold_children(module: nn.Module) -> None:
    """Fold each batch norm that directly follows a convolution among a module's children."""
    children = list(module.named_children())
    for (name, convolution), (norm_name, norm) in zip(children, children[1:]):
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            setattr(module, name, fuse_conv_bn_eval(convolution, norm))
            setattr(module, norm_name, nn.Identity())
