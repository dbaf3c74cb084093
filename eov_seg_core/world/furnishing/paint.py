# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The finishes that furniture and rooms are painted with."""

from __future__ import annotations

from eov_seg_core.world.materials import COLORS, Finish, linear
from eov_seg_core.world.reproducible import RandomStream

METAL = Finish(linear((176, 178, 184)), gloss=0.5)
STEEL = Finish(linear((84, 86, 92)), gloss=0.4)
BLACK = Finish(linear((30, 30, 33)), gloss=0.2)
WHITE = Finish(linear((232, 232, 228)), gloss=0.1)
SCREEN = Finish(linear((18, 22, 34)), second=linear((38, 52, 86)), pattern='marble', gloss=0.7)
CARDBOARD = Finish(linear((172, 128, 80)), pattern='plaster')
SOIL = Finish(linear((62, 44, 32)), pattern='plaster')
LEAVES = Finish(linear((34, 104, 40)), second=linear((92, 158, 62)), pattern='leaves')
PAPER = Finish(linear((240, 236, 220)))

_WOODS = ((150, 98, 52), (118, 74, 40), (186, 138, 86), (88, 56, 34))


def shade(color: tuple[int, int, int], factor: float) -> tuple[float, float, float]:
    """Return a screen colour made lighter or darker."""
    return color[0] * factor, color[1] * factor, color[2] * factor


def wood(rng: RandomStream) -> Finish:
    """Return one of a few natural woods."""
    color = rng.choice(_WOODS)
    return Finish(linear(color), second=linear(shade(color, 0.72)), pattern='wood', gloss=0.12)


def neutral(rng: RandomStream) -> Finish:
    """Return wood, metal, black or white: what legs and handles are made of."""
    return rng.choice((wood(rng), METAL, STEEL, BLACK, WHITE))


class Paint:
    """The main colour of one object, a little different on each.

    Args:
        color: A key of `COLORS`.
        rng: Source of the random differences.
    """

    def __init__(self, color: str, rng: RandomStream) -> None:
        lightness = rng.uniform(0.88, 1.08)
        red, green, blue = (value * lightness + rng.uniform(-9.0, 9.0)
                            for value in COLORS[color])
        self._color = red, green, blue
        bright = color in ('white', 'yellow', 'pink')
        factor, lift = (0.72, 0.0) if bright else (0.78, 62.0)
        self._second = red * factor + lift, green * factor + lift, blue * factor + lift
        self._dark = red * 0.72, green * 0.72, blue * 0.72

    def __call__(self, pattern: str = 'plain', gloss: float = 0.0, scale: float = 1.0) -> Finish:
        """Return the finish of a part in the main colour."""
        second = self._dark if pattern in ('wood', 'carpet', 'marble') else self._second
        return Finish(linear(self._color), linear(second), pattern, scale, gloss)
