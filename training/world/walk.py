# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A walk through a room whose objects leave the image and return: the truth and what was found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
import zipfile

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from eov_seg_core.geometry import Box, box_iou, segment_boxes
from eov_seg_core.geometry.quality import compare_boxes, NamedBox
from eov_seg_core.io.files import replacing
from eov_seg_core.results.result import look_up, PanopticResult
from eov_seg_core.tracking import ObjectMemory, Tracker
from eov_seg_core.tracking.association import overlaps
from eov_seg_core.world import generate_scene, VisibleObject
from eov_seg_core.world.scene import SceneObject
from training.evaluation.tracking_quality import PanopticFrame
from training.world.video import truth_result, VideoFrame, VideoOptions, WORLD, world_video

Segment = Callable[[VideoFrame], PanopticResult]
Labels = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.float64]
SEEN_OFTEN = 3
"""Frames that show an object, for the memory to be asked for it."""
_REACH = 0.5
_UNMATCHED = 1000       # ids of the world are lower
_IS_THING = np.array([*WORLD.is_thing, False])


class Walk(NamedTuple):
    """All that the figures of a walk need.

    Classes are class indices of the world's vocabulary, -1 for none; ids are 0 where there is no
    thing.

    Attributes:
        true_class: (F, H, W) int16.
        true_instance: (F, H, W) uint16.
        found_class: (F, H, W) int16 as tracked.
        found_instance: (F, H, W) uint16 lasting ids as tracked.
        mask_class: (F, H, W) int16 as segmented.
        best_instance: (F, H, W) uint16 the best ids that these masks allow.
        stamp_s: (F,) time of each frame.
        view_iou: (V,) 3D IoU of the box of each view that the image's border does not cut.
        view_error_m: (V,) distance of its centre from the true one.
        recalled: (T,) bool for each thing that three frames showed: the memory has it.
        memory_iou: (M,) 3D IoU of each object of the memory that is there.
        memory_error_m: (M,) distance of its centre from the true one.
        remembered: () number of objects of the memory.
    """

    true_class: Labels
    true_instance: Labels
    found_class: Labels
    found_instance: Labels
    mask_class: Labels
    best_instance: Labels
    stamp_s: Floats
    view_iou: Floats
    view_error_m: Floats
    recalled: npt.NDArray[np.bool_]
    memory_iou: Floats
    memory_error_m: Floats
    remembered: npt.NDArray[np.int64]

    def frames(self, which: str) -> Iterator[PanopticFrame]:
        """Yield the frames: `true`, `found`, or `best`, the masks with the best ids."""
        classes = self.mask_class if which == 'best' else getattr(self, f'{which}_class')
        yield from map(PanopticFrame, classes, getattr(self, f'{which}_instance'))


def walk_room(seed: int, segment: Segment, options: VideoOptions) -> Walk:
    """Walk through a room, follow its objects by depth and pose, and compare with what is there.

    Args:
        seed: Of the room.
        segment: Says what a frame shows, with the classes of the world.
        options: The way, and the faults of the sensors.
    """
    tracker, shown = Tracker(WORLD), np.zeros(_UNMATCHED, np.int64)
    stamps: list[float] = []
    maps: list[tuple[Labels, ...]] = []
    views: list[tuple[float, float]] = []
    for frame in world_video(seed, options):
        result = segment(frame)
        tracked = tracker.update(result, frame.depth_m, frame.pose, stamp_s=frame.stamp_s,
                                 camera=frame.camera)
        if tracked is None:     # the stamps rise
            continue
        true = true_frame(frame)
        shown[np.unique(true.instance)] += 1
        stamps.append(frame.stamp_s)
        maps.append((*true, *_things_alone(tracked.semantic, tracked.instance),
                     *_things_alone(result.semantic, best_ids(result, true.instance))))
        views += [(box_iou(*pair), _apart_m(*pair)) for pair in view_boxes(frame, result)]
    true_class, found_class, mask_class = (
        np.stack([images[place] for images in maps]).astype(np.int16) for place in (0, 2, 4))
    true_instance, found_instance, best_instance = (
        np.stack([images[place] for images in maps]).astype(np.uint16) for place in (1, 3, 5))
    often = np.flatnonzero(shown[1:] >= SEEN_OFTEN) + 1
    view_iou, view_error_m = np.array(views, np.float64).reshape(-1, 2).T
    return Walk(true_class, true_instance, found_class, found_instance, mask_class, best_instance,
                np.array(stamps), view_iou, view_error_m,
                *compare_memory(seed, tracker.memory, set(often.tolist())))


