# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What an evaluation keeps of one image: all that the figures and the saved predictions need.

A record is one line of JSON, so that a run that was killed loses at most the images in work.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
import json
from pathlib import Path
from typing import Any

from eov_seg_core.quality import Comparison
from training.evaluation.instance_quality import Detection, TrueInstance
from training.evaluation.semantic_quality import PairCount


@dataclass(frozen=True)
class ImageRecord:
    """One evaluated image; what belongs to a task that was not wanted is None.

    Attributes:
        index: Of the image in the data set.
        name: Of the image.
        size: (height, width).
        seconds: Of each part of the work: `read`, `network`, `segment` (resizing before and
            merging after the network), `score` and `save`.
        is_first: Whether it was the first one of its process: it warms up and is not timed.
        segments: `segments_info` of its prediction in COCO's panoptic format.
        comparison: What its segments count for in panoptic quality.
        pairs: True and predicted classes of its pixels.
        truth: Its true things.
        detections: The things that were found.
        image_id: Of the image in its annotation; None: it has none.
    """

    index: int
    name: str
    size: tuple[int, int]
    seconds: dict[str, float]
    is_first: bool
    segments: list[dict[str, Any]] | None = None
    comparison: Comparison | None = None
    pairs: list[PairCount] | None = None
    truth: list[TrueInstance] | None = None
    detections: list[Detection] | None = None
    image_id: int | str | None = None

    def to_line(self) -> str:
        """Return the record as a line of JSON."""
        return json.dumps(vars(self), separators=(',', ':')) + '\n'

    @classmethod
    def from_line(cls, line: str) -> ImageRecord:
        """Read what `to_line` wrote.

        Raises:
            ValueError: The line is not complete.
        """
        if not line.endswith('\n'):
            raise ValueError('the line is cut')
        try:
            record = cls(**json.loads(line))
            return replace(
                record, size=(record.size[0], record.size[1]),
                comparison=_made(_comparison, record.comparison),
                pairs=_made(lambda pairs: [(t, p, n) for t, p, n in pairs], record.pairs),
                truth=_made(lambda items: [TrueInstance(*item) for item in items], record.truth),
                detections=_made(lambda items: [Detection(*item) for item in items],
                                 record.detections))
        except (TypeError, KeyError, IndexError) as error:
            raise ValueError(f'the line is no record: {error}') from error


def _made(make: Any, value: Any) -> Any:
    return None if value is None else make(value)


def _comparison(parts: Any) -> Comparison:
    matches, spurious, missed = parts
    return Comparison(tuple((category, iou) for category, iou in matches), tuple(spurious),
                      tuple(missed))


def read_records(folder: Path) -> dict[int, ImageRecord]:
    """Read all records of a folder by index; what a kill has cut is left out.

    Raises:
        OSError: A file cannot be read.
    """
    records = {}
    for path in sorted(folder.glob('*.jsonl')):
        with path.open(encoding='utf-8', errors='replace') as lines:
            for line in lines:
                try:
                    record = ImageRecord.from_line(line)
                except ValueError:      # it is evaluated again
                    continue
                records[record.index] = record
    return records
