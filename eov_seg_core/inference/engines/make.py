# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Exports the network in a process of its own: `export_apart`.

Tracing keeps the interpreter to itself for many seconds, and tells every thread of its process
that it is exporting.  So frames go on in the process that asks, and a child does the work.
"""

from __future__ import annotations

from collections.abc import Callable
import os
from pathlib import Path
import pickle
import subprocess
import sys
import tempfile
import threading
import time

from safetensors.torch import load_file, save_file
import torch

from eov_seg_core.inference.engines.files import save_network
from eov_seg_core.network.model import EOVSeg

_POLL_S = 0.2
_NICENESS = 5
_LONGEST_MESSAGE = 500


class ExportError(RuntimeError):
    """The network could not be exported."""


def export_apart(model: EOVSeg, target: Path, wait: Callable[[float], None]) -> None:
    """Export a network to a file, in a child process that ends with this one.

    Args:
        model: On the CPU; its weights must not change meanwhile.
        target: As for `save_network`.
        wait: Called again and again with the seconds since the start; what it raises ends the
            child and is raised again.

    Raises:
        ExportError: It failed; says why.
        OSError: A file cannot be written, or the process cannot be started.
    """
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        weights = Path(folder) / 'weights.safetensors'
        save_file({name: tensor.detach().contiguous() for name, tensor in
                   model.state_dict().items() if not name.startswith('text_tower.')}, weights)
        with open(Path(folder) / 'log', 'w+b') as log, subprocess.Popen(
                [sys.executable, '-m', __name__], stdin=subprocess.PIPE, stdout=log, stderr=log,
                start_new_session=True, env={
                    **os.environ, 'PYTHONPATH': os.pathsep.join(sys.path),
                    'OMP_NUM_THREADS': '1'}) as child:
            try:
                _talk(child, pickle.dumps((model.config, str(weights), str(target))), wait)
            finally:
                child.kill()    # without effect if it has ended
            if child.wait() != 0:
                log.seek(0)
                said = log.read().decode(errors='replace').strip()
                raise ExportError(f'the export of the network failed: '
                                  f'{said.splitlines()[-1][:_LONGEST_MESSAGE] if said else "-"}')


def _talk(child: subprocess.Popen[bytes], work: bytes, wait: Callable[[float], None]) -> None:
    """Say what to do, and wait until it is done; the pipe stays open as a sign of life."""
    start = time.monotonic()
    if child.stdin is None:
        raise ExportError('the child process has no input')
    try:
        child.stdin.write(work)
        child.stdin.flush()
    except BrokenPipeError:
        return      # it ended, and its status says so
    while child.poll() is None:
        wait(time.monotonic() - start)
        time.sleep(_POLL_S)


def _main() -> None:
    """Do what the parent asks for; it is our own process, so that its pickle can be trusted."""
    config, weights, target = pickle.load(sys.stdin.buffer)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.nice(_NICENESS)
    with torch.device('meta'):
        model = EOVSeg(config)
    model.release_text_tower()
    model.load_state_dict(load_file(weights), strict=True, assign=True)
    save_network(model.requires_grad_(False), Path(target))


def _end_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)      # not the buffered file, whose lock would stop a normal end
    os._exit(1)


if __name__ == '__main__':
    _main()
