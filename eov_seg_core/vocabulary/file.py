# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reading vocabularies: YAML, and the lists that the open-vocabulary papers share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from eov_seg_core.vocabulary.vocabulary import Category, split_synonyms, Vocabulary

INVALID = 'invalid_class_id'
"""Name of the lines that the published lists want skipped."""

_FILE_HELP = ("expected YAML with lists 'things' and 'stuff' of 'name,synonym' strings (or one "
              "list 'categories' of 'thing: name,synonym' and 'stuff: name,synonym'), or text "
              "lines 'id:name,synonym'")


def read_vocabulary(path: Path) -> Vocabulary:
    """Do what `Vocabulary.from_file` says."""
    try:
        text = path.read_text(encoding='utf-8-sig')
    except UnicodeDecodeError as error:
        raise ValueError(f'{path} is not UTF-8 text ({error.reason} at byte {error.start}); '
                         f'{_FILE_HELP}') from error
    if path.suffix.lower() in ('.yaml', '.yml'):
        return parse_yaml(text, str(path))
    return _from_lines(text, str(path))


def parse_yaml(text: str, source: str) -> Vocabulary:
    """Build a vocabulary from YAML text; `source` names it in errors."""
    try:
        content: Any = yaml.load(text, Loader=getattr(yaml, 'CSafeLoader', yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise ValueError(f'{source} is no valid YAML: {error}') from error
    keys = set(content) if isinstance(content, dict) else set()
    try:
        if keys == {'categories'}:
            return Vocabulary.from_categories(map(_category, content['categories'] or ()))
        if keys and keys <= {'things', 'stuff'}:
            return Vocabulary(content.get('things') or (), content.get('stuff') or ())
    except (ValueError, TypeError) as error:
        raise ValueError(f'{source}: {error}') from error
    raise ValueError(f'{source} has the entries {sorted(map(str, keys))}; {_FILE_HELP}')


def _category(entry: Any) -> Category:
    """Turn `{'thing': 'name,synonym'}` or `{'stuff': ...}` into a category."""
    if not isinstance(entry, dict) or len(entry) != 1 or set(entry) - {'thing', 'stuff'}:
        raise ValueError(f"expected 'thing: name,synonym' or 'stuff: name,synonym', got {entry!r}")
    (kind, names), = entry.items()
    return Category(split_synonyms(names), is_thing=kind == 'thing')


def _from_lines(text: str, source: str) -> Vocabulary:
    categories = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        index, colon, names = line.partition(':')
        if not colon or not index.strip().isdigit():
            raise ValueError(f'{source}, line {number}: got {line[:80]!r}; {_FILE_HELP}')
        if names.strip() == INVALID:
            continue
        try:
            categories.append(Category(split_synonyms(names), is_thing=True))
        except ValueError as error:
            raise ValueError(f'{source}, line {number}: {error}') from error
    if not categories:
        raise ValueError(f'{source} holds no category; {_FILE_HELP}')
    return Vocabulary.from_categories(categories)
