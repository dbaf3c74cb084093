# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A folder of results belongs to what made it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eov_seg_core.io.files import read_json, save_json

WORK = '.work'
"""Folder in the output for locks and for parts that are not complete."""


def claim(folder: Path, name: str, key: Mapping[str, Any], meanings: Mapping[str, str]) -> None:
    """Note whose results a folder holds, or compare.

    Args:
        folder: Made if needed.
        name: Of the file with the note.
        key: What the results depend on, ready for JSON.
        meanings: For each entry of the key what the folder holds where it differs.

    Raises:
        ValueError: The folder holds something else.
        OSError: It cannot be made.
    """
    path = folder / name
    # hidden: our folder for work, and files that a killed process was writing
    has_files = folder.exists() and any(not entry.name.startswith('.')
                                        for entry in folder.iterdir())
    # asked after the files: a process that shares the work makes this one first
    if not path.exists():
        if has_files:
            raise ValueError(f'{folder} holds files that are not of this command; choose another '
                             'folder')
        folder.mkdir(parents=True, exist_ok=True)
        save_json(path, key)
    found = read_json(path)
    for what, meaning in meanings.items():
        if not isinstance(found, dict) or found.get(what) != key[what]:
            raise ValueError(f'{folder} holds {meaning}; choose another folder, or remove it')
    (folder / WORK).mkdir(exist_ok=True)     # it may be removed between two runs
