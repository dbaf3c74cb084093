# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Laps through rooms of the built-in world, with all truth and with the faults of real sensors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
import math

import cv2
import numpy as np
import numpy.typing as npt

from eov_seg_core.geometry import CameraModel
from eov_seg_core.results.result import PanopticResult, Segment
from eov_seg_core.vocabulary import Vocabulary
from eov_seg_core.world import Camera, camera_path, Frame, generate_scene, render, VisibleObject

WORLD = Vocabulary.preset('world')
SCORE = 0.9
"""Of every true segment."""
MIN_AREA = 60
"""Visible pixels from which on a thing counts."""
_CLASS_ID = {name: number for number, name in enumerate(WORLD.names, 1)}


@dataclass(frozen=True)
class VideoOptions:
    """A way through a room, and what is wrong with the sensors.

    Attributes:
        laps: How often once around the room.
        lap_s: Seconds of a lap: 12 is 30 degrees a second.
        rate_hz: Frames a second.
        width: Of the image, pixels; its height is three quarters.
        spill_px: How far the mask of every thing spills over what is around it.
        dropped: Part of the things of each frame that are not found, 0..1.
        depth_noise: Standard deviation of the depth at 1 m; it grows with the square of depth.
        pose_noise_m: Standard deviation of each coordinate of the pose.
        pose_noise_deg: Standard deviation of the turn of the pose about the vertical.
    """

    laps: float = 1.5
    lap_s: float = 12.0
    rate_hz: float = 5.0
    width: int = 320
    spill_px: int = 0
    dropped: float = 0.0
    depth_noise: float = 0.0
    pose_noise_m: float = 0.0
    pose_noise_deg: float = 0.0


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """One frame of a lap.

    Attributes:
        stamp_s: Time since the start.
        truth: Picture, exact depth and ids.
        result: What a segmenter with the wanted faults and no others would say.
        depth_m: (H, W) float32 metres with noise.
        camera: Its calibration.
        pose: (4, 4) camera in the room, with noise.
    """

    stamp_s: float
    truth: Frame
    result: PanopticResult
    depth_m: npt.NDArray[np.float32]
    camera: CameraModel
    pose: npt.NDArray[np.float64]


def world_video(seed: int, options: VideoOptions | None = None) -> Iterator[VideoFrame]:
    """Yield the frames of a way through a room."""
    options = options or VideoOptions()
    dice = np.random.default_rng(seed)
    in_lap = round(options.lap_s * options.rate_hz)
    shots = _lap(seed, in_lap, options.width)
    for number in range(round(in_lap * options.laps)):
        camera, frame = shots[number % in_lap]
        result, _ = truth_result(frame, spread(frame, options.spill_px))
        noise = dice.standard_normal(frame.depth.shape) * options.depth_noise * frame.depth ** 2
        yield VideoFrame(
            number / options.rate_hz, frame, drop_things(result, options.dropped, dice),
            (frame.depth + noise).astype(np.float32), camera_model(camera),
            _inexact(camera.pose, options, dice))


@lru_cache(maxsize=4)
def _lap(seed: int, frames: int, width: int) -> list[tuple[Camera, Frame]]:
    """Render a lap once for all kinds of faults."""
    scene = generate_scene(seed)
    return [(camera, render(scene, camera, noise_seed=number))
            for number, camera in enumerate(camera_path(scene, frames, 0, width, width * 3 // 4))]


def _inexact(pose: npt.NDArray[np.float64], options: VideoOptions, dice: np.random.Generator
             ) -> npt.NDArray[np.float64]:
    turn = math.radians(options.pose_noise_deg) * dice.standard_normal()
    sine, cosine = math.sin(turn), math.cos(turn)
    inexact = pose.copy()
    inexact[:3, :3] = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]]) @ pose[:3, :3]
    inexact[:3, 3] += options.pose_noise_m * dice.standard_normal(3)
    return inexact


def spread(frame: Frame, spill_px: int) -> npt.NDArray[np.int32]:
    """Return the ids with every thing spread over its surroundings, on all sides."""
    ids = frame.ids.copy()
    kernel = np.ones((2 * spill_px + 1,) * 2, np.uint8)
    for item in frame.objects if spill_px else ():
        if item.is_thing:
            ids[cv2.dilate((frame.ids == item.id).astype(np.uint8), kernel) > 0] = item.id
    return ids


def truth_result(frame: Frame, ids: npt.NDArray[np.int32], min_area: int = MIN_AREA
                 ) -> tuple[PanopticResult, Mapping[int, VisibleObject]]:
    """Return what a segmenter that found the ids would say, and what each segment is.

    Args:
        frame: Says what the ids are.
        ids: (H, W) ids of the frame's objects.
        min_area: Things of fewer pixels are not found.
    """
    instance = np.zeros(ids.shape, np.int32)
    segments: list[Segment] = []
    objects: dict[int, VisibleObject] = {}
    for item in frame.objects:
        rows, columns = np.nonzero(ids == item.id)
        if len(rows) < (min_area if item.is_thing else 1):
            continue
        number = len(segments) + 1
        instance[rows, columns] = number
        segments.append(Segment(
            number, _CLASS_ID[item.name], item.name, item.is_thing, SCORE, len(rows),
            (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)))
        objects[number] = item
    return PanopticResult(instance, segments), objects


def drop_things(result: PanopticResult, part: float, dice: np.random.Generator) -> PanopticResult:
    """Return a result without some of its things; their pixels are unlabeled."""
    kept = [item for item in result.segments if not item.is_thing or dice.random() >= part]
    number = np.zeros(1 + len(result.segments), np.int32)
    number[[item.id for item in kept]] = range(1, len(kept) + 1)
    return PanopticResult(number[result.instance],
                          [replace(item, id=int(number[item.id])) for item in kept])


def camera_model(camera: Camera) -> CameraModel:
    """Return the calibration of a camera of the world."""
    return CameraModel(camera.width, camera.height, camera.fx, camera.fy, camera.cx, camera.cy)
