# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The lightweight aggregator: deformable top-down fusion and coordinates (section 3.2).

Follows the published code, including two facts that a reader would not expect:

* The 27 channels of the offset convolution are read as 18 interleaved offsets (dy, dx of tap k in
  channels 2k and 2k + 1) and 9 masks; the published names "offset_x, offset_y" for the first two
  thirds are only names.
* Every parameter with more than one dimension starts from a Xavier-uniform draw, which overwrites
  the zero offsets and bilinear upsampling that a deformable network usually starts from.
"""

from __future__ import annotations

import torch
from torch import nn, Tensor
import torch.nn.functional as F

from eov_seg_core.network.backbone import CNNFeatures
from eov_seg_core.network.deform import modulated_deform_conv, TAPS


class DeformableUpsample(nn.Module):
    """Modulated deformable 3 x 3 convolution, then a transposed convolution that doubles the size.

    Args:
        in_channels: Channels of the coarser level.
        out_channels: Channels of the finer level.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.offset_mask = nn.Conv2d(in_channels, 3 * TAPS, kernel_size=3, padding=1)
        self.deform = nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False)
        self.deform_norm = nn.BatchNorm2d(out_channels)
        self.upsample = nn.ConvTranspose2d(
            out_channels, out_channels, kernel_size=4, stride=2, padding=1, bias=False)
        self.upsample_norm = nn.BatchNorm2d(out_channels)

    def forward(self, feature_BChw: Tensor) -> Tensor:
        """Map (B, C_in, h, w) to (B, C_out, 2h, 2w)."""
        offset_mask = self.offset_mask(feature_BChw)
        offset, mask = offset_mask[:, :2 * TAPS], offset_mask[:, 2 * TAPS:].sigmoid()
        feature_BChw = modulated_deform_conv(feature_BChw, offset, mask, self.deform.weight)
        feature_BChw = F.relu(self.deform_norm(feature_BChw))
        return F.relu(self.upsample_norm(self.upsample(feature_BChw)))


class LiteAggregator(nn.Module):
    """Fuse res2..res5 into one map at stride 4 and append coordinates.

    Args:
        in_channels: Channels of res2..res5.
        fused_dim: Channels of the fused map (AGG_DIM of the released configurations).
        hidden_dim: D, channels of the output.
    """

    def __init__(self, in_channels: tuple[int, int, int, int], fused_dim: int,
                 hidden_dim: int) -> None:
        super().__init__()
        c2, c3, c4, c5 = in_channels
        coarse_to_fine = (c5, c4, c3, c2)
        self.lateral = nn.ModuleList(nn.Conv2d(c, c // 2, kernel_size=1) for c in coarse_to_fine)
        self.top_down = nn.ModuleList(
            DeformableUpsample(c // 2, finer // 2)
            for c, finer in zip(coarse_to_fine[:-1], coarse_to_fine[1:]))
        self.project = nn.ModuleList(
            nn.Conv2d(c // 2, fused_dim, kernel_size=1, bias=False) for c in coarse_to_fine)
        self.bias = nn.Parameter(torch.zeros(1, fused_dim, 1, 1))
        self.output = nn.Conv2d(fused_dim, fused_dim, kernel_size=3, padding=1)
        self.coordinate_projection = nn.Conv2d(fused_dim + 2, hidden_dim, kernel_size=1)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw every parameter of more than one dimension Xavier-uniform, as published."""
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(self, features: CNNFeatures) -> Tensor:
        """Fuse feature maps of strides 4..32 into (B, D, h4, w4)."""
        return self.append_coordinates(self.fuse(features))

    def fuse(self, features: CNNFeatures) -> Tensor:
        """Run the top-down path; return the fused map (B, fused_dim, h4, w4)."""
        coarse_to_fine = tuple(reversed(features))
        level = self.lateral[0](coarse_to_fine[0])
        # the bias belongs to the sum; here it meets the smallest of the maps
        fused = F.interpolate(self.project[0](level) + self.bias, scale_factor=8, mode='bilinear')
        for index, scale in ((1, 4), (2, 2), (3, 1)):
            level = self.lateral[index](coarse_to_fine[index]) + self.top_down[index - 1](level)
            projected = self.project[index](level)
            if scale > 1:
                projected = F.interpolate(projected, scale_factor=scale, mode='bilinear')
            fused = fused + projected
        output: Tensor = self.output(fused)
        return output

    def append_coordinates(self, fused_BChw: Tensor) -> Tensor:
        """Append x and y in -1..1, corners included, and project to D channels (CoordConv)."""
        height, width = fused_BChw.shape[2:]
        x, y = _coordinates(width, fused_BChw), _coordinates(height, fused_BChw)
        # the projection of the coordinates apart: joining the maps first would copy the fused one
        weight_OC11 = self.coordinate_projection.weight
        channels = fused_BChw.shape[1]
        weight_x_O, weight_y_O = weight_OC11[:, channels:].flatten(1).unbind(1)
        projected_BDhw = F.conv2d(
            fused_BChw, weight_OC11[:, :channels], self.coordinate_projection.bias)
        coordinates_hwD = x[:, None] * weight_x_O + y[:, None, None] * weight_y_O
        return projected_BDhw + coordinates_hwD.permute(2, 0, 1)


def _coordinates(size: int, like: Tensor) -> Tensor:
    """Return `size` values from -1 to 1, both included."""
    if torch.compiler.is_exporting():
        # torch.export freezes the length of a linspace (pytorch/pytorch#172930); this differs from
        # it by one rounding
        position = torch.arange(size, device=like.device, dtype=like.dtype)
        return 2 * (position / position[-1:]) - 1
    return torch.linspace(-1, 1, size, device=like.device, dtype=like.dtype)
