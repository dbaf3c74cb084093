# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Loading the model in a thread of its own, so that the node answers meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import logging
import threading
import time
from typing import Any

from rclpy.node import Node
from rclpy.task import Future

from eov_seg_ros.parameters import Parameters
from eov_seg_ros.pipeline.segmenter_factory import warm_up
from eov_seg_ros.weights.fetching import Fetching

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadedModel:
    """A segmenter that is ready for its first frame.

    Attributes:
        segmenter: An `eov_seg_core.Segmenter`, or what behaves like one.
        words: The prepared vocabulary that it uses.
        parameters: Those that it was loaded with.
    """

    segmenter: Any
    words: Any
    parameters: Parameters


def load_model(parameters: Parameters, make_segmenter: Callable[[Parameters], Any]
               ) -> LoadedModel:
    """Load the model, encode the words and run it once, so that no frame has to wait for that.

    Raises:
        ValueError: The parameters cannot be honoured; says which helps.
        RuntimeError: The model could not be loaded or run.
    """
    started_s = time.monotonic()
    _log.info('loading variant %s', parameters.variant)
    segmenter = make_segmenter(parameters)
    _log.info('encoding %d classes', len(parameters.vocabulary))
    words = segmenter.prepare_vocabulary(parameters.vocabulary)
    segmenter.use_vocabulary(words)
    warm_up(segmenter, parameters)
    _log.info('ready on %s in %s after %.1f s', segmenter.device, segmenter.precision,
              time.monotonic() - started_s)
    return LoadedModel(segmenter, words, parameters)


class Loading:
    """A call that runs in a thread while the executor goes on.

    Args:
        node: Its executor is woken at the end.
        load: What to call; with what fetches the weights.

    Attributes:
        done: Can be awaited in a callback; never an error.
    """

    def __init__(self, node: Node, load: Callable[[Fetching], LoadedModel]) -> None:
        self._node = node
        self._load = load
        self._model: LoadedModel | None = None
        self._error: Exception | None = None
        self.done: Future = Future()
        self._fetching = Fetching()
        self._started_s = time.monotonic()
        # A daemon, so that a signal can end the process while it loads.
        threading.Thread(target=self._run, name='loading', daemon=True).start()

    @property
    def activity(self) -> str:
        """What it is doing, and for how long, for /diagnostics."""
        return (f'{self._fetching.activity or "the model is being loaded"}, for '
                f'{time.monotonic() - self._started_s:.0f} s now')

    def abandon(self) -> None:
        """End what can be ended, a download; the rest goes on, and nobody waits for it."""
        self._fetching.stop.set()

    def result(self) -> LoadedModel:
        """Return what was loaded, or raise the error that prevented it; once `done`."""
        if self._error is not None:
            raise self._error
        if self._model is None:
            raise RuntimeError('the model is still being loaded')
        return self._model

    def _run(self) -> None:
        try:
            self._model = self._load(self._fetching)
        except Exception as error:  # noqa: BLE001  raised again by `result`
            self._error = error
        self.done.set_result(None)
        if self._node.executor is not None:
            self._node.executor.wake()
