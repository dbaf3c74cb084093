# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""OpenVINO on a CPU: compiled for one image size, for any number of words."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from eov_seg_core.inference.engines.files import needed
from eov_seg_core.inference.engines.graph import INPUTS, MAX_ROWS, OUTPUTS
from eov_seg_core.network.model import NetworkOutput

FILE = 'network.xml'
"""What is exported for this runtime."""
_HINTS = {'fp32': 'f32', 'fp16': 'f16', 'bf16': 'bf16'}


class OpenVINOEngine:
    """The network compiled by OpenVINO; calls must come from one thread at a time.

    Args:
        compiled: By `compile_network` or `load_network`.
    """

    def __init__(self, compiled: Any) -> None:
        self._request = compiled.create_infer_request()
        self._outputs = [compiled.output(name) for name in OUTPUTS]

    def __call__(self, pixels_BCHW: Tensor, guide_NE: Tensor) -> NetworkOutput:
        """Compute masks and embeddings of one image; the tensors are the caller's to keep."""
        arrays = (pixels_BCHW.contiguous().numpy(), guide_NE.contiguous().numpy())
        found = self._request.infer(dict(zip(INPUTS, arrays)), share_inputs=True)
        return NetworkOutput(*(torch.from_numpy(found[output]) for output in self._outputs))


def compile_network(path: Path, size: tuple[int, int], precision: str) -> Any:
    """Compile the exported network.

    Args:
        path: Of the `.xml`.
        size: (H, W) of the input: free sizes take a third more time.
        precision: `fp32`, `fp16` or `bf16`, of the whole network.
    """
    openvino = needed('openvino', 'openvino')
    model = openvino.Core().read_model(str(path))
    pixels, guide = INPUTS
    embed_dim = model.input(guide).partial_shape[1]
    model.reshape({pixels: [1, 3, *size], guide: [openvino.Dimension(2, MAX_ROWS), embed_dim]})
    return openvino.Core().compile_model(model, 'CPU', _settings(precision))


def load_network(blob: bytes, precision: str) -> Any:
    """Return what `save_network` made, compiled by the same OpenVINO on the same kind of CPU."""
    openvino = needed('openvino', 'openvino')
    return openvino.Core().import_model(io.BytesIO(blob), 'CPU', _settings(precision))


def save_network(compiled: Any) -> bytes:
    """Return a compiled network as bytes."""
    blob: bytes = compiled.export_model().getvalue()
    return blob


def _settings(precision: str) -> dict[str, Any]:
    return {
        # its own choice is bfloat16 where a CPU has it, which changes results
        'INFERENCE_PRECISION_HINT': _HINTS[precision],
        'PERFORMANCE_HINT': 'LATENCY', 'NUM_STREAMS': 1,
        # as many threads as PyTorch; pinned ones of two processes would share the same cores
        'INFERENCE_NUM_THREADS': torch.get_num_threads(), 'ENABLE_CPU_PINNING': False}
