# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which vocabulary the options of a command name; needs no PyTorch, so that refusals are quick."""

from __future__ import annotations

import difflib
from pathlib import Path

from eov_seg_core.vocabulary import presets, Vocabulary


def choose_vocabulary(named: str | None, things: list[str], stuff: list[str]) -> Vocabulary:
    """Return the vocabulary that the options ask for.

    Args:
        named: Name of a preset or path of a file; None: `things` and `stuff`.
        things: Entries 'name,synonym'.
        stuff: Entries 'name,synonym'.

    Raises:
        ValueError: Both ways or none were used, a name is a file, or the names are not a
            vocabulary.
    """
    if named and (things or stuff):
        raise ValueError(f'--vocabulary {named} was given together with '
                         f'{" and ".join(_given(things, stuff))}; leave one of the two ways out, '
                         'or write all names to one file')
    if not (named or things or stuff):
        raise ValueError('say what to look for: --things chair person --stuff floor, or '
                         '--vocabulary with a YAML or list file or a preset; presets are '
                         f'{", ".join(presets())}')
    _refuse_files([*things, *stuff])
    if named is None:
        return Vocabulary(things=things, stuff=stuff)
    if named in presets():
        return Vocabulary.preset(named)
    if not Path(named).is_file():
        nearest = difflib.get_close_matches(Path(named).stem.lower(), presets(), 1, cutoff=0.75)
        hint = f'; did you mean {nearest[0]}?' if nearest else ''
        raise ValueError(f'--vocabulary {named} is neither a file nor a preset; presets are '
                         f'{", ".join(presets())}{hint}')
    return Vocabulary.from_file(named)


def _given(things: list[str], stuff: list[str]) -> list[str]:
    return ['--things'] * bool(things) + ['--stuff'] * bool(stuff)


def _refuse_files(words: list[str]) -> None:
    """Raise ValueError for words that are files: they were meant as inputs, or as a list."""
    for word in words:
        suffix = Path(word).suffix.lower()
        if not suffix:
            continue
        from eov_seg_core.io.media import IMAGE_SUFFIXES, VIDEO_SUFFIXES  # imports OpenCV
        if suffix in ('.yaml', '.yml', '.txt') and Path(word).is_file():
            raise ValueError(f'--things and --stuff take words, and {word} is a file; give it as '
                             f'--vocabulary {word}')
        if suffix in IMAGE_SUFFIXES | VIDEO_SUFFIXES:
            raise ValueError(f'--things and --stuff take all words that follow, and {word} is the '
                             'name of a picture or video; put the inputs first: eov-seg segment '
                             f'{word} --things chair')
