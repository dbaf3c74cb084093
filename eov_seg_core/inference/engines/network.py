# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The network in an engine, with PyTorch until the engine is ready, and where it is not usable.

An engine is compiled for a size of images.  It is loaded or built in a thread, for a size that
came several times or by `prepare`; frames do not wait for it unless told to.  An engine that
nobody named is built only where that pays: a short command takes what is in the cache.
"""

from __future__ import annotations

from collections import Counter, defaultdict, OrderedDict
from collections.abc import Callable
import logging
import threading
import time
import weakref

import torch
from torch import Tensor

from eov_seg_core.inference.cuda_graphs import Network
from eov_seg_core.inference.engines.build import EngineBuilder, LoadError
from eov_seg_core.inference.engines.graph import MAX_SIDE
from eov_seg_core.inference.engines.runtimes.interface import Engine
from eov_seg_core.inference.preprocess import SIZE_DIVISOR
from eov_seg_core.network.classification import VocabularyEmbedding
from eov_seg_core.network.model import NetworkOutput, Prediction

_log = logging.getLogger(__name__)
Finish = Callable[[NetworkOutput, VocabularyEmbedding], Prediction]
Size = tuple[int, int]

BEGIN_AFTER = 3
"""Frames of a size before its engine is loaded: a picture that comes once does not pay."""
BUILD_AFTER_S = 60.0
"""Seconds that PyTorch spent on frames of a size before an engine that nobody named is built for
it: about what building takes."""
MAX_ENGINES = 4
"""Sizes whose engines are kept, the latest ones; where frames wait, the first ones."""
_REPORT_EVERY_S = 10.0
_LONGEST_END_S = 30.0
_POLL_S = 0.05


class _Ended(Exception):  # noqa: N818  no failure
    """The engine is not wanted any more."""


class EngineNetwork:
    """Stands in for a network; calls must come from one thread at a time.

    Args:
        network: PyTorch's.
        finish: What follows the engine.
        builder: Of the engines.
        is_named: Whether somebody asked for this engine, so that it is built at once.
        frames_wait: The first frame of a size waits for its engine, so that one runtime computes
            all frames of the size: an engine that was named is built, one that was not is only
            taken from the cache.

    Attributes:
        is_used: Whether the engine computed the last frame.
    """

    def __init__(self, network: Network, finish: Finish, builder: EngineBuilder, *,
                 is_named: bool, frames_wait: bool) -> None:
        self.is_used = False
        self._failure: str | None = None
        self._limit: str | None = None
        self._said: set[str] = set()
        self._network = network
        self._finish = finish
        self._builder = builder
        self._is_named = is_named
        self._frames_wait = frames_wait
        self._engines: OrderedDict[Size, Engine] = OrderedDict()
        self._has_given_up = False
        self._not_cached: set[Size] = set()
        self._settled: set[Size] = set()
        self._frames: Counter[Size] = Counter()
        self._torch_s: defaultdict[Size, float] = defaultdict(float)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []
        self._begun: tuple[Size, float] | None = None
        weakref.finalize(self, _end, self._ended, self._threads)

    @property
    def name(self) -> str:
        """Which runtime it is, with version and precision."""
        return self._builder.name

    @property
    def why_torch(self) -> str | None:
        """Why PyTorch computes in spite of the engine; None as long as there is no reason.

        For good, until an engine that could not be loaded is made again, or as long as images or
        words are what no engine takes.
        """
        return self._failure or self._limit

    @property
    def is_preparing(self) -> bool:
        """Whether an engine is being loaded or built."""
        return any(thread.is_alive() for thread in self._threads)

    @property
    def preparation(self) -> str:
        """Which engine is being loaded or built, for which size, and for how long; '': none."""
        begun = self._begun
        if begun is None or not self.is_preparing:
            return ''
        (height, width), start_s = begun
        return (f'{self.name} for inputs of {height} x {width}, begun '
                f'{time.monotonic() - start_s:.0f} s ago; PyTorch computes meanwhile')

    def __call__(self, pixels_BCHW: Tensor, vocabulary: VocabularyEmbedding) -> Prediction:
        """Predict masks and classes, as `EOVSeg.forward`."""
        engine = self._engine(pixels_BCHW, vocabulary)
        self.is_used = engine is not None
        if engine is None:
            return self._run_torch(pixels_BCHW, vocabulary)
        try:
            outputs = [engine(pixels_1CHW, vocabulary.guide_NE)
                       for pixels_1CHW in pixels_BCHW.split(1)]
        except RuntimeError as error:
            self._give_up(error)
            return self._run_torch(pixels_BCHW, vocabulary)
        return self._finish(NetworkOutput(*map(torch.cat, zip(*outputs))), vocabulary)

    def prepare(self, pixels_BCHW: Tensor, vocabulary: VocabularyEmbedding, *,
                wait: bool) -> None:
        """Start to build the engine for images of this size, or wait until it is ready.

        It may not be possible: `why_torch`.
        """
        size = _size(pixels_BCHW)
        if not self._is_possible(size, vocabulary):
            return
        if wait:
            self._wait_for(size, vocabulary, build=True)
        elif size not in self._engines:
            self._begin(size, vocabulary, build=True)

    def _run_torch(self, pixels_BCHW: Tensor, vocabulary: VocabularyEmbedding) -> Prediction:
        start = time.perf_counter()
        prediction = self._network(pixels_BCHW, vocabulary)
        self._torch_s[_size(pixels_BCHW)] += time.perf_counter() - start
        return prediction

    def _engine(self, pixels_BCHW: Tensor, vocabulary: VocabularyEmbedding) -> Engine | None:
        size = _size(pixels_BCHW)
        if not self._is_possible(size, vocabulary):
            return None
        if self._frames_wait:
            self._settle(size, vocabulary)
        with self._lock:
            engine = self._engines.get(size)
            if engine is not None:
                self._engines.move_to_end(size)
        if engine is None and not self._frames_wait:
            self._begin_if_it_pays(size, vocabulary)
        return engine

    def _is_possible(self, size: Size, vocabulary: VocabularyEmbedding) -> bool:
        rows = len(vocabulary.guide_NE)
        self._limit = None
        if min(size) < 2 * SIZE_DIVISOR or max(size) > MAX_SIDE:
            self._say_limit('size', f'takes inputs of {2 * SIZE_DIVISOR} to {MAX_SIDE} pixels '
                                    f'along a side, and this one has {size[0]} x {size[1]}')
        elif rows > self._builder.max_rows:
            self._say_limit('rows', f'takes {self._builder.max_rows - 1} names and synonyms, and '
                                    f'the vocabulary has {rows - 1}')
        return self._limit is None and not self._has_given_up

    def _say_limit(self, kind: str, limit: str) -> None:
        """Say in the log, once for each kind, what no engine takes."""
        self._limit = f'{self.name} {limit}; PyTorch computes instead'
        if kind not in self._said:
            self._said.add(kind)
            _log.warning('%s', self._limit)

    def _settle(self, size: Size, vocabulary: VocabularyEmbedding) -> None:
        """Decide, for good, what computes images of a size."""
        if size in self._settled:
            return
        self._settled.add(size)
        if len(self._engines) < MAX_ENGINES:
            self._wait_for(size, vocabulary, build=self._is_named)
        else:
            _log.warning('there are engines for %d sizes of images already, so PyTorch computes '
                         'inputs of %d x %d', MAX_ENGINES, *size)

    def _wait_for(self, size: Size, vocabulary: VocabularyEmbedding, *, build: bool) -> None:
        while (not self._has_given_up and size not in self._engines
               and (build or size not in self._not_cached)):
            self._begin(size, vocabulary, build=build)
            time.sleep(_POLL_S)

    def _begin_if_it_pays(self, size: Size, vocabulary: VocabularyEmbedding) -> None:
        self._frames[size] += 1
        if self._frames[size] < BEGIN_AFTER:
            return
        if self._is_named or self._torch_s[size] > BUILD_AFTER_S:
            self._begin(size, vocabulary, build=True)
        elif size not in self._not_cached:
            self._begin(size, vocabulary, build=False)

    def _begin(self, size: Size, vocabulary: VocabularyEmbedding, *, build: bool) -> None:
        """Load or build in a thread, unless that is being done."""
        if self.is_preparing:
            return
        thread = threading.Thread(target=self._prepare, args=(size, vocabulary, build),
                                  name='engine', daemon=True)
        self._begun = size, time.monotonic()
        self._threads[:] = [thread]
        thread.start()

    def _prepare(self, size: Size, vocabulary: VocabularyEmbedding, build: bool) -> None:
        start, engine = time.monotonic(), None
        try:
            engine = self._find(size)
            if engine is None and build:
                _log.info('preparing %s for inputs of %d x %d; PyTorch goes on meanwhile',
                          self.name, *size)
                engine = self._builder.build(size, vocabulary, _Patience(self._ended))
        except _Ended:
            return
        except Exception as error:  # noqa: BLE001  libraries fail in many ways, and frames may wait
            self._give_up(error)
            return
        if engine is None:
            self._not_cached.add(size)
            return
        self._failure = None
        _log.info('%s computes inputs of %d x %d from now on; it took %.1f s', self.name, *size,
                  time.monotonic() - start)
        with self._lock:
            self._engines[size] = engine
            if len(self._engines) > MAX_ENGINES:
                self._engines.popitem(last=False)

    def _find(self, size: Size) -> Engine | None:
        try:
            return self._builder.find(size)
        except LoadError as error:
            self._say(error, 'until it is made again')
            return None

    def _give_up(self, error: Exception) -> None:
        self._has_given_up = True
        self._say(error, 'instead')

    def _say(self, error: Exception, how_long: str) -> None:
        what = ' '.join(str(error).split()) or repr(error)
        self._failure = (f'{self.name}: {what}; PyTorch computes '
                         f'{how_long}')
        _log.warning('%s', self._failure)


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


def _size(pixels_BCHW: Tensor) -> Size:
    return pixels_BCHW.shape[2], pixels_BCHW.shape[3]
