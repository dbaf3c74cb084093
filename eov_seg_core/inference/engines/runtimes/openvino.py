# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""OpenVINO on a CPU: compiled for one image size, for any number of words."""

from __future__ import annotations

import functools
import io
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from eov_seg_core.inference.engines import graph
from eov_seg_core.inference.engines.choice import needed
from eov_seg_core.inference.engines.graph import INPUTS, OUTPUTS
from eov_seg_core.inference.engines.runtimes.interface import Target
from eov_seg_core.network.model import NetworkOutput

CONVERTER = 'openvino'
FILE = 'network.xml'
IS_EXPORTED_FOR_TARGET = False
MAX_ROWS = graph.MAX_ROWS
_BLOB = 'network.blob'
_HINTS = {'fp32': 'f32', 'fp16': 'f16', 'bf16': 'bf16'}


class OpenVINOEngine:
    """The network compiled by OpenVINO.

    Args:
        compiled: An `openvino.CompiledModel`.
    """

    def __init__(self, compiled: Any) -> None:
        self._request = compiled.create_infer_request()
        self._outputs = [compiled.output(name) for name in OUTPUTS]

    def __call__(self, pixels_BCHW: Tensor, guide_NE: Tensor) -> NetworkOutput:
        """Compute masks and embeddings of one image."""
        arrays = (pixels_BCHW.contiguous().numpy(), guide_NE.contiguous().numpy())
        found = self._request.infer(dict(zip(INPUTS, arrays)), share_inputs=True)
        return NetworkOutput(*(torch.from_numpy(found[output]) for output in self._outputs))


def compile_network(network: Path, folder: Path, target: Target) -> None:
    """Compile for one image size: free sizes take a third more time."""
    openvino = needed('openvino')
    model = _core().read_model(str(network))
    pixels, guide = INPUTS
    embed_dim = model.input(guide).partial_shape[1]
    model.reshape({pixels: [1, 3, *target.size],
                   guide: [openvino.Dimension(2, MAX_ROWS), embed_dim]})
    compiled = _core().compile_model(model, 'CPU', _settings(target.precision))
    (folder / _BLOB).write_bytes(compiled.export_model().getvalue())


def load_engine(_network: Path, folder: Path, target: Target) -> OpenVINOEngine:
    """Return the engine, compiled by the same OpenVINO on the same kind of CPU."""
    blob = io.BytesIO((folder / _BLOB).read_bytes())
    return OpenVINOEngine(_core().import_model(blob, 'CPU', _settings(target.precision)))


@functools.cache
def _core() -> Any:
    """Return the one `openvino.Core` of the process, which is never given up.

    OpenVINO 2026.4 gives the thread that loads its CPU plugin a stack for signals and unmaps it
    with the plugin, but puts back the former one only where that thread ends the plugin, and
    several of them in reverse order.  Else the next signal that Python handles there, for example
    Ctrl-C, or the end of a child of a data loader, ends the process with SIGSEGV.
    """
    return needed('openvino').Core()


def _settings(precision: str) -> dict[str, Any]:
    return {
        # its own choice is bfloat16 where a CPU has it, which changes results
        'INFERENCE_PRECISION_HINT': _HINTS[precision],
        'PERFORMANCE_HINT': 'LATENCY', 'NUM_STREAMS': 1,
        # as many threads as PyTorch; pinned ones of two processes would share the same cores
        'INFERENCE_NUM_THREADS': torch.get_num_threads(), 'ENABLE_CPU_PINNING': False}
