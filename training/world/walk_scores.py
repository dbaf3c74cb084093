# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How well objects are followed on walks through rooms of the world."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from eov_seg_core.io.files import locked
from eov_seg_core.quality import PanopticMap
from eov_seg_core.quality import Segment as MapSegment
from eov_seg_core.results.result import PanopticResult
from eov_seg_core.segmenter import Segmenter
from eov_seg_core.tracking.quality import IdentityCounts
from training.evaluation.folder import check_identity
from training.evaluation.tracking_quality import PanopticFrame, TrackingQuality
from training.evaluation.video_panoptic_quality import VideoPanopticQuality
from training.world.video import VideoFrame, VideoOptions, WORLD
from training.world.walk import load_walk, save_walk, Segment, Walk, walk_room

WORLD_VIDEO = 'world_video'
LAPS = VideoOptions(laps=2)
_COLUMNS = {'stq': 'STQ', 'stq_best': 'best', 'aq': 'AQ', 'aq_best': 'best', 'vpq': 'VPQ',
            'switches_per_minute': 'sw/min', 'view_iou': 'view', 'view_error_m': 'cm',
            'memory_iou': 'memory', 'memory_error_m': 'cm', 'precision': 'prec',
            'recall': 'recall'}
_IS_THING = np.array([*WORLD.is_thing, False])


