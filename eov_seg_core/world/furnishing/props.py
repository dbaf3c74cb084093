# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Smaller things, built from solids; the frame is that of `furniture`."""

from __future__ import annotations

from eov_seg_core.world.furnishing.paint import (
    BLACK,
    CARDBOARD,
    LEAVES,
    METAL,
    neutral,
    Paint,
    PAPER,
    SOIL,
    STEEL,
    WHITE,
)
from eov_seg_core.world.materials import Finish, linear
from eov_seg_core.world.reproducible import RandomStream, sin_cos
from eov_seg_core.world.shapes import ball, box, leaf, pillar, rod, Solid

_SKINS = ((236, 196, 168), (206, 152, 116), (142, 94, 66), (92, 60, 44))
_HAIR = ((34, 28, 26), (84, 56, 34), (196, 160, 92), (150, 150, 152))
_TROUSERS = ((44, 58, 96), (48, 48, 52), (118, 104, 84))


def mug(rng: RandomStream, paint: Paint) -> list[Solid]:
    """Make a mug with a handle; larger than life, to be seen at all."""
    radius, height = rng.uniform(.055, .07), rng.uniform(.12, .15)
    glaze = paint(gloss=.5)
    x, low, high = radius + .04, height * .25, height * .75
    return [pillar((0, 0, 0), height, radius * .92, radius, glaze),
            pillar((0, 0, height - .004), .005, radius * .84, radius * .84, BLACK),
            rod((radius - .01, 0, high), (x, 0, high), .011, glaze),
            rod((radius - .01, 0, low), (x, 0, low), .011, glaze),
            rod((x, 0, low - .008), (x, 0, high + .008), .011, glaze)]


def bottle(rng: RandomStream, paint: Paint) -> list[Solid]:
    """Make a bottle: body, shoulder, neck, cap and label."""
    radius, height = rng.uniform(.045, .06), rng.uniform(.28, .36)
    glass = paint(gloss=.7)
    return [pillar((0, 0, 0), height * .58, radius, radius, glass),
            pillar((0, 0, height * .58), height * .16, radius, radius * .4, glass),
            pillar((0, 0, height * .74), height * .22, radius * .4, radius * .36, glass),
            pillar((0, 0, height * .94), height * .06, radius * .45, radius * .45, BLACK),
            pillar((0, 0, height * .2), height * .22, radius * 1.015, radius * 1.015, PAPER)]


def toy_ball(rng: RandomStream, paint: Paint) -> list[Solid]:
    """Make a ball, plain or striped."""
    radius = rng.uniform(.11, .22)
    cover = paint(rng.choice(('plain', 'plain', 'stripes')), gloss=.35, scale=.8)
    return [ball((0, 0, radius), (radius, radius, radius), cover)]


def parcel(rng: RandomStream, paint: Paint) -> list[Solid]:
    """Make a box with a strip of tape and a label."""
    width, depth, height = rng.uniform(.28, .6), rng.uniform(.25, .45), rng.uniform(.2, .45)
    card = paint('plaster')
    tape = Finish(linear((196, 170, 120)), gloss=.3)
    return [box((0, 0, height / 2), (width, depth, height), card),
            box((0, 0, height / 2 + .001), (.05, depth + .004, height + .002), tape),
            box((width * .3, depth / 2, height * .6), (width * .2, .004, height * .25), PAPER)]


def traffic_cone(rng: RandomStream, paint: Paint) -> list[Solid]:
    """Make a traffic cone with two white bands on a square foot."""
    height = rng.uniform(.42, .68)
    width = height * .3
    rubber = paint(gloss=.15)
    bands = [(level, level + .14) for level in (.3, .62)]
    parts = [box((0, 0, .015), (width * 2.4, width * 2.4, .03), rubber),
             pillar((0, 0, .03), height - .03, width * .82, width * .16, rubber)]

    def radius(level: float) -> float:
        return width * (.82 - .66 * level) + .003

    return parts + [pillar((0, 0, .03 + low * (height - .03)), (high - low) * (height - .03),
                           radius(low), radius(high), WHITE) for low, high in bands]


