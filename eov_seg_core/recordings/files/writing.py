# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags are written so that every error of disk or system is an OSError that names the bag."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
import sqlite3
from typing import Any

from rosbags.interfaces import Connection
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from eov_seg_core.io.files import naming


class BagWriter(Writer):
    """Writes a bag; chunks of an `.mcap` are compressed with zstd.

    Args:
        path: Folder of the bag, which must not be there.
        storage: `mcap` or `sqlite3`.
        version: Of `metadata.yaml`, 8 or 9.
    """

    def __init__(self, path: Path, storage: str = 'mcap', version: int = 9) -> None:
        super().__init__(path, version=8 if version == 8 else 9,
                         storage_plugin=StoragePlugin[storage.upper()])
        if storage == 'mcap':
            self.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)

    def open(self) -> None:
        """Open the bag for writing.

        Raises:
            OSError: It cannot be written, as for all methods.
        """
        with _errors_of(self.path):
            super().open()

    def add_connection(self, *arguments: Any, **options: Any) -> Connection:
        """Add a topic; arguments are those of `rosbags.rosbag2.Writer`."""
        with _errors_of(self.path):
            return super().add_connection(*arguments, **options)

    def write(self, connection: Connection, timestamp: int, data: bytes | memoryview) -> None:
        """Write a message with its log time in nanoseconds."""
        with _errors_of(self.path):
            super().write(connection, timestamp, data)

    def close(self) -> None:
        """Write what is still in memory, and `metadata.yaml`."""
        with _errors_of(self.path):
            super().close()


@contextmanager
def _errors_of(path: Path) -> Iterator[None]:
    try:
        with naming(path):
            yield
    except sqlite3.Error as error:      # no OSError, also where the disk is full
        raise OSError(f'{path} cannot be written: {error}') from error
