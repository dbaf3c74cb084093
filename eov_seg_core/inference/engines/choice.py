# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Names of the runtimes, and which of them this machine has; needs no PyTorch."""

from __future__ import annotations

from importlib import import_module, metadata
import os
import sys
from types import ModuleType

ENGINES = ('openvino', 'onnxruntime', 'tensorrt')
RUNTIMES = ('auto', 'torch', *ENGINES)

EXPORT_PRECISIONS = ('fp32', 'mixed')
"""What an exported file is written in; OpenVINO is told its own when it compiles."""
VARIABLE = 'EOV_SEG_RUNTIME'
"""Environment variable: what `auto` stands for on this machine."""
_HOW_TO_INSTALL: dict[str, str] = {
    'openvino': "pip install 'eov_seg_ros[openvino]'",
    **dict.fromkeys(('onnx', 'onnxscript', 'onnxruntime'), "pip install 'eov_seg_ros[onnx]'"),
    'tensorrt': "on a Jetson JetPack brings it, for a virtual environment made with "
                "--system-site-packages; elsewhere: pip install 'tensorrt>=10.3'"}
_DEVICES: dict[str, str] = {'openvino': 'cpu', 'onnxruntime': 'cpu', 'tensorrt': 'cuda'}
_PRECISIONS: dict[str, tuple[str, ...]] = {
    'openvino': ('fp32', 'bf16', 'fp16'), 'onnxruntime': ('fp32',), 'tensorrt': EXPORT_PRECISIONS}
_FIRST_WITH_DEFORM_CONV: dict[str, tuple[int, int]] = {
    'onnxruntime': (1, 25), 'tensorrt': (10, 1)}
_NEEDS_PYTHON = {'onnxruntime': ', and Python 3.11 or newer for it'}


def version_of(runtime: str) -> str | None:
    """Return the version of a runtime's library; None: it is not installed."""
    try:
        return metadata.version(runtime)
    except metadata.PackageNotFoundError:
        pass
    if runtime != 'tensorrt':
        return None
    try:    # its wheels have other names, and packages of a distribution may have none
        return str(import_module(runtime).__version__)
    except ImportError:
        return None


def why_not(runtime: str) -> str | None:
    """Return why a runtime cannot be used on this machine; None: it can."""
    version = version_of(runtime)
    if version is None:
        return f'not installed; {_HOW_TO_INSTALL[runtime]}'
    first = _FIRST_WITH_DEFORM_CONV.get(runtime)
    if first is None:
        return None
    if tuple(int(part) for part in version.split('.')[:2]) < first:
        return (f'{version} has no DeformConv; {first[0]}.{first[1]} or newer is needed'
                f'{_NEEDS_PYTHON.get(runtime, "")}')
    if version_of('onnxscript') is None:
        return f'onnxscript is not installed; {_HOW_TO_INSTALL["onnxscript"]}'
    return None


def needed(module: str) -> ModuleType:
    """Import a library of an engine, without what reports its use over the network.

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
                         f'install it: {_HOW_TO_INSTALL[module]}') from error


def is_named(runtime: str) -> bool:
    """Return whether a certain runtime was asked for, here or by EOV_SEG_RUNTIME."""
    return runtime != 'auto' or os.environ.get(VARIABLE, 'auto') != 'auto'


def describe_auto(device_type: str, precision: str) -> str:
    """Return which runtime `auto` is on this machine, and why not OpenVINO.

    Args:
        device_type: As for `choose_runtime`.
        precision: As for `choose_runtime`.

    Raises:
        ValueError: As for `choose_runtime`.
    """
    chosen = choose_runtime('auto', device_type, precision)
    if is_named('auto'):
        return f'{chosen}, as {VARIABLE} says'
    if chosen == 'openvino':
        return f'openvino {version_of(chosen)}, and torch until its engine is ready'
    reason = (f'the device is {device_type}' if device_type != 'cpu'
              else f'the precision is {precision}' if precision != 'fp32'
              else f'openvino is {why_not("openvino")}')
    return f'torch, because {reason}'


def choose_runtime(runtime: str, device_type: str, precision: str) -> str:
    """Turn the name of a runtime into `torch` or an engine that this machine has.

    Args:
        runtime: One of `RUNTIMES`.  `auto` is OpenVINO in float32 on a CPU where it is installed,
            else PyTorch; or what the environment variable EOV_SEG_RUNTIME says.
        device_type: `cpu` or `cuda`.
        precision: `fp32`, `mixed`, `fp16` or `bf16`.

    Raises:
        ValueError: There is no such runtime, it is not installed, or it cannot run on this device
            or in this precision.
    """
    source = 'runtime'
    if runtime == 'auto' and os.environ.get(VARIABLE, 'auto') != 'auto':
        source, runtime = VARIABLE, os.environ[VARIABLE]
    if runtime not in RUNTIMES:
        raise ValueError(f'{source} must be one of {", ".join(RUNTIMES)}; got {runtime!r}')
    if runtime == 'auto':
        is_faster = device_type == 'cpu' and precision == 'fp32' and why_not('openvino') is None
        return 'openvino' if is_faster else 'torch'
    if runtime == 'torch':
        return runtime
    reason = why_not(runtime)
    if reason is not None:
        raise ValueError(f'{source} {runtime} cannot be used: {reason}')
    device = _DEVICES[runtime]
    if device_type != device:
        raise ValueError(f'{source} {runtime} runs on {device}, and the device is {device_type}; '
                         f"set device to {device!r}, or the runtime to 'torch'")
    if precision not in _PRECISIONS[runtime]:
        raise ValueError(f'{source} {runtime} computes in {" or ".join(_PRECISIONS[runtime])}, '
                         f'and precision is {precision!r}')
    return runtime
