# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a seed to a furnished room."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from eov_seg_core.world.furnishing.categories import (
    object_type,
    OBJECT_TYPES,
    ObjectType,
    SURFACE_NAMES,
)
from eov_seg_core.world.furnishing.paint import shade
from eov_seg_core.world.furnishing.placing import place_object
from eov_seg_core.world.materials import Color, COLORS, Finish, linear
from eov_seg_core.world.reproducible import RandomStream
from eov_seg_core.world.scene import Box3D, Light, Room, Scene, SceneObject

_Option = tuple[ObjectType, list[str]]

_ROOM_STREAM = 0
_ATTEMPTS = 4
"""How often an object of a list is tried in one room, and in how many larger rooms."""

_WOODS = ((152, 104, 62), (118, 78, 48), (190, 148, 100), (96, 66, 46))
_TILES = ((196, 190, 178), (150, 156, 160), (206, 202, 196), (128, 108, 92), (164, 186, 182))
_CARPETS = ((120, 112, 108), (96, 60, 56), (66, 78, 102), (132, 120, 92), (84, 96, 80))
_PAINTS = ((226, 220, 206), (214, 222, 226), (222, 206, 178), (198, 212, 190), (204, 190, 206),
           (232, 230, 226), (190, 204, 218), (224, 190, 172))
_BRICKS = ((156, 88, 66), (176, 120, 92), (170, 164, 158), (122, 74, 60))


def generate_scene(seed: int, *, categories: Iterable[str] | None = None,
                   forbidden_pairs: Iterable[tuple[str, str]] = (),
                   object_count: tuple[int, int] = (4, 15),
                   objects: Sequence[tuple[str | None, str]] | None = None) -> Scene:
    """Make a room from a seed: the same one on every machine.

    Args:
        seed: From 0 on.
        categories: Names of the categories that may be in the room; None for all.
        forbidden_pairs: (colour, category) pairs that may not be in the room.
        object_count: Least and greatest number of objects.  Only a room too small for what is
            allowed, such as fifteen beds, holds fewer.
        objects: (colour or None for any, category) of exactly the objects wanted, instead of
            `categories` and `object_count`; the room grows until they fit.

    Raises:
        ValueError: A name, colour, count or seed is wrong, nothing is left that is allowed, or
            the wanted objects do not fit.
    """
    forbidden = _checked_pairs(forbidden_pairs)
    if objects is None:
        return _random_scene(seed, _checked_types(categories), forbidden,
                             _checked_count(object_count))
    if categories is not None:
        raise ValueError('both categories and objects are given; expected one of the two')
    wanted = [(object_type(name), _allowed_colors(name, color, forbidden))
              for color, name in objects]
    wanted.sort(key=lambda item: item[0].portable)      # first what others may stand on
    for attempt in range(_ATTEMPTS):
        rng = RandomStream(seed, _ROOM_STREAM, attempt)
        scene = _empty_scene(seed, rng, larger=1.0 + 0.3 * attempt)
        for number, (kind, colors) in enumerate(wanted):
            if len(scene.objects) == number:        # else one did not fit: try a larger room
                scene = _furnish(scene, rng, kind, colors)
        if len(scene.objects) == len(wanted):
            return scene
    raise ValueError(f'{len(wanted)} objects are wanted, which no room could hold; ask for fewer '
                     'or for smaller ones')


def _random_scene(seed: int, kinds: list[ObjectType], forbidden: Collection[tuple[str, str]],
                  count: tuple[int, int]) -> Scene:
    rng = RandomStream(seed, _ROOM_STREAM)
    scene = _empty_scene(seed, rng)
    options = [(kind, colors) for kind in kinds
               if (colors := [color for color in COLORS if (color, kind.name) not in forbidden])]
    if not options and count[1] > 0:
        raise ValueError('forbidden_pairs leave no colour for any category; forbid fewer, or set '
                         'object_count to (0, 0) for an empty room')
    number = rng.integer(*count)
    draws = 0
    while len(scene.objects) < number and draws < 4 * number + 20:
        draws += 1
        kind, colors = rng.choice(_next_options(options, rng, len(scene.objects) / number))
        if kind.place == 'flat' and any(item.name == kind.name for item in scene.objects):
            continue        # one rug is enough
        scene = _furnish(scene, rng, kind, colors)
    return scene


def _next_options(options: list[_Option], rng: RandomStream, done: float) -> list[_Option]:
    """Return what may come next: first mostly large things, then small ones to stand on them."""
    portable = done > .5
    some = [option for option in options if option[0].portable == portable]
    return some if some and rng.chance(.75) else options


def _furnish(scene: Scene, rng: RandomStream, kind: ObjectType, colors: Sequence[str]) -> Scene:
    """Return the scene with one more object, or as it was if there is no room."""
    for _ in range(_ATTEMPTS):
        item = place_object(scene, rng, kind, rng.choice(colors))
        if item is not None:
            return replace(scene, objects=(*scene.objects, item))
    return scene


