# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What distinguishes the model variants, as frozen and validated dataclasses.

Source: EOV-Seg (arXiv 2412.08628), section 4.1, and the released configurations.  The published
code spreads these values over three layers of YAML and reads CLIP's own sizes out of open_clip at
run time; here each value is written once, and whatever follows from another value is a property.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args, Literal

Variant = Literal['t', 's', 'm', 'l']
VARIANTS: tuple[Variant, ...] = get_args(Variant)


@dataclass(frozen=True, kw_only=True)
class ResNetConfig:
    """OpenAI's modified ResNet (CLIP paper, section 2.4)."""

    layers: tuple[int, int, int, int]
    """Bottleneck blocks of layer1..layer4."""
    width: int
    """Channels after the stem."""
    image_size: int
    """Side of CLIP's training images in pixels; gives the grid of the pooling positions."""

    @property
    def channels(self) -> tuple[int, int, int, int]:
        """Channels of res2..res5."""
        return (4 * self.width, 8 * self.width, 16 * self.width, 32 * self.width)

    @property
    def heads(self) -> int:
        """Heads of the attention pool: 64 channels each, as in CLIP."""
        return self.width * 32 // 64


@dataclass(frozen=True, kw_only=True)
class ConvNeXtConfig:
    """A timm ConvNeXt under open_clip's projection head."""

    timm_name: str
    """Name of the trunk in timm."""
    channels: tuple[int, int, int, int]
    """Channels of res2..res5."""


CNNConfig = ResNetConfig | ConvNeXtConfig


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    """CLIP's text transformer."""

    width: int
    heads: int
    layers: int
    quick_gelu: bool
    """OpenAI's weights were trained with x * sigmoid(1.702 x), LAION's with the exact GELU."""
    context_length: int = 77
    """Most tokens of a text, start and end included."""
    vocab_size: int = 49408
    """Tokens of the byte-pair encoding."""


@dataclass(frozen=True, kw_only=True)
class ViTConfig:
    """The part of CLIP's ViT that the spatial branch uses: patch embedding and one block."""

    width: int = 768
    heads: int = 12
    patch_size: int = 16
    image_size: int = 224
    """Side of CLIP's training images in pixels; gives the grid of the position embedding."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Everything that `EOVSeg` needs to be built.

    Raises:
        ValueError: A value is out of its range; the message names the field.
    """

    variant: Variant
    """`t`, `s`, `m` or `l`."""
    cnn: CNNConfig
    text: TextConfig
    vit: ViTConfig = ViTConfig()
    embed_dim: int
    """E, the size of CLIP's joint image-text embedding."""
    aggregator_dim: int
    """Channels of the fused feature before the coordinates are appended."""
    hidden_dim: int = 256
    """D, the size of queries and decoder features."""
    ffn_dim: int = 2048
    num_queries: int = 100
    num_stages: int = 3
    num_heads: int = 8
    ensemble_alpha: float = 0.4
    """Exponent of the out-of-vocabulary probability for classes seen in training."""
    ensemble_beta: float = 0.8
    """The same for unseen classes."""
    ensemble_on_valid_mask: bool
    """Use the CLIP branch only for queries with a positive pixel at stride 32 (ResNets)."""
    input_size: int = 640
    """Short side in pixels of the input that the weights are meant for."""
    training_vocabulary: str = 'coco_panoptic'
    """Preset whose names count as seen unless the caller says otherwise."""
    clip_name: str | None = None
    """open_clip model and pretrained tag of the CNN CLIP; None: there are no public weights."""
    clip_tag: str | None = None

    def __post_init__(self) -> None:
        """Refuse contradictory values."""
        if self.variant not in VARIANTS:
            raise ValueError(f'variant must be one of {VARIANTS}, got {self.variant!r}')
        for name in ('embed_dim', 'aggregator_dim', 'hidden_dim', 'ffn_dim', 'num_queries',
                     'num_stages', 'num_heads', 'input_size'):
            if getattr(self, name) < 1:
                raise ValueError(f'{name} must be at least 1, got {getattr(self, name)}')
        if self.hidden_dim % self.num_heads:
            raise ValueError(f'hidden_dim {self.hidden_dim} must be a multiple of num_heads '
                             f'{self.num_heads}')
        for name in ('ensemble_alpha', 'ensemble_beta'):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f'{name} must lie in 0..1, got {getattr(self, name)}')


def _tiny() -> ModelConfig:
    return ModelConfig(
        variant='t',
        cnn=ResNetConfig(layers=(2, 2, 2, 2), width=20, image_size=224),
        text=TextConfig(width=128, heads=4, layers=3, quick_gelu=True, context_length=32),
        vit=ViTConfig(width=128, heads=4),
        embed_dim=128, aggregator_dim=64, hidden_dim=128, ffn_dim=512, num_queries=50,
        # not the published exponents: its CLIP was trained on the very world that it looks at;
        # chosen with benchmarks.ensemble on rooms that the benchmark does not use
        ensemble_alpha=0.6, ensemble_beta=0.95,
        ensemble_on_valid_mask=True, input_size=288, training_vocabulary='world_labels')


def _small() -> ModelConfig:
    return ModelConfig(
        variant='s',
        cnn=ResNetConfig(layers=(3, 4, 6, 3), width=64, image_size=224),
        text=TextConfig(width=512, heads=8, layers=12, quick_gelu=True),
        embed_dim=1024, aggregator_dim=128, ensemble_on_valid_mask=True,
        clip_name='RN50-quickgelu', clip_tag='openai')


def _medium() -> ModelConfig:
    return ModelConfig(
        variant='m',
        cnn=ResNetConfig(layers=(4, 6, 10, 6), width=80, image_size=288),
        text=TextConfig(width=640, heads=10, layers=12, quick_gelu=True),
        embed_dim=640, aggregator_dim=128, ensemble_on_valid_mask=True,
        clip_name='RN50x4-quickgelu', clip_tag='openai')


def _large() -> ModelConfig:
    return ModelConfig(
        variant='l',
        cnn=ConvNeXtConfig(timm_name='convnext_large', channels=(192, 384, 768, 1536)),
        text=TextConfig(width=768, heads=12, layers=16, quick_gelu=False),
        embed_dim=768, aggregator_dim=96, ensemble_on_valid_mask=False,
        clip_name='convnext_large_d_320', clip_tag='laion2b_s29b_b131k_ft_soup')


def variant_config(variant: str) -> ModelConfig:
    """Return the configuration of a variant.

    Args:
        variant: `t` (tiny, for the built-in world), `s` (CLIP RN50), `m` (CLIP RN50x4) or
            `l` (CLIP ConvNeXt-L d_320).

    Raises:
        ValueError: The variant does not exist.
    """
    presets = {'t': _tiny, 's': _small, 'm': _medium, 'l': _large}
    if not isinstance(variant, str) or variant not in presets:
        is_file = isinstance(variant, str) and variant.endswith(('.pth', '.safetensors'))
        raise ValueError(f'variant must be one of {", ".join(presets)}; got {variant!r:.200}'
                         + ('; a file of weights is given as checkpoint' if is_file else ''))
    return presets[variant]()
