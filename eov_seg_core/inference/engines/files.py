# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The exported network as a file: ONNX, OpenVINO IR, or a TensorRT engine."""

from __future__ import annotations

from collections.abc import Mapping
import logging
from pathlib import Path
import tempfile

import torch
from torch.export import ExportedProgram

from eov_seg_core.inference.engines.choice import needed
from eov_seg_core.inference.engines.graph import (
    check_size,
    describe,
    export_program,
    INPUTS,
    OUTPUTS,
)
from eov_seg_core.inference.engines.runtimes.tensorrt import build_plan
from eov_seg_core.io.files import replacing, save_json
from eov_seg_core.network.model import EOVSeg

OPSET = 20
"""Of the ONNX file; the first with Gelu, which comes after DeformConv."""
METADATA = 'eov_seg'
"""Before the names of the metadata in ONNX and OpenVINO IR."""
_LIBRARIES = {'.onnx': ('onnxscript', 'onnx'), '.xml': ('openvino',),
              '.engine': ('tensorrt', 'onnxscript', 'onnx')}
"""What writes a file, by its ending."""


def save_network(model: EOVSeg, path: Path, size: tuple[int, int] | None = None,
                 extra: Mapping[str, str] | None = None, precision: str = 'fp32') -> None:
    """Export the network to a file, which appears complete or not at all.

    Args:
        model: In evaluation mode, on the CPU.
        path: Ends in `.onnx`; in `.xml` for OpenVINO IR, whose weights lie in a `.bin` beside; or
            in `.engine` for TensorRT on this machine's GPU, whose metadata lie in a `.json`.
        size: (H, W) of the input, multiples of 32; None: free, but not for TensorRT.
        extra: Entries of the metadata, besides those of `describe`.
        precision: As for `export_program`; OpenVINO IR is in `fp32`.

    Raises:
        ValueError: The ending is unknown, the size or the precision cannot be, or a library is
            missing.
        RuntimeError: TensorRT cannot build it.
        OSError: The file cannot be written.
    """
    check_network_file(path, size, precision)
    save = {'.onnx': _save_onnx, '.xml': _save_openvino, '.engine': _save_tensorrt}[path.suffix]
    save(export_program(model, size, precision), path, {**describe(model), **(extra or {})})


def check_network_file(path: Path, size: tuple[int, int] | None, precision: str) -> None:
    """Raise ValueError where `save_network` would, for everything but the model; takes no time."""
    libraries = _LIBRARIES.get(path.suffix)
    if libraries is None:
        raise ValueError(f'{path} must end in .onnx, in .xml for OpenVINO IR, or in .engine for '
                         'TensorRT')
    if path.suffix == '.xml' and precision != 'fp32':
        raise ValueError(f'an .xml is written in fp32, got precision {precision!r}; OpenVINO is '
                         'told the precision when it compiles')
    if path.suffix == '.engine' and size is None:
        raise ValueError('a TensorRT engine is for one size of images: give the size')
    if size is not None:
        check_size(*size)
    for library in libraries:
        needed(library)


def companions(path: Path) -> list[Path]:
    """Return the files that `save_network` writes beside the one that it is asked for."""
    beside = {'.xml': '.bin', '.engine': '.json'}.get(path.suffix)
    return [] if beside is None else [path.with_suffix(beside)]


def _save_onnx(program: ExportedProgram, path: Path, metadata: Mapping[str, str]) -> None:
    needed('onnxscript')
    onnx = needed('onnx')
    log = logging.getLogger('onnxscript.optimizer')
    level = log.level
    # it names each node that it leaves as it is, which costs a little time and changes no result
    log.setLevel(logging.ERROR)
    try:
        exported = torch.onnx.export(
            program, dynamo=True, opset_version=OPSET, input_names=list(INPUTS),
            output_names=list(OUTPUTS), verbose=False)
    finally:
        log.setLevel(level)
    if exported is None:
        raise ValueError('torch.onnx gave no model; PyTorch 2.9 or newer is needed')
    proto = exported.model_proto
    for part in (proto.graph, *proto.graph.node, *proto.graph.value_info):
        part.ClearField('metadata_props')       # traces of the stack, with paths of this machine
    for name, value in metadata.items():
        proto.metadata_props.add(key=f'{METADATA}.{name}', value=value)
    with replacing(path) as temporary:
        onnx.save(proto, str(temporary))


def _save_openvino(program: ExportedProgram, path: Path, metadata: Mapping[str, str]) -> None:
    openvino = needed('openvino')
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
        try:
            openvino.serialize(model, *map(str, written))
        except RuntimeError as error:   # "iostream error" where the disk is full
            raise OSError(f'{path} and {weights.name} cannot be written: OpenVINO says '
                          f'{str(error).strip()!r}; check that there is room in {path.parent}'
                          ) from error
        written[0].replace(new_path)
        written[1].replace(new_weights)


def _save_tensorrt(program: ExportedProgram, path: Path, metadata: Mapping[str, str]) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        network = Path(folder) / 'network.onnx'
        _save_onnx(program, network, metadata)
        with replacing(path) as temporary:
            temporary.write_bytes(build_plan(network))
            save_json(path.with_suffix('.json'), metadata)
