# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The network as CUDA graphs: a frame is one launch instead of a thousand.

A graph repeats the same kernels on the same memory, so there is one for each shape of a batch and
of a vocabulary; inputs are copied into it and outputs out of it.  What cannot be captured runs as
it is, from then on, and the log says why.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, fields
import logging
from typing import Any

import torch
from torch import Tensor

from eov_seg_core.network.classification import VocabularyEmbedding
from eov_seg_core.network.model import Prediction

_log = logging.getLogger(__name__)

Network = Callable[[Tensor, VocabularyEmbedding], Prediction]
"""Normalised pixels (B, 3, H, W) and a vocabulary, on one device -> masks and classes."""
Capture = Callable[[Network, Tensor, VocabularyEmbedding], Network]
"""Network, example inputs -> the same network for inputs of these shapes."""

CAPTURE_AFTER = 10
"""Frames of a shape that run eagerly before it is captured, which takes as long as about five:
shapes that hardly come again cost little, and others soon gain."""
MAX_SHAPES = 8
"""Shapes that are remembered, the latest ones; bounds the memory of graphs."""
_WARM_UPS = 3
"""Runs before a capture: libraries choose algorithms and allocate when they first run."""
_TOLERANCE = 0.01
"""Mean difference of mask logits at which a graph counts as broken, relative to their mean."""


class GraphError(RuntimeError):
    """A graph that was captured does not compute what the network computes."""


@dataclass
class _Shape:
    frames: int = 0
    graph: Network | None = None


class CUDAGraphs:
    """Stands in for a network on CUDA; calls must come from one thread at a time.

    Args:
        network: What to capture; must ask for no value, so that nothing waits for the device.
        capture: How to capture it.

    Attributes:
        why_eager: Why nothing is captured any more; None as long as it works.
    """

    def __init__(self, network: Network, capture: Capture | None = None) -> None:
        self.why_eager: str | None = None
        self._network = network
        self._capture = capture or Capturer()
        self._shapes: OrderedDict[tuple[torch.Size, ...], _Shape] = OrderedDict()

    def __call__(self, pixels_BCHW: Tensor, vocabulary: VocabularyEmbedding) -> Prediction:
        """Predict; the result is the caller's to keep, it does not change with the next frame."""
        if self.why_eager is None:
            shape = self._shape(pixels_BCHW, vocabulary)
            shape.frames += 1
            if shape.graph is None and shape.frames > CAPTURE_AFTER:
                self.prepare(pixels_BCHW, vocabulary)
            if shape.graph is not None:
                return shape.graph(pixels_BCHW, vocabulary)
        return self._network(pixels_BCHW, vocabulary)

    def prepare(self, pixels_BCHW: Tensor, vocabulary: VocabularyEmbedding) -> None:
        """Capture for inputs of these shapes, unless that was done or does not work."""
        shape = self._shape(pixels_BCHW, vocabulary)
        if self.why_eager is not None or shape.graph is not None:
            return
        try:
            shape.graph = self._capture(self._network, pixels_BCHW, vocabulary)
        except RuntimeError as error:   # PyTorch's own errors, out of memory, GraphError
            self.why_eager = str(error)
            self._shapes.clear()
            _log.warning('running without CUDA graphs, which is slower: %s', error)

    def _shape(self, pixels_BCHW: Tensor, vocabulary: VocabularyEmbedding) -> _Shape:
        """Return what is known of the shapes of these inputs, and forget the oldest."""
        key = (pixels_BCHW.shape, *(tensor.shape for tensor in _tensors(vocabulary)))
        shape = self._shapes.setdefault(key, _Shape())
        self._shapes.move_to_end(key)
        if len(self._shapes) > MAX_SHAPES:
            self._shapes.popitem(last=False)
        return shape


