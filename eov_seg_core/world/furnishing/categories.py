# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What can be in a room: names, synonyms, thing or stuff, where it goes and how it is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from eov_seg_core.world.furnishing import furniture, props
from eov_seg_core.world.furnishing.paint import Paint
from eov_seg_core.world.reproducible import RandomStream
from eov_seg_core.world.shapes import Solid

Placement = Literal['free', 'by_wall', 'on_wall', 'flat']


@dataclass(frozen=True)
class ObjectType:
    """One category of objects.

    Attributes:
        names: The name, then its synonyms.
        build: Makes the solids of one object in its own frame.
        place: Anywhere on the floor, with its back to a wall, hung on a wall, or flat underfoot.
        is_thing: Whether its objects are told apart.
        carries: Others may stand on it.
        portable: It may stand on others.
    """

    names: tuple[str, ...]
    build: Callable[[RandomStream, Paint], list[Solid]]
    place: Placement = 'free'
    is_thing: bool = True
    carries: bool = False
    portable: bool = False

    @property
    def name(self) -> str:
        """The first of the names."""
        return self.names[0]


OBJECT_TYPES: tuple[ObjectType, ...] = (
    ObjectType(('chair', 'seat'), furniture.chair),
    ObjectType(('stool', 'footstool'), furniture.stool),
    ObjectType(('table', 'desk'), furniture.table, carries=True),
    ObjectType(('sofa', 'couch', 'settee'), furniture.sofa, 'by_wall'),
    ObjectType(('bed', 'bedstead'), furniture.bed, 'by_wall'),
    ObjectType(('shelf', 'bookcase', 'bookshelf'), furniture.shelf, 'by_wall'),
    ObjectType(('cabinet', 'cupboard', 'sideboard'), furniture.cabinet, 'by_wall', carries=True),
    ObjectType(('lamp', 'light'), furniture.lamp, portable=True),
    ObjectType(('door', 'doorway'), furniture.door, 'on_wall'),
    ObjectType(('picture', 'painting', 'framed picture'), furniture.picture, 'on_wall'),
    ObjectType(('monitor', 'screen', 'computer display'), furniture.monitor, portable=True),
    ObjectType(('bench', 'wooden bench'), props.bench),
    ObjectType(('mug', 'cup'), props.mug, portable=True),
    ObjectType(('bottle', 'flask'), props.bottle, portable=True),
    ObjectType(('ball', 'sphere'), props.toy_ball, portable=True),
    ObjectType(('box', 'carton', 'parcel'), props.parcel, carries=True, portable=True),
    ObjectType(('traffic cone', 'pylon', 'road cone'), props.traffic_cone, portable=True),
    ObjectType(('potted plant', 'plant', 'houseplant'), props.potted_plant, portable=True),
    ObjectType(('bin', 'trash can', 'wastebasket'), props.bin_),
    ObjectType(('barrel', 'drum'), props.barrel, carries=True),
    ObjectType(('vase', 'urn'), props.vase, portable=True),
    ObjectType(('suitcase', 'luggage'), props.suitcase),
    ObjectType(('fire extinguisher', 'extinguisher'), props.fire_extinguisher),
    ObjectType(('person', 'human', 'man'), props.person),
    ObjectType(('book', 'hardcover'), props.book, portable=True),
    ObjectType(('rug', 'mat'), furniture.rug, 'flat', is_thing=False),
)
"""All categories of objects."""

SURFACE_NAMES: tuple[tuple[str, ...], ...] = (
    ('floor', 'ground'), ('wall', 'walls'), ('ceiling', 'room ceiling'))
"""Names and synonyms of the three surfaces of a room, whose ids are 1, 2 and 3."""


def object_type(name: str) -> ObjectType:
    """Return the category of that name.

    Raises:
        ValueError: No category has it as its first name.
    """
    for candidate in OBJECT_TYPES:
        if candidate.name == name:
            return candidate
    known = ', '.join(candidate.name for candidate in OBJECT_TYPES)
    raise ValueError(f'no category of objects is named {name!r}; expected one of: {known}')
