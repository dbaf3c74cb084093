# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writing files so that no reader ever sees half of one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
import secrets


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside the target to write to; move it there if nothing went wrong.

    Args:
        path: The target; its folder must exist.

    Raises:
        OSError: The file cannot be moved there.
    """
    # a short name of its own: the target's may be as long as the file system takes
    temporary = path.with_name(f'.{secrets.token_hex(8)}.tmp')
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file beside the target and move it there, so that no reader sees half of it."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)
