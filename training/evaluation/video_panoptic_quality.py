# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Video panoptic quality, VPQ (arXiv 2006.11339): panoptic quality of short windows of a video.

A window of k frames is judged as one image whose segments are tubes: the pixels of an id in all k
frames.  VPQ is the mean over several k.  Areas are counted in the maps; the published code takes
those of the truth from its JSON and lets them grow from window to window.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from eov_seg_core.quality import PanopticMap, PanopticQuality

WINDOWS = (1, 2, 4, 6)
"""Frames of a window in papers about VIPSeg."""


class VideoPanopticQuality:
    """VPQ of a number of videos.

    Args:
        is_thing: Category id -> whether it is countable.
        windows: Numbers of frames k.

    Raises:
        ValueError: There is no window, or one of no frame.
    """

    def __init__(self, is_thing: Mapping[int, bool], windows: Sequence[int] = WINDOWS) -> None:
        if not windows or min(windows) < 1:
            raise ValueError(f'the windows are {tuple(windows)}; expected numbers of frames from '
                             '1 on')
        self._qualities = {frames: PanopticQuality(is_thing) for frames in windows}

    def add(self, truths: Sequence[PanopticMap], predictions: Sequence[PanopticMap]) -> None:
        """Count all windows of one video; a video shorter than k frames has none of that k.

        Args:
            truths: The frames in order; an id is the same object in all of them.
            predictions: What was found, as many.

        Raises:
            ValueError: There is another number of predictions, or a frame is broken, as for
                `PanopticQuality.add`.
        """
        if len(truths) != len(predictions):
            raise ValueError(f'the video has {len(truths)} frames, but {len(predictions)} '
                             'predictions; expected one for each')
        for frames, quality in self._qualities.items():
            for start in range(len(truths) - frames + 1):
                window = slice(start, start + frames)
                quality.add(_tubes(truths[window]), _tubes(predictions[window]))

    def compute(self) -> dict[int | str, Any]:
        """Return `vpq`, 0..1, and by k what `PanopticQuality.compute` says: `{1: ..., 2: ...}`.

        Windows without a frame are no part of the mean; `vpq` is None if there is none.
        """
        figures: dict[int | str, Any] = {
            frames: quality.compute() for frames, quality in self._qualities.items()}
        known = [figure['All']['pq'] for figure in figures.values() if figure['All']['n']]
        return {**figures, 'vpq': sum(known) / len(known) if known else None}


def _tubes(frames: Sequence[PanopticMap]) -> PanopticMap:
    """Put frames below each other; an id has the category of its first frame."""
    segments = {segment.id: segment._replace(area=None)
                for frame in reversed(frames) for segment in frame.segments}
    return PanopticMap(np.concatenate([frame.ids_HW for frame in frames]),
                       tuple(segments.values()), frames[0].source)