def _empty_scene(seed: int, rng: RandomStream, larger: float = 1.0) -> Scene:
    width, depth = rng.uniform(3.8, 6.4) * larger, rng.uniform(3.8, 6.4) * larger
    height = rng.uniform(2.5, 3.1)
    floor_material, floor = _floor(rng)
    wall_material, wall = _wall(rng)
    ceiling = Finish(linear(shade((238, 237, 232), rng.uniform(.9, 1.0))), pattern='plaster')
    skirting = rng.choice((linear((228, 226, 220)), linear((88, 62, 42)), linear((60, 60, 64))))
    room = Room((width, depth, height), (floor, wall, ceiling), skirting)
    slabs = ((-.005, .01), (height / 2, height), (height + .005, .01))
    floor_item, wall_item, ceiling_item = (
        SceneObject(number + 1, names[0], None, material, False,
                    Box3D((0., 0., slab[0]), (width, depth, slab[1]), 0.0), 0)
        for number, (names, material, slab) in enumerate(
            zip(SURFACE_NAMES, (floor_material, wall_material, 'plaster'), slabs)))
    return Scene(seed, room, (floor_item, wall_item, ceiling_item), (), _light(rng, room),
                 noise=rng.uniform(1.5, 5.0))


def _floor(rng: RandomStream) -> tuple[str, Finish]:
    material = rng.choice(('wood', 'wood', 'tiles', 'tiles', 'carpet', 'marble', 'concrete'))
    if material == 'wood':
        return material, Finish(linear(rng.choice(_WOODS)), pattern='planks', gloss=.12,
                                scale=rng.choice((1., 1.5)))
    if material == 'tiles':
        color = rng.choice(_TILES)
        return material, Finish(linear(color), linear(shade(color, .62)),
                                rng.choice(('tiles', 'tiles', 'checkerboard')), gloss=.3)
    if material == 'carpet':
        color = rng.choice(_CARPETS)
        return material, Finish(linear(color), linear(shade(color, 1.3)), 'carpet')
    color = rng.choice(((190, 186, 180), (142, 142, 140), (112, 114, 118)))
    pattern, gloss = ('marble', .35) if material == 'marble' else ('plaster', .05)
    return material, Finish(linear(color), linear(shade(color, .7)), pattern, gloss=gloss)


def _wall(rng: RandomStream) -> tuple[str, Finish]:
    material = rng.choice(('plaster', 'plaster', 'plaster', 'wallpaper', 'brick', 'brick',
                           'wood', 'tiles'))
    if material == 'brick':
        return material, Finish(linear(rng.choice(_BRICKS)), linear((186, 180, 170)), 'bricks')
    if material == 'wood':
        return material, Finish(linear(rng.choice(_WOODS)), pattern='planks')
    if material == 'tiles':
        return material, Finish(linear((226, 228, 226)), linear((150, 152, 152)), 'tiles',
                                scale=rng.choice((1., 2.)), gloss=.2)
    color = rng.choice(_PAINTS)
    return material, Finish(linear(color), linear(shade(color, .86)), material)


def _light(rng: RandomStream, room: Room) -> Light:
    width, depth, height = room.size
    position = (rng.uniform(-.3, .3) * width, rng.uniform(-.3, .3) * depth, height - .2)
    warmth, power = rng.uniform(-.07, .07), rng.uniform(.9, 1.25)
    color: Color = (power * (1 + warmth), power, power * (1 - warmth))
    glow = rng.uniform(.26, .4)
    ambient: Color = (glow * (1 - .5 * warmth), glow, glow * (1 + .5 * warmth))
    side = rng.choice(((.8, .36, .48), (-.8, .36, .48), (.36, -.8, .48), (-.36, -.8, .48)))
    return Light(position, color, ambient, side)


def _checked_types(categories: Iterable[str] | None) -> list[ObjectType]:
    if categories is None:
        return list(OBJECT_TYPES)
    if isinstance(categories, str):
        raise ValueError(f'categories is the text {categories!r}; expected a list of names')
    kinds = [object_type(name) for name in categories]
    if not kinds:
        raise ValueError('categories is empty; expected at least one name, or None for all')
    return sorted(set(kinds), key=OBJECT_TYPES.index)   # their order in the call has no effect


def _checked_pairs(pairs: Iterable[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    checked = set()
    for pair in pairs:
        if isinstance(pair, str) or len(pair) != 2:
            raise ValueError(f'forbidden_pairs holds {pair!r}; expected (colour, category) pairs')
        _check_color(pair[0])
        checked.add((pair[0], object_type(pair[1]).name))
    return frozenset(checked)


def _checked_count(count: tuple[int, int]) -> tuple[int, int]:
    if len(count) != 2 or not 0 <= count[0] <= count[1] <= 60:
        raise ValueError(f'object_count is {count!r}; expected two whole numbers, the least and '
                         'the greatest, of 0 to 60')
    return count


def _check_color(color: str) -> None:
    if color not in COLORS:
        raise ValueError(f'no colour is named {color!r}; expected one of: {", ".join(COLORS)}')


def _allowed_colors(name: str, color: str | None,
                    forbidden: Collection[tuple[str, str]]) -> list[str]:
    if color is not None:
        _check_color(color)
    colors = [candidate for candidate in (COLORS if color is None else (color,))
              if (candidate, name) not in forbidden]
    if not colors:
        raise ValueError(f'objects asks for a {color or "any"} {name}, which forbidden_pairs '
                         'forbid; take it out of one of the two')
    return colors
