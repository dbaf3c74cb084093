# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Views of the world for CLIP's training: zoomed windows, and what is where in them.

Of novel things only the box reaches the training.  Base things are boxed half of the time: the box
of a table is mostly floor, so that boxes alone teach a table to look like floor, and masks of base
things alone would teach that what has a box around it is novel.  Floor, wall, ceiling and rug
always have their mask: their boxes are the whole view.
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
"""Pixels of a view for each pixel of the frame, along an axis."""
_LEAST_VISIBLE = 0.4
"""Share of a thing's visible pixels that must be in the window."""
_BRIGHTNESS = 0.25
_BOXED = 0.5
"""Share of base things of which the box is shown."""

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
    """The endless seeded stream of views; every place of it is always the same view.

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
        """Return the view at a place of the stream."""
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
