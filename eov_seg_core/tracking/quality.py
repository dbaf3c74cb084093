# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How often objects change their id, by the truth."""

from __future__ import annotations

from collections.abc import Hashable
import statistics
from typing import Any

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.integer[Any]]


class IdentityCounts:
    """How often objects change their id: simple figures beside AQ.

    In each frame a true object is matched with the id that covers it with an IoU above 0.5.
    """

    def __init__(self) -> None:
        self.switches = 0
        self.returns = 0
        self.kept_returns = 0
        self._ids: dict[Hashable, dict[int, None]] = {}
        self._last: dict[Hashable, tuple[int, float]] = {}

    def add(self, true_instance: Labels, instance: Labels, stamp_s: float) -> None:
        """Count one frame of one sequence.

        Args:
            true_instance: (H, W) ids of true things, 0 where there is none.
            instance: (H, W) ids that were found, 0 where there is none.
            stamp_s: Time of the frame.
        """
        areas = [dict(zip(*(values.tolist() for values in np.unique(ids, return_counts=True))))
                 for ids in (true_instance, instance)]
        pairs = np.stack([true_instance.ravel(), instance.ravel()]).astype(np.int64)
        for true, found, shared in zip(*unique_pairs(pairs)):
            union = areas[0][int(true)] + areas[1][int(found)] - int(shared)
            if true and found and shared / union > .5:
                self._match(int(true), int(found), stamp_s)

    def _match(self, true: int, found: int, stamp_s: float) -> None:
        before, seen_s = self._last.get(true, (found, stamp_s))
        self.switches += before != found
        if stamp_s - seen_s >= 3.0:
            self.returns += 1
            self.kept_returns += before == found
        self._ids.setdefault(true, {})[found] = None
        self._last[true] = found, stamp_s

    def compute(self) -> dict[str, float | None]:
        """Return `switches`; `ids_per_object`; `kept`, the part of objects that have the id of
        before when they come back after 3 s or more; None where there is nothing to judge.
        """  # noqa: D205
        ids = [len(found) for found in self._ids.values()]
        return {'switches': self.switches, 'ids_per_object': statistics.mean(ids) if ids else None,
                'kept': self.kept_returns / self.returns if self.returns else None}


def unique_pairs(pairs: Labels) -> tuple[Labels, Labels, Labels]:
    """Return the different columns of a (2, N) array, and how often each occurs."""
    order = np.lexsort(pairs)
    ordered = pairs[:, order]
    starts = np.flatnonzero(np.concatenate([
        np.ones(min(1, ordered.shape[1]), np.bool_),
        (ordered[:, 1:] != ordered[:, :-1]).any(axis=0)]))
    counts = np.diff(starts, append=ordered.shape[1])
    return ordered[0, starts], ordered[1, starts], counts
