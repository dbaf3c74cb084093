# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Random numbers, sine and cosine that are the same to the last bit on every machine.

NumPy promises that the raw stream of a bit generator never changes, but not the streams of the
`Generator` methods built on it; and the C library's sine differs by a rounding from system to
system.  So the few draws that the world needs are made here from the raw stream of PCG64, and sine
and cosine are polynomials of plain IEEE additions and multiplications.
"""

from __future__ import annotations

from collections.abc import Sequence
import math
from typing import TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar('T')


class RandomStream:
    """A stream of random choices that depends on its key alone.

    Args:
        key: Whole numbers from 0 on: a seed, and what the stream is for.

    Raises:
        ValueError: A number of the key is negative or not whole.
    """

    def __init__(self, *key: int) -> None:
        for number in key:
            if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < 0:
                raise ValueError(f'a seed is {number!r}; expected a whole number from 0 on')
        self._bits = np.random.PCG64(np.random.SeedSequence([int(number) for number in key]))

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """Return a number in [low, high)."""
        return low + (high - low) * (int(self._bits.random_raw()) >> 11) * 2.0 ** -53

    def integer(self, low: int, high: int) -> int:
        """Return a whole number from low to high, both included."""
        return low + int(self._bits.random_raw()) % (high - low + 1)

    def chance(self, probability: float) -> bool:
        """Return True with the given probability."""
        return self.uniform() < probability

    def choice(self, items: Sequence[T]) -> T:
        """Return one of the items, all equally likely."""
        return items[self.integer(0, len(items) - 1)]

    def noise(self, count: int) -> npt.NDArray[np.float32]:
        """Return bell-shaped noise of mean 0 and standard deviation 1: the sum of four bytes.

        Returns:
            (count,) float32 in -3.46..3.46.
        """
        words = np.asarray(self._bits.random_raw((count + 1) // 2), np.uint64)
        octets = words.astype('<u8').view(np.uint8).reshape(-1, 4)[:count].astype(np.int16)
        total = octets[:, 0] + octets[:, 1] + octets[:, 2] + octets[:, 3]
        return (total - np.float32(510.0)) * np.float32(1 / 147.8)


def sin_cos(angle_rad: float) -> tuple[float, float]:
    """Return sine and cosine, within 1e-13 for angles of a few turns."""
    quarter = round(angle_rad / (math.pi / 2))
    rest = angle_rad - quarter * (math.pi / 2)
    square = rest * rest
    sine = cosine = 1.0
    for k in range(18, 1, -2):      # Taylor's series, from its smallest term
        sine = 1.0 - square / (k * (k + 1)) * sine
        cosine = 1.0 - square / ((k - 1) * k) * cosine
    sine *= rest
    return ((sine, cosine), (cosine, -sine), (-sine, -cosine), (-cosine, sine))[quarter % 4]
