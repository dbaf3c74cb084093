# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The words of the page: two lists of entries 'name,synonym', and what a user does to them."""

from __future__ import annotations

from dataclasses import dataclass, replace
import unicodedata

import yaml

from eov_seg_core.io.yaml_text import decode_text
from eov_seg_core.vocabulary import Category, Vocabulary
from eov_seg_core.vocabulary.canonical import canonical_form
from eov_seg_core.vocabulary.category import split_synonyms
from eov_seg_core.vocabulary.file import from_yaml


@dataclass(frozen=True)
class Words:
    r"""What to look for, as it is typed; the methods return a changed copy.

    >>> Words(('mug, cup',)).added('wall', is_thing=False).to_yaml()
    'categories:\n- thing: mug, cup\n- stuff: wall\n'

    Attributes:
        things: Entries 'name,synonym' of countable objects.
        stuff: The same of the rest.
    """

    things: tuple[str, ...] = ()
    stuff: tuple[str, ...] = ()

    @classmethod
    def of(cls, vocabulary: Vocabulary) -> Words:
        """Return the words of a vocabulary."""
        entries = [(', '.join(category.names), category.is_thing)
                   for category in vocabulary.categories]
        return cls(tuple(entry for entry, is_thing in entries if is_thing),
                   tuple(entry for entry, is_thing in entries if not is_thing))

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
        categories = [{'thing' if is_thing else 'stuff': entry}
                      for is_thing in (True, False) for entry in self.entries(is_thing)]
        text: str = yaml.safe_dump({'categories': categories}, allow_unicode=True, width=200)
        return text

    def entries(self, is_thing: bool) -> tuple[str, ...]:
        """Return one of the two lists."""
        return self.things if is_thing else self.stuff

    def added(self, text: str, is_thing: bool) -> Words:
        """Add the entries of a text, one a line; empty lines are left out.

        Raises:
            ValueError: One holds control characters, or names only what is there already.
        """
        lines = tuple(line.strip() for line in text.splitlines() if line.strip())
        there = {canonical_form(name): entry for entry in self.entries(is_thing)
                 for name in split_synonyms(entry)}
        for line in lines:
            if any(unicodedata.category(character) == 'Cc' for character in line):
                raise ValueError(f'{line!r} holds a control character; type it anew')
            homes = {there.get(canonical_form(name)) for name in split_synonyms(line)}
            if len(homes) == 1 and None not in homes:
                raise ValueError(f'{line!r} is there already, as {homes.pop()!r}')
        return self._with(is_thing, self.entries(is_thing) + lines)

    def removed(self, entry: str, is_thing: bool) -> Words:
        """Remove an entry; nothing happens if another page did that before."""
        return self._with(is_thing, tuple(
            other for other in self.entries(is_thing) if other != entry))

    def replaced(self, entry: str, text: str, is_thing: bool) -> Words:
        """Change the names of an entry, which keeps its place."""
        return self._with(is_thing, tuple(
            text.strip() if other == entry else other for other in self.entries(is_thing)))

    def moved(self, entry: str, is_thing: bool) -> Words:
        """Move an entry of the other list to the end of this one."""
        if entry not in self.entries(not is_thing):
            return self
        return self.removed(entry, not is_thing).added(entry, is_thing)

    def vocabulary(self) -> Vocabulary | None:
        """Return them as a vocabulary; None if there are none.

        Raises:
            ValueError: They are no vocabulary; the text says why.
        """
        categories = [Category(split_synonyms(entry), is_thing)
                      for is_thing in (True, False) for entry in self.entries(is_thing)]
        return Vocabulary.from_categories(categories) if categories else None

    def _with(self, is_thing: bool, entries: tuple[str, ...]) -> Words:
        return replace(self, things=entries) if is_thing else replace(self, stuff=entries)
