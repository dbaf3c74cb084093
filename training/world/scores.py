# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Figures of the built-in world's benchmark: one row for each kind of words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from training.evaluation.scores import Scores
from training.world.benchmark import OLDER_NAMES, SPLITS

_FIGURES = {'pq': 'PQ', 'sq': 'SQ', 'rq': 'RQ', 'iou': 'mIoU'}


def choose_splits(wanted: str) -> tuple[str, ...]:
    """Return the splits that a list such as `base,novel` names.

    Raises:
        ValueError: There is no such split, or one is named twice.
    """
    splits = tuple(wanted.split(','))
    current = [OLDER_NAMES.get(name, name) for name in splits]
    unknown = [name for name in current if name not in SPLITS]
    if unknown:
        raise ValueError(f'the world has no split {unknown[0]!r}; choose among '
                         f'{",".join(SPLITS)}')
    if len(set(current)) < len(current):
        raise ValueError(f'--split {wanted} names a split twice; name each once')
    return splits


@dataclass(frozen=True)
class WorldScores:
    """What an evaluation on the world found.

    Attributes:
        scores: Split -> all its figures.
        judged: Split -> the names whose mean is its figure.
    """

    scores: Mapping[str, Scores]
    judged: Mapping[str, Sequence[str]]

    def figures(self, split: str) -> dict[str, float | None]:
        """Return the means over the judged names that occur: `pq`, `sq`, `rq`, `iou`, in 0..1."""
        rows = [row for row in self.scores[split].per_class if row['name'] in self.judged[split]]
        return {name: _mean([row[name] for row in rows]) for name in _FIGURES}

    def to_json(self) -> dict[str, Any]:
        """Return entries that JSON can hold; figures in 0..1."""
        return {split: {'judged': self.figures(split), 'names': list(self.judged[split]),
                        **scores.to_json()} for split, scores in self.scores.items()}

    def to_csv(self) -> str:
        """Return a line for each class of each split."""
        lines: list[str] = []
        for split, scores in self.scores.items():
            header, *rows = scores.to_csv().splitlines()
            lines += [f'split,{header}'] * (not lines) + [f'{split},{row}' for row in rows]
        return '\n'.join(lines) + '\n'

    def to_table(self) -> str:
        """Return lines to read; figures in percent."""
        lines = [f'{"":10}' + ''.join(f'{title:>7}' for title in _FIGURES.values())
                 + f'{"judged":>8}{"names":>7}{"images":>8}{"ms":>8}']
        for split, scores in self.scores.items():
            values = self.figures(split).values()
            lines.append(
                f'{split:10}' + ''.join('      -' if value is None else f'{100 * value:7.1f}'
                                        for value in values)
                + f'{len(self.judged[split]):8}{len(scores.vocabulary):7}{scores.images:8}'
                + f'{scores.milliseconds.get("whole", 0):8.1f}')
        return '\n'.join(lines) + '\n'


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
