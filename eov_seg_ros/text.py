# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Text that others send, made fit for a log and for /diagnostics."""

from __future__ import annotations

MOST_CHARACTERS = 1000
"""Longest text of a log message or of a value in /diagnostics."""


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


def describe(error: Exception) -> str:
    """Return an error's text and type, as `printable`."""
    return f'{printable(str(error))} [{type(error).__name__}]'
