# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The objects of a place: where they are, when they were seen, and which have gone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from eov_seg_core.geometry import Box, box_iou, CameraModel, invert, SegmentBox, transform
from eov_seg_core.tracking.identity import IdPool, MOST_IDS, number_in
from eov_seg_core.tracking.mapped import MappedObject, Matrix, RememberedObject
from eov_seg_core.tracking.options import TrackingOptions

MOST_OBJECTS = 5000
_HEALTHY_PART, _FREE_PART, _IN_VIEW_PART = 0.6, 0.7, 0.5
_MARGIN_PART = 10 / 640     # of the image's width
_FARTHEST_M = 5.0
_BEHIND_M, _BEHIND_PART = 0.10, 0.02
_MOVED_PART, _MOVED_LOOKS = 0.2, 3      # of its points; one after another, as poses are inexact
_POINTS_TO_FOLLOW, _POINTS_TO_MISS = 200, 40
_AROUND = np.ones((3, 3), np.uint8)
_MERGE_IOU, _SAME_PLACE_IOU = 0.25, 0.5
_GRID = np.stack(np.meshgrid(*[(-.5, 0, .5)] * 3), axis=-1).reshape(-1, 3)


class Unplaced(NamedTuple):
    """A segment with too little depth for a place.

    Attributes:
        id: That it lasts under.
        name: Its name.
        middle: Of its box, in pixels of the camera that `end_frame` gets.
    """

    id: int
    name: str
    middle: tuple[float, float]

    def lies_among(self, pixels: npt.NDArray[np.float64]) -> bool:
        """Say whether its middle is inside the upright rectangle around (N, 2) pixels, N >= 1."""
        return bool((pixels.min(axis=0) - 1 <= self.middle).all()
                    and (self.middle <= pixels.max(axis=0) + 1).all())


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
                 if item.is_confirmed(self._options) and item.votes.leader is not None]
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
                  camera: CameraModel, camera_in_map: Matrix, stamp_s: float,
                  unplaced: Sequence[Unplaced] = ()) -> dict[int, int]:
        """Learn from what a frame did not show.

        Args:
            seen: The objects that it showed.
            depth_m: (H, W) float32 metres, NaN where unknown; a thinned image is enough.
            camera: Of this image.
            camera_in_map: (4, 4) its pose.
            stamp_s: Its time.
            unplaced: Its segments without a place: neither an object of such an id is missed, nor
                one of such a name in this direction.

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
        if seen:
            self._count_misses(seen, unplaced, depth_m, camera, camera_in_map)
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
        free, _ = compare_depth(in_camera, depth_m, camera)
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
        in_camera, starts = _surfaces(visible, _POINTS_TO_FOLLOW, camera_in_map)
        nearest_m = np.asarray(cv2.erode(np.nan_to_num(depth_m), _AROUND),
                               np.float32)      # because outlines are inexact
        free, _ = compare_depth(in_camera, nearest_m, camera)
        for item, places in zip(visible, np.split(free, starts)):
            item.moved_looks = item.moved_looks + 1 if places.mean() > _MOVED_PART else 0
            if item.moved_looks >= _MOVED_LOOKS:
                item.begin_anew()

    def _count_misses(self, seen: Collection[int], unplaced: Sequence[Unplaced],
                      depth_m: npt.NDArray[np.float32], camera: CameraModel,
                      camera_in_map: Matrix) -> None:
        """Count a miss of each object whose surface the frame shows, and which it does not have.

        Else a mask that is wrong in few of many frames would be remembered, the more of them the
        more frames there are.
        """
        eye = camera_in_map[:3, 3]
        found = {*seen, *(other.id for other in unplaced)}
        missed = [item for number, item in self._mapped.items()
                  if number not in found and item.could_be_seen_from(eye)]
        if not missed:
            return
        in_camera, starts = _surfaces(missed, _POINTS_TO_MISS, camera_in_map)
        _, there = compare_depth(in_camera, depth_m, camera)
        pixels = camera.project(in_camera)
        for item, places, at in zip(missed, np.split(there, starts), np.split(pixels, starts)):
            if places.mean() >= _IN_VIEW_PART and not any(
                    other.name == item.votes.leader and other.lies_among(at[places])
                    for other in unplaced):
                item.miss(self._options.min_seen_part)

    def _forget_old(self, stamp_s: float) -> None:
        oldest_s = stamp_s - self._options.memory_s
        self._mapped = {number: item for number, item in self._mapped.items()
                        if max(item.last_seen_s, item.known_since_s) >= oldest_s}
        surplus = len(self._mapped) - MOST_OBJECTS
        if surplus > 0:
            def worth(item: MappedObject) -> tuple[bool, bool, bool, float]:
                return (item.visible, item.state(self._options.missing_after) != 'missing',
                        item.is_confirmed(self._options), item.last_seen_s)

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
                old.take_over(new)
                del self._mapped[new.id]
                merged[new.id] = old.id
                break
        return merged


def compare_depth(points_in_camera: npt.NDArray[np.float64], depth_m: npt.NDArray[np.float32],
                  camera: CameraModel) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Say which places a camera sees through, and at which it sees a surface.

    A place is free where the depth measured in its direction is larger than its own by more than
    10 cm and 2 %, and a surface where both differ by no more than that.  Places out of the image,
    near its border, farther than 5 m, hidden behind something nearer or without a measurement are
    neither: nothing is known of them.

    Args:
        points_in_camera: (..., 3) metres.
        depth_m: (H, W) float32 metres, NaN where unknown.
        camera: Of the image.

    Returns:
        (...) free, (...) surface.
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
    gate = _BEHIND_M + _BEHIND_PART * own
    with np.errstate(invalid='ignore'):
        measured = depth_m[rows, columns]
        free, surface = measured > own + gate, np.abs(measured - own) <= gate
    return np.asarray(inside & free), np.asarray(inside & surface)


def _surfaces(items: Sequence[MappedObject], most: int, camera_in_map: Matrix
              ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp]]:
    """Return about `most` points of each object in the camera, and where the next ones begin."""
    samples = [points[::max(len(points) // most, 1)]
               for points in (item.points.reliable for item in items)]
    starts = np.cumsum([len(points) for points in samples])[:-1]
    return transform(invert(camera_in_map),
                     np.concatenate(samples).astype(np.float64)), starts


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
