# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Text that others send, made fit for a terminal, a log and /diagnostics."""

from __future__ import annotations

from collections.abc import Sequence

MOST_CHARACTERS = 1000
"""Longest text of a message or of a value in /diagnostics."""
_MOST_NAMES = 4
_MOST_OF_AN_ERROR = 8000
"""Longest error of a command; two paths of any length have room in it."""


def printable(text: str, most: int = MOST_CHARACTERS) -> str:
    r"""Return a text in one line, without control characters, cut where it is too long.

    A word or an encoding with a line break could forge a line of the log, an escape sequence
    could rewrite the terminal, and megabytes would be repeated every second.

    >>> printable('red\n[FATAL] forged')
    'red\\n[FATAL] forged'
    >>> printable('abcdef', most=3)
    'abc... (6 characters)'
    """
    shown = text[:most]
    if not shown.isprintable():
        shown = ''.join(character if character.isprintable() else
                        character.encode('unicode_escape').decode() for character in shown)
    return shown if len(text) <= most else f'{shown}... ({len(text)} characters)'


def shortened(names: Sequence[str]) -> str:
    """Return the first names and how many more there are; '' if there are none.

    >>> shortened(['mug', 'chair', 'wall', 'floor', 'door', 'bed'])
    'mug, chair, wall, floor and 2 more'
    """
    more = len(names) - _MOST_NAMES
    return ', '.join(names[:_MOST_NAMES]) + (f' and {more} more' if more > 0 else '')


def counted(number: int, what: str) -> str:
    """Return how many things there are; their name takes an s where they are not one.

    >>> counted(1, 'frame'), counted(2, 'frame')
    ('1 frame', '2 frames')
    """
    return f'{number} {what}' if number == 1 else f'{number} {what}s'


def sentence(error: BaseException) -> str:
    """Return what an error says in one line: the system's without their number, file first.

    >>> sentence(FileNotFoundError(2, 'No such file or directory', 'a.json'))
    'a.json: No such file or directory'
    """
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f'{error.filename}: {error.strerror}'
    return ' '.join(str(error).split()) or (
        'there is not enough memory' if isinstance(error, MemoryError) else type(error).__name__)


def error_line(program: str, problem: object) -> str:
    """Return how a command says what went wrong: one line, cut far behind where one would read.

    >>> error_line('eov-seg', ValueError('no such file'))
    'eov-seg: error: no such file'
    """
    said = sentence(problem) if isinstance(problem, BaseException) else str(problem)
    return f'{program}: error: {printable(said, _MOST_OF_AN_ERROR)}'