def potted_plant(rng: RandomStream, paint: Paint) -> list[Solid]:
    """Make a plant, leafy or bushy; the pot has the colour."""
    size = rng.choice((1.0, .5)) * rng.uniform(.85, 1.15)
    pot, rim = .3 * size, .17 * size
    clay = paint(rng.choice(('plain', 'plaster')), gloss=.1)
    parts = [pillar((0, 0, 0), pot, rim * .72, rim, clay),
             pillar((0, 0, pot - .05 * size), .05 * size, rim * 1.1, rim * 1.1, clay),
             pillar((0, 0, pot - .01 * size), .015 * size, rim * .95, rim * .95, SOIL)]
    if rng.chance(.5):
        parts.append(pillar((0, 0, pot), .3 * size, .02 * size, .02 * size, CARDBOARD))
        for _ in range(6):
            sine, cosine = sin_cos(rng.uniform(0, 6.283))
            out = rng.uniform(.03, .15) * size
            r = rng.uniform(.11, .16) * size
            parts.append(ball((out * cosine, out * sine, pot + rng.uniform(.2, .48) * size),
                              (r, r, r * .9), LEAVES))
        return parts
    for number in range(11):
        sine, cosine = sin_cos(number * .5712 + rng.uniform(-.3, .3))
        out, up = rng.uniform(.08, .34) * size, rng.uniform(.3, .6) * size
        parts.append(leaf((.02 * size * cosine, .02 * size * sine, pot - .03 * size),
                          (out * cosine, out * sine, pot + up), .13 * size, LEAVES))
    return parts


def bin_(rng: RandomStream, paint: Paint) -> list[Solid]:
    """Make an open waste bin, wider at the top."""
    radius, height = rng.uniform(.13, .18), rng.uniform(.28, .42)
    body = paint(gloss=.2)
    return [pillar((0, 0, 0), height, radius * .78, radius, body),
            pillar((0, 0, height - .03), .03, radius * 1.05, radius * 1.05, body),
            pillar((0, 0, height - .001), .003, radius * .93, radius * .93, BLACK)]


def barrel(rng: RandomStream, paint: Paint) -> list[Solid]:
    """Make a steel drum with hoops."""
    radius, height = rng.uniform(.24, .3), rng.uniform(.7, .9)
    steel = paint(gloss=.35)
    parts = [pillar((0, 0, 0), height - .02, radius, radius, steel),
             pillar((0, 0, height - .03), .02, radius * .93, radius * .93, STEEL),
             pillar((radius * .5, 0, height - .02), .02, .03, .03, BLACK)]
    return parts + [pillar((0, 0, height * level), .03, radius * 1.05, radius * 1.05, steel)
                    for level in (.01, .33, .66, .94)]


def vase(rng: RandomStream, paint: Paint) -> list[Solid]:
    """Make a vase: foot, belly, neck and lip."""
    radius, height = rng.uniform(.08, .12), rng.uniform(.24, .38)
    glaze = paint(rng.choice(('plain', 'marble')), gloss=.5)
    return [pillar((0, 0, 0), height * .12, radius * .6, radius * .5, glaze),
            ball((0, 0, height * .42), (radius, radius, height * .34), glaze),
            pillar((0, 0, height * .68), height * .24, radius * .5, radius * .4, glaze),
            pillar((0, 0, height * .9), height * .1, radius * .4, radius * .65, glaze),
            pillar((0, 0, height - .003), .004, radius * .5, radius * .5, BLACK)]


def suitcase(rng: RandomStream, paint: Paint) -> list[Solid]:
    """Make a suitcase on wheels with a drawn handle."""
    width, height, depth = rng.uniform(.36, .46), rng.uniform(.5, .66), rng.uniform(.2, .26)
    shell, z = paint(gloss=.3), .05
    parts = [box((0, 0, z + height / 2), (width, depth, height), shell)]
    parts += [box((width * x, depth / 2 + .002, z + height / 2), (.025, .012, height * .9), shell)
              for x in (-.3, -.1, .1, .3)]
    parts += [ball((sx * (width / 2 - .05), sy * (depth / 2 - .05), .028), (.028, .028, .028),
                   BLACK) for sx in (-1, 1) for sy in (-1, 1)]
    top = z + height + rng.choice((.06, .3))
    parts += [rod((side * .09, -depth * .3, z + height - .02), (side * .09, -depth * .3, top),
                  .009, METAL) for side in (-1, 1)]
    return [*parts, box((0, -depth * .3, top), (.23, .03, .025), BLACK)]


