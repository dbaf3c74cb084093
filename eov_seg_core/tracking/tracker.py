# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ids that stay with objects, from frame to frame and when they come back.

Depth and pose move the labels of the last frame to where they are in this one; what overlaps is
the same object.  What was not matched is looked for among remembered objects by its place in the
map.  Without depth or pose the labels are shifted as the whole image was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Real

import numpy as np
import numpy.typing as npt

from eov_seg_core.geometry import Box, BoxOptions, CameraModel, Pose, segment_boxes, SegmentBox
from eov_seg_core.geometry.pose import as_matrix
from eov_seg_core.results.result import check_result, look_up, PanopticResult, Segment
from eov_seg_core.tracking.association import assign, box_overlaps, overlaps, Scores
from eov_seg_core.tracking.identity import ClassVotes
from eov_seg_core.tracking.mapped import MappedObject
from eov_seg_core.tracking.memory import ObjectMemory, Unplaced
from eov_seg_core.tracking.motion import Space
from eov_seg_core.tracking.options import TrackingOptions
from eov_seg_core.tracking.picture import (
    Picture,
    predict,
    Prediction,
    step_of,
    take_picture,
)
from eov_seg_core.vocabulary import Vocabulary
from eov_seg_core.wrong import wrong

_SURE = 0.5             # segments of this score are matched first
_JUMP_S = 0.1


@dataclass(frozen=True, eq=False)
class TrackedFrame:
    """A result whose segments have ids that last.

    Attributes:
        result: As it was given.
        segments: Those of the result in their order; `id` is the lasting one, and things have the
            class that most of their views had.
        track_ids: Segment id of the result -> lasting id.
        boxes: Lasting id -> box of a thing in the map from all its views; empty without depth or
            pose.
        in_space: Whether depth and pose were used.
    """

    result: PanopticResult
    segments: list[Segment]
    track_ids: Mapping[int, int]
    boxes: Mapping[int, Box]
    in_space: bool

    @cached_property
    def instance(self) -> npt.NDArray[np.int32]:
        """(H, W) int32 lasting ids, 0 = unlabeled; made on access."""
        return self._table([segment.id for segment in self.segments])

    @cached_property
    def semantic(self) -> npt.NDArray[np.int32]:
        """(H, W) int32 class id of the pixel's segment, 1..K, 0 = unlabeled; made on access."""
        return self._table([segment.class_id for segment in self.segments])

    def _table(self, values: list[int]) -> npt.NDArray[np.int32]:
        table = np.zeros(1 + max(self.track_ids, default=0), np.int32)
        table[list(self.track_ids)] = values
        return look_up(table, self.result.instance)


@dataclass(eq=False)
class Track:
    """A thing that is looked for in the image.

    Attributes:
        id: 1..65535.
        votes: Which class it is.
        bbox_xyxy: Where it was seen last: left, top, right, bottom in pixels.
        seen_s: When, by the stamp of the image, seconds.
        hits: In how many images it was seen.
    """

    id: int
    votes: ClassVotes
    bbox_xyxy: tuple[float, float, float, float]
    seen_s: float
    hits: int = 1