class Capturer:
    """Captures on one device, so that all graphs share memory.

    They may, because they run one after the other and only their outputs outlive a run; PyTorch
    lets them if they were captured on the same stream.
    """

    def __init__(self) -> None:
        self._place: tuple[torch.cuda.Stream, Any] | None = None

    def __call__(self, network: Network, pixels_BCHW: Tensor,
                 vocabulary: VocabularyEmbedding) -> CapturedNetwork:
        """Capture for inputs of these shapes; raises what `CapturedNetwork` raises."""
        if self._place is None:
            self._place = torch.cuda.Stream(pixels_BCHW.device), torch.cuda.graph_pool_handle()
        return CapturedNetwork(network, pixels_BCHW, vocabulary, *self._place)


class CapturedNetwork:
    """A network as one CUDA graph, for inputs of fixed shapes.

    Args:
        network: What to capture.
        pixels_BCHW: An example, on CUDA.
        vocabulary: An example, on the same device.
        stream: On which to capture; not the current one.
        pool: From `torch.cuda.graph_pool_handle()`: where to allocate.

    Raises:
        RuntimeError: It cannot be captured; GraphError: what was captured is wrong.
    """

    def __init__(self, network: Network, pixels_BCHW: Tensor, vocabulary: VocabularyEmbedding,
                 stream: torch.cuda.Stream, pool: Any) -> None:
        expected = network(pixels_BCHW, vocabulary)
        # as `preprocess` makes them: code compiled for those refuses inference tensors
        with torch.inference_mode(False):
            self._pixels = torch.empty_like(pixels_BCHW)
            self._inputs = VocabularyEmbedding(*map(torch.empty_like, _tensors(vocabulary)))
        self._vocabulary: VocabularyEmbedding | None = None
        self._copy_in(pixels_BCHW, vocabulary)
        self._graph = torch.cuda.CUDAGraph()
        device = pixels_BCHW.device
        current = torch.cuda.current_stream(device)
        stream.wait_stream(current)
        # entering the current stream makes sure that it is current again if a capture fails
        with torch.cuda.device(device), torch.cuda.stream(current):
            with torch.cuda.stream(stream):
                for _ in range(_WARM_UPS):
                    network(self._pixels, self._inputs)
            # other threads may meanwhile encode text and allocate memory
            with torch.cuda.graph(self._graph, pool=pool, stream=stream,
                                  capture_error_mode='thread_local'):
                self._outputs = network(self._pixels, self._inputs)
        current.wait_stream(stream)
        _compare(self(pixels_BCHW, vocabulary), expected)

    def __call__(self, pixels_BCHW: Tensor, vocabulary: VocabularyEmbedding) -> Prediction:
        """Predict for inputs of the same shapes as the examples."""
        self._copy_in(pixels_BCHW, vocabulary)
        self._graph.replay()
        return Prediction(*(output.clone() for output in self._outputs))

    def _copy_in(self, pixels_BCHW: Tensor, vocabulary: VocabularyEmbedding) -> None:
        self._pixels.copy_(pixels_BCHW)
        if vocabulary is not self._vocabulary:
            for target, source in zip(_tensors(self._inputs), _tensors(vocabulary)):
                target.copy_(source)
            self._vocabulary = vocabulary


def _tensors(vocabulary: VocabularyEmbedding) -> list[Tensor]:
    return [getattr(vocabulary, field.name) for field in fields(vocabulary)]


def _compare(found: Prediction, expected: Prediction) -> None:
    """Make sure that a graph computes what the network does.

    Kernels that are not launched on PyTorch's current stream are left out of a graph without an
    error; torchvision's deformable convolution was one of them (pytorch/vision#9513).

    Raises:
        GraphError: It does not.
    """
    wanted = expected.mask_logits_BQhw
    error = (found.mask_logits_BQhw - wanted).abs().mean()
    if not error <= _TOLERANCE * wanted.abs().mean():
        raise GraphError('the captured network computes something else than the network: '
                         f'mask logits differ by {float(error):.3g} on average; an older '
                         'torchvision is a known cause (pytorch/vision#9513), so update it')
