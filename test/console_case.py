# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What tests of the page of `eov-seg console` share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
import sys

from browser_case import served, wait_for

from eov_seg_core.app.console.words import Words

THINGS, STUFF = '[data-kind=things] input', '[data-kind=stuff] input'


def chips(page) -> list[str]:
    return page.script('return [...document.querySelectorAll(".chip")].map('
                       '(chip) => chip.innerText.split("\\n")[0])')


def load_words(page, path: Path, things: Sequence[str]) -> None:
    """Load words from a file, as a user does; floor and wall are among them."""
    path.write_text(Words(tuple(things), ('floor', 'wall')).to_yaml())
    page.element('input[accept=".yaml,.yml"]').send_keys(str(path))
    wait_for(lambda: len(chips(page)) == len(things) + 2, 'the words were not loaded')


def serve(port: int, folder: Path, host: str = '127.0.0.1'):
    words = folder / 'words.yaml'
    words.write_text('things: []\nstuff: [floor, wall]\n')
    return served([sys.executable, '-m', 'eov_seg_core.app.cli', 'console', '--no-browser',
                   '--host', host, '--port', str(port), '--vocabulary', str(words)],
                  port, folder / 'log', host=host)
