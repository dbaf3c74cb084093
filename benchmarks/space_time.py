# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The tables of docs/space_time.md: identity, boxes, memory and time, in the built-in world.

    python -m benchmarks.space_time identity [--seeds 101 102 103] [--variant-t]
    python -m benchmarks.space_time boxes
    python -m benchmarks.space_time memory [--rate-hz 5] [--min-seen-part .25] [--picture FILE.png]
    python -m benchmarks.space_time cost

The camera turns 30 degrees a second at 5 frames a second; memory takes other rates as well.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
import statistics
import time

import cv2
import numpy as np

from eov_seg_core import Segmenter
from eov_seg_core.geometry import box_iou, labelled_cloud, segment_boxes
from eov_seg_core.geometry.drawing import draw_from_above, DrawnBox
from eov_seg_core.io.media import save_picture
from eov_seg_core.tracking import ObjectMemory, Tracker, TrackingOptions
from eov_seg_core.tracking.quality import IdentityCounts
from eov_seg_core.world import generate_scene
from training.evaluation.tracking_quality import PanopticFrame, TrackingQuality
from training.world.video import truth_result, VideoFrame, VideoOptions, WORLD, world_video
from training.world.walk import (
    best_ids,
    compare_memory,
    SEEN_OFTEN,
    Segment,
    true_box,
    true_frame,
    view_boxes,
)
from training.world.walk_scores import segment_once

SEEDS = (101, 102, 103)     # other rooms were used to choose thresholds


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('table', choices=('identity', 'boxes', 'memory', 'cost'))
    parser.add_argument('--seeds', type=int, nargs='+', default=SEEDS, metavar='N')
    parser.add_argument('--variant-t', action='store_true', help='its masks instead of true ones')
    parser.add_argument('--rate-hz', type=float, default=VideoOptions().rate_hz, metavar='F',
                        help='memory: frames a second (default: %(default)s)')
    parser.add_argument('--min-seen-part', type=float, metavar='P',
                        default=TrackingOptions().min_seen_part,
                        help='memory: as the parameter of the node (default: %(default)s)')
    parser.add_argument('--picture', type=Path, help='memory: draw it from above, to this file')
    options = parser.parse_args()
    cv2.setNumThreads(1)
    segment = variant_t() if options.variant_t else lambda frame: frame.result
    if options.table == 'identity':
        identity(options.seeds, segment, plain=options.variant_t)
    elif options.table == 'boxes':
        boxes(options.seeds)
    elif options.table == 'memory':
        memory(options.seeds, segment, VideoOptions(laps=2, rate_hz=options.rate_hz),
               TrackingOptions(min_seen_part=options.min_seen_part), options.picture,
               plain=options.variant_t)
    else:
        cost(options.seeds)


def variant_t() -> Segment:
    """Return what segments frames with variant `t`."""
    segmenter = Segmenter.from_pretrained('t', device='cpu', runtime='torch')
    segmenter.set_vocabulary(WORLD)
    return segment_once(segmenter)


@dataclass
class Named:
    """Ids and classes that one way to name segments gives to a frame."""

    instance: np.ndarray
    semantic: np.ndarray


def identity(seeds: Sequence[int], segment: Segment, *, plain: bool) -> None:
    """Print how well ids last."""
    print(f'{"":44}{"AQ":>7}{"STQ":>7}{"switches":>10}{"ids/object":>12}{"kept":>7}')
    rows: list[tuple[str, VideoOptions, str]] = [
        ('ids of each frame', VideoOptions(), 'frame'),
        ('perfect ids for these masks', VideoOptions(), 'perfect'),
        ('without depth', VideoOptions(), '2d'), ('depth and pose', VideoOptions(), '3d')]
    if not plain:
        rows += [
            ('1 Hz', VideoOptions(rate_hz=1), '3d'),
            ('60 deg/s', VideoOptions(lap_s=6), '3d'),
            ('1 px spill, depth noise .0015 z2',
             VideoOptions(spill_px=1, depth_noise=.0015), '3d'),
            ('  and pose noise 1 cm, 0.5 deg', VideoOptions(
                spill_px=1, depth_noise=.0015, pose_noise_m=.01, pose_noise_deg=.5), '3d'),
            ('  and pose noise 5 cm, 2 deg', VideoOptions(
                spill_px=1, depth_noise=.0015, pose_noise_m=.05, pose_noise_deg=2), '3d'),
            ('15 % of things dropped, without depth', VideoOptions(dropped=.15), '2d'),
            ('15 % of things dropped', VideoOptions(dropped=.15), '3d'),
            ('  perfect ids for these masks', VideoOptions(dropped=.15), 'perfect')]
    for title, options, way in rows:
        print(f'{title:44}' + identity_row(seeds, segment, options, way), flush=True)


