# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which vocabulary the options of a command name; needs no PyTorch, so that refusals are quick."""

from __future__ import annotations

from pathlib import Path

from eov_seg_core.vocabulary import presets, Vocabulary


def choose_vocabulary(named: str | None, things: list[str], stuff: list[str]) -> Vocabulary:
    """Return the vocabulary that the options ask for.

    Args:
        named: Name of a preset or path of a file; None: `things` and `stuff`.
        things: Entries 'name,synonym'.
        stuff: Entries 'name,synonym'.

    Raises:
        ValueError: Both ways or none were used, or the names are not a vocabulary.
    """
    if bool(named) == bool(things or stuff):
        raise ValueError('give either --vocabulary PRESET_OR_FILE or names with --things and '
                         f'--stuff; presets are {", ".join(presets())}')
    if named is None:
        return Vocabulary(things=things, stuff=stuff)
    if named in presets():
        return Vocabulary.preset(named)
    if not Path(named).is_file():
        raise ValueError(f'--vocabulary {named} is neither a file nor a preset; presets are '
                         f'{", ".join(presets())}')
    return Vocabulary.from_file(named)
