# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The objects of a place: where they are, when they were seen, and which have gone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
import math
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from eov_seg_core.geometry import Box, box_iou, CameraModel, invert, SegmentBox, transform
from eov_seg_core.geometry.pose import as_matrix
from eov_seg_core.tracking.identity import ClassVotes, finite, IdPool, MOST_IDS, number_in
from eov_seg_core.tracking.options import TrackingOptions
from eov_seg_core.tracking.points import ObjectPoints

State = Literal['visible', 'remembered', 'missing']
Matrix = npt.NDArray[np.float64]

MOST_OBJECTS = 5000
_CONFIRMED_S, _CONFIRMED_TURN_RAD = 2.0, math.radians(10)
_HEALTHY_PART, _FREE_PART = 0.6, 0.7
_MARGIN_PART = 10 / 640     # of the image's width
_FARTHEST_M = 5.0
_BEHIND_M, _BEHIND_PART = 0.10, 0.02
_MOVED_PART, _MOVED_LOOKS = 0.2, 3      # of its points; one after another, as poses are inexact
_ENOUGH_POINTS = 200
_AROUND = np.ones((3, 3), np.uint8)
_MERGE_IOU, _SAME_PLACE_IOU = 0.25, 0.5
_GRID = np.stack(np.meshgrid(*[(-.5, 0, .5)] * 3), axis=-1).reshape(-1, 3)


@dataclass(frozen=True, eq=False)
class RememberedObject:
    """What is known of one object at one moment.

    Attributes:
        id: Its id in all frames.
        name: What it is called; None since its name left the vocabulary.
        state: Seen in the last frame; not seen; or its place was seen to be free.
        box: In the map, from all views.
        share: Part of the votes that the name has, 0..1.
        hits: Frames it was seen in.
        first_seen_s: Stamp of the first of them.
        last_seen_s: Stamp of the last of them.
        viewpoint: (4, 4) pose of the camera in the map that saw most of it: a place to go to.
    """

    id: int
    name: str | None
    state: State
    box: Box
    share: float
    hits: int
    first_seen_s: float
    last_seen_s: float
    viewpoint: Matrix


class MappedObject:
    """An object of the memory while it is being collected; see `RememberedObject`."""

    def __init__(self, number: int, half_life_s: float) -> None:
        self.id = number
        self.votes = ClassVotes(half_life_s)
        self.points = ObjectPoints()
        self.hits = 0
        self.first_seen_s = self.last_seen_s = 0.0
        self.free_looks = 0
        self.moved_looks = 0
        self.visible = False
        self.seen_with: set[int] = set()
        self.viewpoint: Matrix = np.eye(4)
        self.known_since_s = -math.inf      # of a memory that was stored: when it was restored
        self._best_area = -1
        self._span_s = 0.0
        self._first_bearing: float | None = None
        self._turn = 0.0
        self._last_view: npt.NDArray[np.float64] = np.zeros((0, 3))

    @property
    def box(self) -> Box:
        """The box from all views."""
        return self.points.box

    def see(self, view: SegmentBox, area: int, camera_in_map: Matrix, stamp_s: float,
            gate_m: float) -> None:
        """Take in one view; an object that was moved starts anew."""
        if self.hits and not view.is_cut and self.box.distance_m(view.box.center) > gate_m / 2:
            self.points = ObjectPoints()
        self._last_view = view.points_in_map
        self.points.add(self._last_view)
        self.first_seen_s = self.first_seen_s if self.hits else stamp_s
        self.hits += 1
        self.last_seen_s, self.free_looks, self.visible = stamp_s, 0, True
        self._span_s = max(self._span_s, stamp_s - self.first_seen_s)
        if area > self._best_area:
            self._best_area, self.viewpoint = area, camera_in_map
        toward = camera_in_map[:2, 3] - np.array(view.box.center[:2])
        bearing = math.atan2(toward[1], toward[0])
        if self._first_bearing is None:
            self._first_bearing = bearing
        self._turn = max(self._turn,
                         abs(math.remainder(bearing - self._first_bearing, 2 * math.pi)))

    def begin_anew(self) -> None:
        """Leave out all views but the last one: the object has moved."""
        self.points = ObjectPoints()
        self.points.add(self._last_view)
        self.moved_looks = 0

    def as_plain(self) -> dict[str, Any]:
        """Return what JSON takes, for `from_plain`."""
        return {
            'id': self.id, 'votes': self.votes.as_plain(), 'points': self.points.as_plain(),
            'hits': self.hits, 'first_seen_s': self.first_seen_s, 'last_seen_s': self.last_seen_s,
            'seen_with': sorted(self.seen_with), 'viewpoint': self.viewpoint.tolist(),
            'best_area': self._best_area, 'span_s': self._span_s,
            'first_bearing': self._first_bearing, 'turn': self._turn}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], half_life_s: float) -> MappedObject:
        """Return an object that was not seen since.

        Raises:
            ValueError: Something in it is of another kind.
            KeyError: Something is missing.
        """
        item = cls(number_in(plain['id'], 1, MOST_IDS), half_life_s)
        item.votes = ClassVotes.from_plain(plain['votes'], half_life_s)
        item.points = ObjectPoints.from_plain(plain['points'])
        item.hits = number_in(plain['hits'], 1)
        item.first_seen_s, item.last_seen_s, item._span_s, item._turn = (
            finite(plain[name]) for name in ('first_seen_s', 'last_seen_s', 'span_s', 'turn'))
        item.seen_with = {number_in(number, 1, MOST_IDS) for number in plain['seen_with']}
        item.viewpoint = as_matrix(np.array(plain['viewpoint'], np.float64))
        item._best_area = number_in(plain['best_area'], 0)
        item._first_bearing = finite(plain['first_bearing'])
        return item

    def is_confirmed(self, min_hits: int) -> bool:
        """Say whether it was seen often, and for long enough or from different sides."""
        return self.hits >= min_hits and (self._span_s >= _CONFIRMED_S
                                          or self._turn >= _CONFIRMED_TURN_RAD)

    def state(self, missing_after: int) -> State:
        """Say whether it is seen, remembered or missing."""
        if self.visible:
            return 'visible'
        return 'missing' if self.free_looks >= missing_after else 'remembered'


