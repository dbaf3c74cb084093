# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Labelled images of recordings as a data set to correct and to train with."""

from __future__ import annotations

from pathlib import Path
import re
from typing import Any, TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from eov_seg_core.io.coco import coco_categories
from eov_seg_core.io.coco.parts import is_whole, merge_parts, PartWriter
from eov_seg_core.io.files import held
from eov_seg_core.parts.claim import claim, WORK
from eov_seg_core.recordings.options import PictureOptions
from eov_seg_core.recordings.source import time_ns_of

if TYPE_CHECKING:
    from eov_seg_core.recordings.space.session import LabelledFrame
    from eov_seg_core.results.result import PanopticResult
    from eov_seg_core.vocabulary import Vocabulary

RGB = npt.NDArray[np.uint8]
_THUMBNAIL = (32, 24)


class DataSet:
    """A data set in COCO's panoptic format, to which each part of a recording adds its pictures.

    Args:
        directory: With `images/`, `panoptic/` and `panoptic.json`; made if needed.
        vocabulary: What is looked for.

    Raises:
        ValueError: The folder holds something else, or a data set with other categories.
        OSError: The folder cannot be made.
    """

    def __init__(self, directory: Path, vocabulary: Vocabulary) -> None:
        self.directory = directory
        self._vocabulary = vocabulary
        self._categories = coco_categories(vocabulary)
        claim(directory, 'data_set.json', {'categories': self._categories},
              {'categories': 'pictures labelled with other words'})

    def recording(self, name: str, key: dict[str, Any]) -> Path:
        """Return the folder for the parts of a recording.

        Args:
            name: Of the recording.
            key: What its pictures depend on, as in `BagLabeller`.

        Raises:
            ValueError: There are pictures of another recording of this name, or with other
                settings.
        """
        folder = self.directory / WORK / name
        claim(folder, 'labels.json', key, {
            'recording': f'pictures of another recording or topic that is called {name}',
            'settings': f'pictures of {name} with other words, weights, options or version'})
        return folder

    def writer(self) -> PartWriter:
        """Return what writes the pictures of a part."""
        return PartWriter(self.directory, self._vocabulary)

    def is_whole(self, part: Path) -> bool:
        """Say whether a part and its pictures are there."""
        return is_whole(part, self.directory)

    def merge(self) -> int:
        """Write `panoptic.json` of all parts that are there; returns the number of pictures."""
        with held(self.directory / WORK / 'merge.lock', wait=True):
            parts = sorted((self.directory / WORK).glob('*/part_*.jsonl'))
            return merge_parts(parts, self._categories, self.directory / 'panoptic.json')


class PartPictures:
    """The pictures of a part that are worth a person's time.

    Args:
        writer: Of the part.
        prefix: Of the pictures' names.
        options: Which are taken.
        notes: What the data set says of each, ready for JSON.
    """

    def __init__(self, writer: PartWriter, prefix: str, options: PictureOptions,
                 notes: dict[str, Any]) -> None:
        self._writer = writer
        self._prefix = re.sub(r'[^\w.-]+', '_', prefix)
        self._options = options
        self._notes = notes
        self._names: set[str] = set()
        self._tick: int | None = None
        self._thumbnail: npt.NDArray[np.float32] | None = None

    def offer(self, frame: LabelledFrame, log_ns: int) -> None:
        """Take a picture or leave it.

        Args:
            frame: The image, and what was found.
            log_ns: When it was recorded.

        Raises:
            OSError: A file cannot be written.
        """
        image_rgb, result, stamp = frame.image_rgb, frame.result, frame.header.stamp
        most = self._options.max_score
        if most is not None and mean_confidence(result) >= most:
            return
        tick = self._tick_of(time_ns_of(frame.header, log_ns))
        if tick is not None and tick == self._tick:
            return
        thumbnail = self._thumbnail_of(image_rgb)
        if thumbnail is not None and self._thumbnail is not None and float(
                np.abs(thumbnail - self._thumbnail).mean()) < (self._options.min_change or 0):
            return
        self._tick, self._thumbnail = tick, thumbnail
        name = unused(f'{self._prefix}_{log_ns}', self._names)
        self._names.add(name)
        self._writer.add(result, image_rgb, name, track_ids=frame.ids, **self._notes, stamp={
            'sec': int(stamp.sec), 'nanosec': int(stamp.nanosec)})

    def _tick_of(self, time_ns: int) -> int | None:
        period_s = self._options.period_s
        return None if period_s is None else int(time_ns / 1e9 / period_s)

    def _thumbnail_of(self, image_rgb: RGB) -> npt.NDArray[np.float32] | None:
        """Return a small grey image, 0..1, if motion counts."""
        if self._options.min_change is None:
            return None
        small = cv2.resize(image_rgb, _THUMBNAIL, interpolation=cv2.INTER_AREA)
        return np.asarray(small.mean(axis=2) / 255, np.float32)


def mean_confidence(result: PanopticResult) -> float:
    """Return the mean score of all pixels, 0..1; those without a segment have 0."""
    found = sum(segment.score * segment.area for segment in result.segments)
    return float(found / max(1, result.instance.size))


def unused(name: str, names: set[str]) -> str:
    """Return the name, with the first number that makes it new where it is taken."""
    if name not in names:
        return name
    return next(numbered for number in range(1, len(names) + 1)
                if (numbered := f'{name}_{number}') not in names)
