# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a query must reach to become a segment; apart from the merge, which needs PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real


@dataclass(frozen=True)
class Thresholds:
    """What a query must reach to become a segment; the defaults are the published values.

    Attributes:
        score_threshold: A query is dropped unless its score is above this, 0..1.
        overlap_threshold: A query is dropped if it wins fewer pixels than this share of its
            mask, 0..1.

    Raises:
        ValueError: A threshold does not lie in 0..1.
    """

    score_threshold: float = 0.0
    overlap_threshold: float = 0.8

    def __post_init__(self) -> None:
        """Refuse what is no number in 0..1."""
        thresholds: dict[str, float] = dict(vars(self))
        for name, value in thresholds.items():
            if not isinstance(value, Real) or not 0.0 <= value <= 1.0:
                raise ValueError(f'{name} must lie in 0..1, got {value!r}')
            object.__setattr__(self, name, float(value))

    def with_given(self, score_threshold: float | None, overlap_threshold: float | None
                   ) -> Thresholds:
        """Return these thresholds, except those that are given."""
        return Thresholds(
            self.score_threshold if score_threshold is None else score_threshold,
            self.overlap_threshold if overlap_threshold is None else overlap_threshold)
