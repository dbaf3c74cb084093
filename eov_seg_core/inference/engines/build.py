# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a model to an engine: export, compile, and compare; each kept on disk once it was done."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
import logging
import os
from pathlib import Path
import platform
from typing import Any

import torch

from eov_seg_core.inference.engines import onnxruntime, openvino
from eov_seg_core.inference.engines.cache import EngineCache, Entry, Wait
from eov_seg_core.inference.engines.choice import version_of
from eov_seg_core.inference.engines.gate import Engine, equal_pixels, LEAST_EQUAL
from eov_seg_core.inference.engines.graph import FORMAT, graph_digest
from eov_seg_core.inference.engines.make import export_apart
from eov_seg_core.network.classification import VocabularyEmbedding
from eov_seg_core.network.model import EOVSeg

_log = logging.getLogger(__name__)
_FILES = {'openvino': openvino.FILE, 'onnxruntime': onnxruntime.FILE}
_CONVERTERS = {'openvino': 'openvino', 'onnxruntime': 'onnxscript'}
_BLOB = 'network.blob'


class GateError(RuntimeError):
    """An engine does not compute what PyTorch does."""


class EngineBuilder:
    """Builds the engines of one model.

    Args:
        model: On the CPU; its weights must not change any more.
        runtime: `openvino` or `onnxruntime`.
        precision: `fp32`; for OpenVINO `fp16` and `bf16`, too.
        cache: Where the parts are kept.

    Attributes:
        name: Of the engine, with version and precision.
    """

    def __init__(self, model: EOVSeg, runtime: str, precision: str, cache: EngineCache) -> None:
        self.name = f'{runtime} {version_of(runtime)} in {precision}'
        self._model = model
        self._runtime = runtime
        self._precision = precision
        self._cache = cache

    def build(self, size: tuple[int, int], vocabulary: VocabularyEmbedding, wait: Wait) -> Engine:
        """Return the engine for images of a size; takes long the first time.

        Args:
            size: (H, W) of the network's input.
            vocabulary: What the engine is compared with PyTorch with.
            wait: Called again and again while it takes long; what it raises ends the work.

        Raises:
            GateError: The engine differs from PyTorch by more than its limit.
            RuntimeError: It cannot be built.
            ValueError: A library is missing.
            OSError: The cache cannot be written to.
        """
        built: list[Engine] = []

        def make(folder: Path) -> dict[str, Any]:
            network = self._exported(wait).folder / _FILES[self._runtime]
            built.append(self._compile(network, size, folder))
            return {'equal_pixels': equal_pixels(self._model, built[0], vocabulary, size)}

        entry = self._cache.get(self._engine_key(size), make, wait)
        share, least = entry.facts['equal_pixels'], LEAST_EQUAL[self._precision]
        if not share >= least:
            raise GateError(f'{100 * share:.2f} % of the pixels equal those of PyTorch in '
                            f'float32, and {100 * least:g} % are needed')
        _log.info('%s: %.2f %% of the pixels equal those of PyTorch in float32 (%s)', self.name,
                  100 * share, 'measured now' if built else 'measured when it was built')
        return built[0] if built else self._load(entry, wait)

    def _exported(self, wait: Wait) -> Entry:
        """Return the exported network."""
        def make(folder: Path) -> dict[str, Any]:
            _log.info('exporting the network for %s, once for these weights', self._runtime)
            export_apart(self._model, folder / _FILES[self._runtime], wait)
            return {}

        return self._cache.get(self._export_key, make, wait)

    def _compile(self, network: Path, size: tuple[int, int], folder: Path) -> Engine:
        if self._runtime == 'onnxruntime':
            return onnxruntime.ONNXRuntimeEngine(network)
        compiled = openvino.compile_network(network, size, self._precision)
        (folder / _BLOB).write_bytes(openvino.save_network(compiled))
        return openvino.OpenVINOEngine(compiled)

    def _load(self, entry: Entry, wait: Wait) -> Engine:
        if self._runtime == 'onnxruntime':
            return onnxruntime.ONNXRuntimeEngine(self._exported(wait).folder / onnxruntime.FILE)
        return openvino.OpenVINOEngine(openvino.load_network(
            (entry.folder / _BLOB).read_bytes(), self._precision))

    @cached_property
    def _export_key(self) -> Mapping[str, str]:
        return {'format': FORMAT, 'weights': graph_digest(self._model),
                'config': repr(self._model.config), 'file': _FILES[self._runtime],
                'torch': torch.__version__,
                'converter': str(version_of(_CONVERTERS[self._runtime]))}

    def _engine_key(self, size: tuple[int, int]) -> Mapping[str, str]:
        return {**self._export_key, 'runtime': self._runtime,
                'version': str(version_of(self._runtime)), 'device': _cpu(),
                'precision': self._precision, 'size': f'{size[0]} x {size[1]}',
                'threads': str(torch.get_num_threads())}


def _cpu() -> str:
    """Return what compiled code depends on: model, instructions and number of cores."""
    wanted = ('model name', 'flags', 'Features', 'CPU part')
    try:
        lines = Path('/proc/cpuinfo').read_text(encoding='utf-8', errors='replace').splitlines()
    except OSError:
        lines = []
    said = sorted({line for line in lines if line.split('\t')[0].strip() in wanted})
    return '; '.join([platform.machine(), f'{os.cpu_count()} cores', *said])
