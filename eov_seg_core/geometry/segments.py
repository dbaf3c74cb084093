# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From segments with depth to boxes: which pixels of a mask belong to the object, then a box.

The border of a mask is the trouble: one pixel too many takes points from the wall behind an
object, and a box of minimum and maximum then reaches to the wall.  Four steps clean it:

1. The border of a mask is taken away where its depth goes on smoothly outside of the mask.  A
   pixel of the wall does; a thin leg before the wall does not, and stays.
2. What is far from the median depth is dropped.
3. A mask may span two objects.  Of parts with a gap of 10 cm (far away of two pixels) between them
   the largest stays.
4. Where an object touches the floor, step 1 took a little of the object itself.  What lies right
   below or above the rest, inside its footprint, comes back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from eov_seg_core.geometry.box import Box, fit_box
from eov_seg_core.geometry.camera import CameraModel
from eov_seg_core.geometry.pose import as_matrix, LEVEL_CAMERA, Matrix, Pose, transform
from eov_seg_core.geometry.round import complete_round
from eov_seg_core.results.result import check_result, PanopticResult, Segment
from eov_seg_core.wrong import wrong

Mask = npt.NDArray[np.bool_]
Depth = npt.NDArray[np.float32]

MOST_POINTS = 1000
"""Points of a segment that are used; more are thinned evenly over its pixels."""
_ENOUGH_WIDTH = 320         # larger images are thinned to about this: a box has 1000 points
_BORDER_PART = 1 / 107      # of the image's width: 3 pixels at 320
_SMOOTH_M, _SMOOTH_PART = 0.03, 0.01
_GATE_M, _GATE_MAD = 0.3, 5.0
_FOOTPRINT_M = 0.02
_GAP_M = 0.1
_MOST_CELLS = 128           # of a grid, along each side
_TOUCHING = np.ones((3, 3, 3), np.bool_)


@dataclass(frozen=True)
class BoxOptions:
    """How segments become boxes.

    Attributes:
        border_px: How wide the border of a mask is that is not trusted, pixels; -1 for what fits
            the image's width, 0 to trust masks as they are.
        min_points: Least pixels with depth that an object needs.
        min_depth_part: Least part of the mask that must have depth, 0..1.

    Raises:
        ValueError: A value is out of its range.
    """

    border_px: int = -1
    min_points: int = 20
    min_depth_part: float = 0.25

    def __post_init__(self) -> None:
        if not (-1 <= self.border_px <= 50 and self.min_points >= 3
                and 0 <= self.min_depth_part <= 1):
            raise ValueError(f'{self}: expected border_px in -1..50, min_points of at least 3 and '
                             'min_depth_part in 0..1')


@dataclass(frozen=True, eq=False)
class SegmentBox:
    """One segment in space.

    Attributes:
        box: Around what is seen of it, and around the whole of what is round, in the map's frame.
        points_in_map: (N, 3) float64 metres, N >= 1, those that were seen.
        is_cut: Its mask touches the border of the image: the object goes on outside.
    """

    box: Box
    points_in_map: npt.NDArray[np.float64]
    is_cut: bool


