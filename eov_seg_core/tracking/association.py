# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which segment is which track: overlaps, and the assignment with the greatest sum."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

Scores = npt.NDArray[np.float64]
Xyxy = Sequence[float]

_LEAST_COMPARABLE = 0.3


def overlaps(tracks: npt.NDArray[np.int32], segments: npt.NDArray[np.int32],
             comparable: npt.NDArray[np.bool_], shape: tuple[int, int]) -> Scores:
    """Return the IoU of every track with every segment over comparable pixels.

    Args:
        tracks: (H, W) index 1..T of the track, 0 for none.
        segments: (H, W) index 1..S of the segment, 0 for none.
        comparable: (H, W) pixels that both frames see.
        shape: T, S.

    Returns:
        (T, S) in 0..1; 0 for a segment of which less than 30 % is comparable.
    """
    rows, columns = shape[0] + 1, shape[1] + 1
    table = np.bincount(tracks[comparable].astype(np.int64) * columns + segments[comparable],
                        minlength=rows * columns).reshape(rows, columns)
    seen, whole = table.sum(axis=0), np.bincount(segments.ravel(), minlength=columns)
    union = table.sum(axis=1)[:, None] + seen[None, :] - table
    scores = table / np.maximum(union, 1)
    scores[:, seen < _LEAST_COMPARABLE * whole] = 0
    return np.asarray(scores[1:, 1:], np.float64)


def box_overlaps(tracks: Sequence[Xyxy], segments: Sequence[Xyxy]) -> Scores:
    """Return how well boxes of one image fit boxes of another that was shifted to it.

    Near objects move farther in the image than the rest; so boxes that miss each other by little
    have a score, too.

    Args:
        tracks: T times x1, y1, x2, y2 in pixels.
        segments: S of them.

    Returns:
        (T, S): the IoU, and where it is lower, what falls from 0.2 for equal centres to 0.1 for
        centres that are two mean side lengths apart, and on to 0.
    """
    first = np.array(tracks, np.float64).reshape(-1, 1, 4)
    second = np.array(segments, np.float64).reshape(1, -1, 4)
    sides = np.minimum(first[..., 2:], second[..., 2:]) - np.maximum(first[..., :2],
                                                                     second[..., :2])
    shared = np.maximum(sides, 0).prod(axis=-1)
    areas = [(boxes[..., 2:] - boxes[..., :2]).prod(axis=-1) for boxes in (first, second)]
    iou = shared / np.maximum(areas[0] + areas[1] - shared, 1e-9)
    apart = np.linalg.norm(first[..., :2] + first[..., 2:] - second[..., :2] - second[..., 2:],
                           axis=-1) / 2
    side = np.maximum(np.sqrt(areas[0]) + np.sqrt(areas[1]), 1e-9) / 2
    return np.asarray(np.maximum(iou, .2 - .1 * apart / (2 * side)).clip(0))


def assign(scores: Scores, least: float, columns_in_turn: Sequence[Sequence[int]]
           ) -> dict[int, int]:
    """Match rows with columns, each at most once, so that the sum of scores is greatest.

    Args:
        scores: (rows, columns), 0 for what cannot be.
        least: Pairs below are none.
        columns_in_turn: Columns that are matched first, then those matched with what is left.

    Returns:
        Column -> row.
    """
    partner: dict[int, int] = {}
    for turn in columns_in_turn:
        rows = [row for row in range(len(scores)) if row not in partner.values()]
        usable = np.where(scores >= max(least, 1e-9), scores, 0.0)[np.ix_(rows, list(turn))]
        for row, column in zip(*linear_sum_assignment(usable, maximize=True)):
            if usable[row, column] > 0:
                partner[turn[int(column)]] = rows[int(row)]
    return partner
