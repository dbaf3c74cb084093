# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Errors as one line for a log and for /diagnostics."""

from __future__ import annotations

from eov_seg_core.io.text import printable


def describe(error: Exception) -> str:
    """Return an error's text and type, as `printable`."""
    return f'{printable(str(error))} [{type(error).__name__}]'
