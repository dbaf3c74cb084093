# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Things of a room that move back and forth; everything else of it stays as it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from eov_seg_core.world.reproducible import sin_cos
from eov_seg_core.world.scene import Scene, SceneObject
from eov_seg_core.world.shapes import Array, Vector

_REACHES_M = (0.6, 0.3)
_GAP_M = 0.05
_FLOOR_ID = 1


@dataclass(frozen=True)
class _Way:
    """A thing, what stands on it, and how far it goes."""

    ids: frozenset[int]
    reach: Vector


class MovingThings:
    """Moves some things of a room along straight ways where nothing stands.

    Args:
        scene: The room as it is at the start.
        count: How many things move, the lightest first; fewer where there is no free way.
    """

    def __init__(self, scene: Scene, count: int) -> None:
        self._scene = scene
        self._ways: list[_Way] = []
        on_floor = [item for item in scene.objects
                    if item.is_thing and item.stands_on == _FLOOR_ID]
        for item in sorted(on_floor, key=lambda one: (float(np.prod(one.box.size)), one.id)):
            if len(self._ways) < count and (way := self._way(item)) is not None:
                self._ways.append(way)

    @property
    def ids(self) -> frozenset[int]:
        """The ids of the objects that move."""
        return frozenset().union(*(way.ids for way in self._ways))

    def at(self, part: float) -> Scene:
        """Return the room at a part 0..1 of the time; at 0 and 1 it is as at the start."""
        if not self._ways:
            return self._scene
        _, cosine = sin_cos(2 * np.pi * part)
        shift = {number: np.array(way.reach) * (1 - cosine) / 2
                 for way in self._ways for number in way.ids}
        return replace(self._scene, objects=tuple(
            _moved(item, shift[item.id]) if item.id in shift else item
            for item in self._scene.objects))

    def _way(self, item: SceneObject) -> _Way | None:
        """Return a way on which a thing meets nothing; None: there is none."""
        ids = frozenset(self._group(item.id))
        others = [one.extent for one in self._scene.objects if one.is_thing and one.id not in ids]
        others += [(low + np.minimum(way.reach, 0), high + np.maximum(way.reach, 0))
                   for way in self._ways for low, high in self._extents(way.ids)]
        for reach_m in _REACHES_M:
            for reach in ((reach_m, 0.0, 0.0), (-reach_m, 0.0, 0.0), (0.0, reach_m, 0.0),
                          (0.0, -reach_m, 0.0)):
                swept = [(low + np.minimum(reach, 0), high + np.maximum(reach, 0))
                         for low, high in self._extents(ids)]
                if all(self._is_free(low, high, others) for low, high in swept):
                    return _Way(ids, reach)
        return None

    def _group(self, number: int) -> Iterator[int]:
        yield number
        for item in self._scene.objects:
            if item.stands_on == number:
                yield from self._group(item.id)

    def _extents(self, ids: frozenset[int]) -> list[tuple[Array, Array]]:
        return [item.extent for item in self._scene.objects if item.id in ids]

    def _is_free(self, low: Array, high: Array, others: Sequence[tuple[Array, Array]]) -> bool:
        half = np.array(self._scene.room.size[:2]) / 2 - _GAP_M
        if (low[:2] < -half).any() or (high[:2] > half).any():
            return False
        return not any((low < other_high + _GAP_M).all() and (high > other_low - _GAP_M).all()
                       for other_low, other_high in others)


def _moved(item: SceneObject, shift: Array) -> SceneObject:
    x, y, z = (np.array(item.box.center) + shift).tolist()
    return replace(item, box=replace(item.box, center=(x, y, z)), solids=tuple(
        replace(solid, center=solid.center + shift) for solid in item.solids))
