# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One training step: batch to loss, loss to clipped gradients."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from typing import Any

import lightning
import torch
from torch import nn, Tensor

from eov_seg_core.inference.embedding_cache import EmbeddingCache
from eov_seg_core.inference.folded_resnet import inference_cnn
from eov_seg_core.inference.preprocess import PIXEL_MEAN, PIXEL_STD
from eov_seg_core.inference.text_encoder import TextEncoder
from eov_seg_core.network.backbone import CNN
from eov_seg_core.network.model import EOVSeg, ImageFeatures
from eov_seg_core.vocabulary import Vocabulary
from eov_seg_core.weights.checkpoint import weights_digest
from training.data.samples import TrainingBatch
from training.data.stream import point_generator
from training.loss.auxiliary import AuxiliaryLosses, DecoderInputs
from training.loss.losses import PanopticLoss
from training.loss.point_sampling import UniformDraws
from training.recipe import Recipe
from training.run.optimization import lr_factor, make_optimizer

_FROZEN_DIGEST = 'frozen_weights_sha256'


class TrainingModule(lightning.LightningModule):
    """The network with its loss and optimiser.

    Args:
        recipe: What to do.
        model: Both of its CLIPs trained; they stay as they are.

    Attributes:
        model: The network.
        auxiliary: Further losses; no part of the network.
        grad_norm: Length of the whole gradient of the last step, before clipping.
        step_was_good: Whether it was finite; otherwise the step changed neither weights, nor the
            optimiser's state, nor statistics of batch norms.
    """

    mean_C11: Tensor
    std_C11: Tensor

    def __init__(self, recipe: Recipe, model: EOVSeg) -> None:
        super().__init__()
        self.model = model
        self.grad_norm = torch.tensor(torch.nan)
        self.step_was_good = True
        self._statistics: list[Tensor] = []
        self.strict_loading = False     # checkpoints leave out what is frozen
        self._recipe = recipe
        self._loss = PanopticLoss(recipe.loss)
        self.auxiliary = AuxiliaryLosses(recipe.auxiliary, model.config)
        self._encoder = _text_encoder(model)
        self._extract = (torch.compile(model.extract_features) if recipe.compile
                         else model.extract_features)
        self._decode = (torch.compile(model.decoder.run_stages) if recipe.compile
                        else model.decoder.run_stages)
        for name, values in (('mean_C11', PIXEL_MEAN), ('std_C11', PIXEL_STD)):
            self.register_buffer(name, torch.tensor(values).view(-1, 1, 1), persistent=False)

    def unknown_words(self, vocabulary: Vocabulary) -> tuple[str, ...]:
        """Return the names that the text tower never learned, and which look alike to it."""
        return self._encoder.unknown_words(vocabulary.synonyms)

    def training_step(self, batch: TrainingBatch, batch_idx: int) -> dict[str, Any]:
        """Return the loss to minimise, and its `terms`: name -> scalar."""
        self._statistics = [buffer.clone() for buffer in self._trained_buffers()]
        # in the run's precision: both CLIPs and the aggregator.  Then float32: features are summed
        # inside masks, which float16 cannot hold and bfloat16 rounds to 8 bits
        features = self._extract((batch.pixels_BCHW - self.mean_C11) / self.std_C11,
                                 cnn=self._inference_cnn)
        with torch.autocast(self.device.type, enabled=False):
            inputs = self._decoder_inputs(features, batch.vocabulary)
            decoder, draws = self.model.decoder, self._draws(batch.positions)
            stages = self._decode(*decoder.initial(inputs.features_BDhw), inputs.features_BDhw,
                                  inputs.upscaled_BChw, inputs.vocabulary)
            terms = self._loss(stages, batch.targets, draws).terms
            terms |= self.auxiliary(decoder, inputs, batch.targets, self._loss, draws)
        return {'loss': torch.stack(list(terms.values())).sum(),
                'terms': {name: term.detach() for name, term in terms.items()}}

    def _decoder_inputs(self, features: ImageFeatures, words: Vocabulary) -> DecoderInputs:
        decoder = self.model.decoder
        vocabulary = self.model.embed_vocabulary(
            self._encoder.encode(words.synonyms, self.model.text_tower),
            words.synonym_class_index, (True,) * len(words))
        aggregated_BDhw = features.aggregated_BDhw.float()
        return DecoderInputs(aggregated_BDhw, decoder.vas(aggregated_BDhw, vocabulary.guide_NE),
                             decoder.spatial_upscaler(features.tokens_BChw.float()), vocabulary)

    def _draws(self, positions: Sequence[int]) -> list[UniformDraws]:
        """Return for each image the source of its random points."""
        generators = (point_generator(self._recipe.seed, position, self.device)
                      for position in positions)
        return [partial(_draw, generator) for generator in generators]

    def on_train_start(self) -> None:
        """Train what is to be trained; the frozen towers stay in evaluation mode."""
        self.model.train()

    def configure_optimizers(self) -> Any:
        """Return AdamW and the learning-rate schedule, which changes it after every step."""
        optimizer = make_optimizer(self.model, self.auxiliary, self._recipe.optimizer)
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, partial(lr_factor, self._recipe.schedule, self._recipe.steps))
        return {'optimizer': optimizer,
                'lr_scheduler': {'scheduler': scheduler, 'interval': 'step'}}

    def configure_gradient_clipping(self, optimizer: torch.optim.Optimizer,
                                    gradient_clip_val: float | None = None,
                                    gradient_clip_algorithm: str | None = None) -> None:
        """Scale the whole gradient to its longest allowed length; drop it if it is not finite."""
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        self.grad_norm = nn.utils.clip_grad_norm_(trained, self._recipe.optimizer.max_grad_norm)
        self.step_was_good = bool(self.grad_norm.isfinite())
        if not self.step_was_good:
            for parameter in trained:
                parameter.grad = None   # which the optimiser passes over
            for buffer, before in zip(self._trained_buffers(), self._statistics):
                buffer.copy_(before)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Leave out the frozen weights; note which they were."""
        trained = _trained_names(self)
        checkpoint['state_dict'] = {name: tensor
                                    for name, tensor in checkpoint['state_dict'].items()
                                    if name in trained}
        checkpoint[_FROZEN_DIGEST] = self._frozen_digest

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a state of other weights.

        Raises:
            ValueError: The frozen weights are not those of the checkpoint, or the trained ones
                have other names.
        """
        if checkpoint.get(_FROZEN_DIGEST) != self._frozen_digest:
            raise ValueError('the checkpoint was made with other CLIP weights than those that '
                             'the run now starts from; restore init_checkpoint, or choose '
                             'another output folder')
        if _trained_names(self) != set(checkpoint['state_dict']):
            raise ValueError('the checkpoint holds other trained weights than this version of '
                             'the network has; choose another output folder')

    def _trained_buffers(self) -> list[Tensor]:
        return [buffer for part in self._trained_modules for buffer in part.buffers(recurse=False)]

    @cached_property
    def _trained_modules(self) -> list[nn.Module]:
        return [part for _, part in _trained_parts(self)]

    @cached_property
    def _inference_cnn(self) -> CNN:
        """The frozen CNN as inference runs it; made when the network is on its device."""
        return inference_cnn(self.model.cnn, self.device)

    @cached_property
    def _frozen_digest(self) -> str:
        trained = _trained_names(self)
        return weights_digest({name: tensor for name, tensor in self.state_dict().items()
                               if name not in trained})


def _draw(generator: torch.Generator, shape: tuple[int, ...], device: torch.device) -> Tensor:
    return torch.rand(shape, generator=generator, device=device)


def _text_encoder(model: EOVSeg) -> TextEncoder:
    if model.text_tower is None:
        raise ValueError('the text tower was released, so no vocabulary can be encoded')
    return TextEncoder(model.text_tower, EmbeddingCache())


def _trained_names(module: nn.Module) -> set[str]:
    """Return names of the trainable parameters and of the buffers beside them."""
    names: set[str] = set()
    for prefix, part in _trained_parts(module):
        names |= {f'{prefix}.{name}' for name, _ in part.named_parameters(recurse=False)}
        names |= {f'{prefix}.{name}' for name, _ in part.named_buffers(recurse=False)}
    return names


def _trained_parts(module: nn.Module) -> list[tuple[str, nn.Module]]:
    """Return the modules that have trainable parameters of their own."""
    return [(prefix, part) for prefix, part in module.named_modules()
            if any(parameter.requires_grad for parameter in part.parameters(recurse=False))]
