# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import pytest

from eov_seg_core.geometry import Box
from eov_seg_core.geometry.quality import compare_boxes, NamedBox

CUP = NamedBox('cup', Box((0, 0, 0), (.1, .1, .1)))
BED = NamedBox('bed', Box((3, 0, 0), (2, 1, .5), .1))


def moved(named: NamedBox, x: float, yaw_rad: float = 0.0) -> NamedBox:
    box = named.box
    return NamedBox(named.name, Box((box.center[0] + x, *box.center[1:]), box.size,
                                    box.yaw_rad + yaw_rad))


def test_none_and_one() -> None:
    nothing = compare_boxes([], [])
    assert (nothing.precision, nothing.recall, nothing.ious) == (None, None, ())
    assert compare_boxes([CUP], [])[:3] == (None, 0, (0,))
    assert compare_boxes([], [CUP])[:3] == (0, None, ())
    assert compare_boxes([CUP], [CUP])[:4] == (1, 1, (pytest.approx(1),), (0,))


def test_names_count_and_the_best_partner_wins() -> None:
    quality = compare_boxes([CUP, BED], [moved(BED, 1.), NamedBox('cup', BED.box),
                                         moved(CUP, .05), moved(BED, .1)])
    assert quality.pairs == ((0, 2), (1, 3))
    assert quality.precision == .5
    assert quality.recall == 1
    assert quality.ious[0] == pytest.approx(1 / 3)
    assert quality.center_errors_m == pytest.approx((.05, .1))


def test_a_small_object_beside_its_place_is_a_pair_only_within_reach() -> None:
    found = [moved(CUP, .2, math.pi / 2 + .2)]
    assert compare_boxes([CUP], found).recall == 0
    quality = compare_boxes([CUP], found, reach=.5)
    assert quality.recall == 1
    assert quality.yaw_errors_rad == pytest.approx((.2,))
    assert compare_boxes([CUP], [moved(CUP, .3)], reach=.5).recall == 0
