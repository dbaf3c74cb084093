# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""EOV-Seg (arXiv 2412.08628): the network that composes the modules of this package.

Method and module names follow the paper; behaviour follows the published code (nhw649/EOV-Seg at
6f5e93e) wherever released weights depend on it.  Written anew: only what reaches an output is
built, the vocabulary is an argument instead of state, and the two variants that crash at inference
in the published code (RN50, RN50x4) run.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn, Tensor
import torch.nn.functional as F

from eov_seg_core.config import ModelConfig, Variant, variant_config
from eov_seg_core.device.memory import return_freed_memory
from eov_seg_core.device.precision import Arithmetic, half_precision, widened
from eov_seg_core.io.files import check_path, replacing
from eov_seg_core.network.aggregator import LiteAggregator
from eov_seg_core.network.backbone import build_cnn, CNN, ViTFirstBlock
from eov_seg_core.network.classification import (
    class_logits,
    ensemble_log_probs,
    VocabularyEmbedding,
)
from eov_seg_core.network.decoder import Decoder, INITIAL_LOGIT_SCALE
from eov_seg_core.network.text_tower import CLIPTextTower
from eov_seg_core.weights.checkpoint import (
    Checkpoint,
    from_official,
    read_checkpoint,
    save_checkpoint,
    save_official,
    to_official,
    weights_digest,
)
from eov_seg_core.weights.clip import CLIPWeights, fetch_clip_weights

FLOAT32 = Arithmetic()


class ImageFeatures(NamedTuple):
    """What the network knows of an image before it hears the vocabulary.

    Attributes:
        aggregated_BDhw: Fused features, stride 4.
        tokens_BChw: ViT tokens after the first block, stride 16.
        res5_BChw: Dense CLIP features, stride 32.
    """

    aggregated_BDhw: Tensor
    tokens_BChw: Tensor
    res5_BChw: Tensor


class NetworkOutput(NamedTuple):
    """All that takes long: what is left is to compare the embeddings with the names.

    Embeddings are of any length; `class_logits` normalises them.

    Attributes:
        mask_logits_BQhw: (B, Q, H / 4, W / 4) float32, positive inside.
        embedding_BQE: (B, Q, E) float32, the decoder's.
        clip_embedding_BQE: (B, Q, E) float32, CLIP's.
        valid_BQ: (B, Q) bool, whether CLIP saw anything of the mask, at stride 32.
    """

    mask_logits_BQhw: Tensor
    embedding_BQE: Tensor
    clip_embedding_BQE: Tensor
    valid_BQ: Tensor


class Prediction(NamedTuple):
    """Raw output of the network.

    Attributes:
        class_log_probs_BQK: (B, Q, K + 1) float32 logarithm of ensembled probability + 1e-8,
            void last.
        mask_logits_BQhw: (B, Q, H / 4, W / 4) float32, positive inside.
    """

    class_log_probs_BQK: Tensor
    mask_logits_BQhw: Tensor


