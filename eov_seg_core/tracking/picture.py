# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a tracker keeps of a frame, and what that says about the next one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from eov_seg_core.results.result import look_up, PanopticResult, Segment
from eov_seg_core.tracking.motion import (
    borders,
    Labels,
    Mask,
    shift_between,
    shift_labels,
    Space,
    warp_labels,
)

_ENOUGH_WIDTH = 160     # labels are compared at about this width


@dataclass(frozen=True, eq=False)
class Picture:
    """What is kept of a frame: its things at a low resolution."""

    labels: Labels          # of segments while the frame is new, then of tracks
    borders: npt.NDArray[np.float32]
    step: int
    space: Space | None


class Prediction(NamedTuple):
    """Where the tracks of the last frame are in this one."""

    labels: Labels
    comparable: Mask        # what both frames see
    shift_px: tuple[int, int] | None    # right and down, of the whole image; None in space


def step_of(instance: Labels) -> int:
    """Return by how much an image is thinned."""
    height, width = map(int, instance.shape)
    return max(min(round(width / _ENOUGH_WIDTH), height), 1)


def take_picture(result: PanopticResult, things: Sequence[Segment], space: Space | None
                 ) -> Picture:
    """Keep the things of a frame; its labels are their indices from 1 on."""
    step = step_of(result.instance)
    small = result.instance[step // 2::step, step // 2::step]
    index = np.zeros(1 + max((item.id for item in result.segments), default=0), np.int32)
    for number, item in enumerate(things, 1):
        index[item.id] = number
    return Picture(look_up(index, small), borders(small), step, space)


def predict(last: Picture, now: Picture) -> Prediction:
    """Move the tracks of the last frame to where they are in this one."""
    if last.space is not None and now.space is not None:
        return Prediction(*warp_labels(last.labels, last.space, now.space), None)
    if last.labels.shape != now.labels.shape:
        return Prediction(np.zeros_like(now.labels), np.zeros(now.labels.shape, np.bool_), (0, 0))
    right, down = shift_between(last.borders, now.borders)
    return Prediction(*shift_labels(last.labels, (right, down)),
                      (right * now.step, down * now.step))
