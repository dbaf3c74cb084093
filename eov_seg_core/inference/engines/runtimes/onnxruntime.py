# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime on a CPU: any image size, any number of words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from eov_seg_core.inference.engines import graph
from eov_seg_core.inference.engines.choice import needed
from eov_seg_core.inference.engines.graph import INPUTS, OUTPUTS
from eov_seg_core.inference.engines.runtimes.interface import Target
from eov_seg_core.network.model import NetworkOutput

CONVERTER = 'onnxscript'
FILE = 'network.onnx'
IS_EXPORTED_FOR_TARGET = False
MAX_ROWS = graph.MAX_ROWS


class ONNXRuntimeEngine:
    """The network run by ONNX Runtime.

    Args:
        path: Of the `.onnx`.

    Raises:
        RuntimeError: It cannot be loaded.
    """

    def __init__(self, path: Path) -> None:
        onnxruntime = needed('onnxruntime')
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        # its threads would keep the cores busy between two frames
        options.add_session_config_entry('session.intra_op.allow_spinning', '0')
        with _its_errors():
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=['CPUExecutionProvider'])

    def __call__(self, pixels_BCHW: Tensor, guide_NE: Tensor) -> NetworkOutput:
        """Compute masks and embeddings of one image."""
        arrays = (pixels_BCHW.contiguous().numpy(), guide_NE.contiguous().numpy())
        with _its_errors():
            found = self._session.run(list(OUTPUTS), dict(zip(INPUTS, arrays)))
        return NetworkOutput(*map(torch.from_numpy, found))


@contextmanager
def _its_errors() -> Iterator[None]:
    """Turn its errors, which have no class of their own but Exception, into RuntimeError."""
    try:
        yield
    except Exception as error:
        raise RuntimeError(f'ONNX Runtime failed: {error}') from error


def compile_network(network: Path, folder: Path, target: Target) -> None:
    """Do nothing: ONNX Runtime starts from the exported network each time."""


def load_engine(network: Path, _folder: Path, _target: Target) -> ONNXRuntimeEngine:
    """Return the engine."""
    return ONNXRuntimeEngine(network)
