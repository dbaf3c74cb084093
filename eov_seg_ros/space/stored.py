# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The memory of objects in a file, from one run of the node to the next."""

from __future__ import annotations

from pathlib import Path
import time

from rclpy.lifecycle import LifecycleNode

from eov_seg_core.io.text import printable
from eov_seg_core.tracking import ObjectMemory
from eov_seg_core.tracking.storage.memory_file import MemoryFile, NotThisMemoryError
from eov_seg_ros.text import describe

_PERIOD_S = 60.0


class StoredMemory:
    """Reads the memory at the start, and writes it once a minute and in the end.

    A file that does not hold this memory is neither used nor overwritten.

    Args:
        node: Owner of the logger.
        memory: Is filled from the file, if there is one.
        path: The file; `~` is the user's folder.
        world_frame: The frame of the memory.
        weights: Digest of the weights.

    Attributes:
        fault: Why the file is not used or was not written; empty: there is no fault.

    Raises:
        ValueError: The folder of the file does not exist.
    """

    def __init__(self, node: LifecycleNode, memory: ObjectMemory, path: str, world_frame: str,
                 weights: str) -> None:
        self._node = node
        self._memory = memory
        self._file = MemoryFile(Path(path).expanduser(), world_frame, weights)
        self._is_ours, self._is_changed = True, False
        self._stored_s = time.monotonic()
        self.fault = ''
        if not self._file.path.parent.is_dir():
            raise ValueError(f'memory_file is {printable(path)!r}, and '
                             f'{self._file.path.parent} is no folder; make it first')
        self._load()

    def _load(self) -> None:
        try:
            if self._file.load(self._memory):
                self._node.get_logger().info(
                    f'{len(self._memory)} objects remembered from {self._file.path}')
        except (NotThisMemoryError, OSError) as error:
            self._is_ours = False
            self._has_failed(f'{describe(error)}; the memory begins empty, and the file is left '
                             'as it is: name another one, or remove it')

    def changed(self) -> None:
        """Tell that the memory has changed; once a minute it is written."""
        self._is_changed = True
        if time.monotonic() >= self._stored_s + _PERIOD_S:
            self.store()

    def store(self) -> None:
        """Write the memory if it has changed; what goes wrong is logged."""
        if not (self._is_ours and self._is_changed):
            return
        self._stored_s = time.monotonic()
        try:
            self._file.save(self._memory)
        except OSError as error:
            self._has_failed(f'it could not be written: {describe(error)}')
        else:
            self._is_changed, self.fault = False, ''

    def _has_failed(self, why: str) -> None:
        self.fault = f'memory_file: {why}'
        self._node.get_logger().warning(self.fault)
