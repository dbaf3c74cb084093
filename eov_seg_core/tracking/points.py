# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The surface of an object, collected over many views."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from eov_seg_core.geometry import Box, fit_box
from eov_seg_core.geometry.round import complete_round

_VOXEL_M = 0.02
_MOST_POINTS = 2000
_POINTS_OF_VIEW = 500
_TRUSTED_PART = 0.25    # of the views of the voxel that was seen most
_NEW_PART = 0.1     # of new points, from which on the box is fitted again
_OFFSET = 1 << 20


class ObjectPoints:
    """Points of an object, one for each voxel, and in how many views each voxel was seen.

    A point that one view of many has is an error of the mask rather than the object.  Where there
    are too many points the voxels double in size.
    """

    def __init__(self) -> None:
        self._voxel_m = _VOXEL_M
        self._views: npt.NDArray[np.int32] = np.zeros(0, np.int32)
        self._points: npt.NDArray[np.float32] = np.zeros((0, 3), np.float32)
        self._added = 0
        self._unfitted = 0
        self._box: Box | None = None

    def add(self, points_in_map: npt.NDArray[np.float64]) -> None:
        """Add the (N, 3) points of one view, N >= 1."""
        self._added += 1
        before = len(self._views)
        step = max(len(points_in_map) // _POINTS_OF_VIEW, 1)
        fresh = points_in_map[::step].astype(np.float32)
        self._merge(np.concatenate([self._points, fresh]),
                    np.concatenate([self._views, np.zeros(len(fresh), np.int32)]), before)
        self._unfitted += len(self._views) - before
        while len(self._views) > _MOST_POINTS:
            self._voxel_m *= 2
            self._merge(self._points, self._views, len(self._views))
        if self._added <= 5 or self._unfitted > _NEW_PART * len(self._views):
            self._box = None

    def _merge(self, points: npt.NDArray[np.float32], views: npt.NDArray[np.int32], old: int
               ) -> None:
        """Keep the first point of each voxel; points from `old` on are those of a new view."""
        keys = self._keys_of(points)
        order = np.argsort(keys, kind='stable')
        keys = keys[order]
        starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
        self._points = points[order[starts]]
        self._views = (np.maximum.reduceat(views[order], starts)
                       + np.logical_or.reduceat(order >= old, starts))

    def _keys_of(self, points: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        cells = np.floor(points / np.float32(self._voxel_m)).astype(np.int64) + _OFFSET
        return np.asarray(cells[:, 0] << 42 | cells[:, 1] << 21 | cells[:, 2])

    @property
    def reliable(self) -> npt.NDArray[np.float32]:
        """(N, 3) points in the map that enough views agree on; in the first views all of them."""
        trusted = self._views >= np.ceil(_TRUSTED_PART * self._views.max())
        return np.asarray(self._points[trusted])

    @property
    def box(self) -> Box:
        """The upright box around them, and around the whole of what is round."""
        if self._box is None:
            points = self.reliable.astype(np.float64)
            self._box = complete_round(fit_box(points), points)
            self._unfitted = 0
        return self._box
