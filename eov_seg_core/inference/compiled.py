# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The network with the part that sees no vocabulary compiled by `torch.compile`.

Compiling takes minutes, so it happens when it is asked for and at no other time: a batch of a
shape that was not prepared runs as it is.
"""

from __future__ import annotations

from collections.abc import Callable
import logging

import torch
from torch import Tensor

from eov_seg_core.network.classification import VocabularyEmbedding
from eov_seg_core.network.model import ImageFeatures, Prediction

_log = logging.getLogger(__name__)


class CompiledNetwork:
    """A network whose first part is compiled.

    Args:
        extract_features: The part that sees no vocabulary, of a model in evaluation mode on its
            device.
        predict_from: The other part, which runs as it is.
        backend: Of `torch.compile`.

    Attributes:
        why_eager: Why a shape could not be compiled; None as long as all could.
    """

    def __init__(self, extract_features: Callable[[Tensor], ImageFeatures],
                 predict_from: Callable[[ImageFeatures, VocabularyEmbedding], Prediction],
                 backend: str = 'inductor') -> None:
        self.why_eager: str | None = None
        self._predict_from = predict_from
        # one function for CNN, ViT block and aggregator; fixed shapes, because PyTorch's code for
        # shapes that vary is slower and was wrong before (pytorch/pytorch#153366)
        self._extract_features = torch.compile(
            extract_features, fullgraph=True, dynamic=False, backend=backend)
        self._compiled: set[torch.Size] = set()
        self._has_complained = False

    def __call__(self, pixels_BCHW: Tensor, vocabulary: VocabularyEmbedding) -> Prediction:
        """Predict masks and classes, as `EOVSeg.forward`; never compiles."""
        if pixels_BCHW.shape not in self._compiled and not self._has_complained:
            self._has_complained = True
            _log.warning('a batch of shape %s runs without torch.compile, because it was not '
                         'prepared; those prepared are %s', tuple(pixels_BCHW.shape),
                         sorted(map(tuple, self._compiled)))
        with torch.compiler.set_stance('eager_on_recompile'):
            features = self._extract_features(pixels_BCHW)
        return self._predict_from(features, vocabulary)

    def prepare(self, pixels_BCHW: Tensor) -> None:
        """Compile for batches of this shape, in the context in which they will be run.

        Args:
            pixels_BCHW: As for `__call__`.
        """
        try:
            self._extract_features(pixels_BCHW)
        except RuntimeError as error:
            self.why_eager = str(error)
            self._has_complained = True
            _log.warning('torch.compile failed, so batches of shape %s run without it: %s',
                         tuple(pixels_BCHW.shape), error)
        else:
            self._compiled.add(pixels_BCHW.shape)
