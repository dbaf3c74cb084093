# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The network in an engine, with PyTorch until the engine is ready, and where it is not usable.

An engine is compiled for a size of images.  It is built in a thread when a size has come several
times, or by `prepare`; frames never wait for it.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
import logging
import threading
import time
import weakref

import torch
from torch import Tensor

from eov_seg_core.inference.cuda_graphs import Network
from eov_seg_core.inference.engines.build import EngineBuilder
from eov_seg_core.inference.engines.gate import Engine
from eov_seg_core.inference.engines.graph import MAX_ROWS, MAX_SIDE
from eov_seg_core.inference.preprocess import SIZE_DIVISOR
from eov_seg_core.network.classification import VocabularyEmbedding
from eov_seg_core.network.model import NetworkOutput, Prediction

_log = logging.getLogger(__name__)
Finish = Callable[[NetworkOutput, VocabularyEmbedding], Prediction]

BUILD_AFTER = 3
"""Frames of a size before an engine is built for it: a picture that comes once does not pay."""
MAX_ENGINES = 4
"""Sizes whose engines are kept, the latest ones."""
_REPORT_EVERY_S = 10.0
_LONGEST_END_S = 30.0
_POLL_S = 0.1


class _Ended(Exception):  # noqa: N818  no failure
    """The engine is not wanted any more."""


class EngineNetwork:
    """Stands in for a network on the CPU; calls must come from one thread at a time.

    Args:
        network: PyTorch's.
        finish: What follows the engine.
        builder: Of the engines.

    Attributes:
        why_torch: Why PyTorch computes in spite of the engine; None as long as there is no reason.
        is_used: Whether the engine computed the last frame.
    """

    def __init__(self, network: Network, finish: Finish, builder: EngineBuilder) -> None:
        self.why_torch: str | None = None
        self.is_used = False
        self._network = network
        self._finish = finish
        self._builder = builder
        self._engines: OrderedDict[tuple[int, int], Engine] = OrderedDict()
        self._frames: Counter[tuple[int, int]] = Counter()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []
        weakref.finalize(self, _end, self._ended, self._threads)

    @property
    def name(self) -> str:
        """Which runtime it is, with version and precision."""
        return self._builder.name

    def __call__(self, pixels_BCHW: Tensor, vocabulary: VocabularyEmbedding) -> Prediction:
        """Predict masks and classes, as `EOVSeg.forward`."""
        engine = self._engine(pixels_BCHW, vocabulary)
        self.is_used = engine is not None
        if engine is None:
            return self._network(pixels_BCHW, vocabulary)
        try:
            outputs = [engine(pixels_1CHW, vocabulary.guide_NE)
                       for pixels_1CHW in pixels_BCHW.split(1)]
        except RuntimeError as error:
            self._give_up(error)
            return self._network(pixels_BCHW, vocabulary)
        return self._finish(NetworkOutput(*map(torch.cat, zip(*outputs))), vocabulary)

    def prepare(self, pixels_BCHW: Tensor, vocabulary: VocabularyEmbedding, *,
                wait: bool) -> None:
        """Start to build the engine for images of this size, or wait until it is ready.

        It may not be possible: `why_torch`.
        """
        size = _size(pixels_BCHW)
        while (self.why_torch is None and size not in self._engines
               and _is_possible(size, vocabulary)):
            self._build_in_thread(size, vocabulary)
            if not wait:
                break
            time.sleep(_POLL_S)

    def _engine(self, pixels_BCHW: Tensor, vocabulary: VocabularyEmbedding) -> Engine | None:
        size = _size(pixels_BCHW)
        if self.why_torch is not None or not _is_possible(size, vocabulary):
            return None
        with self._lock:
            engine = self._engines.get(size)
            if engine is not None:
                self._engines.move_to_end(size)
                return engine
        self._frames[size] += 1
        if self._frames[size] >= BUILD_AFTER:
            self._build_in_thread(size, vocabulary)
        return None

    def _build_in_thread(self, size: tuple[int, int], vocabulary: VocabularyEmbedding) -> None:
        """Start to build, unless something is being built."""
        if any(thread.is_alive() for thread in self._threads):
            return
        thread = threading.Thread(
            target=self._build, args=(size, vocabulary), name='engine', daemon=True)
        self._threads[:] = [thread]
        thread.start()

    def _build(self, size: tuple[int, int], vocabulary: VocabularyEmbedding) -> None:
        _log.info('preparing %s for inputs of %d x %d; PyTorch goes on meanwhile', self.name,
                  *size)
        start = time.monotonic()
        try:
            engine = self._builder.build(size, vocabulary, _Patience(self._ended))
        except _Ended:
            return
        except (RuntimeError, ValueError, OSError) as error:
            self._give_up(error)
            return
        _log.info('%s computes inputs of %d x %d from now on; it took %.1f s', self.name, *size,
                  time.monotonic() - start)
        with self._lock:
            self._engines[size] = engine
            if len(self._engines) > MAX_ENGINES:
                self._engines.popitem(last=False)

    def _give_up(self, error: Exception) -> None:
        self.why_torch = f'{self.name}: {" ".join(str(error).split())}; PyTorch computes instead'
        _log.warning('%s', self.why_torch)


class _Patience:
    """Says every 10 s that it still goes on; raises `_Ended` when nobody wants it any more."""

    def __init__(self, ended: threading.Event) -> None:
        self._ended = ended
        self._next_s = _REPORT_EVERY_S

    def __call__(self, seconds: float) -> None:
        if self._ended.is_set():
            raise _Ended
        if seconds >= self._next_s:
            _log.info('still preparing, %.0f s', seconds)
            self._next_s = seconds + _REPORT_EVERY_S


def _end(ended: threading.Event, threads: list[threading.Thread]) -> None:
    """End a thread before the interpreter does, which would take its ground away."""
    ended.set()
    for thread in threads:
        if thread is not threading.current_thread():
            thread.join(_LONGEST_END_S)


def _size(pixels_BCHW: Tensor) -> tuple[int, int]:
    return pixels_BCHW.shape[2], pixels_BCHW.shape[3]


def _is_possible(size: tuple[int, int], vocabulary: VocabularyEmbedding) -> bool:
    return (min(size) >= 2 * SIZE_DIVISOR and max(size) <= MAX_SIDE
            and len(vocabulary.guide_NE) <= MAX_ROWS)
