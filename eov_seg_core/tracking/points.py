# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The surface of an object, collected over many views."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from eov_seg_core.geometry import Box, fit_box

_VOXEL_M = 0.02
_MOST_POINTS = 2000
_NEW_PART = 0.1     # of new points, from which on the box is fitted again
_OFFSET = 1 << 20


class ObjectPoints:
    """Points of an object, one for each voxel, and in how many views each voxel was seen.

    A point that one view of many has is an error of the mask rather than the object.  Where there
    are too many points the voxels double in size.
    """

    def __init__(self) -> None:
        self._voxel_m = _VOXEL_M
        self._keys: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self._views: npt.NDArray[np.int32] = np.zeros(0, np.int32)
        self._points: npt.NDArray[np.float32] = np.zeros((0, 3), np.float32)
        self._added = 0
        self._unfitted = 0
        self._box: Box | None = None

    def add(self, points_in_map: npt.NDArray[np.float64]) -> None:
        """Add the (N, 3) points of one view, N >= 1."""
        self._added += 1
        before = len(self._keys)
        points = points_in_map.astype(np.float32)
        self._merge(np.concatenate([self._points, points]),
                    np.concatenate([self._views, np.zeros(len(points), np.int32)]))
        fresh = np.unique(self._keys_of(points))
        self._views[np.searchsorted(self._keys, fresh)] += 1
        self._unfitted += max(len(self._keys) - before, 0)
        while len(self._keys) > _MOST_POINTS:
            self._voxel_m *= 2
            self._merge(self._points, self._views)
        if self._added <= 5 or self._unfitted > _NEW_PART * len(self._keys):
            self._box = None

    def _merge(self, points: npt.NDArray[np.float32], views: npt.NDArray[np.int32]) -> None:
        """Keep the first point of each voxel, and the most views."""
        keys = self._keys_of(points)
        order = np.argsort(keys, kind='stable')
        self._keys, starts = np.unique(keys[order], return_index=True)
        self._points = points[order[starts]]
        self._views = np.maximum.reduceat(views[order], starts)

    def _keys_of(self, points: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        cells = np.floor(points / np.float32(self._voxel_m)).astype(np.int64) + _OFFSET
        return np.asarray(cells[:, 0] << 42 | cells[:, 1] << 21 | cells[:, 2])

    @property
    def reliable(self) -> npt.NDArray[np.float32]:
        """(N, 3) points in the map that enough views agree on; all of them in the first views."""
        needed = 1 if self._added < 5 else 2 if self._added < 20 else 3
        trusted = self._views >= needed
        return self._points[trusted] if np.count_nonzero(trusted) >= 10 else self._points

    @property
    def box(self) -> Box:
        """The upright box around them."""
        if self._box is None:
            self._box = fit_box(self.reliable)
            self._unfitted = 0
        return self._box
