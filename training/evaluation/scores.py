# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From the records of all images to figures: as an object, a table, JSON and CSV."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
import csv
from dataclasses import dataclass
from io import StringIO
from typing import Any

from eov_seg_core.io.text import counted
from eov_seg_core.quality import PanopticQuality
from eov_seg_core.vocabulary import Vocabulary
from training.evaluation.instance_quality import InstanceQuality
from training.evaluation.record import ImageRecord
from training.evaluation.semantic_quality import SemanticQuality

PARTS = ('read', 'segment', 'score', 'save')
"""Parts of the work on an image outside of the network."""
_CLASS_FIGURES = ('pq', 'sq', 'rq', 'iou', 'ap')


@dataclass(frozen=True)
class Scores:
    """What an evaluation found.

    Attributes:
        vocabulary: The classes.
        images: Number of images that count.
        broken: Messages about images that were left out.
        panoptic: As `PanopticQuality.compute`, keys of `per_class` being class ids 1..K; None if
            it was not wanted.
        semantic: As `SemanticQuality.compute`, or None.
        instance: As `InstanceQuality.compute`, or None.
        milliseconds: Mean time of an image: `network`, `outside` of it, `whole`, and the parts
            `read`, `segment`, `score`, `save` outside; empty if no image was timed.
        per_class: A row for each class: `id`, `name`, `is_thing`, and `pq`, `sq`, `rq`, `iou`,
            `ap`, None where not wanted or where the class does not occur.
    """

    vocabulary: Vocabulary
    images: int
    broken: tuple[str, ...]
    panoptic: dict[str, Any] | None
    semantic: dict[str, Any] | None
    instance: dict[str, Any] | None
    milliseconds: dict[str, float]
    per_class: list[dict[str, Any]]

    @property
    def frame_rate(self) -> dict[str, float]:
        """Images a second of one process: `network` alone and `whole`, where known."""
        return {part: 1000 / self.milliseconds[part] for part in ('network', 'whole')
                if self.milliseconds.get(part)}

    def to_json(self) -> dict[str, Any]:
        """Return entries that JSON can hold; figures in 0..1."""
        figures = {name: _without_classes(getattr(self, name))
                   for name in ('panoptic', 'semantic', 'instance')
                   if getattr(self, name) is not None}
        return {'images': self.images, 'broken': list(self.broken), **figures,
                'frame_rate': self.frame_rate, 'milliseconds': self.milliseconds,
                'per_class': self.per_class}

    def to_csv(self) -> str:
        """Return a line for each class; empty fields where there is no figure."""
        text = StringIO()
        writer = csv.DictWriter(text, ['id', 'name', 'is_thing', *_CLASS_FIGURES],
                                lineterminator='\n')
        writer.writeheader()
        for row in self.per_class:
            writer.writerow(row | {'is_thing': int(row['is_thing'])})
        return text.getvalue()

    def to_table(self) -> str:
        """Return lines to read; figures in percent."""
        lines = [counted(self.images, 'image') + (
            f'; left out, because they cannot be used: {len(self.broken)}' if self.broken else '')]
        if self.panoptic is not None:
            lines += ['', f'{"":10}{"PQ":>7}{"SQ":>7}{"RQ":>7}{"classes":>9}']
            for group in ('All', 'Things', 'Stuff'):
                row = self.panoptic[group]
                lines.append(f'{group.lower():10}' + ''.join(
                    f'{_percent(row[name]):>7}' for name in ('pq', 'sq', 'rq'))
                    + f'{row["n"]:9}')
        lines += _lines(self.semantic, {'miou': 'mIoU', 'fwiou': 'fwIoU', 'macc': 'mACC',
                                        'pacc': 'pACC'})
        lines += _lines(self.instance, {'ap': 'AP', 'ap50': 'AP50', 'ap75': 'AP75',
                                        'ap_small': 'APs', 'ap_medium': 'APm',
                                        'ap_large': 'APl'})
        if self.milliseconds:
            rate = self.frame_rate
            lines += ['', f'{"":10}{"ms":>8}{"images/s":>10}']
            lines += [f'{part:10}{self.milliseconds[part]:8.1f}'
                      + (f'{rate[part]:10.2f}' if part in rate else '')
                      for part in ('network', 'outside', 'whole')]
        return '\n'.join(lines) + '\n'


def score(records: Sequence[ImageRecord], vocabulary: Vocabulary, tasks: Collection[str],
          broken: Sequence[str] = ()) -> Scores:
    """Compute all figures; the order of the records does not matter.

    Args:
        records: One for each image.
        vocabulary: Of the data set.
        tasks: What the records hold.
        broken: Messages about images that were left out.
    """
    records = sorted(records, key=lambda record: record.index)
    panoptic, occurring = _panoptic(records, vocabulary) if 'panoptic' in tasks else (None, set())
    semantic = _semantic(records, vocabulary) if 'semantic' in tasks else None
    instance = _instance(records, vocabulary) if 'instance' in tasks else None
    rows = []
    for index, (name, is_thing) in enumerate(zip(vocabulary.names, vocabulary.is_thing)):
        row = {'id': index + 1, 'name': name, 'is_thing': is_thing,
               **dict.fromkeys(_CLASS_FIGURES)}
        if panoptic is not None and index + 1 in occurring:
            row |= panoptic['per_class'][str(index + 1)]
        if semantic is not None:
            row['iou'] = semantic['per_class'][index]
        if instance is not None:
            row['ap'] = instance['per_class'][index]
        rows.append(row)
    return Scores(vocabulary, len(records), tuple(broken), panoptic, semantic, instance,
                  _milliseconds(records), rows)


def _panoptic(records: Sequence[ImageRecord], vocabulary: Vocabulary
              ) -> tuple[dict[str, Any], set[int]]:
    quality = PanopticQuality(dict(enumerate(vocabulary.is_thing, start=1)))
    for record in records:
        if record.comparison is not None:
            quality.count(record.comparison)
    return quality.compute(), quality.occurring()


def _semantic(records: Sequence[ImageRecord], vocabulary: Vocabulary) -> dict[str, Any]:
    quality = SemanticQuality(len(vocabulary))
    for record in records:
        quality.count(record.pairs or ())
    return quality.compute()


def _instance(records: Sequence[ImageRecord], vocabulary: Vocabulary) -> dict[str, Any]:
    quality = InstanceQuality(vocabulary.is_thing)
    for record in records:
        quality.add(record.size, record.truth or (), record.detections or ())
    return quality.compute()


def _milliseconds(records: Sequence[ImageRecord]) -> dict[str, float]:
    timed = [record.seconds for record in records if not record.is_first]
    if not timed:
        return {}
    means = {part: 1000 * sum(seconds[part] for seconds in timed) / len(timed)
             for part in ('network', *PARTS)}
    outside = sum(means[part] for part in PARTS)
    return means | {'outside': outside, 'whole': means['network'] + outside}


def _without_classes(figures: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in figures.items() if name != 'per_class'}


def _lines(figures: Mapping[str, Any] | None, titles: Mapping[str, str]) -> list[str]:
    if figures is None:
        return []
    return ['', ' ' * 10 + ''.join(f'{title:>7}' for title in titles.values()) + f'{"classes":>9}',
            ' ' * 10 + ''.join(f'{_percent(figures[name]):>7}' for name in titles)
            + f'{figures["n"]:9}']


def _percent(value: float | None) -> str:
    return '-' if value is None else f'{100 * value:.1f}'
