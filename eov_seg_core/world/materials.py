# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Colours and textures.

A pattern maps metric surface coordinates to a brightness and a share of a second colour.  All
randomness comes from two tables that are made from whole numbers; detail finer than a pixel fades
into its mean, so that far textures do not flicker.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from eov_seg_core.world.reproducible import RandomStream

Samples = npt.NDArray[np.float32]
Color = tuple[float, float, float]
Pattern = Callable[[Samples, Samples, Samples], tuple[Samples, 'Samples | None']]
"""(s, t, size of a pixel; all metres) -> brightness about 1, share of the second colour."""

COLORS: dict[str, tuple[int, int, int]] = {
    'red': (200, 28, 30), 'orange': (236, 122, 18), 'yellow': (238, 206, 40),
    'green': (36, 142, 52), 'blue': (30, 78, 196), 'purple': (122, 46, 158),
    'pink': (240, 140, 178), 'brown': (110, 66, 34), 'black': (26, 26, 29),
    'white': (236, 236, 232), 'gray': (130, 132, 136), 'turquoise': (34, 182, 182),
}
"""The colours of objects: name to typical R, G, B."""

_TABLE = 256


@dataclass(frozen=True)
class Finish:
    """What a surface looks like.

    Attributes:
        color: Linear R, G, B, 0..1.
        second: The colour that the pattern mixes in, likewise.
        pattern: Name of the pattern, a key of `PATTERNS`.
        scale: The pattern is this many times as fine as by itself.
        gloss: Strength of the highlight, 0..1.
    """

    color: Color
    second: Color = (0.0, 0.0, 0.0)
    pattern: str = 'plain'
    scale: float = 1.0
    gloss: float = 0.0


def linear(color: tuple[float, float, float]) -> Color:
    """Turn R, G, B 0..255 as seen on a screen into linear light 0..1 (gamma 2)."""
    red, green, blue = (min(max(value, 0.0), 255.0) / 255.0 for value in color)
    return red * red, green * green, blue * blue


@lru_cache(maxsize=1)
def _random_table() -> Samples:
    """Return (256, 256) independent values in -1..1."""
    rng = RandomStream(20, 11)
    values = [rng.uniform(-1.0, 1.0) for _ in range(_TABLE * _TABLE)]
    return np.array(values, np.float32).reshape(_TABLE, _TABLE)


@lru_cache(maxsize=1)
def _cloud_table() -> Samples:
    """Return (256, 256) smooth noise in about -1..1 that repeats seamlessly."""
    cloud = np.zeros((_TABLE, _TABLE), np.float32)
    for cells, weight in ((8, 1.0), (16, .62), (32, .38), (64, .24), (128, .15)):
        lattice = np.resize(_random_table()[cells:], (cells, cells))
        position = np.arange(_TABLE) * (cells / _TABLE)
        cell = position.astype(int)
        part = position - cell
        part = (part * part * (3.0 - 2.0 * part)).astype(np.float32)
        after = (cell + 1) % cells
        rows = lattice[cell] * (1 - part[:, None]) + lattice[after] * part[:, None]
        cloud += (rows[:, cell] * (1 - part) + rows[:, after] * part) * np.float32(weight)
    return cloud * np.float32(0.9)


def _whole(values: Samples) -> npt.NDArray[np.int32]:
    return np.floor(values).astype(np.int32)    # a room is small: this never overflows


def _pick(rows: npt.NDArray[np.int32], columns: npt.NDArray[np.int32]) -> Samples:
    """Return a random value in -1..1 for each pair of whole numbers."""
    mixed = rows * 73 + columns * 151
    values: Samples = _random_table()[(mixed ^ (columns >> 3)) & 255,
                                      (rows * 29 + (mixed >> 4)) & 255]
    return values


def _cloud(s: Samples, t: Samples, per_metre_s: float, per_metre_t: float) -> Samples:
    """Return smooth noise; the rates are table entries per metre (features span 2 to 32)."""
    values: Samples = _cloud_table()[_whole(t * np.float32(per_metre_t)) & 255,
                                     _whole(s * np.float32(per_metre_s)) & 255]
    return values


