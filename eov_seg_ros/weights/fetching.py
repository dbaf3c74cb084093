# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fetching the published weights while the node starts, in the thread that loads the model."""

from __future__ import annotations

import logging
import threading

from eov_seg_core.pretrained import fetch_published
from eov_seg_core.weights.choice import is_here
from eov_seg_core.weights.download.errors import NoSourceError, StoppedError
from eov_seg_core.weights.download.progress import amount, LoggedProgress
from eov_seg_ros.parameters import Parameters
from eov_seg_ros.weights.sources import no_weights, ways_out

_log = logging.getLogger(__name__)
_PATIENCE_S = 1.5
"""After so long without an answer of a server, its user hears what else there is to do."""


class Fetching:
    """The download of one start of the node.

    Attributes:
        activity: What it is doing, for /diagnostics; empty: nothing.
        stop: Ends it when it is set, from any thread.
    """

    def __init__(self) -> None:
        self.activity = ''
        self.stop = threading.Event()

    def fetch_if_wanted(self, parameters: Parameters) -> None:
        """Fetch the published weights if the parameters ask for them and they are not here.

        Raises:
            StoppedError: `stop` was set.
            RuntimeError: They cannot be had, and random weights are not allowed; says what to do.
        """
        if not (parameters.wants_published and parameters.download) or is_here(
                parameters.variant):
            return
        try:
            self._fetch(parameters.variant)
        except StoppedError:
            raise
        except (RuntimeError, OSError, ValueError) as error:
            text = no_weights(parameters, _first_reason(error))
            if not parameters.allow_untrained:
                raise RuntimeError(text) from error
            _log.warning('%s', text)
        finally:
            self.activity = ''

    def _fetch(self, variant: str) -> None:
        logged = LoggedProgress(variant)
        self.activity = f'asking for the published weights of variant {variant}'

        def note(received: int, total: int | None) -> None:
            reminder.cancel()
            logged(received, total)
            self.activity = f'fetching variant {variant}: {amount(received, total)}'
            if received == total:       # takes a minute on a slow machine
                self.activity = f'checking and converting the weights of variant {variant}'
                _log.info('%s', self.activity)

        reminder = threading.Timer(_PATIENCE_S, _log.warning, (
            'no server has answered in %g s, and it is tried further; Ctrl-C ends it. %s',
            _PATIENCE_S, ways_out(variant)))
        reminder.daemon = True
        reminder.start()
        try:
            fetch_published(variant, note, _log.info, self.stop)
        finally:
            reminder.cancel()
        _log.info('the weights of variant %s are here', variant)


def _first_reason(error: Exception) -> str:
    """Return why the best source did not have them; the others are a matter of the command."""
    return error.problems[0] if isinstance(error, NoSourceError) else str(error)
