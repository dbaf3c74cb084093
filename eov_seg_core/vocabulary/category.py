# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One class of a vocabulary: its names, and whether it is a thing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MAX_NAME_LENGTH = 200
"""Most characters of one name; CLIP reads about 70 tokens."""


@dataclass(frozen=True)
class Category:
    """One class of a vocabulary.

    Attributes:
        names: The name that is shown, then its synonyms; at least one.
        is_thing: True for countable objects, which are told apart; False for stuff.

    Raises:
        ValueError: There is no name, or one is empty, too long or not text.
    """

    names: tuple[str, ...]
    is_thing: bool

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
    return name


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
        if not isinstance(entries, (list, tuple)):
            raise ValueError(f"{label} must be a list of strings 'name,synonym', got "
                             f'{entries!r:.80}')
    categories = ([Category(split_synonyms(entry), True) for entry in things]
                  + [Category(split_synonyms(entry), False) for entry in stuff])
    _refuse_repeated_names(categories)
    return categories


def _refuse_repeated_names(categories: Sequence[Category]) -> None:
    counts = Counter(name for category in categories for name in category.names)
    repeated = [name for name, count in counts.items() if count > 1]
    if not repeated:
        return
    in_both = ({name for category in categories if category.is_thing for name in category.names}
               & {name for category in categories if not category.is_thing
                  for name in category.names})
    where = ' (in things and in stuff)' if repeated[0] in in_both else ''
    raise ValueError(f'{len(repeated)} names appear more than once, first {repeated[0]!r}{where}; '
                     'each name and synonym may stand for one class only')
