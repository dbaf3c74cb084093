# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The demo's child processes: their output is passed on, and they end when the demo does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
import re
import signal
import subprocess
import sys
import threading
from typing import Any

_END_S = 15.0
"""Longest wait for a process to end by itself."""
_FAILED_TRANSITION = re.compile(r'on_\w+ failed: ')


@dataclass(frozen=True)
class NodeSettings:
    """What the demo's user chooses of the node; the fields are parameters of the same names.

    Attributes:
        variant: `t`, `s`, `m` or `l`.
        checkpoint: Weights; empty: the built-in ones.
        device: As PyTorch names it, or `auto`.
        input_size: Short side of the network's input in pixels; 0: the variant's own.
    """

    variant: str
    checkpoint: str = ''
    device: str = 'auto'
    input_size: int = 0


class Child:
    """A process of ours.

    Args:
        name: Stands before each line of its output.
        command: Module and arguments for this Python.
    """

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, '-m', *command], text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        self.has_failed = False
        self._name = name
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def is_alive(self) -> bool:
        """Return whether the process runs and has not reported a failed transition."""
        return self.process.poll() is None and not self.has_failed

    def write(self, line: str) -> None:
        """Write a line to its standard input."""
        if self.process.stdin is not None:
            self.process.stdin.write(f'{line}\n')
            self.process.stdin.flush()

    def stop(self) -> int:
        """End the process as Ctrl-C would, by force if it has to be; return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(5)
        return self.process.returncode

    def _read(self) -> None:
        for line in self.process.stdout or ():
            print(f'  {self._name} | {line.rstrip()}')
            self.has_failed |= _FAILED_TRANSITION.search(line) is not None


@contextmanager
def running(name: str, command: Sequence[str]) -> Iterator[Child]:
    """Run a process while the context is open.

    Raises:
        RuntimeError: It ended with another exit code than 0, though nothing else went wrong.
    """
    child = Child(name, command)
    try:
        yield child
    except BaseException:
        child.stop()
        raise
    if code := child.stop():
        raise RuntimeError(f'the process "{name}" ended with exit code {code} instead of 0')


def node_command(settings: NodeSettings, **parameters: Any) -> list[str]:
    """Return the command that starts the segmentation node.

    Args:
        settings: What the user chose.
        **parameters: Further parameters; `__` in a name stands for a dot.
    """
    values = {**vars(settings), **parameters}
    command = ['eov_seg_ros.segment_node', '--ros-args']
    for name, value in values.items():
        if value != '':
            command += ['-p', f'{name.replace("__", ".")}:={value}']
    return command
