# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reading vocabularies: YAML, and the lists that the open-vocabulary papers share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eov_seg_core.io.yaml_text import parse_yaml, read_text
from eov_seg_core.vocabulary.category import Category, split_synonyms, things_and_stuff

INVALID = 'invalid_class_id'
"""Name of the lines that the published lists want skipped."""

_FILE_HELP = ("expected YAML with lists 'things' and 'stuff' of 'name,synonym' strings (or one "
              "list 'categories' of 'thing: name,synonym' and 'stuff: name,synonym'), or text "
              "lines 'id:name,synonym'")


def read_categories(path: Path) -> list[Category]:
    """Read the file of `Vocabulary.from_file`; its errors do not name the file."""
    text = read_text(path)
    return from_yaml(text) if path.suffix.lower() in ('.yaml', '.yml') else _from_lines(text)


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
    raise ValueError(f'it has the entries {str(sorted(map(str, keys))):.200}; {_FILE_HELP}')


def _category(entry: Any) -> Category:
    """Turn `{'thing': 'name,synonym'}` or `{'stuff': ...}` into a category."""
    if not isinstance(entry, dict) or len(entry) != 1 or set(entry) - {'thing', 'stuff'}:
        raise ValueError(f"expected 'thing: name,synonym' or 'stuff: name,synonym', got "
                         f'{entry!r:.200}')
    (kind, names), = entry.items()
    return Category(split_synonyms(names), is_thing=kind == 'thing')


def _from_lines(text: str) -> list[Category]:
    categories = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        index, colon, names = line.partition(':')
        if not colon or not index.strip().isdigit():
            raise ValueError(f'line {number}: got {line[:80]!r}; {_FILE_HELP}')
        if names.strip() == INVALID:
            continue
        try:
            categories.append(Category(split_synonyms(names), is_thing=True))
        except ValueError as error:
            raise ValueError(f'line {number}: {error}') from error
    if not categories:
        raise ValueError(f'it holds no category; {_FILE_HELP}')
    return categories
