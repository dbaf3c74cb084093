# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The frozen CLIP image towers: CNN features, CLIP embeddings of masks, and the one-block ViT.

EOV-Seg, section 3.2.  The building blocks are open_clip's and timm's own classes, so parameter
names below each tower are CLIP's.  The published code instantiates two whole CLIP models; here
only the parts that reach an output exist: the CNN with its pooling head, and of the ViT the patch
embedding, the position embedding, `ln_pre` and the first block.

open_clip has run its transformers batch first since 2.26; the published code feeds
(length, batch, width), which a newer open_clip silently reads as attention over the batch.  Here
tokens are (B, L, C) and a test pins the layout.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from open_clip.modified_resnet import ModifiedResNet
from open_clip.timm_model import TimmModel
from open_clip.transformer import LayerNorm, QuickGELU, ResidualAttentionBlock
import torch
from torch import nn, Tensor
import torch.nn.functional as F

from eov_seg_core.config import CNNConfig, ConvNeXtConfig, ResNetConfig, ViTConfig
from eov_seg_core.device.precision import half_precision
from eov_seg_core.network.pooling import mask_pool


class CNNFeatures(NamedTuple):
    """Feature maps of the CNN CLIP, float, strides 4, 8, 16 and 32."""

    res2_BChw: Tensor
    res3_BChw: Tensor
    res4_BChw: Tensor
    res5_BChw: Tensor


CNN = Callable[[Tensor], CNNFeatures]
"""Normalised pixels (B, 3, H, W), H and W multiples of 32 -> feature maps."""


class ResNetCLIP(nn.Module):
    """CLIP's modified ResNet: multi-scale features and attention pooling inside masks.

    Args:
        config: Sizes of the tower.
        embed_dim: E, the size of the CLIP embedding.
    """

    def __init__(self, config: ResNetConfig, embed_dim: int) -> None:
        super().__init__()
        self.visual = ModifiedResNet(
            layers=list(config.layers), output_dim=embed_dim, heads=config.heads,
            image_size=config.image_size, width=config.width)

    def forward(self, pixels_BCHW: Tensor) -> CNNFeatures:
        """Compute res2..res5 of normalised pixels (B, 3, H, W); H and W multiples of 32."""
        return resnet_features(self.visual, pixels_BCHW)

    def embed_masks(self, res5_BChw: Tensor, mask_BQhw: Tensor) -> Tensor:
        """Pool CLIP's embedding inside every mask (EOV-Seg, section 3.5; MaskCLIP's pooling).

        The query is the mean of all positions, as in CLIP, and is the same for every mask; the
        keys are the positions inside the mask.  As there is one query for all of them, it is
        brought to the positions instead of projecting each position to a key.  A mask without any
        position pools all of them: its row is finite but meaningless, and the ensemble must not
        use it.

        Args:
            res5_BChw: Last feature map, float.
            mask_BQhw: Boolean masks at the size of the feature map.

        Returns:
            (B, Q, E) float, not normalised.
        """
        pool = self.visual.attnpool
        batch, _, height, width = res5_BChw.shape
        tokens_BLC = res5_BChw.flatten(2).transpose(1, 2)
        class_position, positions_LC = _split_positions(pool.positional_embedding, height, width)
        query_BC = pool.q_proj(tokens_BLC.mean(dim=1) + class_position)
        tokens_BLC = tokens_BLC + positions_LC

        heads = pool.num_heads
        query_Bnd = query_BC.view(batch, heads, -1)
        # what an autocast does not do where operations are counted
        key_weight_ndC = pool.k_proj.weight.unflatten(0, (heads, -1)).to(query_Bnd.dtype)
        key_bias_nd = pool.k_proj.bias.unflatten(0, (heads, -1))
        query_BnC = torch.einsum('bnd,ndc->bnc', query_Bnd, key_weight_ndC)
        offset_Bn1 = (query_Bnd * key_bias_nd).sum(dim=2, keepdim=True)
        values_BnLd = pool.v_proj(tokens_BLC).unflatten(2, (heads, -1)).transpose(1, 2)
        scale = query_Bnd.shape[2] ** -0.5
        scores_BnL = (query_BnC @ tokens_BLC.transpose(1, 2) + offset_Bn1) * scale

        mask_BQL = mask_BQhw.flatten(2)
        mask_BQL = mask_BQL | ~mask_BQL.any(dim=2, keepdim=True)
        scores_BnQL = scores_BnL.unsqueeze(2).masked_fill(~mask_BQL.unsqueeze(1), -torch.inf)
        pooled_BnQd = scores_BnQL.softmax(dim=-1) @ values_BnLd
        embedding: Tensor = pool.c_proj(pooled_BnQd.transpose(1, 2).flatten(2))
        return embedding


def resnet_features(visual: ModifiedResNet, pixels_BCHW: Tensor) -> CNNFeatures:
    """Run open_clip's ResNet without its pooling on (B, 3, H, W); H and W multiples of 32."""
    res2 = visual.layer1(visual.stem(pixels_BCHW))
    res3 = visual.layer2(res2)
    res4 = visual.layer3(res3)
    return CNNFeatures(res2, res3, res4, visual.layer4(res4))


