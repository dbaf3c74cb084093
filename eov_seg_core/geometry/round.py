# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Round objects: from the side that was seen to the whole.

A camera sees at most half of a bottle, a ball or a barrel.  At every height the points of such an
object lie on a circle, and all these circles have one axis.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from eov_seg_core.geometry.box import Box

_SLICES = 24
_LEAST_POINTS, _ENOUGH_POINTS = 30, 250
_ERROR_PART, _ERROR_M = 0.04, 0.004     # of the radius, root mean square
_LEAST_PART = 0.6       # of the points that must lie on the circles
_LARGEST_PART = 1.25    # of the longer side that was seen


def complete_round(box: Box, points_in_map: npt.NDArray[np.float64]) -> Box:
    """Return the box of the whole object if the points are those of a round one, else the box.

    Args:
        box: The upright box around the points.
        points_in_map: (N, 3) metres, in a frame whose z is up.
    """
    length, width, height = box.size
    if len(points_in_map) < _LEAST_POINTS:
        return box
    own = points_in_map[::max(len(points_in_map) // _ENOUGH_POINTS, 1)] - np.array(box.center)
    slices = np.clip(((own[:, 2] / height + .5) * _SLICES).astype(np.intp), 0, _SLICES - 1)
    on_circle = np.ones(len(own), np.bool_)
    for _ in range(2):      # once more without the slices that are no circles, as a lid
        chosen, which = own[on_circle], slices[on_circle]
        found = _axis(chosen[:, :2], which)
        if found is None:
            return box
        axis, radii = found
        tolerance = _ERROR_PART * radii + _ERROR_M
        errors = np.abs(np.hypot(*(own[:, :2] - axis).T) - radii[slices])
        counts = np.bincount(slices, minlength=_SLICES)
        mean_square = np.bincount(slices, errors ** 2, _SLICES) / np.maximum(counts, 1)
        on_circle = (mean_square <= tolerance ** 2)[slices]
        if np.count_nonzero(on_circle) < max(_LEAST_PART * len(own), _LEAST_POINTS):
            return box
    radius = float(radii[np.unique(slices[on_circle])].max())
    side = 2 * radius
    if not width < side <= _LARGEST_PART * length:
        return box
    side = max(side, length)
    x, y, z = box.center
    return Box((x + float(axis[0]), y + float(axis[1]), z), (side, side, height), box.yaw_rad)


def _axis(points: npt.NDArray[np.float64], slices: npt.NDArray[np.intp]
          ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None:
    """Fit circles of one centre to the points of each slice: x^2 + y^2 = 2 a x + 2 b y + c_k.

    Returns:
        The centre a, b and the radius of every slice; None where the points are on a line.
    """
    counts = np.maximum(np.bincount(slices, minlength=_SLICES), 1)
    squares = (points ** 2).sum(axis=1)
    columns = np.column_stack([points, squares])
    means = np.stack([np.bincount(slices, column, _SLICES) / counts for column in columns.T], 1)
    apart = columns - means[slices]
    normal = apart[:, :2].T @ apart[:, :2]
    if np.linalg.det(normal) <= 1e-9 * np.trace(normal) ** 2:
        return None
    axis = np.linalg.solve(normal, apart[:, :2].T @ apart[:, 2]) / 2
    squared = means[:, 2] - 2 * means[:, :2] @ axis + axis @ axis
    return axis, np.sqrt(np.maximum(squared, 0.0))
