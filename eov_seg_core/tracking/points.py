# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The surface of an object, collected over many views."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from eov_seg_core.geometry import Box, fit_box
from eov_seg_core.geometry.round import complete_round
from eov_seg_core.tracking.identity import finite, number_in

_VOXEL_M = 0.02
_LARGEST_VOXEL_M = 1000.0
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

    def as_plain(self) -> dict[str, Any]:
        """Return what JSON takes, for `from_plain`; points in whole millimetres."""
        millimetres = np.rint(1000 * self._points.astype(np.float64)).astype(np.int64)
        return {'voxel_m': self._voxel_m, 'views': self._views.tolist(), 'added': self._added,
                'points_mm': millimetres.ravel().tolist()}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> ObjectPoints:
        """Return the points of `as_plain`.

        Raises:
            ValueError: Something in it is of another kind.
            KeyError: Something is missing.
        """
        found = cls()
        views, millimetres = (_whole_numbers(plain[name]) for name in ('views', 'points_mm'))
        if not 1 <= len(views) <= _MOST_POINTS or 3 * len(views) != len(millimetres) \
                or views.min() < 0:
            raise ValueError(f'an object has {len(millimetres)} coordinates of points and '
                             f'{len(views)} counts of views; expected 3 for each, 0 or more')
        found._voxel_m, found._added = finite(plain['voxel_m']), number_in(plain['added'], 1)
        if not _VOXEL_M <= found._voxel_m <= _LARGEST_VOXEL_M:
            raise ValueError(f'the voxels have {found._voxel_m} m; expected {_VOXEL_M} to '
                             f'{_LARGEST_VOXEL_M}')
        found._views = views.astype(np.int32)
        found._points = (millimetres.reshape(-1, 3) / 1000).astype(np.float32)
        return found

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


def _whole_numbers(values: Any) -> npt.NDArray[np.int64]:
    """Return a list of whole numbers below 2^31, as a file should hold it."""
    found = np.array(values)
    if found.dtype != np.int64 or found.ndim != 1 \
            or not -2**31 < found.min() <= found.max() < 2**31:
        raise ValueError(f'expected a list of whole numbers, got {values!r:.80}')
    return np.asarray(found)
