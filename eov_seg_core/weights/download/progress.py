# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How far a download is."""

from __future__ import annotations

from collections.abc import Callable
import logging

_log = logging.getLogger(__name__)
_STEP_BYTES = 50_000_000

Progress = Callable[[int, 'int | None'], None]
"""Is called with the bytes that are there, and with all there will be if that is known: once
before the first byte comes, then with each piece.  What it raises stops the download."""


def megabytes(size: int) -> int:
    """Return bytes as megabytes, rounded up."""
    return -(-size // 1_000_000)


def amount(received: int, total: int | None) -> str:
    """Return how much there is, as `120 of 312 MB (38 %)`."""
    if not total:
        return f'{megabytes(received)} MB'
    return (f'{megabytes(received)} of {megabytes(total)} MB '
            f'({100 * received // total} %)')


class LoggedProgress:
    """Progress as a line in the log every 10 %, or every 50 MB if the size is not known.

    Args:
        variant: Of the weights.
    """

    def __init__(self, variant: str) -> None:
        self._variant = variant
        self._step: int | None = None

    def __call__(self, received: int, total: int | None) -> None:
        """Note what is there."""
        step = 10 * received // total if total else received // _STEP_BYTES
        if self._step is not None and step != self._step:
            _log.info('fetching variant %s: %s', self._variant, amount(received, total))
        self._step = step
