# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime on a CPU: any image size, any number of words."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from eov_seg_core.inference.engines.files import needed
from eov_seg_core.inference.engines.graph import INPUTS, OUTPUTS
from eov_seg_core.network.model import NetworkOutput

FILE = 'network.onnx'
"""What is exported for this runtime."""


class ONNXRuntimeEngine:
    """The network run by ONNX Runtime; calls must come from one thread at a time.

    Args:
        path: Of the `.onnx`.
    """

    def __init__(self, path: Path) -> None:
        onnxruntime = needed('onnxruntime', 'onnx')
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        # its threads would keep the cores busy between two frames
        options.add_session_config_entry('session.intra_op.allow_spinning', '0')
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=['CPUExecutionProvider'])

    def __call__(self, pixels_BCHW: Tensor, guide_NE: Tensor) -> NetworkOutput:
        """Compute masks and embeddings of one image; the tensors are the caller's to keep."""
        arrays = (pixels_BCHW.contiguous().numpy(), guide_NE.contiguous().numpy())
        found = self._session.run(list(OUTPUTS), dict(zip(INPUTS, arrays)))
        return NetworkOutput(*map(torch.from_numpy, found))
