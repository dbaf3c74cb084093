# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The two split files of one data set must mean the same by their categories."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from eov_seg_core.io.coco import CategoryEntry, read_category_entries
from eov_seg_core.vocabulary import canonical_form, split_synonyms


def refuse_contradicting_splits(first: Path, second: Path) -> None:
    """Raise ValueError if two JSONs in COCO's panoptic format contradict each other's categories.

    Synonyms, and categories that only one of them lists, contradict nothing.

    Raises:
        OSError: A file cannot be read.
        ValueError: An id has another name or kind, or a name another id, in the second file; or
            a file is damaged.
    """
    ours, theirs = read_category_entries(first), read_category_entries(second)
    contradiction = _other_meaning(ours, theirs) or _other_id(ours, theirs)
    if contradiction is not None:
        mine, other = contradiction
        raise ValueError(
            f'{first} and {second} are splits of one data set, but disagree about a category: '
            f'{_described(mine)} in the first, {_described(other)} in the second. Give it one id, '
            'one name and one isthing in both')


def _other_meaning(ours: Sequence[CategoryEntry], theirs: Sequence[CategoryEntry]
                   ) -> tuple[CategoryEntry, CategoryEntry] | None:
    """Return the first two categories of one id that share no name, or are not of one kind."""
    of_id = {entry.id: entry for entry in theirs}
    return next((
        (entry, of_id[entry.id]) for entry in ours if entry.id in of_id
        and (entry.is_thing != of_id[entry.id].is_thing
             or _names(entry).isdisjoint(_names(of_id[entry.id])))), None)


def _other_id(ours: Sequence[CategoryEntry], theirs: Sequence[CategoryEntry]
              ) -> tuple[CategoryEntry, CategoryEntry] | None:
    """Return the first two categories of one name whose id the other file does not give it."""
    of_name: dict[str, list[CategoryEntry]] = {}
    for entry in theirs:
        of_name.setdefault(_first_name(entry), []).append(entry)
    shared = {_first_name(entry) for entry in ours
              if entry.id in {other.id for other in of_name.get(_first_name(entry), ())}}
    return next(((entry, of_name[_first_name(entry)][0]) for entry in ours
                 if _first_name(entry) in of_name.keys() - shared), None)


def _names(entry: CategoryEntry) -> set[str]:
    return set(map(canonical_form, split_synonyms(entry.name)))


def _first_name(entry: CategoryEntry) -> str:
    return canonical_form(split_synonyms(entry.name)[0])


def _described(entry: CategoryEntry) -> str:
    return f'id {entry.id}, {entry.name!r:.60}, isthing {int(entry.is_thing)}'