def identity_row(seeds: Sequence[int], segment: Segment, options: VideoOptions, way: str) -> str:
    """Return the figures of one way to name segments."""
    quality, counts = TrackingQuality(WORLD.is_thing), []
    for seed in seeds:
        counts.append(IdentityCounts())
        for frame, named, true_class, true_id in name_frames(seed, segment, options, way):
            quality.add(PanopticFrame(true_class, true_id),
                        PanopticFrame(named.semantic - 1, named.instance), seed)
            is_thing = np.array([*WORLD.is_thing, False])
            counts[-1].add(np.where(is_thing[true_class], true_id, 0),
                           np.where(is_thing[named.semantic - 1], named.instance, 0),
                           frame.stamp_s)
    figures, identities = quality.compute(), [count.compute() for count in counts]
    kept = [item['kept'] for item in identities if item['kept'] is not None]
    return (f'{figures["aq"]:7.3f}{figures["stq_labeled"]:7.3f}'
            f'{sum(item["switches"] for item in identities):10}'
            f'{statistics.mean(item["ids_per_object"] for item in identities):12.2f}'
            f'{statistics.mean(kept) if kept else 0:7.2f}')


def name_frames(seed: int, segment: Segment, options: VideoOptions, way: str
                ) -> Iterator[tuple[VideoFrame, Named, np.ndarray, np.ndarray]]:
    """Yield frames with found ids and classes, and the true ones."""
    tracker = Tracker(WORLD)
    for number, frame in enumerate(world_video(seed, options)):
        result = segment(frame)
        true_class, true_id = true_frame(frame)
        if way in ('2d', '3d'):
            space = {'depth_m': frame.depth_m, 'pose': frame.pose, 'camera': frame.camera}
            tracked = tracker.update(result, stamp_s=frame.stamp_s,
                                     **(space if way == '3d' else {}))
            named = Named(tracked.instance, tracked.semantic)
        elif way == 'frame':
            named = Named(result.instance + 1000 * number, result.semantic)
        else:
            named = Named(best_ids(result, true_id), result.semantic)
        yield frame, named, true_class, true_id


def boxes(seeds: Sequence[int]) -> None:
    """Print how well single views give boxes."""
    print(f'{"":30}{"median IoU":>12}{"> .25":>8}{"centre, cm":>12}{"views":>8}')
    for noise in (0.0, .0015):
        for spill in range(4):
            options = VideoOptions(laps=1, rate_hz=2, spill_px=spill, depth_noise=noise)
            pairs = [pair for seed in seeds for frame in world_video(seed, options)
                     for pair in view_boxes(frame, frame.result)]
            ious = np.array([box_iou(*pair) for pair in pairs])
            apart = [np.linalg.norm(np.subtract(found.center, true.center))
                     for found, true in pairs]
            print(f'spill {spill} px, depth noise {noise:6.4f}{np.median(ious):12.2f}'
                  f'{(ious > .25).mean():8.2f}{100 * np.median(apart):12.1f}{len(pairs):8}',
                  flush=True)


