# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Views of rendered rooms for CLIP's training, and where each region is in them.

A view is a window of a rendered frame, enlarged.  A region is given by the cells of a grid that
its mask covers, or by those that its bounding box covers:

- Things of novel categories: always the box, since no training may see their masks.
- Things of base categories: the box for half of them, the mask for the others.  With boxes alone,
  the training would take floor for a table, because most of a table's box shows floor.  With masks
  alone, a box would be a sign of novel categories.
- Floor, wall, ceiling and rug: always the mask, because their box is the whole view.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from training.world.frames import (
    CachedFrames,
    FrameObject,
    HEIGHT,
    MIN_AREA,
    WIDTH,
    WorldFrame,
)
from training.world.split import NOVEL, STUFF, THINGS

VIEW_HEIGHT, VIEW_WIDTH = 288, 384
_ZOOMS = (1.2, 2.4)
"""Smallest and largest enlargement of the frame, along each axis."""
_LEAST_VISIBLE = 0.4
"""Share of a thing's pixels in the frame that must be in the window, else it is left out."""
_BRIGHTNESS = 0.25
_BOXED = 0.5
"""Share of the base things that are given by their box."""

CATEGORIES = (*THINGS, *STUFF)


class Region(NamedTuple):
    """What a caption can say of a region.

    Attributes:
        category: Its name.
        color: Of a thing or rug; None for surfaces of the room.
        material: Of a surface of the room; else None.
        support: Name of what it stands on; None for surfaces of the room.
    """

    category: str
    color: str | None
    material: str | None
    support: str | None


class View(NamedTuple):
    """One view with its regions.

    Attributes:
        pixels_CHW: (3, 288, 384) uint8 RGB.
        cells32_RL: (R, 9 * 12) bool cells of each region at stride 32; every row has at least one.
        cells16_RL: (R, 18 * 24) bool, the same at stride 16.
        regions: R of them, at least one.
    """

    pixels_CHW: Tensor
    cells32_RL: Tensor
    cells16_RL: Tensor
    regions: tuple[Region, ...]


class ClipViews(Dataset[View]):
    """A seeded sequence of views; the same position always gives the same view.

    Args:
        frames: Rendered frames.
        seed: Of all choices.
        length: How many views to offer.
    """

    def __init__(self, frames: CachedFrames, seed: int, length: int) -> None:
        self._frames = frames
        self._seed = seed
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, position: int) -> View:
        """Return the view at a position of the sequence."""
        rng = np.random.default_rng((self._seed, position))
        view = None
        while view is None:
            frame = self._frames[int(rng.integers(len(self._frames)))]
            view = _random_view(frame, rng)
        return view


def whole_view(frame: WorldFrame) -> View:
    """Return the whole frame as a view, with the exact mask of every region: for validation."""
    view = _view(frame.rgb, frame.ids, frame.objects, lambda item: False)
    if view is None:
        raise ValueError('the frame shows no region large enough')
    return view


def _random_view(frame: WorldFrame, rng: np.random.Generator) -> View | None:
    zoom = np.exp(rng.uniform(*np.log(_ZOOMS)))
    width, height = round(VIEW_WIDTH / zoom), round(VIEW_HEIGHT / zoom)
    left, top = int(rng.integers(WIDTH - width + 1)), int(rng.integers(HEIGHT - height + 1))
    window = (slice(top, top + height), slice(left, left + width))
    rgb, ids = frame.rgb[window], frame.ids[window]
    if rng.random() < 0.5:
        rgb, ids = rgb[:, ::-1], ids[:, ::-1]
    gain = 1 + rng.uniform(-_BRIGHTNESS, _BRIGHTNESS)
    rgb = np.clip(rgb * np.float32(gain), 0, 255).astype(np.uint8)
    return _view(rgb, ids, frame.objects,
                 lambda item: item.name in NOVEL or (item.is_thing and rng.random() < _BOXED))


def _view(rgb: npt.NDArray[np.uint8], ids: npt.NDArray[np.uint8],
          objects: Sequence[FrameObject], boxed: Callable[[FrameObject], bool]) -> View | None:
    areas = np.bincount(ids.ravel(), minlength=256)
    shown = [item for item in objects
             if areas[item.id] >= max(MIN_AREA, _LEAST_VISIBLE * item.area)]
    if not shown:
        return None
    masks = [_mask(ids == item.id, boxed=boxed(item)) for item in shown]
    pixels = cv2.resize(np.ascontiguousarray(rgb), (VIEW_WIDTH, VIEW_HEIGHT),
                        interpolation=cv2.INTER_LINEAR)
    return View(torch.from_numpy(pixels).permute(2, 0, 1).contiguous(),
                _cells(masks, 32), _cells(masks, 16),
                tuple(Region(item.name, item.color, item.material, item.support)
                      for item in shown))


def _mask(mask: npt.NDArray[np.bool_], *, boxed: bool) -> npt.NDArray[np.float32]:
    """Return a mask, or the box around it, as floats."""
    if not boxed:
        return mask.astype(np.float32)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = np.zeros(mask.shape, np.float32)
    box[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1] = 1
    return box


def _cells(masks: Sequence[npt.NDArray[np.float32]], stride: int) -> Tensor:
    """Return the cells that a mask covers by half, or the one it covers most: (R, L) bool."""
    size = (VIEW_WIDTH // stride, VIEW_HEIGHT // stride)
    # to the view's size first: INTER_AREA is a mean only when it shrinks by whole numbers
    covered = np.stack([cv2.resize(cv2.resize(mask, (VIEW_WIDTH, VIEW_HEIGHT),
                                              interpolation=cv2.INTER_NEAREST),
                                   size, interpolation=cv2.INTER_AREA).ravel() for mask in masks])
    cells = covered > 0.5
    cells[np.arange(len(masks)), covered.argmax(axis=1)] = True
    return torch.from_numpy(cells)