class Tracker:
    """Gives the segments of one camera's frames ids that last.

        tracker = Tracker(vocabulary)
        for frame in frames:
            tracked = tracker.update(segmenter(frame.rgb), frame.depth_m, frame.pose,
                                     stamp_s=frame.stamp_s, camera=camera)
            tracked.instance, tracked.segments, tracked.boxes
        tracker.memory.find('chair')

    Ids are 1..65535, for things and stuff; all stuff of a class has one id.  Not safe to use from
    several threads at once.

    Args:
        vocabulary: That of the results.
        options: Thresholds and times.
        memory: The objects of the place; give cameras whose poses are in one map the same.
    """

    def __init__(self, vocabulary: Vocabulary, options: TrackingOptions | None = None,
                 memory: ObjectMemory | None = None) -> None:
        self._options = options or TrackingOptions()
        self.memory = ObjectMemory(self._options) if memory is None else memory
        self._tracks: dict[int, Track] = {}
        self._stuff: dict[str, int] = {}
        self._last: Picture | None = None
        self._stamp_s: float | None = None
        self.set_vocabulary(vocabulary)

    def set_vocabulary(self, vocabulary: Vocabulary) -> None:
        """Follow a change of the vocabulary; call it before the first frame that uses it.

        Ids stay: they belong to places.  What is in view takes the class of its next segment, so
        that a new word need not outvote an old one.  The memory keeps the votes for names that
        remain; an object whose name is gone is not among `memory.objects()` until it is seen.
        """
        if not isinstance(vocabulary, Vocabulary):
            raise wrong('the vocabulary', vocabulary, 'a Vocabulary')
        self._class_ids = {name: number for number, (name, is_thing)
                           in enumerate(zip(vocabulary.names, vocabulary.is_thing), 1) if is_thing}
        for track in self._tracks.values():
            track.votes.keep(())
        self.memory.keep_names(self._class_ids)

    def reset(self) -> None:
        """Look for nothing in the image any more; memory and ids stay."""
        self._tracks.clear()
        self._last = None

    def update(self, result: PanopticResult, depth_m: npt.NDArray[np.float32] | None = None,
               pose: Pose | None = None, *, stamp_s: float, camera: CameraModel | None = None,
               box_options: BoxOptions | None = None) -> TrackedFrame | None:
        """Name the segments of the next frame.

        Args:
            result: What was segmented.
            depth_m: (H, W) float32 metres along the optical axis, NaN where unknown, registered
                to the image; see `geometry.depth_in_metres`.
            pose: Of the camera in the map, at the time of this image: (4, 4), or a translation
                and a quaternion x y z w.  Without depth, pose or camera ids last as long as the
                image shows the object.
            stamp_s: Time of the image.
            camera: Of the image.
            box_options: How masks are cleaned; None for the defaults.

        Returns:
            The frame; None if it is not newer than the last one, by at most 0.1 s: it was left
            out.  Where time goes back farther, as when a recording starts again, tracks end, ids
            go on and the memory stays, so that objects in space keep their ids.

        Raises:
            ValueError: Sizes differ, the pose is none, or the stamp is no finite number.
        """
        check_result(result)
        if not isinstance(stamp_s, Real) or not np.isfinite(stamp_s):
            raise ValueError(f'the stamp is {stamp_s!r:.80}; expected a finite number of seconds')
        space, views = self._look(result, depth_m, pose, camera, box_options)
        if not self._begin(stamp_s):
            return None
        things = result.things
        picture = take_picture(result, things, space)
        prediction = None if self._last is None else predict(self._last, picture)
        partner = self._match(prediction, picture, things)
        self._recall(things, views, partner)
        track_ids = self._keep(things, partner, result, stamp_s)
        boxes = self._remember(things, views, track_ids, picture, stamp_s)
        self._carry(prediction, picture, things, track_ids, stamp_s)
        return self._frame(result, track_ids, boxes, in_space=space is not None)

    def _look(self, result: PanopticResult, depth_m: npt.NDArray[np.float32] | None,
              pose: Pose | None, camera: CameraModel | None, box_options: BoxOptions | None
              ) -> tuple[Space | None, dict[int, SegmentBox]]:
        if depth_m is None or pose is None or camera is None:
            return None, {}
        matrix = as_matrix(pose)
        views = segment_boxes(result, depth_m, camera, matrix, box_options)
        step = step_of(result.instance)
        grid = np.s_[step // 2::step, step // 2::step]
        return Space(depth_m[grid], camera.subsampled(step), matrix), views

    def _begin(self, stamp_s: float) -> bool:
        """Compare the time with that of the last frame; say whether the frame is a new one."""
        if self._stamp_s is not None:
            passed_s = stamp_s - self._stamp_s
            if -_JUMP_S <= passed_s <= 0:
                return False
            if passed_s < 0:
                self.memory.rewind(stamp_s)
            if passed_s < 0 or passed_s > self._options.reset_gap_s:
                self.reset()
        self._stamp_s = stamp_s
        self._tracks = {number: track for number, track in self._tracks.items()
                        if stamp_s - track.seen_s <= self._options.track_lost_s}
        return True

    def _match(self, prediction: Prediction | None, picture: Picture,
               things: Sequence[Segment]) -> dict[int, int]:
        """Find the tracks of segments in the image: index of the thing -> track id."""
        tracks = list(self._tracks.values())
        if prediction is None or not tracks or not things:
            return {}
        moved, comparable, shift = prediction
        row_of = np.zeros(1 + max(int(moved.max()), *self._tracks), np.int32)
        row_of[[track.id for track in tracks]] = range(1, len(tracks) + 1)
        scores = overlaps(row_of[moved], picture.labels, comparable, (len(tracks), len(things)))
        least = self._options.track_iou
        if shift is not None:
            least = self._options.track_iou_2d
            for track in tracks:
                x1, y1, x2, y2 = track.bbox_xyxy
                track.bbox_xyxy = (x1 + shift[0], y1 + shift[1], x2 + shift[0], y2 + shift[1])
            scores = np.maximum(scores, box_overlaps(
                [track.bbox_xyxy for track in tracks], [item.bbox_xyxy for item in things]))
        scores = self._gated(scores, tracks, things)
        sure = [column for column, item in enumerate(things) if item.score >= _SURE]
        rest = [column for column, item in enumerate(things) if item.score < _SURE]
        partner = assign(scores, least, [sure, rest])
        _prefer_older(partner, scores, least, tracks)
        return {column: tracks[row].id for column, row in partner.items()}

    def _gated(self, scores: Scores, tracks: Sequence[Track], things: Sequence[Segment]
               ) -> Scores:
        """Ask more of pairs of different classes."""
        same = np.array([[track.votes.leader in (None, item.name) for item in things]
                         for track in tracks])
        return np.where(same | (scores >= self._options.other_class_iou), scores, 0.0)

    def _recall(self, things: Sequence[Segment], views: Mapping[int, SegmentBox],
                partner: dict[int, int]) -> None:
        """Find the remembered objects of what is left, by place."""
        columns = [column for column, item in enumerate(things)
                   if column not in partner and item.id in views]
        known = self.memory.candidates(partner.values())
        if not columns or not known:
            return
        scores = np.array([[self._nearness(item, things[column].name, views[things[column].id])
                            for column in columns] for item in known])
        for column, row in assign(scores, 0.0, [range(len(columns))]).items():
            partner[columns[column]] = known[row].id

    def _nearness(self, item: MappedObject, name: str, view: SegmentBox) -> float:
        """Say how well a view fits the place of an object: 1 at its centre, 0 if it does not."""
        if item.votes.leader not in (None, name):
            return 0.0
        gate_m = self._options.reid_gate_m
        apart_m = float(np.linalg.norm(np.subtract(item.box.center, view.box.center)))
        outside_m = float(min(item.box.distance_m(view.box.center),
                              view.box.distance_m(item.box.center)))
        if apart_m > gate_m and outside_m > (gate_m if view.is_cut else 0.0):
            return 0.0
        return 1.0 / (1.0 + apart_m + outside_m)

    def _keep(self, things: Sequence[Segment], partner: Mapping[int, int],
              result: PanopticResult, stamp_s: float) -> dict[int, int]:
        """Bring the tracks up to date; return the lasting id of every segment."""
        track_ids = {}
        columns = {item.id: column for column, item in enumerate(things)}
        for item in result.segments:
            if not item.is_thing:
                if item.name not in self._stuff:
                    self._stuff[item.name] = self._new_id()
                track_ids[item.id] = self._stuff[item.name]
                continue
            number = partner.get(columns[item.id]) or self._new_id()
            track = self._tracks.get(number)
            if track is None:
                track = Track(number, ClassVotes(self._options.class_memory_s), item.bbox_xyxy,
                              stamp_s, hits=0)
                self._tracks[number] = track
            track.votes.add(item.name, max(item.score, 1e-3), stamp_s)
            track.bbox_xyxy, track.seen_s, track.hits = item.bbox_xyxy, stamp_s, track.hits + 1
            track_ids[item.id] = number
        return track_ids

    def _new_id(self) -> int:
        taken = {*self._tracks, *self._stuff.values(), *self.memory.numbers}
        return self.memory.ids.draw(taken)

    def _remember(self, things: Sequence[Segment], views: Mapping[int, SegmentBox],
                  track_ids: dict[int, int], picture: Picture, stamp_s: float
                  ) -> dict[int, Box]:
        """Show the memory what was seen; return the boxes of it."""
        if picture.space is None:
            return {}
        space = picture.space
        for item in things:
            if item.id in views:
                seen = self.memory.see(track_ids[item.id], views[item.id], item.area,
                                       space.camera_in_map, stamp_s)
                seen.votes.add(item.name, max(item.score, 1e-3), stamp_s)
        found = {track_ids[number] for number in views}
        merged = self.memory.end_frame(found, space.depth_m, space.camera, space.camera_in_map,
                                       stamp_s, [
                                           _unplaced(item, track_ids[item.id], picture.step)
                                           for item in things if item.id not in views])
        for new, old in merged.items():
            for number, track_id in track_ids.items():
                if track_id == new:
                    track_ids[number] = old
            if new in self._tracks:
                track = self._tracks.pop(new)
                track.id = old
                self._tracks[old] = track
        return {number: self.memory.box(number)
                for number in {merged.get(number, number) for number in found}}

    def _carry(self, prediction: Prediction | None, picture: Picture,
               things: Sequence[Segment], track_ids: Mapping[int, int], stamp_s: float) -> None:
        """Keep the labels for the next frame, and those of tracks that this frame lacks."""
        table = np.array([0, *(track_ids[item.id] for item in things)], np.int32)
        labels = table[picture.labels]
        lost = [track.id for track in self._tracks.values() if track.seen_s < stamp_s]
        if prediction is not None and lost:
            moved = prediction.labels
            labels = np.where((labels == 0) & np.isin(moved, lost), moved, labels)
        self._last = replace(picture, labels=labels)

    def _frame(self, result: PanopticResult, track_ids: Mapping[int, int],
               boxes: Mapping[int, Box], *, in_space: bool) -> TrackedFrame:
        segments = []
        for item in result.segments:
            number, name = track_ids[item.id], item.name
            if item.is_thing:
                name = self._tracks[number].votes.leader or name
            # names may occur twice, so that an unchanged one must keep its class id
            class_id = (item.class_id if name == item.name
                        else self._class_ids.get(name, item.class_id))
            segments.append(replace(item, id=number, name=name, class_id=class_id))
        return TrackedFrame(result, segments,
                            {item.id: track_ids[item.id] for item in result.segments}, boxes,
                            in_space)


def _unplaced(item: Segment, number: int, step: int) -> Unplaced:
    """Describe a segment in pixels of the thinned image."""
    x1, y1, x2, y2 = ((edge - step // 2) / step for edge in item.bbox_xyxy)
    return Unplaced(number, item.name, ((x1 + x2) / 2, (y1 + y2) / 2))


def _prefer_older(partner: dict[int, int], scores: Scores, least: float,
                  tracks: Sequence[Track]) -> None:
    """Where two tracks became one segment, let the one that was seen more often have it."""
    for column, row in list(partner.items()):
        rivals = [other for other in range(len(tracks)) if other not in partner.values()
                  and scores[other, column] >= least and tracks[other].hits > tracks[row].hits]
        if rivals:
            partner[column] = max(rivals, key=lambda other: tracks[other].hits)
