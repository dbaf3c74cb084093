# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Giving freed memory back to the system."""

from __future__ import annotations

import ctypes
import gc


def return_freed_memory() -> None:
    """Collect garbage and make the allocator return what is free.

    glibc keeps freed blocks of a few megabytes for itself, and a text tower consists of them.
    Elsewhere the allocator decides.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), 'malloc_trim', None)
    if trim is not None:
        trim(0)