class ObjectMemory:
    """Objects in one map; several trackers may share it if their poses are in the same frame.

    Args:
        options: Times and thresholds.
    """

    def __init__(self, options: TrackingOptions | None = None) -> None:
        self._options = options or TrackingOptions()
        self._mapped: dict[int, MappedObject] = {}
        self._is_restored = False
        self.ids = IdPool()

    def __len__(self) -> int:
        """Return how many objects there are, those that are not confirmed included."""
        return len(self._mapped)

    @property
    def numbers(self) -> Collection[int]:
        """The ids of all objects."""
        return self._mapped.keys()

    def box(self, number: int) -> Box:
        """Return the box of an object; KeyError if there is no such id."""
        return self._mapped[number].box

    def objects(self, *, include_missing: bool = False) -> list[RememberedObject]:
        """Return the confirmed objects that have a name, by id.

        Args:
            include_missing: Return those, too, whose place was seen to be free.
        """
        known = [self._snapshot(item) for _, item in sorted(self._mapped.items())
                 if item.is_confirmed(self._options.min_hits) and item.votes.leader is not None]
        return [item for item in known if include_missing or item.state != 'missing']

    def find(self, name: str, *, include_missing: bool = True) -> list[RememberedObject]:
        """Return the objects of a name, those seen last first; upper and lower case are equal."""
        wanted = name.strip().lower()
        found = [item for item in self.objects(include_missing=include_missing)
                 if item.name is not None and item.name.lower() == wanted]
        return sorted(found, key=lambda item: (item.state == 'missing', -item.last_seen_s))

    def _snapshot(self, item: MappedObject) -> RememberedObject:
        name = item.votes.leader
        return RememberedObject(
            item.id, name, item.state(self._options.missing_after), item.box,
            item.votes.share(name or ''), item.hits, item.first_seen_s, item.last_seen_s,
            item.viewpoint.copy())

    def forget(self) -> None:
        """Forget all objects; ids go on."""
        self._mapped.clear()

    def as_plain(self) -> dict[str, Any]:
        """Return all objects and ids as what JSON takes, for `restore`."""
        return {'last_id': self.ids.last,
                'objects': [item.as_plain() for item in self._mapped.values()]}

    def restore(self, plain: Mapping[str, Any]) -> None:
        """Take the objects of `as_plain` in place of those that are known.

        Nothing was seen since: their states are `remembered`, and the time after which they are
        forgotten begins with the first frame that is seen now.

        Raises:
            ValueError: It is none; nothing was changed.
        """
        try:
            items = [MappedObject.from_plain(entry, self._options.class_memory_s)
                     for entry in plain['objects'][:MOST_OBJECTS]]
            last = number_in(plain['last_id'], 0, MOST_IDS)
        except (KeyError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(f'it is no memory of objects: {error!r}') from error
        if len({item.id for item in items}) < len(items):
            raise ValueError('it is no memory of objects: two have one id')
        self._mapped = {item.id: item for item in items}
        self.ids.last = last
        self._is_restored = True

    def rewind(self, stamp_s: float) -> None:
        """Tell that time has jumped back: nothing was seen later than now."""
        for item in self._mapped.values():
            item.first_seen_s = min(item.first_seen_s, stamp_s)
            item.last_seen_s = min(item.last_seen_s, stamp_s)

    def keep_names(self, names: Collection[str]) -> None:
        """Follow a change of the vocabulary: votes for other names are dropped."""
        for item in self._mapped.values():
            item.votes.keep(names)

    def candidates(self, seen: Collection[int]) -> list[MappedObject]:
        """Return the objects that are not among those already seen in a frame."""
        return [item for number, item in self._mapped.items() if number not in seen]

    def see(self, number: int, view: SegmentBox, area: int, camera_in_map: Matrix,
            stamp_s: float) -> MappedObject:
        """Take in one view of an object, which may be new."""
        item = self._mapped.get(number)
        if item is None:
            item = self._mapped[number] = MappedObject(number, self._options.class_memory_s)
        item.see(view, area, camera_in_map, stamp_s, self._options.reid_gate_m)
        return item

    def end_frame(self, seen: Collection[int], depth_m: npt.NDArray[np.float32],
                  camera: CameraModel, camera_in_map: Matrix, stamp_s: float) -> dict[int, int]:
        """Learn from what a frame did not show.

        Args:
            seen: The objects that it showed.
            depth_m: (H, W) float32 metres, NaN where unknown; a thinned image is enough.
            camera: Of this image.
            camera_in_map: (4, 4) its pose.
            stamp_s: Its time.

        Returns:
            Ids that turned out to be those of another object: id -> older id.
        """
        if self._is_restored:
            self._is_restored = False
            self._begin_again(seen, stamp_s)
        for number, item in self._mapped.items():
            item.visible = number in seen
            if item.visible:
                item.seen_with.update(seen)
        if seen and np.count_nonzero(np.isfinite(depth_m)) >= _HEALTHY_PART * depth_m.size:
            self._look_for_free_places(depth_m, camera, camera_in_map)
        self._follow_moved(depth_m, camera, camera_in_map)
        self._forget_old(stamp_s)
        return self._merge(seen)

    def _begin_again(self, seen: Collection[int], stamp_s: float) -> None:
        """Take the first frame after `restore` for the moment from which on objects are kept."""
        self.rewind(stamp_s)    # the clock may have begun anew as well
        for number, item in self._mapped.items():
            if number not in seen:
                item.known_since_s = stamp_s

    def _look_for_free_places(self, depth_m: npt.NDArray[np.float32], camera: CameraModel,
                              camera_in_map: Matrix) -> None:
        hidden = [item for item in self._mapped.values() if not item.visible]
        if not hidden:
            return
        points = np.stack([item.box.from_own_axes(_GRID * item.box.size) for item in hidden])
        in_camera = transform(invert(camera_in_map), points)
        free = free_space(in_camera, depth_m, camera)
        for item, part in zip(hidden, free.mean(axis=1)):
            item.free_looks += bool(part >= _FREE_PART)

    def _follow_moved(self, depth_m: npt.NDArray[np.float32], camera: CameraModel,
                      camera_in_map: Matrix) -> None:
        """Begin visible objects anew if the camera sees through where they were before.

        Else the box of what moves slowly would reach over all its way.
        """
        visible = [item for item in self._mapped.values() if item.visible]
        if not visible:
            return
        samples = [points[::max(len(points) // _ENOUGH_POINTS, 1)]
                   for points in (item.points.reliable for item in visible)]
        in_camera = transform(invert(camera_in_map), np.concatenate(samples).astype(np.float64))
        nearest_m = np.asarray(cv2.erode(np.nan_to_num(depth_m), _AROUND),
                               np.float32)      # because outlines are inexact
        free = np.split(free_space(in_camera, nearest_m, camera),
                        np.cumsum([len(points) for points in samples])[:-1])
        for item, places in zip(visible, free):
            item.moved_looks = item.moved_looks + 1 if places.mean() > _MOVED_PART else 0
            if item.moved_looks >= _MOVED_LOOKS:
                item.begin_anew()

    def _forget_old(self, stamp_s: float) -> None:
        oldest_s = stamp_s - self._options.memory_s
        self._mapped = {number: item for number, item in self._mapped.items()
                        if max(item.last_seen_s, item.known_since_s) >= oldest_s}
        surplus = len(self._mapped) - MOST_OBJECTS
        if surplus > 0:
            def worth(item: MappedObject) -> tuple[bool, bool, bool, float]:
                return (item.visible, item.state(self._options.missing_after) != 'missing',
                        item.is_confirmed(self._options.min_hits), item.last_seen_s)

            for item in sorted(self._mapped.values(), key=worth)[:surplus]:
                del self._mapped[item.id]

    def _merge(self, seen: Iterable[int]) -> dict[int, int]:
        """Merge what is one object; see `_are_one`."""
        merged: dict[int, int] = {}
        for number in list(seen):
            item = self._mapped.get(number)
            if item is None:
                continue
            for other in list(self._mapped.values()):
                if other.id in merged or other is item or not _are_one(item, other):
                    continue
                old, new = sorted((item, other), key=lambda one: (one.first_seen_s, one.id))
                old.points.add(new.points.reliable.astype(np.float64))
                old.hits += new.hits
                old.last_seen_s = max(old.last_seen_s, new.last_seen_s)
                old.visible |= new.visible
                old.seen_with |= new.seen_with
                del self._mapped[new.id]
                merged[new.id] = old.id
                break
        return merged


def free_space(points_in_camera: npt.NDArray[np.float64], depth_m: npt.NDArray[np.float32],
               camera: CameraModel) -> npt.NDArray[np.bool_]:
    """Say which places a camera sees through.

    A place is free where the depth measured in its direction is larger than its own by more than
    10 cm and 2 %.  Places out of the image, near its border, farther than 5 m, hidden behind
    something nearer or without a measurement are not free: nothing is known of them.

    Args:
        points_in_camera: (..., 3) metres.
        depth_m: (H, W) float32 metres, NaN where unknown.
        camera: Of the image.
    """
    margin = _MARGIN_PART * camera.width
    pixels = camera.project(points_in_camera)
    limits = np.array([camera.width - 1, camera.height - 1])
    with np.errstate(invalid='ignore'):
        inside = ((pixels >= margin) & (pixels <= limits - margin)).all(axis=-1)
    inside &= points_in_camera[..., 2] < _FARTHEST_M
    columns, rows = np.moveaxis(np.where(inside[..., None], pixels, 0).round().astype(np.intp),
                                -1, 0)
    own = points_in_camera[..., 2]
    with np.errstate(invalid='ignore'):
        behind = depth_m[rows, columns] > own + _BEHIND_M + _BEHIND_PART * own
    return np.asarray(inside & behind)


def _are_one(first: MappedObject, second: MappedObject) -> bool:
    """Say whether two fill one place, or have one name at one place and were not seen as two."""
    overlap = box_iou(first.box, second.box)
    if overlap >= _SAME_PLACE_IOU and not (first.visible and second.visible):
        return True     # two bodies cannot: one was segmented in two ways
    if (first.votes.leader is None or first.votes.leader != second.votes.leader
            or second.id in first.seen_with or first.id in second.seen_with):
        return False
    return bool(first.box.contains(second.box.center) or second.box.contains(first.box.center)
                or overlap >= _MERGE_IOU)