class EOVSeg(nn.Module):
    """Open-vocabulary panoptic segmentation network.

    Args:
        config: Sizes; `variant_config('s')` and so on for the published ones.

    Attributes:
        config: The configuration.
        text_tower: CLIP's text tower, or None after `release_text_tower`.
        weights_digest: SHA-256 of the loaded weights in hexadecimal; None while untrained.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        if not isinstance(config, ModelConfig):
            raise ValueError(f'config must be a ModelConfig, got {config!r:.80}; to build a '
                             "variant write EOVSeg.from_variant('s')")
        self.config = config
        self.weights_digest: str | None = None
        text = config.text
        self.text_tower: CLIPTextTower | None = CLIPTextTower(
            embed_dim=config.embed_dim, width=text.width, heads=text.heads, layers=text.layers,
            context_length=text.context_length, vocab_size=text.vocab_size,
            quick_gelu=text.quick_gelu)
        self.cnn = build_cnn(config.cnn, config.embed_dim)
        self.clip_logit_scale = nn.Parameter(torch.tensor(INITIAL_LOGIT_SCALE))
        self.vit = ViTFirstBlock(config.vit)
        self.aggregator = LiteAggregator(
            config.cnn.channels, config.aggregator_dim, config.hidden_dim)
        self.decoder = Decoder(
            dim=config.hidden_dim, ffn_dim=config.ffn_dim, num_heads=config.num_heads,
            num_queries=config.num_queries, num_stages=config.num_stages,
            spatial_dim=config.vit.width, embed_dim=config.embed_dim)
        self.void_embedding = nn.Embedding(1, config.embed_dim)
        for module in self._frozen():
            module.requires_grad_(False)
        self.clip_logit_scale.requires_grad_(False)
        self.eval()

    @classmethod
    def from_variant(cls, variant: str, *, clip_pretrained: bool = False) -> EOVSeg:
        """Build a variant with untrained weights.

        Args:
            variant: `t`, `s`, `m` or `l`.
            clip_pretrained: Take the weights of both CLIPs through open_clip, which downloads
                them unless they are cached.  Aggregator and decoder stay untrained.

        Raises:
            ValueError: The variant does not exist or has no public CLIP weights.
            RuntimeError: The CLIP weights could not be fetched.
        """
        model = cls(variant_config(variant))
        if clip_pretrained:
            model.load_clip(fetch_clip_weights(model.config))
        return model

    @classmethod
    def from_checkpoint(cls, path: str | Path, variant: str | None = None) -> EOVSeg:
        """Build a model from a checkpoint file, holding its weights in memory once.

        Args:
            path: Our `.safetensors` or an official `.pth`.
            variant: What the caller expects; None takes what the file holds.

        Raises:
            CheckpointError: The file is damaged, is no checkpoint, or is of another variant.
        """
        models: list[EOVSeg] = []   # the one whose entries are compared is the one that is loaded

        def entries_of(found: Variant) -> Mapping[str, Tensor]:
            with torch.device('meta'):
                models.append(cls(variant_config(found)))
            return models[0].state_dict()

        checkpoint = read_checkpoint(path, entries_of, variant)
        models[0].load(checkpoint)
        return models[0]

    @property
    def embed_dim(self) -> int:
        """E, the size of the CLIP embedding."""
        return self.config.embed_dim

    def train(self, mode: bool = True) -> EOVSeg:
        """Set training mode; the frozen CLIP towers always stay in evaluation mode."""
        super().train(mode)
        for module in self._frozen():
            module.eval()
        return self

    def release_text_tower(self) -> None:
        """Drop the text tower; vocabularies can then come from the embedding cache only."""
        self.text_tower = None
        return_freed_memory()

    def load(self, checkpoint: Checkpoint) -> None:
        """Copy weights into the model, strictly; a model on the meta device adopts them.

        Raises:
            CheckpointError: Wrong variant, or entries missing, unknown or misshapen.  The model
                is unchanged.
        """
        checkpoint.check_variant(self.config.variant)
        state = checkpoint.select(self.state_dict())
        is_meta = any(parameter.is_meta for parameter in self.parameters())
        self.load_state_dict(state, strict=True, assign=is_meta)
        self.weights_digest = weights_digest(state)

    def load_clip(self, weights: CLIPWeights) -> None:
        """Copy the weights of both CLIPs; aggregator and decoder stay as they are."""
        self.cnn.load_state_dict(weights.cnn)
        self.clip_logit_scale.data.copy_(weights.logit_scale)
        if self.text_tower is not None:
            self.text_tower.load_state_dict(weights.text)
        self.vit.load_state_dict(weights.vit)

    def save(self, path: str | Path, *, small: bool = False) -> None:
        """Write all weights to a file, which appears complete or not at all.

        Args:
            path: Ends in `.pth` for the published names, else our safetensors; it is replaced.
            small: Of our safetensors: store matrices in float16, which is not exact, and equal
                token rows once.

        Raises:
            ValueError: The text tower was released, so the file could not encode a vocabulary;
                or float16 cannot hold a value.
            OSError: The file cannot be written.
        """
        if self.text_tower is None:
            raise ValueError('the text tower was released, so the checkpoint would be incomplete; '
                             'save before release_text_tower()')
        check_path(path)
        with replacing(Path(path)) as temporary:
            if Path(path).suffix == '.pth':
                save_official(self.state_dict(), temporary)
            else:
                save_checkpoint(self.state_dict(), temporary, self.config.variant, small=small)

    def load_official_state_dict(self, state_dict: Mapping[str, Tensor]) -> None:
        """Load weights under the names of the published code, strictly.

        Entries of the published checkpoint that no output depends on may be there or not.

        Args:
            state_dict: Name -> tensor, any float dtype; the values are copied.

        Raises:
            CheckpointError: Entries are missing, unknown or misshapen; the model is unchanged.
        """
        self.load(from_official(state_dict))

    def official_state_dict(self) -> dict[str, Tensor]:
        """Return what the model keeps under the names of the published code."""
        return to_official(self.state_dict())

    def embed_vocabulary(self, text_NE: Tensor, class_of_row: list[int],
                         seen: tuple[bool, ...]) -> VocabularyEmbedding:
        """Prepare a vocabulary for `forward`.

        Args:
            text_NE: (N, E) L2-normalised text embeddings, one row for each synonym.
            class_of_row: Class index 0..K-1 of each row.
            seen: For each class, whether it counts as seen in training.
        """
        device = self.void_embedding.weight.device
        void_1E = F.normalize(self.void_embedding.weight, dim=-1)
        text = torch.cat([text_NE.to(void_1E), void_1E])
        return VocabularyEmbedding(
            text_NE=text, class_of_row_N=torch.tensor(class_of_row, device=device),
            seen_K=torch.tensor(seen, device=device), guide_NE=self.decoder.vas.guide_text(text))

    def extract_features(self, pixels_BCHW: Tensor, *, cnn: CNN | None = None,
                         arithmetic: Arithmetic = FLOAT32) -> ImageFeatures:
        """Compute all that does not depend on the vocabulary.

        Args:
            pixels_BCHW: (B, 3, H, W) RGB normalised by `preprocess`; H and W multiples of 32.
            cnn: What computes the CNN's features; None: the model's own CNN.
            arithmetic: As for `forward`.
        """
        with _whole_network(pixels_BCHW, arithmetic):
            with torch.no_grad():
                cnn_features = (cnn or self.cnn)(pixels_BCHW)
                tokens_BChw = self.vit(pixels_BCHW, arithmetic.spatial)
            aggregated_BDhw = self.aggregator(cnn_features)
        return ImageFeatures(aggregated_BDhw, tokens_BChw, cnn_features.res5_BChw)

    def forward(self, pixels_BCHW: Tensor, vocabulary: VocabularyEmbedding, *,
                cnn: CNN | None = None, arithmetic: Arithmetic = FLOAT32) -> Prediction:
        """Predict masks and their classes.

        Queries sum features inside hard masks, and the merge compares areas with a threshold, so
        that a rounding error before a mask can turn a whole segment on or off (measured in
        docs/porting.md).  The spatial branch comes after the masks.

        Args:
            pixels_BCHW: (B, 3, H, W) RGB normalised by `preprocess`; H and W multiples of 32.
            vocabulary: From `embed_vocabulary`.
            cnn: What computes the CNN's features; None: the model's own CNN.
            arithmetic: Types that products are computed in; the weights stay as they are.
        """
        features = self.extract_features(pixels_BCHW, cnn=cnn, arithmetic=arithmetic)
        return self.predict_from(features, vocabulary, arithmetic)

    def predict_from(self, features: ImageFeatures, vocabulary: VocabularyEmbedding,
                     arithmetic: Arithmetic = FLOAT32) -> Prediction:
        """Predict masks and their classes from what `extract_features` returned."""
        return self.finish(self.embed(features, vocabulary.guide_NE, arithmetic), vocabulary)

    def embed(self, features: ImageFeatures, guide_NE: Tensor,
              arithmetic: Arithmetic = FLOAT32) -> NetworkOutput:
        """Predict masks and their embeddings: all of the network that an engine computes.

        Args:
            features: From `extract_features`.
            guide_NE: As in `VocabularyEmbedding`; of the vocabulary nothing else enters.
            arithmetic: As for `forward`.
        """
        # not bfloat16: its 8 bits moved a score across a threshold in one golden case, which
        # changed 1.9 % of the pixels
        upscaling_dtype = arithmetic.spatial if arithmetic.spatial == torch.float16 else None
        with _whole_network(guide_NE, arithmetic):
            output = self.decoder(
                features.aggregated_BDhw, features.tokens_BChw, guide_NE, upscaling_dtype)
            clip_embedding_BQE, valid_BQ = self.embed_with_clip(
                output.mask_logits_BQhw, features.res5_BChw)
        return NetworkOutput(output.mask_logits_BQhw, widened(output.embedding_BQE),
                             widened(clip_embedding_BQE), valid_BQ)

    def embed_with_clip(self, mask_logits_BQhw: Tensor, res5_BChw: Tensor
                        ) -> tuple[Tensor, Tensor]:
        """Pool CLIP's embedding inside the final masks (section 3.5).

        Returns:
            `clip_embedding_BQE` and `valid_BQ`, as in `NetworkOutput`.
        """
        mask_BQhw = F.interpolate(
            mask_logits_BQhw, size=res5_BChw.shape[2:], mode='bilinear') > 0
        return self.cnn.embed_masks(res5_BChw, mask_BQhw), mask_BQhw.flatten(2).any(dim=2)

    def finish(self, output: NetworkOutput, vocabulary: VocabularyEmbedding) -> Prediction:
        """Compare embeddings with the names, and ensemble the decoder's classes with CLIP's."""
        logits_BQK = self.decoder.classify(output.embedding_BQE, vocabulary)
        clip_logits_BQK = class_logits(
            output.clip_embedding_BQE, vocabulary, self.clip_logit_scale)
        log_probs_BQK = ensemble_log_probs(
            logits_BQK, clip_logits_BQK, vocabulary.seen_K,
            valid_BQ=output.valid_BQ if self.config.ensemble_on_valid_mask else None,
            alpha=self.config.ensemble_alpha, beta=self.config.ensemble_beta)
        return Prediction(log_probs_BQK, output.mask_logits_BQhw)

    def _frozen(self) -> list[nn.Module]:
        """Return the CLIP towers that are there."""
        towers: list[nn.Module] = [self.cnn, self.vit]
        return towers + ([self.text_tower] if self.text_tower is not None else [])


def _whole_network(like: Tensor, arithmetic: Arithmetic) -> AbstractContextManager[object]:
    """Return the context that all of the network runs in; an autocast around it stays as it is."""
    if arithmetic.network is None:
        return nullcontext()
    return half_precision(like.device, arithmetic.network)
