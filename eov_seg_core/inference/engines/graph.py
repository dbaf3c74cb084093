# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The part of the network that leaves PyTorch: from pixels and guide rows to masks and embeddings.

Words enter as guide rows only, and their number is free.  What depends on the names besides, two
products of (Q, E) and (E, N) and the ensemble, stays outside (`EOVSeg.finish`).  So one exported
network serves every vocabulary.
"""

from __future__ import annotations

import json

import torch
from torch import nn, Tensor
from torch.export import Dim, export, ExportedProgram

from eov_seg_core.device.precision import arithmetic
from eov_seg_core.inference.engines.choice import EXPORT_PRECISIONS
from eov_seg_core.inference.folded_resnet import inference_cnn
from eov_seg_core.inference.preprocess import PIXEL_MEAN, PIXEL_STD, SIZE_DIVISOR
from eov_seg_core.network.classification import MAX_LOGIT_SCALE
from eov_seg_core.network.model import EOVSeg, NetworkOutput
from eov_seg_core.weights.checkpoint import weights_digest

INPUTS = ('pixels', 'guide')
OUTPUTS = ('masks', 'embedding', 'clip_embedding', 'valid')
"""Names of the outputs, in the order of `NetworkOutput`."""
FORMAT = '2'
"""Raised when inputs, outputs, their meaning or the graph change."""
MAX_ROWS = 8192
"""Guide rows that an exported network takes: twice the largest vocabulary."""
MAX_SIDE = 8192
"""Pixels along each side that an exported network of free size takes."""


class Graph(nn.Module):
    """The network without what depends on the names, as one module on the CPU.

    Args:
        model: In evaluation mode, on the CPU.
        precision: As for `export_program`.
    """

    def __init__(self, model: EOVSeg, precision: str) -> None:
        super().__init__()
        self._model = model
        self._arithmetic = arithmetic(precision, torch.device('cuda'))   # that will run it
        self._cnn = inference_cnn(model.cnn, torch.device('cpu'))

    def forward(self, pixels_BCHW: Tensor, guide_NE: Tensor) -> NetworkOutput:
        """Compute masks and embeddings as `EOVSeg.extract_features` and `embed` do."""
        features = self._model.extract_features(
            pixels_BCHW, cnn=self._cnn, arithmetic=self._arithmetic)
        return self._model.embed(features, guide_NE, self._arithmetic)


def export_program(model: EOVSeg, size: tuple[int, int] | None = None,
                   precision: str = 'fp32') -> ExportedProgram:
    """Trace the network with a free number of guide rows, for single images.

    While it runs, PyTorch says to all threads of the process that it is exporting; nothing else
    may use the model meanwhile.

    Args:
        model: In evaluation mode, on the CPU.
        size: (H, W) of the input, multiples of 32; None: free.
        precision: `fp32`, or `mixed`: the spatial branch in float16, as `EOVSeg.forward` on CUDA.

    Raises:
        ValueError: The size or the precision is not of that kind.
    """
    if precision not in EXPORT_PRECISIONS:
        raise ValueError(f'the precision of an export is {" or ".join(EXPORT_PRECISIONS)}, got '
                         f'{precision!r}')
    if size is not None:
        check_size(*size)
    height, width = size or (288, 384)
    sides = {} if size else {
        axis: SIZE_DIVISOR * Dim(f'{name}_by_{SIZE_DIVISOR}', min=2, max=MAX_SIDE // SIZE_DIVISOR)
        for axis, name in ((2, 'height'), (3, 'width'))}
    # any number but 0, 1 and other sizes of the network, which export may take for the same
    example = torch.zeros(1, 3, height, width), torch.zeros(77, model.embed_dim)
    with torch.no_grad():
        return export(Graph(model, precision).eval(), example, strict=False,
                      dynamic_shapes=(sides, {0: Dim('rows', min=2, max=MAX_ROWS)}))


def check_size(height: int, width: int) -> None:
    """Raise ValueError unless the network can take an input of this size."""
    if not all(2 * SIZE_DIVISOR <= side <= MAX_SIDE and side % SIZE_DIVISOR == 0
               for side in (height, width)):
        raise ValueError(f'the input of an exported network has sides that are multiples of '
                         f'{SIZE_DIVISOR} in {2 * SIZE_DIVISOR}..{MAX_SIDE}, got height {height} '
                         f'and width {width}')


def graph_digest(model: EOVSeg) -> str:
    """Return the SHA-256 of the weights that are in the graph, whatever was loaded before."""
    return weights_digest({name: tensor for name, tensor in model.state_dict().items()
                           if not name.startswith('text_tower.')})


def describe(model: EOVSeg) -> dict[str, str]:
    """Return what a program must know to feed the exported network and to finish its work."""
    config = model.config
    scales = (stage_scale.exp().clamp(max=MAX_LOGIT_SCALE).item() for stage_scale in (
        model.decoder.logit_scale, model.clip_logit_scale))
    names = ('logit_scale', 'clip_logit_scale')
    return {'format': FORMAT, 'variant': config.variant,
            'weights_sha256': graph_digest(model),
            'embed_dim': str(config.embed_dim), 'queries': str(config.num_queries),
            'pixel_mean': json.dumps(PIXEL_MEAN), 'pixel_std': json.dumps(PIXEL_STD),
            'input_size': str(config.input_size), 'size_divisor': str(SIZE_DIVISOR),
            'ensemble_alpha': str(config.ensemble_alpha),
            'ensemble_beta': str(config.ensemble_beta),
            'ensemble_on_valid_mask': json.dumps(config.ensemble_on_valid_mask),
            **{name: repr(scale) for name, scale in zip(names, scales)}}