def fire_extinguisher(rng: RandomStream, paint: Paint) -> list[Solid]:
    """Make a fire extinguisher: cylinder, dome, valve, lever and hose."""
    radius, height = rng.uniform(.075, .095), rng.uniform(.4, .5)
    steel = paint(gloss=.5)
    top = height + radius
    return [pillar((0, 0, 0), height, radius, radius, steel),
            ball((0, 0, height), (radius, radius, radius * .75), steel),
            pillar((0, 0, height + radius * .6), .07, .022, .022, METAL),
            rod((-.05, 0, top + .05), (.09, 0, top + .085), .012, BLACK),
            rod((.02, 0, top + .02), (radius + .03, 0, height * .8), .011, BLACK),
            rod((radius + .03, 0, height * .8), (radius + .03, 0, height * .35), .013, BLACK),
            pillar((0, 0, height * .4), height * .3, radius * 1.01, radius * 1.01, PAPER)]


def person(rng: RandomStream, paint: Paint) -> list[Solid]:
    """Make a standing figure; the shirt has the colour."""
    tall = rng.uniform(1.6, 1.85) / 1.75
    skin = Finish(linear(rng.choice(_SKINS)))
    hair = Finish(linear(rng.choice(_HAIR)), pattern='plaster')
    trousers = Finish(linear(rng.choice(_TROUSERS)), pattern='fabric')
    shirt = paint(rng.choice(('fabric', 'fabric', 'stripes')))
    parts = [ball((0, 0, 1.61 * tall), (.085, .1, .125), skin),
             ball((0, -.025, 1.65 * tall), (.095, .1, .11), hair),
             pillar((0, 0, 1.42 * tall), .12, .05, .05, skin),
             ball((0, 0, 1.38 * tall), (.22, .105, .09), shirt),
             ball((0, 0, 1.14 * tall), (.175, .12, .33 * tall), shirt),
             ball((0, 0, .9 * tall), (.165, .115, .12), trousers)]
    for side in (-1, 1):
        swing = rng.uniform(-.12, .2)
        elbow = (side * .25, swing * .4, 1.12 * tall)
        hand = (side * .25, swing, .86 * tall)
        parts += [rod((side * .2, 0, 1.39 * tall), elbow, .05, shirt),
                  rod(elbow, hand, .04, shirt), ball(hand, (.042, .048, .06), skin),
                  pillar((side * .095, 0, .06), .86 * tall, .06, .085, trousers),
                  box((side * .095, .04, .035), (.09, .24, .07), BLACK)]
    return parts


def book(rng: RandomStream, paint: Paint) -> list[Solid]:
    """Make a thick book that lies flat."""
    width, depth, height = rng.uniform(.24, .32), rng.uniform(.18, .24), rng.uniform(.045, .08)
    cover = paint(gloss=.15)
    return [box((0, 0, .006), (width, depth, .012), cover),
            box((.006, 0, height / 2), (width - .03, depth - .02, height - .024), PAPER),
            box((0, 0, height - .006), (width, depth, .012), cover),
            box((-width / 2 + .006, 0, height / 2), (.012, depth, height), cover)]


def bench(rng: RandomStream, paint: Paint) -> list[Solid]:
    """Make a bench of three slats on two trestles."""
    length, height, legs = rng.uniform(.95, 1.4), rng.uniform(.42, .48), neutral(rng)
    slats = [box((0, y, height - .02), (length, .1, .04), paint('wood')) for y in (-.12, 0, .12)]
    trestles = [box((side * (length / 2 - .12), 0, (height - .04) / 2), (.06, .32, height - .04),
                    legs) for side in (-1, 1)]
    return slats + trestles
