# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Work on a model in a process of its own: `run_apart`.

Tracing keeps the interpreter to itself for many seconds and tells every thread of its process that
it is exporting, and nothing can stop a compiler half-way.  So frames go on in the process that
asks, a child does the work, and it can be ended at any time.
"""

from __future__ import annotations

from collections.abc import Callable
import json
import os
from pathlib import Path
import pickle
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
import torch

from eov_seg_core.network.model import EOVSeg

Work = Callable[[EOVSeg], Any]
"""A function of a module, with `functools.partial` around it if need be; what it returns must be
something that JSON can hold."""

_POLL_S = 0.2
_NICENESS = 5
_LONGEST_MESSAGE = 500


class ChildError(RuntimeError):
    """The work in the child process failed."""


def run_apart(model: EOVSeg, work: Work, folder: Path, wait: Callable[[float], None]) -> Any:
    """Do some work on a copy of a model, in a child process that ends with this one.

    Args:
        model: On the CPU; its weights must not change meanwhile.  The copy has no text tower.
        work: What to do.
        folder: Where weights, log and result may lie until the work is done.
        wait: Called again and again with the seconds since the start; what it raises ends the
            child and is raised again.

    Raises:
        ChildError: It failed; says why.
        OSError: A file cannot be written, or the process cannot be started.
    """
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        weights, result = (Path(temporary) / name for name in ('weights.safetensors', 'result'))
        _write_weights(model, weights)
        with open(Path(temporary) / 'log', 'w+b') as log, subprocess.Popen(
                [sys.executable, '-m', __name__], stdin=subprocess.PIPE, stdout=log, stderr=log,
                start_new_session=True, env={
                    **os.environ, 'PYTHONPATH': os.pathsep.join(sys.path),
                    'OMP_NUM_THREADS': '1'}) as child:
            try:
                _talk(child, pickle.dumps((model.config, weights, work, result)), wait)
            finally:
                child.kill()    # without effect if it has ended
            if child.wait() != 0:
                log.seek(0)
                said = log.read().decode(errors='replace').strip()
                raise ChildError(said.splitlines()[-1][:_LONGEST_MESSAGE] if said else
                                 f'a child process ended with status {child.returncode}')
        return json.loads(result.read_bytes())


def _write_weights(model: EOVSeg, path: Path) -> None:
    tensors = {name: tensor.detach().contiguous() for name, tensor in model.state_dict().items()
               if not name.startswith('text_tower.')}
    try:
        save_file(tensors, path)
    except SafetensorError as error:    # no OSError, also where the disk is full
        raise OSError(f'the weights cannot be written to {path.parent} ({error}); make room '
                      'there, or set EOV_SEG_HOME to another folder') from error


def _talk(child: subprocess.Popen[bytes], message: bytes, wait: Callable[[float], None]) -> None:
    """Say what to do, and wait until it is done; the pipe stays open as a sign of life."""
    start = time.monotonic()
    if child.stdin is None:
        raise ChildError('the child process has no input')
    try:
        child.stdin.write(message)
        child.stdin.flush()
    except BrokenPipeError:
        return      # it ended, and its status says so
    while child.poll() is None:
        wait(time.monotonic() - start)
        time.sleep(_POLL_S)


def _main() -> None:
    """Do what the parent asks for; it is our own process, so that its pickle can be trusted."""
    config, weights, work, result = pickle.load(sys.stdin.buffer)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.nice(_NICENESS)
    with torch.device('meta'):
        model = EOVSeg(config)
    model.release_text_tower()
    model.load_state_dict(load_file(weights), strict=True, assign=True)
    result.write_text(json.dumps(work(model.eval().requires_grad_(False))))


def _end_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)      # not the buffered file, whose lock would stop a normal end
    os._exit(1)


if __name__ == '__main__':
    _main()
