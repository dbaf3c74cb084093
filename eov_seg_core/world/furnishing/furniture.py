# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Furniture, built from solids.

Every builder returns the solids of one object in its own frame: metres, z up from the floor, x to
the right and y to the front, centred.  The paint is the object's colour; the random stream gives
its sizes.
"""

from __future__ import annotations

from eov_seg_core.world.furnishing.paint import (
    BLACK,
    METAL,
    neutral,
    Paint,
    SCREEN,
    STEEL,
    WHITE,
    wood,
)
from eov_seg_core.world.materials import Finish, linear
from eov_seg_core.world.reproducible import RandomStream
from eov_seg_core.world.shapes import ball, box, pillar, rod, Solid


def _legs(width: float, depth: float, height: float, thickness: float,
          finish: Finish) -> list[Solid]:
    x, y = (width - thickness) / 2, (depth - thickness) / 2
    return [box((sx * x, sy * y, height / 2), (thickness, thickness, height), finish)
            for sx in (-1, 1) for sy in (-1, 1)]


def chair(rng: RandomStream, paint: Paint) -> list[Solid]:
    """Make a chair: seat and back in the colour, four legs, two posts."""
    width, seat, back = rng.uniform(.4, .5), rng.uniform(.42, .48), rng.uniform(.38, .5)
    cloth = paint(rng.choice(('plain', 'fabric', 'wood')))
    legs = rng.choice((cloth, neutral(rng)))
    y, x = -width / 2 + .02, width / 2 - .03
    parts = _legs(width, width, seat - .04, .04, legs)
    parts.append(box((0, 0, seat - .02), (width, width, .05), cloth))
    parts += [box((side * x, y, seat + back / 2), (.035, .035, back), legs) for side in (-1, 1)]
    if rng.chance(.5):
        parts.append(box((0, y, seat + back * .62), (width - .02, .03, back * .72), cloth))
    else:
        parts += [box((0, y, seat + back * level), (width - .04, .025, back * .2), cloth)
                  for level in (.35, .64, .92)]
    return parts


def stool(rng: RandomStream, paint: Paint) -> list[Solid]:
    """Make a round stool: a seat, four splayed legs and a ring of rungs."""
    radius, height = rng.uniform(.16, .21), rng.uniform(.45, .68)
    legs = neutral(rng)
    parts = [pillar((0, 0, height - .05), .05, radius, radius, paint('fabric'))]
    spread = radius + .03
    for sx in (-1, 1):
        for sy in (-1, 1):
            parts.append(rod((sx * radius * .6, sy * radius * .6, height - .05),
                             (sx * spread * .75, sy * spread * .75, .02), .017, legs))
    low = height * .35
    reach = radius * .68
    parts += [box((0, side * reach, low), (2 * reach, .02, .02), legs) for side in (-1, 1)]
    return parts


def table(rng: RandomStream, paint: Paint) -> list[Solid]:
    """Make a table, square with four legs or round with one."""
    height = rng.uniform(.68, .78)
    top = paint(rng.choice(('plain', 'wood', 'wood')), gloss=.2)
    if rng.chance(.3):
        radius = rng.uniform(.4, .6)
        return [pillar((0, 0, height - .04), .04, radius, radius, top),
                pillar((0, 0, .04), height - .08, .06, .04, neutral(rng)),
                pillar((0, 0, 0), .04, radius * .55, radius * .5, neutral(rng))]
    width, depth = rng.uniform(.8, 1.5), rng.uniform(.6, .85)
    legs = top if rng.chance(.5) else neutral(rng)
    return [box((0, 0, height - .02), (width, depth, .04), top),
            box((0, 0, height - .08), (width - .12, depth - .12, .08), top),
            *_legs(width - .04, depth - .04, height - .04, .06, legs)]


def sofa(rng: RandomStream, paint: Paint) -> list[Solid]:
    """Make a sofa for two or three."""
    seats = rng.integer(2, 3)
    width, depth = seats * .58 + .36, rng.uniform(.8, .92)
    cloth = paint(rng.choice(('fabric', 'fabric', 'stripes', 'checks')))
    parts = [box((0, 0, .19), (width - .3, depth, .24), cloth),
             box((0, -depth / 2 + .1, .45), (width - .3, .2, .76), cloth)]
    parts += [box((side * (width / 2 - .08), 0, .33), (.16, depth, .54), cloth)
              for side in (-1, 1)]
    for number in range(seats):
        x = (number - (seats - 1) / 2) * (width - .32) / seats
        parts.append(box((x, .09, .37), ((width - .36) / seats, depth - .2, .13), cloth))
        parts.append(box((x, -depth / 2 + .25, .6), ((width - .4) / seats, .13, .36), cloth))
    return [*parts, *_legs(width - .1, depth - .1, .08, .06, BLACK)]


def bed(rng: RandomStream, paint: Paint) -> list[Solid]:
    """Make a bed: frame, headboard, mattress, pillows and a blanket in the colour."""
    width, length = rng.choice((.95, 1.4)), rng.uniform(1.95, 2.1)
    frame = wood(rng)
    blanket = paint(rng.choice(('fabric', 'stripes', 'checks')))
    parts = [box((0, 0, .2), (width, length, .2), frame),
             box((0, -length / 2 + .03, .48), (width, .06, .8), frame),
             box((0, .03, .37), (width - .06, length - .1, .16), WHITE),
             box((0, .22, .4), (width + .01, length - .5, .2), blanket)]
    pillows = 1 if width < 1 else 2
    for number in range(pillows):
        x = (number - (pillows - 1) / 2) * .62
        parts.append(ball((x, -length / 2 + .27, .48), (.27, .17, .08), WHITE))
    return parts + _legs(width - .02, length - .02, .12, .07, frame)


def shelf(rng: RandomStream, paint: Paint) -> list[Solid]:
    """Make an open shelf with books."""
    width, height, depth = rng.uniform(.6, 1.0), rng.uniform(1.1, 1.95), .3
    body = paint(rng.choice(('plain', 'wood')))
    boards = 3 + int(height > 1.4) + int(height > 1.7)
    parts = [box((side * (width / 2 - .015), 0, height / 2), (.03, depth, height), body)
             for side in (-1, 1)]
    parts.append(box((0, -depth / 2 + .008, height / 2), (width - .04, .015, height), body))
    gap = (height - .08) / boards
    for level in range(boards + 1):
        parts.append(box((0, 0, .06 + level * gap), (width - .04, depth - .02, .03), body))
    for level in range(boards):
        left = -width / 2 + .05
        while left < width / 2 - .2:
            run = rng.uniform(.08, .2)
            color = tuple(rng.uniform(40, 220) for _ in range(3))
            second = tuple(rng.uniform(30, 200) for _ in range(3))
            books = Finish(linear((color[0], color[1], color[2])),
                           linear((second[0], second[1], second[2])), 'stripes', 2.6)
            tall = gap * rng.uniform(.55, .85)
            parts.append(box((left + run / 2, -.02, .075 + level * gap + tall / 2),
                             (run, .2, tall), books))
            left += run + rng.choice((0., 0., .12))
    return parts


def cabinet(rng: RandomStream, paint: Paint) -> list[Solid]:
    """Make a closed cabinet with two doors or three drawers."""
    width, height, depth = rng.uniform(.7, 1.2), rng.uniform(.65, 1.0), rng.uniform(.38, .48)
    body = paint(rng.choice(('plain', 'wood')), gloss=.1)
    front, handle = depth / 2 + .006, rng.choice((METAL, BLACK))
    parts = [box((0, 0, .04), (width - .06, depth - .06, .08), BLACK),
             box((0, 0, height / 2 + .03), (width, depth, height - .06), body)]
    tall = height - .12
    if rng.chance(.5):
        for side in (-1, 1):
            parts.append(box((side * width / 4, front, height / 2 + .03),
                             (width / 2 - .03, .014, tall), body))
            parts.append(rod((side * .05, front + .02, height / 2 - .04),
                             (side * .05, front + .02, height / 2 + .1), .009, handle))
        return parts
    for level in range(3):
        z = .09 + tall * (level + .5) / 3
        parts.append(box((0, front, z), (width - .04, .014, tall / 3 - .02), body))
        parts.append(rod((-.08, front + .02, z), (.08, front + .02, z), .009, handle))
    return parts


def lamp(rng: RandomStream, paint: Paint) -> list[Solid]:
    """Make a lamp with a shade in the colour: tall on the floor, or small."""
    metal = rng.choice((METAL, STEEL, BLACK, wood(rng)))
    scale = rng.choice((1.0, .32))
    height = rng.uniform(1.35, 1.6) * scale
    slim = .012 + .006 * scale
    size = .22 if scale == 1 else .13
    tall = size * rng.uniform(1.0, 1.4)
    return [pillar((0, 0, 0), .025, size * .7, size * .6, metal),
            pillar((0, 0, .02), height - tall * .6, slim, slim, metal),
            pillar((0, 0, height - tall), tall, size, size * rng.uniform(.45, .8),
                   paint('fabric'))]


def door(rng: RandomStream, paint: Paint) -> list[Solid]:
    """Make a closed door with a frame and two panels."""
    width, height = rng.uniform(.82, .95), rng.uniform(1.95, 2.05)
    leaf = paint(rng.choice(('plain', 'wood')), gloss=.1)
    frame = rng.choice((WHITE, leaf))
    parts = [box((0, 0, height / 2), (width, .06, height), leaf),
             box((0, 0, height + .03), (width + .16, .09, .07), frame)]
    parts += [box((side * (width / 2 + .04), 0, height / 2), (.08, .09, height), frame)
              for side in (-1, 1)]
    parts += [box((0, .035, height * level), (width - .3, .02, height * .36), leaf)
              for level in (.27, .72)]
    knob = (width / 2 - .08, .075, 1.02)
    return [*parts, rod((knob[0], .03, 1.02), knob, .012, METAL),
            rod(knob, (knob[0] - .12, .075, 1.02), .011, METAL)]


def picture(rng: RandomStream, paint: Paint) -> list[Solid]:
    """Make a framed picture; the frame has the colour."""
    width, height = rng.uniform(.45, .95), rng.uniform(.4, .7)
    colors = [linear((rng.uniform(20, 230), rng.uniform(20, 230), rng.uniform(20, 230)))
              for _ in range(2)]
    canvas = Finish(colors[0], colors[1], 'painting', rng.uniform(.8, 1.6))
    return [box((0, -.005, height / 2), (width, .03, height), paint(gloss=.2)),
            box((0, .008, height / 2), (width - .1, .02, height - .1), canvas)]


def monitor(rng: RandomStream, paint: Paint) -> list[Solid]:
    """Make a computer monitor; casing and stand have the colour."""
    width = rng.uniform(.45, .62)
    height = width * .58
    case = paint(gloss=.25)
    z = .12 + height / 2
    return [box((0, 0, z), (width, .045, height), case),
            box((0, .02, z + .008), (width - .04, .012, height - .055), SCREEN),
            box((0, -.035, .13), (.06, .03, .22), case),
            box((0, -.01, .009), (.24, .17, .018), case)]


def rug(rng: RandomStream, paint: Paint) -> list[Solid]:
    """Make a rug, round or with a border at both ends."""
    pile = paint(rng.choice(('carpet', 'stripes', 'checks')), scale=.6)
    if rng.chance(.3):
        radius = rng.uniform(.6, .95)
        return [pillar((0, 0, 0), .012, radius, radius, pile)]
    width, length = rng.uniform(1.2, 2.2), rng.uniform(.8, 1.5)
    fringe = paint('fabric')
    parts = [box((0, 0, .006), (width, length, .012), pile)]
    return parts + [box((side * (width / 2 + .03), 0, .005), (.06, length - .02, .01), fringe)
                    for side in (-1, 1)]