def memory(seeds: Sequence[int], segment: Segment, way: VideoOptions, tracking: TrackingOptions,
           picture: Path | None, *, plain: bool) -> None:
    """Print what is remembered after two laps, and draw the first room from above."""
    print(f'{"":44}{"found":>8}{"invented":>10}{"median IoU":>12}{"centre, cm":>12}')
    rows = [('masks as they are', way)]
    if not plain:
        noisy = replace(way, spill_px=1, depth_noise=.0015)
        rows += [('1 px spill, depth noise .0015 z2', noisy),
                 ('  and pose noise 1 cm, 0.5 deg',
                  replace(noisy, pose_noise_m=.01, pose_noise_deg=.5))]
    for title, options in rows:
        recalls, wrong, known, ious, apart = [], 0, 0, [], []
        for seed in seeds:
            remembered, often = walk(seed, segment, options, tracking)
            recalled, right, errors_m, number = compare_memory(seed, remembered, often)
            recalls += recalled.tolist()
            wrong, known = wrong + int(number) - len(right), known + int(number)
            ious += right.tolist()
            apart += errors_m.tolist()
            if picture is not None and seed == seeds[0] and (title, options) == rows[0]:
                save_picture(picture, picture_of(seed, remembered))
        print(f'{title:44}{np.mean(recalls):8.2f}{wrong / max(known, 1):10.2f}'
              f'{np.median(ious):12.2f}{100 * np.median(apart):12.1f}   '
              f'({sum(recalls)} of {len(recalls)}; {wrong} of {known})', flush=True)


def walk(seed: int, segment: Segment, options: VideoOptions, tracking: TrackingOptions
         ) -> tuple[ObjectMemory, set[int]]:
    """Return the memory after a way, and the true things that three frames showed."""
    tracker, shown = Tracker(WORLD, tracking), np.zeros(1000, np.int64)
    for frame in world_video(seed, options):
        tracker.update(segment(frame), frame.depth_m, frame.pose, stamp_s=frame.stamp_s,
                       camera=frame.camera)
        _, objects = truth_result(frame.truth, frame.truth.ids)
        shown[[item.id for item in objects.values() if item.is_thing]] += 1
    return tracker.memory, set(np.flatnonzero(shown >= SEEN_OFTEN).tolist())


def picture_of(seed: int, remembered: ObjectMemory) -> np.ndarray:
    """Return (H, W, 3) uint8 RGB: the truth filled, the memory as lines with names and ids."""
    scene = generate_scene(seed)
    width, depth, _ = scene.room.size
    return draw_from_above(
        (width, depth), (round(110 * width), round(110 * depth)),
        [DrawnBox(true_box(item), item.name) for item in scene.objects],
        [DrawnBox(item.box, item.name or '', f'{item.id} {item.name}')
         for item in remembered.objects()])


def cost(seeds: Sequence[int]) -> None:
    """Print milliseconds of one core for a frame of 640 x 480."""
    times: dict[str, list[float]] = {'tracking': [], 'boxes': [], 'cloud': []}
    things = []
    for seed in seeds:
        tracker = Tracker(WORLD)
        for frame in world_video(seed, VideoOptions(laps=1, rate_hz=2, width=640)):
            semantic = frame.result.semantic
            marks = [time.process_time()]
            for part in (
                    lambda: tracker.update(frame.result, frame.depth_m, frame.pose,  # noqa: B023
                                           stamp_s=frame.stamp_s, camera=frame.camera),  # noqa: B023
                    lambda: segment_boxes(frame.result, frame.depth_m, frame.camera,  # noqa: B023
                                          frame.pose),  # noqa: B023
                    lambda: labelled_cloud(frame.depth_m, frame.camera, frame.truth.rgb,  # noqa: B023
                                           semantic, frame.result.instance)):  # noqa: B023
                part()
                marks.append(time.process_time())
            update, box, cloud = np.diff(marks).tolist()
            times['tracking'].append(update - box)      # it makes the boxes itself
            times['boxes'].append(box)
            times['cloud'].append(cloud)
            things.append(len(frame.result.things))
    print(f'milliseconds of processor time, {np.mean(things):.1f} things a frame')
    for name, values in times.items():
        print(f'{name:10} median {1e3 * np.median(values):6.1f}   '
              f'95 % below {1e3 * np.percentile(values, 95):6.1f}')


if __name__ == '__main__':
    main()
