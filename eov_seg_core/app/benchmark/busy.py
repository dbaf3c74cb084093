# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Other processes that want the cores, as on every robot; run as a program, it is one of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import os
import subprocess
import sys
import threading
import time
from types import TracebackType

_BEGIN, _REST = b'1', b'0'
_SETTLE_S = 0.1
"""Until the kernel has spread the processes over the cores."""


class BusyProcesses:
    """Some processes, each of which keeps a core busy when told to; a context manager.

    They end with the block, and with this process however it ends.

    Args:
        count: How many.

    Raises:
        OSError: A process cannot be started.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> BusyProcesses:
        try:
            for _ in range(self._count):
                self._processes.append(subprocess.Popen(
                    [sys.executable, '-S', __file__], stdin=subprocess.PIPE, bufsize=0,
                    start_new_session=True))    # Ctrl+C is for this process, which ends them
        except OSError:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._end()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Let them work while the block runs.

        Raises:
            RuntimeError: One of them was ended by somebody else.
        """
        self._say(_BEGIN)
        try:
            time.sleep(_SETTLE_S)
            yield
        finally:
            self._say(_REST)

    def _say(self, word: bytes) -> None:
        for process in self._processes:
            try:
                if process.stdin is not None:
                    process.stdin.write(word)
            except BrokenPipeError:
                raise RuntimeError(f'busy process {process.pid} was ended by somebody else, so '
                                   'its load is missing; measure again') from None

    def _end(self) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()
        self._processes.clear()


def _main() -> None:
    is_busy = threading.Event()
    threading.Thread(target=_listen, args=(is_busy,), daemon=True).start()
    while True:
        is_busy.wait()
        while is_busy.is_set():
            pass


def _listen(is_busy: threading.Event) -> None:
    while word := os.read(sys.stdin.fileno(), 1):
        if word == _BEGIN:
            is_busy.set()
        else:
            is_busy.clear()
    os._exit(0)     # nobody is there any more


if __name__ == '__main__':
    _main()
