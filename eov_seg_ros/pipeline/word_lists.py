# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a change of one vocabulary parameter means for the others.

`ros2 param set` and `ros2 param load` set one parameter after the other.  A word that moves from
one list to the other would be in both for a moment, so the list that is set later wins it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eov_seg_core.vocabulary import canonical_form, Vocabulary
from eov_seg_core.vocabulary.file import FILE_HELP, VocabularyContentError

THINGS, STUFF, FILE = 'vocabulary.things', 'vocabulary.stuff', 'vocabulary.file'


def consequences(current: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the lists that have to be set besides what a change says.

    Args:
        current: The lists as they are, by the names of their parameters.
        changes: The parameters that change together, by name.

    Raises:
        ValueError: The file cannot be used, or it and a list are set together.

    >>> consequences({THINGS: ['sofa,couch', 'cup']}, {STUFF: ['floor', 'couch']})
    {'vocabulary.things': ['sofa', 'cup']}
    """
    changed = [name for name in (THINGS, STUFF) if name in changes]
    if changes.get(FILE):
        if changed:
            raise ValueError(f'{FILE} sets both lists, so it cannot be set together with '
                             f'{" and ".join(changed)}')
        return lists_of_file(str(changes[FILE]))
    if len(changed) != 1:
        return {}
    later, = changed
    other = STUFF if later == THINGS else THINGS
    before = _strings(current.get(other))
    taken = {canonical_form(name) for entry in _strings(changes[later])
             for name in entry.split(',')}
    kept = [entry for entry in (_without(entry, taken) for entry in before) if entry]
    return {} if kept == before else {other: kept}


def lists_of_file(path: str) -> dict[str, list[str]]:
    """Return both lists of a vocabulary file, as `Vocabulary.from_file` reads it.

    Raises:
        ValueError: It cannot be read or used; says why, but quotes nothing of the file: whoever
            may set a parameter need not be one who may read all that the node can.
    """
    try:
        categories = Vocabulary.from_file(path).categories
    except VocabularyContentError as error:
        where = 'it' if error.line is None else f'line {error.line}'
        raise ValueError(
            f'{FILE}: {path} is no vocabulary file: {where} is not as expected, or has a name '
            f'that is refused; {FILE_HELP}. Its content is not shown here; `eov-seg segment '
            '--vocabulary` on the machine of the node says more') from error
    except (OSError, ValueError) as error:
        raise ValueError(f'{FILE}: {error}') from error
    lists: dict[str, list[str]] = {THINGS: [], STUFF: []}
    for category in categories:
        lists[THINGS if category.is_thing else STUFF].append(','.join(category.names))
    try:
        Vocabulary(lists[THINGS], lists[STUFF])
    except ValueError as error:     # files may hold homonyms, parameters may not
        raise ValueError(f'{FILE}: {path} gives one name to several categories; expected each '
                         'name and synonym once, because it may stand for one class only; remove '
                         'the others. Its content is not shown here') from error
    return lists


def _strings(value: Any) -> list[str]:
    """Return a list of strings; empty for what is none, which `Parameters` will refuse."""
    entries = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else []
    return entries if all(isinstance(entry, str) for entry in entries) else []


def _without(entry: str, taken: set[str]) -> str:
    """Return `name,synonym` without the taken names; unchanged if there are none."""
    return ','.join(name for name in entry.split(',') if canonical_form(name) not in taken)
