# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How inference runs the network: in which precision, and with which shortcuts.

CLIP's ResNet runs with its batch norms folded into its convolutions.  The part that does not
depend on the vocabulary can be compiled.  On CUDA the whole network runs as a CUDA graph.  It can
run in an engine, which is another runtime than PyTorch.  A shortcut that fails on this machine is
left out, and the log and `fallbacks` give the reason.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from eov_seg_core.device.precision import arithmetic
from eov_seg_core.inference.compiled import CompiledNetwork
from eov_seg_core.inference.cuda_graphs import CUDAGraphs, Network
from eov_seg_core.inference.engines.choice import choose_runtime, describe_auto, is_named
from eov_seg_core.inference.folded_resnet import inference_cnn
from eov_seg_core.network.classification import VocabularyEmbedding
from eov_seg_core.network.model import EOVSeg, ImageFeatures, Prediction

if TYPE_CHECKING:
    from eov_seg_core.inference.engines.network import EngineNetwork

_log = logging.getLogger(__name__)


class InferenceNetwork:
    """Runs a model in one precision, with all shortcuts that work.

    It changes nothing in the model, so several of these may share one.  Calls must come from one
    thread at a time.

    Args:
        model: In evaluation mode, on the device; its weights must stay where they are.
        device: Where it runs.
        precision: `fp32`, `mixed`, `fp16` or `bf16`.
        compile: Compile the part that does not depend on the vocabulary, for the batch shapes that
            `prepare` is given.
        cuda_graphs: Run as CUDA graphs; without effect on a CPU.
        runtime: As for `Segmenter`.
        frames_wait: As for `Segmenter`.

    Attributes:
        cnn: What computes the CNN's features.

    Raises:
        ValueError: The runtime is not there, or cannot run on this device in this precision.
    """

    def __init__(self, model: EOVSeg, device: torch.device, precision: str, *, compile: bool,
                 cuda_graphs: bool, runtime: str = 'torch', frames_wait: bool = False) -> None:
        self.cnn = inference_cnn(model.cnn, device)
        self._model = model
        self._arithmetic = arithmetic(precision, device)
        self._compiled = (CompiledNetwork(self._extract_features, self._predict_from)
                          if compile else None)
        network: Network = self._compiled or self._run_model
        self._graphs = CUDAGraphs(network) if cuda_graphs and device.type == 'cuda' else None
        self._engines = _engines(self._graphs or network, model, runtime, device, precision,
                                 frames_wait=frames_wait)
        self._network: Network = self._engines or self._graphs or network

    @property
    def fallbacks(self) -> dict[str, str]:
        """What was asked for and does not work here -> why.

        Keys are `compile`, `cuda_graphs` and `runtime`.
        """
        reasons = {'compile': self._compiled and self._compiled.why_eager,
                   'cuda_graphs': self._graphs and self._graphs.why_eager,
                   'runtime': self._engines and self._engines.why_torch}
        return {name: reason for name, reason in reasons.items() if reason}

    @property
    def is_preparing(self) -> bool:
        """Whether an engine is being loaded or built while PyTorch computes."""
        return self._engines is not None and self._engines.is_preparing

    @property
    def preparation(self) -> str:
        """Which engine is being loaded or built, for which size, and for how long; '': none."""
        return '' if self._engines is None else self._engines.preparation

    @property
    def runtime(self) -> str:
        """What computed the last frame, with its version."""
        if self._engines is not None and self._engines.is_used:
            return self._engines.name
        return f'torch {torch.__version__}'

    def __call__(self, pixels_BCHW: Tensor, vocabulary: VocabularyEmbedding) -> Prediction:
        """Predict masks and classes, as `EOVSeg.forward`."""
        with torch.inference_mode():
            return self._network(pixels_BCHW, vocabulary)

    def prepare(self, pixels_BCHW: Tensor, vocabulary: VocabularyEmbedding, *,
                wait: bool = True) -> None:
        """Compile and capture for batches of this shape and vocabularies of this size.

        Args:
            pixels_BCHW: As for `__call__`.
            vocabulary: As for `__call__`.
            wait: Until the engine for images of this size is ready, too; else it is built while
                frames go on.
        """
        with torch.inference_mode():
            if self._engines is not None:
                self._engines.prepare(pixels_BCHW, vocabulary, wait=wait)
            if self._compiled is not None:
                self._compiled.prepare(pixels_BCHW)
            if self._graphs is not None:
                self._graphs.prepare(pixels_BCHW, vocabulary)

    def _run_model(self, pixels_BCHW: Tensor, vocabulary: VocabularyEmbedding) -> Prediction:
        prediction: Prediction = self._model(
            pixels_BCHW, vocabulary, cnn=self.cnn, arithmetic=self._arithmetic)
        return prediction

    def _extract_features(self, pixels_BCHW: Tensor) -> ImageFeatures:
        return self._model.extract_features(
            pixels_BCHW, cnn=self.cnn, arithmetic=self._arithmetic)

    def _predict_from(self, features: ImageFeatures,
                      vocabulary: VocabularyEmbedding) -> Prediction:
        return self._model.predict_from(features, vocabulary, self._arithmetic)


def _engines(network: Network, model: EOVSeg, runtime: str, device: torch.device, precision: str,
             *, frames_wait: bool) -> EngineNetwork | None:
    """Return what runs the engine; None: PyTorch alone computes."""
    chosen = choose_runtime(runtime, device.type, precision)
    if not is_named(runtime):
        _log.info('the runtime is %s', describe_auto(device.type, precision))
    if chosen == 'torch':
        return None
    from eov_seg_core.inference.engines.build import EngineBuilder
    from eov_seg_core.inference.engines.cache import EngineCache
    from eov_seg_core.inference.engines.network import EngineNetwork

    cache = EngineCache()
    cache.remove_leftovers()
    return EngineNetwork(
        network, model.finish, EngineBuilder(model, chosen, precision, cache),
        is_named=is_named(runtime), frames_wait=frames_wait)
