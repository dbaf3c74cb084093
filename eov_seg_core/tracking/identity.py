# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ids that are not used twice, and what an object is called."""

from __future__ import annotations

from collections.abc import Container, Mapping
import math
from typing import Any

MOST_IDS = 65535
"""Ids fit into 16 bits, as `~/panoptic` needs."""
_LEAD = 1.5


class IdPool:
    """Ids 1..65535 in turn: an id comes again only after all others were tried.

    Attributes:
        last: The id that was drawn last; 0: none.
    """

    def __init__(self) -> None:
        self.last = 0

    def draw(self, taken: Container[int]) -> int:
        """Return the next id that is not taken.

        Raises:
            RuntimeError: All ids are taken.
        """
        for step in range(MOST_IDS):
            candidate = (self.last + step) % MOST_IDS + 1
            if candidate not in taken:
                self.last = candidate
                return candidate
        raise RuntimeError(f'all {MOST_IDS} ids are taken; forget objects')


class ClassVotes:
    """Votes for the class of an object, which fade with time; keyed by name.

    Args:
        half_life_s: Time after which a vote counts half; 0 to follow the newest one.
    """

    def __init__(self, half_life_s: float) -> None:
        self._half_life_s = half_life_s
        self._weights: dict[str, float] = {}
        self._stamp_s = 0.0
        self.leader: str | None = None

    def add(self, name: str, weight: float, stamp_s: float) -> None:
        """Vote for a name; it leads as soon as it has 1.5 times the votes of the leader."""
        if self._half_life_s > 0:
            fade = 0.5 ** (max(stamp_s - self._stamp_s, 0.0) / self._half_life_s)
            self._weights = {key: value * fade for key, value in self._weights.items()}
        else:
            self._weights = {}
        self._stamp_s = stamp_s
        self._weights[name] = self._weights.get(name, 0.0) + weight
        best = max(self._weights, key=lambda key: self._weights[key])
        if self._weights[best] > _LEAD * self._weights.get(self.leader or '', 0.0):
            self.leader = best

    def keep(self, names: Container[str]) -> None:
        """Drop the votes for all other names."""
        self._weights = {key: value for key, value in self._weights.items() if key in names}
        if self.leader not in self._weights:
            self.leader = None

    def share(self, name: str) -> float:
        """Return the part of the votes that a name has, 0..1."""
        return self._weights.get(name, 0.0) / max(sum(self._weights.values()), 1e-300)

    def as_plain(self) -> dict[str, Any]:
        """Return what JSON takes, for `from_plain`."""
        return {'weights': self._weights, 'stamp_s': self._stamp_s, 'leader': self.leader}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], half_life_s: float) -> ClassVotes:
        """Return the votes of `as_plain`.

        Raises:
            ValueError: Something in it is of another kind.
            KeyError: Something is missing.
        """
        votes = cls(half_life_s)
        votes._weights = {name: finite(weight) for name, weight in plain['weights'].items()}
        votes._stamp_s, votes.leader = finite(plain['stamp_s']), plain['leader']
        if votes.leader is not None and votes.leader not in votes._weights:
            raise ValueError(f'{votes.leader!r:.80} leads without a vote')
        return votes


def finite(value: object) -> float:
    """Return a number that a file holds.

    Raises:
        ValueError: It is none, or not finite.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f'expected a finite number, got {value!r:.80}')
    return float(value)


def number_in(value: object, least: int, most: int = 2**53) -> int:
    """Return a whole number that a file holds.

    Raises:
        ValueError: It is none, or out of the range.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f'expected a whole number from {least} to {most}, got {value!r:.80}')
    return value
