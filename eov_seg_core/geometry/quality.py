# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How well boxes in space agree with the truth: single views, and a memory of objects."""

from __future__ import annotations

from collections.abc import Sequence
import math
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from eov_seg_core.geometry.box import Box, box_iou

MATCH_IOU = 0.25


class NamedBox(NamedTuple):
    """A box and what is in it."""

    name: str
    box: Box


class BoxQuality(NamedTuple):
    """Agreement of found boxes with true ones.

    Attributes:
        precision: Part of the found boxes that have a true one; None if none was found.
        recall: Part of the true boxes that were found; None if there is none.
        ious: 3D IoU of each true box with its partner, 0 without one.
        center_errors_m: Distance of the centres, of the pairs alone.
        yaw_errors_rad: Angle between the sides, 0..45 degrees, of the pairs alone.
        pairs: Index of the true and of the found box of each pair.
    """

    precision: float | None
    recall: float | None
    ious: tuple[float, ...]
    center_errors_m: tuple[float, ...]
    yaw_errors_rad: tuple[float, ...]
    pairs: tuple[tuple[int, int], ...]


def compare_boxes(truth: Sequence[NamedBox], found: Sequence[NamedBox],
                  least_iou: float = MATCH_IOU, reach: float = 0.0) -> BoxQuality:
    """Match boxes of equal names, so that the sum of IoU is greatest.

    Args:
        truth: What is there.
        found: What was found.
        least_iou: Pairs of a lower IoU are none.
        reach: Unless 0, centres that lie as near as max(0.25 m, this part of the longest true
            side) are a pair, too: a small object a few cm aside has no overlap.
    """
    iou = np.zeros((len(truth), len(found)))
    near = np.zeros(iou.shape, np.bool_)
    for (row, true), (column, other) in ((first, second) for first in enumerate(truth)
                                         for second in enumerate(found)):
        if true.name == other.name:
            iou[row, column] = box_iou(true.box, other.box)
            near[row, column] = (iou[row, column] >= least_iou or _distance(true.box, other.box)
                                 <= (max(.25, reach * max(true.box.size)) if reach else -1.0))
    rows, columns = linear_sum_assignment(-(iou + near))
    pairs = [(int(row), int(column)) for row, column in zip(rows, columns) if near[row, column]]
    partner = dict(pairs)
    return BoxQuality(
        len(pairs) / len(found) if found else None, len(pairs) / len(truth) if truth else None,
        tuple(float(iou[row, partner[row]]) if row in partner else 0.0
              for row in range(len(truth))),
        tuple(_distance(truth[row].box, found[column].box) for row, column in pairs),
        tuple(_turn(truth[row].box, found[column].box) for row, column in pairs), tuple(pairs))


def _distance(first: Box, second: Box) -> float:
    return math.dist(first.center, second.center)


def _turn(first: Box, second: Box) -> float:
    """Return the angle between the nearest sides of two footprints."""
    angle = (first.yaw_rad - second.yaw_rad) % (math.pi / 2)
    return min(angle, math.pi / 2 - angle)
