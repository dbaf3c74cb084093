# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The exported network as a file: ONNX or OpenVINO IR."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
import logging
import os
from pathlib import Path
import sys
import tempfile
from types import ModuleType

import torch
from torch.export import ExportedProgram

from eov_seg_core.inference.engines.graph import describe, export_program, INPUTS, OUTPUTS
from eov_seg_core.io.files import replacing
from eov_seg_core.network.model import EOVSeg

OPSET = 20
"""Of the ONNX file; the first with Gelu, which comes after DeformConv."""
SUFFIXES = ('.onnx', '.xml')
METADATA = 'eov_seg'
"""Before the names of the metadata in both formats."""


def save_network(model: EOVSeg, path: Path, size: tuple[int, int] | None = None,
                 extra: Mapping[str, str] | None = None) -> None:
    """Export the network to a file, which appears complete or not at all.

    Args:
        model: In evaluation mode, on the CPU.
        path: Ends in `.onnx`, or in `.xml` for OpenVINO IR, whose weights lie in a `.bin` beside.
        size: (H, W) of the input, multiples of 32; None: free.
        extra: Entries of the metadata, besides those of `describe`.

    Raises:
        ValueError: The ending is unknown, the size cannot be, or a library is missing.
        OSError: The file cannot be written.
    """
    save = {'.onnx': _save_onnx, '.xml': _save_openvino}.get(path.suffix)
    if save is None:
        raise ValueError(f'{path} must end in .onnx, or in .xml for OpenVINO IR')
    save(export_program(model, size), path, {**describe(model), **(extra or {})})


def needed(module: str, extra: str) -> ModuleType:
    """Import a library of an extra, without what reports its use over the network.

    Raises:
        ValueError: It is missing; says how to install it.
    """
    # OpenVINO's converter reports unless this cannot be imported; ONNX Runtime has its own client
    sys.modules.setdefault('openvino_telemetry', None)  # type: ignore[arg-type]
    os.environ.setdefault('ORT_DISABLE_TELEMETRY', '1')
    try:
        return import_module(module)
    except ImportError as error:
        raise ValueError(f'the library {module} is needed and cannot be imported ({error}); '
                         f"install it: pip install 'eov_seg_ros[{extra}]'") from error


def _save_onnx(program: ExportedProgram, path: Path, metadata: Mapping[str, str]) -> None:
    needed('onnxscript', 'onnx')
    onnx = needed('onnx', 'onnx')
    log = logging.getLogger('onnxscript.optimizer')
    level = log.level
    log.setLevel(logging.WARNING)       # it names each node that it leaves as it is
    try:
        exported = torch.onnx.export(
            program, dynamo=True, opset_version=OPSET, input_names=list(INPUTS),
            output_names=list(OUTPUTS), verbose=False)
    finally:
        log.setLevel(level)
    if exported is None:
        raise ValueError('torch.onnx gave no model; PyTorch 2.9 or newer is needed')
    proto = exported.model_proto
    for name, value in metadata.items():
        proto.metadata_props.add(key=f'{METADATA}.{name}', value=value)
    with replacing(path) as temporary:
        onnx.save(proto, str(temporary))


def _save_openvino(program: ExportedProgram, path: Path, metadata: Mapping[str, str]) -> None:
    openvino = needed('openvino', 'openvino')
    model = openvino.convert_model(program)
    for ports, names in ((model.inputs, INPUTS), (model.outputs, OUTPUTS)):
        for port, name in zip(ports, names, strict=True):
            port.get_tensor().set_names({name})
    for name, value in metadata.items():
        model.set_rt_info(value, [METADATA, name])
    weights = path.with_suffix('.bin')
    with (replacing(weights) as new_weights, replacing(path) as new_path,
          # OpenVINO writes to names that end in .xml only, and float16 weights, the default of its
          # other function, would change values
          tempfile.TemporaryDirectory(dir=path.parent) as folder):
        written = Path(folder) / 'network.xml', Path(folder) / 'network.bin'
        openvino.serialize(model, *map(str, written))
        written[0].replace(new_path)
        written[1].replace(new_weights)
