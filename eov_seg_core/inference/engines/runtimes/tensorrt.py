# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""TensorRT on an NVIDIA GPU: compiled for one image size and up to `MAX_ROWS` names.

It is written from NVIDIA's documentation of TensorRT 10.  It has never run on a device;
docs/engines.md says how to check it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from eov_seg_core.inference.engines.choice import needed
from eov_seg_core.inference.engines.graph import INPUTS, OUTPUTS
from eov_seg_core.inference.engines.runtimes.interface import Target
from eov_seg_core.network.model import NetworkOutput

CONVERTER = 'onnxscript'
FILE = 'network.onnx'
IS_EXPORTED_FOR_TARGET = True
"""In an export of one size only the number of guide rows is free, and its casts are those of the
precision: a strongly typed network computes in the types that the file says."""
MAX_ROWS = 2048
"""TensorRT reserves memory for the most rows that may come: at 640 x 864 pixels, 2048 rows of the
similarities of pixels and names are 0.28 GB."""
_USUAL_ROWS = 256
_LEAST_ROWS = 2
_BLOB = 'network.engine'


class TensorRTEngine:
    """The network compiled by TensorRT.

    Args:
        plan: From `build_plan`, by the same TensorRT for the same kind of GPU.
        device: The GPU.

    Raises:
        RuntimeError: It cannot be loaded.
    """

    def __init__(self, plan: bytes, device: torch.device) -> None:
        trt = needed('tensorrt')
        self._device = device
        with torch.cuda.device(device):
            # TensorRT wants logger and runtime to live as long as the engine
            self._logger = _logger(trt)
            self._runtime = trt.Runtime(self._logger)
            self._engine = self._runtime.deserialize_cuda_engine(plan)
            self._context = self._engine and self._engine.create_execution_context()
        if self._context is None:
            raise RuntimeError('TensorRT cannot load the engine; it says why on stderr')

    def __call__(self, pixels_BCHW: Tensor, guide_NE: Tensor) -> NetworkOutput:
        """Compute masks and embeddings of one image.

        It runs on the default stream: the deformable convolution of TensorRTs of 2024 multiplies
        there, whatever stream it is given, so that on another one nothing would wait for it.
        """
        current = torch.cuda.current_stream(self._device)
        stream = torch.cuda.default_stream(self._device)
        stream.wait_stream(current)
        with torch.cuda.stream(stream):
            output = self._run([tensor.to(self._device, torch.float32).contiguous()
                                for tensor in (pixels_BCHW, guide_NE)], stream.cuda_stream)
        current.wait_stream(stream)
        for tensor in output:
            tensor.record_stream(current)
        return output

    def _run(self, inputs: list[Tensor], stream: int) -> NetworkOutput:
        for name, tensor in zip(INPUTS, inputs, strict=True):
            shape = tuple(tensor.shape)
            if not self._context.set_input_shape(name, shape):
                raise RuntimeError(f'TensorRT refuses the shape {shape} of {name}')
            self._context.set_tensor_address(name, tensor.data_ptr())
        outputs = [torch.empty(tuple(self._context.get_tensor_shape(name)), device=self._device,
                               dtype=torch.bool if name == 'valid' else torch.float32)
                   for name in OUTPUTS]
        for name, tensor in zip(OUTPUTS, outputs, strict=True):
            self._context.set_tensor_address(name, tensor.data_ptr())
        if not self._context.execute_async_v3(stream):
            raise RuntimeError('TensorRT failed; it says why on stderr')
        return NetworkOutput(*outputs)


def build_plan(network: Path) -> bytes:
    """Compile an exported network; takes minutes.

    Args:
        network: An `.onnx` for one image size.

    Returns:
        A serialised engine for the current CUDA device and this version of TensorRT.

    Raises:
        RuntimeError: TensorRT cannot do it; says why.
        ValueError: TensorRT is missing.
    """
    trt = needed('tensorrt')
    logger = _logger(trt)
    builder = trt.Builder(logger)
    definition = builder.create_network(
        1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(definition, logger)
    if not parser.parse_from_file(str(network)):
        errors = [str(parser.get_error(index)) for index in range(parser.num_errors)]
        raise RuntimeError(f'TensorRT cannot read the network: {"; ".join(errors)}')
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)     # float32 means float32, as in PyTorch
    profile = builder.create_optimization_profile()
    guide = INPUTS[1]
    inputs = [definition.get_input(index) for index in range(definition.num_inputs)]
    embed_dim, = (tensor.shape[1] for tensor in inputs if tensor.name == guide)
    profile.set_shape(guide, *((rows, embed_dim) for rows in (
        _LEAST_ROWS, _USUAL_ROWS, MAX_ROWS)))
    config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(definition, config)
    if plan is None:
        raise RuntimeError('TensorRT cannot compile the network; it says why on stderr')
    return bytes(plan)


def compile_network(network: Path, folder: Path, target: Target) -> None:
    """Compile for the GPU of the target."""
    with torch.cuda.device(target.device):
        (folder / _BLOB).write_bytes(build_plan(network))


def load_engine(_network: Path, folder: Path, target: Target) -> TensorRTEngine:
    """Return the engine, compiled by the same TensorRT for the same kind of GPU."""
    return TensorRTEngine((folder / _BLOB).read_bytes(), torch.device(target.device))


def _logger(trt: Any) -> Any:
    """Return a logger, with the plugins in place that the network needs: DeformConv is one."""
    logger = trt.Logger(trt.Logger.WARNING)
    trt.init_libnvinfer_plugins(logger, '')
    return logger