def segment_boxes(result: PanopticResult, depth_m: Depth, camera: CameraModel,
                  camera_in_map: Pose = LEVEL_CAMERA, options: BoxOptions | None = None
                  ) -> dict[int, SegmentBox]:
    """Return the boxes of the things of a result.

    Args:
        result: What was segmented.
        depth_m: (H, W) float32 metres along the optical axis, NaN where unknown; registered to
            the image: equal size, equal viewpoint.
        camera: Of the image.
        camera_in_map: Pose of the camera in a frame whose z is up.
        options: How masks are cleaned; None for the defaults.

    Returns:
        Segment id -> box; things with too little depth are not in it.

    Raises:
        ValueError: Result, depth and camera differ in size, or the pose is none.
    """
    check_result(result)
    if not isinstance(camera, CameraModel):
        raise wrong('the camera', camera, 'a CameraModel, as CameraModel.from_camera_info makes')
    options = options or BoxOptions()
    camera.check_size(result.instance, 'result')
    camera.check_size(depth_m, 'depth')
    matrix = as_matrix(camera_in_map)
    step = max(round(camera.width / _ENOUGH_WIDTH), 1)
    grid = np.s_[step // 2::step, step // 2::step]
    view = _View(result.instance[grid], depth_m[grid], camera.subsampled(step), matrix, step)
    border_px = (round(view.camera.width * _BORDER_PART) if options.border_px < 0
                 else -(-options.border_px // step))
    spilled = spilled_border(view.instance, view.depth_m, border_px)
    boxes = {segment.id: _segment_box(segment, view, spilled, options)
             for segment in result.things}
    return {number: box for number, box in boxes.items() if box is not None}


class _View(NamedTuple):
    """The pixels that boxes are made from: every n-th of a large image."""

    instance: npt.NDArray[np.int32]
    depth_m: Depth
    camera: CameraModel
    camera_in_map: Matrix
    step: int

    def window(self, segment: Segment) -> tuple[slice, slice]:
        """Return the rows and columns that a segment lies in."""
        first = self.step // 2
        x1, y1, x2, y2 = (max(-(-(edge - first) // self.step), 0) for edge in segment.bbox_xyxy)
        return slice(y1, y2), slice(x1, x2)

    def is_cut(self, segment: Segment) -> bool:
        """Say whether a segment touches the border of the image."""
        rows, columns = self.window(segment)
        height, width = self.instance.shape
        return bool(rows.start == 0 or columns.start == 0 or rows.stop == height
                    or columns.stop == width)

    def points(self, pixels: Mask, window: tuple[slice, slice]) -> npt.NDArray[np.float64]:
        """Return the points of some pixels of a window in the map, at most `MOST_POINTS`."""
        rows, columns = np.nonzero(pixels)
        thinned = max(-(-len(rows) // MOST_POINTS), 1)
        rows, columns = rows[::thinned] + window[0].start, columns[::thinned] + window[1].start
        z = self.depth_m[rows, columns].astype(np.float64)
        x, y = (np.broadcast_to(ray, self.depth_m.shape)[rows, columns]
                for ray in self.camera.rays)
        return transform(self.camera_in_map, np.stack([x * z, y * z, z], axis=-1))


def spilled_border(instance: npt.NDArray[np.int32], depth_m: Depth, border_px: int) -> Mask:
    """Say which pixels near the border of their segment go on smoothly in another segment.

    Args:
        instance: (H, W) segment ids.
        depth_m: (H, W) float32 metres, NaN where unknown: nothing is smooth there.
        border_px: The farthest way from another segment to a pixel, in steps to one of the four
            neighbours: all of them smooth in depth, and after the first all inside the segment.

    Returns:
        (H, W) bool.
    """
    spilled = np.zeros(instance.shape, np.bool_)
    if border_px < 1:
        return spilled
    tolerance = _SMOOTH_M + _SMOOTH_PART * depth_m
    inside: list[tuple[Any, Any, Mask]] = []     # the one, the other, which pairs go on smoothly
    neighbours: list[tuple[Any, Any]] = [(np.s_[:, 1:], np.s_[:, :-1]), (np.s_[1:], np.s_[:-1])]
    for here, there in neighbours:
        smooth = np.abs(depth_m[here] - depth_m[there]) <= tolerance[here]
        same = instance[here] == instance[there]
        spilled[here] |= smooth & ~same
        spilled[there] |= smooth & ~same
        inside += [(here, there, smooth & same), (there, here, smooth & same)]
    for _ in range(border_px - 1):
        before = spilled.copy()
        for here, there, smooth in inside:
            spilled[here] |= smooth & before[there]
    return spilled


def _segment_box(segment: Segment, view: _View, spilled: Mask, options: BoxOptions
                 ) -> SegmentBox | None:
    window = view.window(segment)
    depth_m = view.depth_m[window]
    mask = view.instance[window] == segment.id
    valid = mask & np.isfinite(depth_m)
    least = max(options.min_points / view.step ** 2, 1)
    if np.count_nonzero(valid) < max(least, options.min_depth_part * np.count_nonzero(mask)):
        return None
    kept = valid & ~spilled[window]
    if np.count_nonzero(kept) < least:
        kept = valid
    kept = kept & _near_median(depth_m, depth_m[kept])
    if np.count_nonzero(kept) < least:
        return None
    between_m = float(depth_m[kept].mean()) / view.camera.fx    # pixels far away lie wide apart
    points = _largest_part(view.points(kept, window), max(_GAP_M, 2 * between_m))
    box = fit_box(points)
    rest = valid & ~kept
    if rest.any():
        taken = view.points(rest, window)
        aside = np.abs(box.to_own_axes(taken)[:, :2]) - np.array(box.size[:2]) / 2
        below = (aside <= _FOOTPRINT_M).all(axis=1)
        if below.any():
            points = np.concatenate([points, taken[below]])
            box = fit_box(points)
    return SegmentBox(complete_round(box, points), points, view.is_cut(segment))


def _largest_part(points: npt.NDArray[np.float64], cell_m: float) -> npt.NDArray[np.float64]:
    """Return the points that hang together with most others.

    Points hang together if the cells of a grid that they lie in touch, also at a corner; so parts
    with a gap of one to two cells or more between them are two objects.

    Args:
        points: (N, 3) metres, N >= 1.
        cell_m: Side of a cell; larger where the grid would have too many.
    """
    lowest = points.min(axis=0)
    cell_m = max(cell_m, float((points.max(axis=0) - lowest).max()) / _MOST_CELLS)
    cells = np.floor(points / cell_m).astype(np.int64)
    cells -= cells.min(axis=0)
    taken = np.zeros(cells.max(axis=0) + 1, np.bool_)
    places = tuple(cells.T)
    taken[places] = True
    part_of, number = ndimage.label(taken, _TOUCHING)
    if number == 1:
        return points
    parts = part_of[places]
    return np.asarray(points[parts == np.bincount(parts).argmax()])


def _near_median(depth: Depth, values: Depth) -> Mask:
    """Say where the depth is near the median of some values."""
    some = values[::max(-(-len(values) // MOST_POINTS), 1)]
    median = np.median(some)
    reach = max(_GATE_M, _GATE_MAD * float(np.median(np.abs(some - median))))
    with np.errstate(invalid='ignore'):
        return np.asarray(np.abs(depth - median) <= reach)