def _sharpness(pixel: Samples, feature_m: float) -> Samples:
    """Return 1 where a feature spans pixels, falling to 0 where it is lost between them."""
    sharp: Samples = np.clip(np.float32(1.6) - pixel * np.float32(1.2 / feature_m), 0, 1)
    return sharp


def _line(position: Samples, width: float, pixel: Samples) -> Samples:
    """Return how much of a pixel a line at each whole number covers, anti-aliased."""
    distance = np.abs(position - np.floor(position + np.float32(0.5)))
    cover: Samples = ((np.float32(width / 2) - distance) / np.maximum(pixel, np.float32(1e-4))
                      + np.float32(0.5))
    return np.clip(cover, 0, 1, out=cover)


def plain(s: Samples, t: Samples, pixel: Samples) -> tuple[Samples, Samples | None]:
    """Paint, slightly uneven."""
    return 1 + np.float32(0.05) * _cloud(s, t, 90, 90), None


def plaster(s: Samples, t: Samples, pixel: Samples) -> tuple[Samples, Samples | None]:
    """Rough wall paint: broad stains and a fine grain."""
    fine = _cloud(s, t, 420, 420) * _sharpness(pixel, 0.01)
    return 1 + np.float32(0.05) * _cloud(s, t, 37, 37) + np.float32(0.06) * fine, None


def wallpaper(s: Samples, t: Samples, pixel: Samples) -> tuple[Samples, Samples | None]:
    """Broad upright stripes."""
    share = _line(s * np.float32(5), 0.5, pixel * np.float32(5))
    return 1 + np.float32(0.03) * _cloud(s, t, 150, 150), share


def stripes(s: Samples, t: Samples, pixel: Samples) -> tuple[Samples, Samples | None]:
    """Stripes of cloth."""
    share = _line(s * np.float32(9), 0.4, pixel * np.float32(9)) * np.float32(0.55)
    return 1 + np.float32(0.08) * _cloud(s, t, 300, 300), share


def checks(s: Samples, t: Samples, pixel: Samples) -> tuple[Samples, Samples | None]:
    """A check of two crossing stripes."""
    rate = np.float32(7)
    share = (_line(s * rate, 0.5, pixel * rate) + _line(t * rate, 0.5, pixel * rate))
    return 1 + np.float32(0.06) * _cloud(s, t, 300, 300), share * np.float32(0.28)


def fabric(s: Samples, t: Samples, pixel: Samples) -> tuple[Samples, Samples | None]:
    """A weave with soft folds."""
    weave = _pick(_whole(s * np.float32(260)), _whole(t * np.float32(260)))
    return (1 + np.float32(0.09) * weave * _sharpness(pixel, 0.006)
            + np.float32(0.08) * _cloud(s, t, 70, 70)), None


def carpet(s: Samples, t: Samples, pixel: Samples) -> tuple[Samples, Samples | None]:
    """A pile: coarse grain and worn patches."""
    pile = _pick(_whole(s * np.float32(150)), _whole(t * np.float32(150)))
    tone = 1 + np.float32(0.17) * pile * _sharpness(pixel, 0.011)
    return (tone + np.float32(0.09) * _cloud(s, t, 60, 60),
            np.float32(0.12) + np.float32(0.12) * _cloud(s, t, 21, 23))


def wood(s: Samples, t: Samples, pixel: Samples) -> tuple[Samples, Samples | None]:
    """Grain along t."""
    grain = _cloud(s, t, 380, 26)
    return 1 + np.float32(0.12) * grain, np.clip(
        np.float32(0.25) + np.float32(0.35) * _cloud(s, t, 110, 14), 0, 1)


