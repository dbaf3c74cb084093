# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One class of a vocabulary: its names, and whether it is a thing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from eov_seg_core.vocabulary.canonical import canonical_form, NOTHING

MAX_NAME_LENGTH = 200
"""Most characters of one name; CLIP reads about 70 tokens."""
MAX_DATASET_ID = (1 << 31) - 1
"""Largest id of a category in a data set: COCO's tools read them as 32-bit integers."""
_MOST_SHOWN = 8
"""Most names that appear twice which an error lists."""


@dataclass(frozen=True)
class Category:
    """One class of a vocabulary.

    Attributes:
        names: The name that is shown, then its synonyms; at least one.
        is_thing: True for countable objects, which are told apart; False for stuff.
        dataset_id: The category's id in files of its data set, 0 or more; None: it has none.
        color: (R, G, B), 0..255 each, of the category in files of its data set; None: it has none.

    The last two say how files write a category, not what is looked for: categories that differ
    only in them are equal.

    Raises:
        ValueError: There is no name, one is empty, too long or not text, or the id or the colour
            is out of range.
    """

    names: tuple[str, ...]
    is_thing: bool
    dataset_id: int | None = field(default=None, compare=False)
    color: tuple[int, int, int] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        """Refuse names that cannot be encoded."""
        names: object = self.names
        if isinstance(names, str):
            raise ValueError(f'names must be a tuple of strings, got the string {names!r}; '
                             f'write ({names!r},) for one name')
        if not isinstance(names, Iterable):
            raise ValueError(f'names must be a tuple of strings, got {names!r}')
        if not isinstance(self.is_thing, bool):
            raise ValueError(f'is_thing must be True or False, got {self.is_thing!r}')
        object.__setattr__(self, 'names', tuple(_checked(name) for name in self.names))
        if not self.names:
            raise ValueError('a category needs at least one name, got none')
        if self.dataset_id is not None and not _is_whole(self.dataset_id, MAX_DATASET_ID):
            raise ValueError(f'the id of {self.name!r} must be a whole number in 0..'
                             f'{MAX_DATASET_ID}, got {self.dataset_id!r:.80}')
        if self.color is not None:
            object.__setattr__(self, 'color', _checked_color(self.name, self.color))

    @property
    def name(self) -> str:
        """The name that is shown."""
        return self.names[0]


def _checked(name: str) -> str:
    """Return a name without surrounding white space, or raise ValueError."""
    if not isinstance(name, str):
        raise ValueError(f'a name must be a string, got {name!r} ({type(name).__name__}); '
                         'quote it if it comes from YAML')
    name = name.strip()
    if not name:
        raise ValueError('a name is empty; remove it, or a comma too many')
    if ',' in name:
        raise ValueError(f'{name!r} holds a comma, which separates synonyms; give each of them as '
                         'a name of its own')
    if len(name) > MAX_NAME_LENGTH:
        raise ValueError(f'a name has {len(name)} characters, at most {MAX_NAME_LENGTH} are '
                         f'allowed: {name[:40]!r}...')
    if any('\ud800' <= character <= '\udfff' for character in name):
        raise ValueError(f'{name!r} holds half a surrogate pair and is no valid Unicode text')
    if canonical_form(name) == NOTHING:
        raise ValueError(f'CLIP sees nothing of the name {name!r}, which holds control characters '
                         'only; remove it')
    return name


def _is_whole(value: object, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def _checked_color(name: str, color: object) -> tuple[int, int, int]:
    if not (isinstance(color, (list, tuple)) and len(color) == 3
            and all(_is_whole(value, 255) for value in color)):
        raise ValueError(f'the color of {name!r} must be three whole numbers in 0..255 (R, G, B), '
                         f'got {color!r:.80}')
    red, green, blue = color
    return red, green, blue


def split_synonyms(entry: str) -> tuple[str, ...]:
    """Split `'name,synonym, synonym'` at its commas.

    Raises:
        ValueError: It is no string.
    """
    if not isinstance(entry, str):
        raise ValueError(f"expected a string 'name,synonym', got {entry!r} "
                         f'({type(entry).__name__}); quote it if it comes from YAML')
    return tuple(entry.split(','))


def things_and_stuff(things: Sequence[str], stuff: Sequence[str]) -> list[Category]:
    """Return the categories of two lists of names, things first.

    Args:
        things: Countable classes, each entry `'name,synonym,synonym'`.
        stuff: Uncountable classes, in the same form.

    Raises:
        ValueError: One is no list, an entry is no name, or a name appears twice.
    """
    for label, entries in (('things', things), ('stuff', stuff)):
        if isinstance(entries, str):
            raise ValueError(f'{label} must be a list of strings, got the string {entries!r:.80}; '
                             f'write {label}=[{entries!r:.80}]')
        if not isinstance(entries, (list, tuple)):
            raise ValueError(f"{label} must be a list of strings 'name,synonym', got "
                             f'{entries!r:.80} ({type(entries).__name__}); write {label}=[...], '
                             f'or leave {label} out')
    categories = ([Category(split_synonyms(entry), True) for entry in things]
                  + [Category(split_synonyms(entry), False) for entry in stuff])
    _refuse_repeated_names(categories)
    return categories


def _refuse_repeated_names(categories: Sequence[Category]) -> None:
    with_form: dict[str, list[tuple[str, bool]]] = defaultdict(list)
    for category in categories:
        for name in category.names:
            with_form[canonical_form(name)].append((name, category.is_thing))
    repeated = [uses for uses in with_form.values() if len(uses) > 1]
    if not repeated:
        return
    shown = ', '.join(_uses(uses) for uses in repeated[:_MOST_SHOWN])
    more = f' and {len(repeated) - _MOST_SHOWN} more' if len(repeated) > _MOST_SHOWN else ''
    what = (f'the name {shown} appears more than once; remove one' if len(repeated) == 1 else
            f'{len(repeated)} names appear more than once: {shown}{more}; keep each once')
    raise ValueError(f'{what}, because a name or synonym may stand for one class only')


def _uses(uses: Sequence[tuple[str, bool]]) -> str:
    (first, is_thing), *others = uses
    spelled = next((name for name, _ in others if name != first), None)
    also = f' (also written {spelled!r}, which is the same to CLIP)' if spelled else ''
    where = ' (in things and in stuff)' if any(flag != is_thing for _, flag in others) else ''
    return f'{first!r}{also}{where}'
