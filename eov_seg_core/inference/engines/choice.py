# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Names of the runtimes, and which of them this machine has; needs no PyTorch."""

from __future__ import annotations

from importlib import metadata
import os

ENGINES = ('openvino', 'onnxruntime')
RUNTIMES = ('auto', 'torch', *ENGINES)

VARIABLE = 'EOV_SEG_RUNTIME'
"""Environment variable: what `auto` stands for on this machine."""
_EXTRAS: dict[str, str] = {'openvino': 'openvino', 'onnxruntime': 'onnx'}
_PRECISIONS: dict[str, tuple[str, ...]] = {
    'openvino': ('fp32', 'bf16', 'fp16'), 'onnxruntime': ('fp32',)}
_ONNX_RUNTIME = (1, 25)
"""The first with DeformConv."""


def version_of(runtime: str) -> str | None:
    """Return the version of a runtime's library; None: it is not installed."""
    try:
        return metadata.version(runtime)
    except metadata.PackageNotFoundError:
        return None


def why_not(runtime: str) -> str | None:
    """Return why a runtime cannot be used on this machine; None: it can."""
    version = version_of(runtime)
    if version is None:
        return f"not installed; pip install 'eov_seg_ros[{_EXTRAS[runtime]}]'"
    if runtime == 'onnxruntime':
        if tuple(int(part) for part in version.split('.')[:2]) < _ONNX_RUNTIME:
            return (f'{version} has no DeformConv; 1.25 or newer is needed, and Python 3.11 or '
                    'newer for it')
        if version_of('onnxscript') is None:
            return "onnxscript is not installed; pip install 'eov_seg_ros[onnx]'"
    return None


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
        runtime: `auto`, `torch`, `openvino` or `onnxruntime`.  `auto` is OpenVINO in float32 on a
            CPU where it is installed, else PyTorch; or what the environment variable
            EOV_SEG_RUNTIME says.
        device_type: `cpu` or `cuda`.
        precision: `fp32`, `fp16` or `bf16`.

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
    if device_type != 'cpu':
        raise ValueError(f'{source} {runtime} runs on the CPU, and the device is {device_type}; '
                         "set device to 'cpu', or the runtime to 'torch'")
    if precision not in _PRECISIONS[runtime]:
        raise ValueError(f'{source} {runtime} computes in {" or ".join(_PRECISIONS[runtime])}, '
                         f'and precision is {precision!r}')
    return runtime
