# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reading vocabularies: YAML, lists of names, the lists that the open-vocabulary papers share."""

from __future__ import annotations

from pathlib import Path
import re
from typing import Any

from eov_seg_core.io.yaml_text import parse_yaml
from eov_seg_core.vocabulary.category import Category, split_synonyms, things_and_stuff

INVALID = 'invalid_class_id'
"""Name of the lines that the published lists want skipped."""
_NUMBERED = re.compile(r'\d+\s*[,;\t]')
"""Start of a line of a CSV or TSV file with ids, which would be read as names."""
_COMMENT = re.compile(r'(?:^|\s)#')
_MARKUP = frozenset('{}[]<>="')
"""Characters of JSON, YAML and HTML, which no line of a list holds."""

FILE_HELP = ("expected YAML with lists 'things' and 'stuff' of 'name,synonym' strings (or one "
             "list 'categories' of 'thing: name,synonym' and 'stuff: name,synonym', each with "
             "'id' and 'color' if it has them); in files that do not end in .yaml or .yml, lines "
             "'name,synonym' (a thing), 'stuff: name,synonym' or 'id: name,synonym'")
_LINE = re.compile(r'(?:this (?:is no valid YAML|YAML holds a value that cannot be read): .*?)?'
                   r'line (\d+)', re.DOTALL)
"""Start of the messages that name a line."""


class VocabularyContentError(ValueError):
    """A file was read, but is no vocabulary; the message quotes what is wrong in it.

    Args:
        path: The file.
        error: What is wrong.

    Attributes:
        line: Where, counted from 1; None: in no line of its own.
    """

    def __init__(self, path: str | Path, error: ValueError) -> None:
        super().__init__(f'{path}: {error}')
        found = _LINE.match(str(error))
        self.line = None if found is None else int(found[1])


def parse_categories(text: str, suffix: str) -> list[Category]:
    """Return the categories of a text of `Vocabulary.from_file`; errors do not name the file."""
    return from_yaml(text) if suffix.lower() in ('.yaml', '.yml') else _from_lines(text)


def from_yaml(text: str) -> list[Category]:
    """Return the categories of a YAML text.

    Raises:
        ValueError: It is no YAML, or holds something else.
    """
    content = parse_yaml(text)
    keys = set(content) if isinstance(content, dict) else set()
    if keys == {'categories'}:
        entries = content['categories'] or ()
        if not isinstance(entries, (list, tuple)):
            raise ValueError(f'categories must be a list, got {entries!r:.80}')
        return [_category(entry) for entry in entries]
    if keys and keys <= {'things', 'stuff'}:
        return things_and_stuff(content.get('things') or (), content.get('stuff') or ())
    raise ValueError(f'it has the entries {str(sorted(map(str, keys))):.200}; {FILE_HELP}')


def _category(entry: Any) -> Category:
    """Turn `{'thing': 'name,synonym', 'id': 1, 'color': [R, G, B]}` into a category."""
    kinds = {'thing', 'stuff'}.intersection(entry) if isinstance(entry, dict) else ()
    if len(kinds) != 1 or not set(entry) <= {'thing', 'stuff', 'id', 'color'}:
        raise ValueError("expected 'thing: name,synonym' or 'stuff: name,synonym', beside them at "
                         f"most 'id' and 'color', got {entry!r:.200}")
    kind, = kinds
    return Category(split_synonyms(entry[kind]), kind == 'thing', entry.get('id'),
                    entry.get('color'))


def _from_lines(text: str) -> list[Category]:
    categories = []
    for number, line in enumerate(text.splitlines(), start=1):
        entry = _COMMENT.split(line, maxsplit=1)[0].strip()
        try:
            category = _from_line(entry) if entry else None
        except ValueError as error:
            raise ValueError(f'line {number}: {error}') from error
        if category is not None:
            categories.append(category)
    if not categories:
        raise ValueError(f'it holds no category; {FILE_HELP}')
    return categories


def _from_line(entry: str) -> Category | None:
    """Read `names`, `stuff: names`, `thing: names` or `id: names`; None for what is skipped."""
    if _NUMBERED.match(entry):
        raise ValueError(f"got {entry[:80]!r}; write the id before a colon: '1: name,synonym'")
    key, names = (part.strip() for part in entry.split(':', 1)) if ':' in entry else (
        'thing', entry)
    if names == INVALID:
        return None
    if key.isascii() and key.isdecimal():
        return Category(split_synonyms(names), is_thing=True, dataset_id=int(key))
    if key not in ('thing', 'stuff') or not _MARKUP.isdisjoint(names):
        raise ValueError(f'got {entry[:80]!r}; {FILE_HELP}')
    return Category(split_synonyms(names), is_thing=key == 'thing')
