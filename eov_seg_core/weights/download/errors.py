# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Why a download did not work."""

from __future__ import annotations

from collections.abc import Sequence

from eov_seg_core.weights.download.pages import Page


class DownloadError(RuntimeError):
    """A file could not be fetched; the message says why."""


class PageError(DownloadError):
    """A web page came instead of the file."""

    def __init__(self, page: Page) -> None:
        super().__init__(page.explain())
        self.page = page


class StoppedError(DownloadError):
    """The caller wants no download any more; what came is kept, and used by the next one."""

    def __init__(self) -> None:
        super().__init__('the download was stopped; what came is kept: the next download goes '
                         'on from there')


class ChangedError(DownloadError):
    """The weights are not those of the first download."""


class NoSourceError(DownloadError):
    """No source has the weights.

    Args:
        variant: Of the weights.
        problems: What each source said.
        by_hand: What to do, one sentence.
    """

    def __init__(self, variant: str, problems: Sequence[str], by_hand: str) -> None:
        super().__init__(f'variant {variant!r} could not be fetched ({"; ".join(problems)}). '
                         f'{by_hand}')
        self.problems = tuple(problems)


class TryAgainError(Exception):
    """What may work when it is tried again.

    Args:
        reason: For the message if it does not.
        wait_s: As the server wants, or None.
    """

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s
