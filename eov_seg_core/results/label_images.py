# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Segments to images of numbers that other programs read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from eov_seg_core.results.result import PanopticResult

Pixels = npt.NDArray[Any]


def panoptic_labels(result: PanopticResult, class_ids: Sequence[int],
                    packing: str = 'class_high', ids: Sequence[int] | None = None
                    ) -> npt.NDArray[np.int32]:
    """Return (H, W) int32: class id, and a thing's id or 0, in 16 bits each.

    Args:
        result: What the segmenter found.
        class_ids: Of each segment, 1..65535.
        packing: Which of them has the upper half: `class_high` or `class_low`.
        ids: Of each segment, 1..65535; None: those of the result.
    """
    numbers = ids_of(result, ids)
    class_shift, instance_shift = (16, 0) if packing == 'class_high' else (0, 16)
    values = [class_id << class_shift | (number if segment.is_thing else 0) << instance_shift
              for class_id, number, segment in zip(class_ids, numbers, result.segments)]
    # Class ids above 32767 need the sign bit, so the bits are made unsigned first.
    signed = np.array(values, np.uint32).view(np.int32)
    return paint(result, signed, np.int32)


def ids_of(result: PanopticResult, ids: Sequence[int] | None) -> Sequence[int]:
    """Return the ids that were given for the segments, or else those of the result."""
    return [segment.id for segment in result.segments] if ids is None else ids


def paint(result: PanopticResult, values: npt.ArrayLike, dtype: type) -> Pixels:
    """Return (H, W): each segment's value at its pixels, 0 where there is none."""
    table: Pixels = np.zeros(max(256, len(result.segments) + 1), dtype)
    table[1:len(result.segments) + 1] = values
    if len(table) > 256:
        return table.take(result.instance)
    return cv2.LUT(result.instance.astype(np.uint8), table)  # three times as fast
