# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The network as inference runs it: in its precision, as fast as the device allows.

CLIP's ResNet runs folded, and on CUDA the network as CUDA graphs; the part that sees no vocabulary
may be compiled.  What does not work is left out, and said.
"""

from __future__ import annotations

import torch
from torch import Tensor

from eov_seg_core.device.precision import half_dtype
from eov_seg_core.inference.compiled import CompiledNetwork
from eov_seg_core.inference.cuda_graphs import CUDAGraphs, Network
from eov_seg_core.inference.folded_resnet import inference_cnn
from eov_seg_core.network.classification import VocabularyEmbedding
from eov_seg_core.network.model import EOVSeg, Prediction


class InferenceNetwork:
    """Runs a model, which other objects may run in other ways; for one thread at a time.

    Args:
        model: In evaluation mode, on the device; its weights must stay where they are.
        device: Where it runs.
        precision: `fp32`, `fp16` or `bf16`.
        compile: Compile the part that sees no vocabulary, for the shapes that are prepared.
        cuda_graphs: Replay CUDA graphs; nothing on a CPU.

    Attributes:
        cnn_context: In which the CNN runs as fast as it can.
    """

    def __init__(self, model: EOVSeg, device: torch.device, precision: str, *, compile: bool,
                 cuda_graphs: bool) -> None:
        self.cnn_context = inference_cnn(model.cnn, device)
        self._model = model
        self._half_dtype = half_dtype(precision)
        self._compiled = CompiledNetwork(model) if compile else None
        network: Network = self._compiled or model
        self._graphs = CUDAGraphs(network) if cuda_graphs and device.type == 'cuda' else None
        self._network: Network = self._graphs or network

    @property
    def fallbacks(self) -> dict[str, str]:
        """What was asked for and does not work -> why: `compile`, `cuda_graphs`."""
        parts = {'compile': self._compiled, 'cuda_graphs': self._graphs}
        return {name: part.why_eager for name, part in parts.items()
                if part is not None and part.why_eager is not None}

    def __call__(self, pixels_BCHW: Tensor, vocabulary: VocabularyEmbedding) -> Prediction:
        """Predict masks and classes, as `EOVSeg.forward`."""
        # set for each batch, because others of another precision may share the model
        self._model.set_half_dtype(self._half_dtype)
        with self.cnn_context, torch.inference_mode():
            return self._network(pixels_BCHW, vocabulary)

    def prepare(self, pixels_BCHW: Tensor, vocabulary: VocabularyEmbedding) -> None:
        """Compile and capture for batches of this shape and vocabularies of this size."""
        self._model.set_half_dtype(self._half_dtype)
        with self.cnn_context, torch.inference_mode():
            if self._compiled is not None:
                self._compiled.prepare(pixels_BCHW)
            if self._graphs is not None:
                self._graphs.prepare(pixels_BCHW, vocabulary)