@dataclass(frozen=True)
class WalkScores:
    """Figures by masks: `truth`, and the name of the variant.

    Attributes:
        figures: Masks -> what `WalkQuality.compute` says.
    """

    figures: Mapping[str, Mapping[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """Return entries that JSON can hold."""
        return {masks: dict(figures) for masks, figures in self.figures.items()}

    def to_csv(self) -> str:
        """Return a line for each kind of masks."""
        names = [name for name in next(iter(self.figures.values())) if name != 'vpq_k']
        lines = [','.join(['masks', *names])]
        for masks, figures in self.figures.items():
            lines.append(','.join([masks, *('' if figures[name] is None else str(figures[name])
                                            for name in names)]))
        return '\n'.join(lines) + '\n'

    def to_table(self) -> str:
        """Return lines to read."""
        lines = [f'{"masks":8}' + ''.join(f'{title:>7}' for title in _COLUMNS.values())
                 + f'{"rooms":>7}{"frames":>8}']
        for masks, figures in self.figures.items():
            lines.append(f'{masks:8}' + ''.join(_cell(name, figures[name]) for name in _COLUMNS)
                         + f'{figures["rooms"]:7}{figures["frames"]:8}')
        return '\n'.join(lines) + '\n'


def _cell(name: str, value: float | None) -> str:
    if value is None:
        return f'{"-":>7}'
    if name.endswith('_m'):
        return f'{100 * value:7.1f}'
    return f'{value:7.1f}' if name.endswith('minute') else f'{value:7.3f}'


class WalkQuality:
    """Figures of a stream of walks."""

    def __init__(self) -> None:
        self._tracked = TrackingQuality(WORLD.is_thing)
        self._best = TrackingQuality(WORLD.is_thing)
        self._video = VideoPanopticQuality(dict(enumerate(WORLD.is_thing)))
        self._counts: list[IdentityCounts] = []
        self._walks: list[Walk] = []
        self._seconds = 0.0
        self._frames = 0

    def add(self, walk: Walk) -> None:
        """Count one walk; its objects are those of no other."""
        number, counts = len(self._walks), IdentityCounts()
        true, found = list(walk.frames('true')), list(walk.frames('found'))
        for stamp_s, one, other, best in zip(walk.stamp_s.tolist(), true, found,
                                             walk.frames('best')):
            self._tracked.add(one, other, number)
            self._best.add(one, best, number)
            counts.add(one.instance, other.instance, stamp_s)
        self._video.add([_panoptic_map(frame, 'the truth') for frame in true],
                        [_panoptic_map(frame, 'the tracked frame') for frame in found])
        self._counts.append(counts)
        self._seconds += float(np.ptp(walk.stamp_s)) if len(walk.stamp_s) else 0.0
        self._frames += len(walk.stamp_s)
        nothing = walk.true_class[:0]
        self._walks.append(walk._replace(       # the images are not needed any more
            true_class=nothing, true_instance=nothing, found_class=nothing,
            found_instance=nothing, mask_class=nothing, best_instance=nothing))

    def compute(self) -> dict[str, Any]:
        """Return the figures; None where there is nothing to judge.

        Returns:
            `stq`, `aq`, `sq` of `TrackingQuality`; `stq_best` and `aq_best` for the same masks
            with the best ids; `vpq`, and `vpq_k` by window; `switches_per_minute`; `kept`, the
            part of returns after 3 s with the id of before; medians over views, and over the
            objects of the memory that are there: `view_iou`, `view_error_m`, `memory_iou`,
            `memory_error_m`; `precision` of the memory, the part of its objects that are there;
            `recall`, the part of the things that three frames showed and it has; `rooms`,
            `frames`, `views`, `things`.
        """
        tracked, best, video = (self._tracked.compute(), self._best.compute(),
                                self._video.compute())
        returns = sum(counts.returns for counts in self._counts)
        switches = sum(counts.switches for counts in self._counts)
        views, memory = self._all('view_iou'), self._all('memory_iou')
        recalled, remembered = self._all('recalled'), sum(int(walk.remembered)
                                                          for walk in self._walks)
        return {
            'stq': tracked['stq'], 'stq_best': best['stq'], 'aq': tracked['aq'],
            'aq_best': best['aq'], 'sq': tracked['sq'], 'vpq': video['vpq'],
            'vpq_k': {str(frames): figure['All']['pq'] for frames, figure in video.items()
                      if frames != 'vpq'},
            'switches_per_minute': 60 * switches / self._seconds if self._seconds else None,
            'kept': (sum(counts.kept_returns for counts in self._counts) / returns
                     if returns else None),
            'view_iou': _median(views), 'view_error_m': _median(self._all('view_error_m')),
            'memory_iou': _median(memory), 'memory_error_m': _median(self._all('memory_error_m')),
            'precision': len(memory) / remembered if remembered else None,
            'recall': float(recalled.mean()) if recalled.size else None,
            'rooms': len(self._walks), 'frames': self._frames, 'views': len(views),
            'things': len(recalled)}

    def _all(self, name: str) -> npt.NDArray[Any]:
        return np.concatenate([np.zeros(0), *(getattr(walk, name) for walk in self._walks)])


def _median(values: npt.NDArray[Any]) -> float | None:
    return float(np.median(values)) if values.size else None


def _panoptic_map(frame: PanopticFrame, source: str) -> PanopticMap:
    """Give things their ids above those of stuff, and all stuff of a class one id."""
    first = len(_IS_THING)
    ids = np.where(_IS_THING[frame.class_index], first + frame.instance.astype(np.int64),
                   frame.class_index.astype(np.int64) + 1)
    found, places = np.unique(ids, return_index=True)
    classes = frame.class_index.ravel()[places].tolist()
    return PanopticMap(ids, [MapSegment(number, category) for number, category
                             in zip(found.tolist(), classes) if number], source)


def evaluate_walks(seeds: Sequence[int], segmenters: Mapping[str, Segmenter], *,
                   options: VideoOptions = LAPS, output: Path | None = None,
                   identity: Mapping[str, Any] | None = None) -> WalkScores:
    """Walk through rooms with true masks and with those of segmenters, under a progress bar.

    Args:
        seeds: Of the rooms.
        segmenters: Name -> segmenter; each takes the world's vocabulary.
        options: The way through each room.
        output: Folder in which each walk is saved; those that are there are not walked again.
        identity: What the walks depend on beside the options; a folder of other walks is refused.

    Raises:
        ValueError: The folder belongs to another evaluation, or a walk in it is damaged.
        OSError: Something cannot be saved.
    """
    ways: dict[str, Segment] = {'truth': lambda frame: frame.result}
    for name, segmenter in segmenters.items():
        segmenter.set_vocabulary(WORLD)
        ways[name] = segment_once(segmenter)
    with _hold(output, {**(identity or {}), 'walk': asdict(options)}), \
            tqdm(total=len(seeds) * len(ways), unit='walk', disable=None) as progress:
        qualities = {name: WalkQuality() for name in ways}
        for seed in seeds:      # all masks of a room in turn: it is rendered once
            for name, segment in ways.items():
                qualities[name].add(_walk(seed, segment, options, output and output / name))
                progress.update()
    return WalkScores({name: quality.compute() for name, quality in qualities.items()})


@contextmanager
def _hold(folder: Path | None, identity: Mapping[str, Any]) -> Iterator[None]:
    if folder is None:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, 'evaluation'):
        check_identity(folder, identity)
        yield


def _walk(seed: int, segment: Segment, options: VideoOptions, folder: Path | None) -> Walk:
    if folder is None:
        return walk_room(seed, segment, options)
    path = folder / f'{seed}.npz'
    if not path.exists():
        folder.mkdir(exist_ok=True)
        save_walk(path, walk_room(seed, segment, options))
    return load_walk(path)


def segment_once(segmenter: Segmenter) -> Segment:
    """Segment a frame that comes again in the next lap once."""
    known: dict[int, tuple[VideoFrame, PanopticResult]] = {}

    def segment(frame: VideoFrame) -> PanopticResult:
        key = id(frame.truth)       # alive as long as its entry
        if frame.stamp_s == 0:      # the next room
            known.clear()
        if key not in known:
            known[key] = frame, segmenter(frame.truth.rgb)
        return known[key][1]

    return segment