def true_frame(frame: VideoFrame) -> PanopticFrame:
    """Return the class index of every pixel, and the id of the thing there.

    Things of fewer than 60 pixels belong to no class.
    """
    truth, objects = truth_result(frame.truth, frame.truth.ids)
    ids = np.array([0, *(objects[item.id].id for item in truth.segments)])
    return PanopticFrame(*_things_alone(truth.semantic, look_up(ids, truth.instance)))


def _things_alone(class_id: Labels, ids: Labels) -> tuple[Labels, Labels]:
    """Return class indices, and the ids without those of stuff."""
    return class_id - 1, np.where(_IS_THING[class_id - 1], ids, 0)


def best_ids(result: PanopticResult, true_instance: Labels) -> npt.NDArray[np.int32]:
    """Give every segment the id of the true thing that it overlaps most, each id once.

    Args:
        result: What was segmented.
        true_instance: (H, W) ids of things below 1000, 0 where there is none.
    """
    things = [int(number) for number in np.unique(true_instance) if number]
    index = np.zeros(int(true_instance.max()) + 1, np.int32)
    index[things] = range(1, len(things) + 1)
    scores = overlaps(index[true_instance], result.instance,
                      np.ones(true_instance.shape, np.bool_), (len(things), len(result.segments)))
    table = _UNMATCHED + np.arange(1 + len(result.segments), dtype=np.int32)
    for row, column in zip(*linear_sum_assignment(scores, maximize=True)):
        if scores[row, column] > 0:
            table[column + 1] = things[row]
    return look_up(table, result.instance)


def view_boxes(frame: VideoFrame, result: PanopticResult) -> Iterator[tuple[Box, Box]]:
    """Yield found and true box of each thing that the border of the image does not cut."""
    found = segment_boxes(result, frame.depth_m, frame.camera, frame.pose)
    ids = {item.id: item for item in frame.truth.objects}
    names = {item.id: item.name for item in result.segments}
    for number, view in found.items():
        owners = np.bincount(frame.truth.ids[result.instance == number])
        named = [owner for owner in np.argsort(-owners).tolist()
                 if owners[owner] and ids[owner].name == names[number]]
        if not view.is_cut and named:
            yield view.box, true_box(ids[named[0]])


def true_box(item: VisibleObject | SceneObject) -> Box:
    """Return the box of an object of the world."""
    return Box(item.box.center, item.box.size, item.box.yaw_rad)


def compare_memory(seed: int, memory: ObjectMemory, often: set[int]
                   ) -> tuple[npt.NDArray[np.bool_], Floats, Floats, npt.NDArray[np.int64]]:
    """Return `recalled`, `memory_iou`, `memory_error_m` and `remembered` of `Walk`.

    An object of the memory is there if a thing of its name has an IoU of .25 with it, or its
    centre within max(0.25 m, half the longest side).

    Args:
        seed: Of the room.
        memory: What is remembered of it.
        often: Ids of the things that should be.
    """
    things = [item for item in generate_scene(seed).objects if item.is_thing]
    found = [NamedBox(item.name or '', item.box) for item in memory.objects()]
    quality = compare_boxes([NamedBox(item.name, true_box(item)) for item in things], found,
                            reach=_REACH)
    there = {row for row, _ in quality.pairs}
    return (np.array([row in there for row, item in enumerate(things) if item.id in often],
                     np.bool_),
            np.array([quality.ious[row] for row, _ in quality.pairs], np.float64),
            np.array(quality.center_errors_m, np.float64), np.array(len(found)))


def _apart_m(first: Box, second: Box) -> float:
    return float(np.linalg.norm(np.subtract(first.center, second.center)))


def save_walk(path: Path, walk: Walk) -> None:
    """Write a walk, complete or not at all."""
    with replacing(path) as temporary, temporary.open('wb') as stream:
        np.savez_compressed(stream, **walk._asdict())


def load_walk(path: Path) -> Walk:
    """Read a walk.

    Raises:
        ValueError: The file holds no walk.
        OSError: It cannot be read.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return Walk(**{name: arrays[name] for name in Walk._fields})
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f'{path} is damaged ({error}); delete it to walk this room again'
                         ) from error
