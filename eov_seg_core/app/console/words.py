# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The words of the page: two lists of entries 'name,synonym', and what a user does to them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
import unicodedata

import yaml

from eov_seg_core.io.yaml_text import decode_text
from eov_seg_core.vocabulary import Category, Vocabulary
from eov_seg_core.vocabulary.canonical import canonical_form
from eov_seg_core.vocabulary.category import split_synonyms
from eov_seg_core.vocabulary.file import from_yaml

Mark = tuple[int | None, tuple[int, int, int] | None]
"""Id and colour (R, G, B) of a category in files of its data set; None: it has none."""

_TURNS = ('LRE', 'RLE', 'LRO', 'RLO', 'PDF', 'LRI', 'RLI', 'FSI', 'PDI')
"""Characters that turn the text after them around, also beyond the word."""


@dataclass(frozen=True)
class Words:
    r"""What to look for, as it is typed; the methods return a changed copy.

    >>> Words(('mug, cup',)).added('wall', is_thing=False).to_yaml()
    'categories:\n- thing: mug, cup\n- stuff: wall\n'

    Attributes:
        things: Entries 'name,synonym' of countable objects.
        stuff: The same of the rest.
        marks: (entry, whether it is a thing) -> its marks in the file that it came from, one for
            each time that it is there; it stays with an entry whose names change.
    """

    things: tuple[str, ...] = ()
    stuff: tuple[str, ...] = ()
    marks: Mapping[tuple[str, bool], tuple[Mark, ...]] = field(
        default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, vocabulary: Vocabulary) -> Words:
        """Return the words of a vocabulary."""
        entries: dict[bool, list[str]] = {True: [], False: []}
        marks: defaultdict[tuple[str, bool], tuple[Mark, ...]] = defaultdict(tuple)
        for category in vocabulary.categories:
            entry = ', '.join(category.names)
            entries[category.is_thing].append(entry)
            marks[entry, category.is_thing] += ((category.dataset_id, category.color),)
        return cls(tuple(entries[True]), tuple(entries[False]), dict(marks))

    @classmethod
    def from_yaml(cls, text: str) -> Words:
        """Return the words of a vocabulary file.

        Raises:
            ValueError: It is no vocabulary file.
        """
        return cls.of(Vocabulary.from_categories(from_yaml(text)))

    @classmethod
    def from_bytes(cls, data: bytes) -> Words:
        """Return the words of the content of a vocabulary file; as `from_yaml`."""
        return cls.from_yaml(decode_text(data))

    def to_yaml(self) -> str:
        """Return the text of a vocabulary file with these words."""
        # one list, because 'things' and 'stuff' may not hold homonyms, and published presets do
        categories: list[dict[str, Any]] = []
        for entry, is_thing, (dataset_id, color) in self._marked():
            categories.append({'thing' if is_thing else 'stuff': entry})
            if dataset_id is not None:
                categories[-1]['id'] = dataset_id
            if color is not None:
                categories[-1]['color'] = list(color)
        text: str = yaml.safe_dump({'categories': categories}, allow_unicode=True, width=200)
        return text

    def entries(self, is_thing: bool) -> tuple[str, ...]:
        """Return one of the two lists."""
        return self.things if is_thing else self.stuff

    def added(self, text: str, is_thing: bool) -> Words:
        """Add the entries of a text, one a line; empty lines are left out.

        Raises:
            ValueError: One cannot be seen as it is, or names only what is there already.
        """
        lines = tuple(line.strip() for line in text.splitlines() if line.strip())
        there = {canonical_form(name): entry for entry in self.entries(is_thing)
                 for name in split_synonyms(entry)}
        for line in lines:
            _check_visible(line)
            homes = {there.get(canonical_form(name)) for name in split_synonyms(line)}
            if len(homes) == 1 and None not in homes:
                raise ValueError(f'{line!r} is there already, as {homes.pop()!r}')
        return self._with(is_thing, self.entries(is_thing) + lines)

    def removed(self, entry: str, is_thing: bool) -> Words:
        """Remove an entry; nothing happens if another page did that before."""
        return self._with(is_thing, tuple(
            other for other in self.entries(is_thing) if other != entry))

    def replaced(self, entry: str, text: str, is_thing: bool) -> Words:
        """Change the names of an entry, which keeps its place.

        Raises:
            ValueError: The text cannot be seen as it is.
        """
        _check_visible(text.strip())
        marked = self._marked_as(entry, is_thing, text.strip(), is_thing)
        return marked._with(is_thing, tuple(
            text.strip() if other == entry else other for other in self.entries(is_thing)))

    def moved(self, entry: str, is_thing: bool) -> Words:
        """Move an entry of the other list to the end of this one."""
        if entry not in self.entries(not is_thing):
            return self
        marked = self._marked_as(entry, not is_thing, entry, is_thing)
        return marked.removed(entry, not is_thing).added(entry, is_thing)

    def vocabulary(self) -> Vocabulary | None:
        """Return them as a vocabulary; None if there are none.

        Raises:
            ValueError: They are no vocabulary; the text says why.
        """
        categories = [Category(split_synonyms(entry), is_thing, *mark)
                      for entry, is_thing, mark in self._marked()]
        return Vocabulary.from_categories(categories) if categories else None

    def _marked(self) -> Iterator[tuple[str, bool, Mark]]:
        seen: Counter[tuple[str, bool]] = Counter()
        for is_thing in (True, False):
            for entry in self.entries(is_thing):
                key = entry, is_thing
                marks = self.marks.get(key, ())
                yield entry, is_thing, marks[seen[key]] if seen[key] < len(marks) else (None, None)
                seen[key] += 1

    def _marked_as(self, entry: str, is_thing: bool, new: str, is_new_thing: bool) -> Words:
        """Return a copy in which another entry has the marks of this one."""
        marks = self.marks.get((entry, is_thing), ())
        return replace(self, marks={**self.marks, (new, is_new_thing): marks}) if marks else self

    def _with(self, is_thing: bool, entries: tuple[str, ...]) -> Words:
        return replace(self, things=entries) if is_thing else replace(self, stuff=entries)


def _check_visible(entry: str) -> None:
    """Refuse what a person cannot see, or sees in another order than it has."""
    if any(unicodedata.category(character) == 'Cc'
           or unicodedata.bidirectional(character) in _TURNS for character in entry):
        raise ValueError(f'{entry!r} holds a control character; type it anew')
    for name in split_synonyms(entry):
        if name.strip() and all(unicodedata.category(each) in ('Cf', 'Zs') for each in name):
            raise ValueError(f'a name of {entry!r} cannot be seen; type it anew')