def _split_positions(embedding: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Split (1 + side * side, C) into the class position (C,) and a resized grid (h * w, C)."""
    side = round((embedding.shape[0] - 1) ** 0.5)
    grid = embedding[1:].view(1, side, side, -1).permute(0, 3, 1, 2)
    grid = F.interpolate(grid.float(), size=(height, width), mode='bilinear', align_corners=False)
    return embedding[0], grid.flatten(2).squeeze(0).transpose(0, 1).to(embedding.dtype)


class ConvNeXtCLIP(nn.Module):
    """CLIP's ConvNeXt: multi-scale features and mean pooling inside masks.

    Args:
        config: The trunk and its channels.
        embed_dim: E, the size of the CLIP embedding.
    """

    def __init__(self, config: ConvNeXtConfig, embed_dim: int) -> None:
        super().__init__()
        self.visual = TimmModel(config.timm_name, embed_dim, pool='', proj='mlp')

    def forward(self, pixels_BCHW: Tensor) -> CNNFeatures:
        """Compute res2..res5 of normalised pixels (B, 3, H, W); H and W multiples of 32."""
        trunk = self.visual.trunk
        if pixels_BCHW.device.type == 'cpu':
            # its blocks normalise over the channels: side by side they need no reordering
            pixels_BCHW = pixels_BCHW.contiguous(memory_format=torch.channels_last)
        feature = trunk.stem(pixels_BCHW)
        stages = []
        for stage in trunk.stages:
            feature = stage(feature)
            stages.append(feature)
        stages[-1] = trunk.norm_pre(stages[-1])
        return CNNFeatures(*stages)

    def embed_masks(self, res5_BChw: Tensor, mask_BQhw: Tensor) -> Tensor:
        """Pool CLIP's embedding inside every mask: mean, LayerNorm, projection.

        Args:
            res5_BChw: Last feature map, float.
            mask_BQhw: Boolean masks at the size of the feature map; an empty one pools to zero.

        Returns:
            (B, Q, E) float, not normalised.
        """
        pooled_BQC = mask_pool(res5_BChw, mask_BQhw)
        batch, queries, channels = pooled_BQC.shape
        # timm's head expects a map; every pooled vector is a map of one pixel
        head_input = pooled_BQC.reshape(batch * queries, channels, 1, 1)
        embedding: Tensor = self.visual.head(self.visual.trunk.head(head_input).flatten(1))
        return embedding.view(batch, queries, -1)


def build_cnn(config: CNNConfig, embed_dim: int) -> ResNetCLIP | ConvNeXtCLIP:
    """Build the CNN CLIP tower that a configuration asks for, with CLIP's initialisation."""
    if isinstance(config, ResNetConfig):
        return ResNetCLIP(config, embed_dim)
    return ConvNeXtCLIP(config, embed_dim)


class ViTFirstBlock(nn.Module):
    """Patch tokens of CLIP's ViT after its first block: the spatial branch (section 3.2).

    Args:
        config: Sizes of the ViT.
    """

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        width, patch = config.width, config.patch_size
        grid = config.image_size // patch
        self.conv1 = nn.Conv2d(3, width, kernel_size=patch, stride=patch, bias=False)
        self.class_embedding = nn.Parameter(width ** -0.5 * torch.randn(width))
        self.positional_embedding = nn.Parameter(
            width ** -0.5 * torch.randn(grid * grid + 1, width))
        self.ln_pre = LayerNorm(width)
        self.block = ResidualAttentionBlock(width, config.heads, act_layer=QuickGELU)

    def forward(self, pixels_BCHW: Tensor, half_dtype: torch.dtype | None = None) -> Tensor:
        """Map normalised pixels to patch tokens.

        Args:
            pixels_BCHW: (B, 3, H, W).
            half_dtype: float16 or bfloat16 to compute in half precision; None for the weights'
                own.

        Returns:
            (B, C, H / 16, W / 16) in the pixels' dtype.
        """
        with half_precision(pixels_BCHW.device, half_dtype):
            return self._tokens(pixels_BCHW).to(pixels_BCHW.dtype)

    def _tokens(self, pixels_BCHW: Tensor) -> Tensor:
        patches_BChw = self.conv1(pixels_BCHW)
        batch, channels, height, width = patches_BChw.shape
        class_position, positions_LC = _split_positions(self.positional_embedding, height, width)
        patches_BLC = patches_BChw.flatten(2).transpose(1, 2) + positions_LC
        class_BLC = (self.class_embedding + class_position).expand(batch, 1, channels)
        tokens_BLC = torch.cat([class_BLC.to(patches_BLC), patches_BLC], dim=1)
        tokens_BLC = self._run_block(self.ln_pre(tokens_BLC))
        tokens: Tensor = tokens_BLC[:, 1:].transpose(1, 2)
        return tokens.reshape(batch, channels, height, width)

    def _run_block(self, tokens_BLC: Tensor) -> Tensor:
        """Run open_clip's block with PyTorch's fused attention.

        `nn.MultiheadAttention` stores every pair of tokens at inference: 0.2 GiB at 640 x 864.
        """
        block, attention = self.block, self.block.attn
        batch, length, channels = tokens_BLC.shape
        projected = F.linear(
            block.ln_1(tokens_BLC), attention.in_proj_weight, attention.in_proj_bias)
        query, key, value = projected.view(
            batch, length, 3, attention.num_heads, -1).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(query, key, value).transpose(1, 2)
        tokens_BLC = tokens_BLC + attention.out_proj(attended.reshape(batch, length, channels))
        output: Tensor = tokens_BLC + block.mlp(block.ln_2(tokens_BLC))
        return output