def planks(s: Samples, t: Samples, pixel: Samples) -> tuple[Samples, Samples | None]:
    """Boards along t, 14 cm wide, each of its own tone."""
    across = s * np.float32(1 / 0.14)
    board = _whole(across)
    along = t * np.float32(1 / 1.3) + np.float32(0.5) * _pick(board, board)
    tone = 1 + np.float32(0.22) * _pick(board, _whole(along))
    tone += np.float32(0.11) * _cloud(s + board.astype(np.float32) * np.float32(0.37), t, 260, 18)
    gaps = np.maximum(_line(across, 0.045, pixel * np.float32(1 / 0.14)),
                      _line(along, 0.005, pixel * np.float32(1 / 1.3)))
    return tone * (1 - np.float32(0.55) * gaps), None


def tiles(s: Samples, t: Samples, pixel: Samples) -> tuple[Samples, Samples | None]:
    """Square tiles of 33 cm with joints."""
    rate = np.float32(3)
    tone = 1 + np.float32(0.08) * _pick(_whole(s * rate), _whole(t * rate))
    joints = np.maximum(_line(s * rate, 0.035, pixel * rate), _line(t * rate, 0.035, pixel * rate))
    return tone + np.float32(0.05) * _cloud(s, t, 110, 110), joints


def checkerboard(s: Samples, t: Samples, pixel: Samples) -> tuple[Samples, Samples | None]:
    """Square tiles of 40 cm in two colours."""
    rate = np.float32(2.5)
    odd = ((_whole(s * rate) + _whole(t * rate)) & 1).astype(np.float32)
    return 1 + np.float32(0.06) * _cloud(s, t, 130, 130), odd


def bricks(s: Samples, t: Samples, pixel: Samples) -> tuple[Samples, Samples | None]:
    """Bricks of 24 x 8 cm in running bond, with mortar."""
    rise = t * np.float32(1 / 0.08)
    row = _whole(rise)
    run = s * np.float32(1 / 0.24) + np.float32(0.5) * (row & 1).astype(np.float32)
    tone = 1 + np.float32(0.24) * _pick(row, _whole(run))
    tone += np.float32(0.12) * _cloud(s, t, 230, 230)
    mortar = np.maximum(_line(rise, 0.14, pixel * np.float32(1 / 0.08)),
                        _line(run, 0.05, pixel * np.float32(1 / 0.24)))
    return tone, mortar


def marble(s: Samples, t: Samples, pixel: Samples) -> tuple[Samples, Samples | None]:
    """Veins where noise crosses zero."""
    veins = 1 - np.abs(_cloud(s, t, 45, 45)) * np.float32(7)
    return 1 + np.float32(0.1) * _cloud(s, t, 25, 25), np.clip(veins, 0, 1) * np.float32(0.4)


def leaves(s: Samples, t: Samples, pixel: Samples) -> tuple[Samples, Samples | None]:
    """Light and dark blades of foliage."""
    return 1 + np.float32(0.35) * _cloud(s, t, 260, 260), np.clip(
        np.float32(1.6) * _cloud(s, t, 170, 170), 0, 1)


def painting(s: Samples, t: Samples, pixel: Samples) -> tuple[Samples, Samples | None]:
    """Broad brush strokes of two colours."""
    return 1 + np.float32(0.45) * _cloud(s, t, 130, 50), np.clip(
        np.float32(0.5) + np.float32(2.5) * _cloud(t, s, 60, 90), 0, 1)


PATTERNS: dict[str, Pattern] = {pattern.__name__: pattern for pattern in (
    plain, plaster, wallpaper, stripes, checks, fabric, carpet, wood, planks, tiles, checkerboard,
    bricks, marble, leaves, painting)}


def albedo(finish: Finish, s: Samples, t: Samples, pixel: Samples) -> Samples:
    """Return the (N, 3) linear colour of surface points.

    Args:
        finish: What the surface looks like.
        s: (N,) first surface coordinate, metres.
        t: (N,) second.
        pixel: (N,) size of a pixel on the surface, metres.
    """
    scale = np.float32(finish.scale)
    tone, share = PATTERNS[finish.pattern](s * scale, t * scale, pixel * scale)
    base = np.array(finish.color, np.float32)
    if share is None:
        return tone[:, None] * base
    step = np.array(finish.second, np.float32) - base
    return tone[:, None] * (base + share[:, None] * step)
