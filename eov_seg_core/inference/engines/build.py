# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a model to an engine: export, compile, and compare; each kept on disk once it was done."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, partial
import logging
import os
from pathlib import Path
import platform
from typing import Any

import torch

from eov_seg_core.inference.engines import onnxruntime, openvino
from eov_seg_core.inference.engines.cache import EngineCache, Entry, Wait
from eov_seg_core.inference.engines.choice import version_of
from eov_seg_core.inference.engines.files import save_network
from eov_seg_core.inference.engines.gate import compare, describe, Engine, fault, MEASURE
from eov_seg_core.inference.engines.graph import FORMAT, graph_digest
from eov_seg_core.inference.engines.make import run_apart
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

    def find(self, size: tuple[int, int]) -> Engine | None:
        """Return the engine for images of a size if it was built before, else None.

        Args:
            size: (H, W) of the network's input.

        Raises:
            GateError: As for `build`.
            RuntimeError: As for `build`.
            ValueError: As for `build`.
            OSError: A file cannot be read.
        """
        entry = self._cache.find(self._engine_key(size))
        exported = self._cache.find(self._export_key) if entry is not None else None
        if entry is None or exported is None:
            return None
        return self._load(entry, exported)

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
        exported = self._exported(wait)

        def make(folder: Path) -> dict[str, Any]:
            job = partial(compile_and_compare, self._runtime, self._precision, size,
                          exported.folder, folder, torch.get_num_threads(),
                          vocabulary)
            return dict(run_apart(self._model, job, folder, wait))

        return self._load(self._cache.get(self._engine_key(size), make, wait), exported)

    def _exported(self, wait: Wait) -> Entry:
        """Return the exported network."""
        def make(folder: Path) -> dict[str, Any]:
            _log.info('exporting the network for %s, once for these weights', self._runtime)
            run_apart(self._model, partial(export_to, folder / _FILES[self._runtime]), folder,
                      wait)
            return {}

        return self._cache.get(self._export_key, make, wait)

    def _load(self, entry: Entry, exported: Entry) -> Engine:
        """Return an engine whose parts are there, unless it failed at the gate."""
        reason = fault(entry.facts, self._precision)
        if reason is not None:
            raise GateError(reason)
        _log.info('%s beside PyTorch in float32, when it was built: %s', self.name,
                  describe(entry.facts))
        if self._runtime == 'onnxruntime':
            return onnxruntime.ONNXRuntimeEngine(exported.folder / onnxruntime.FILE)
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
                'gate': MEASURE, 'precision': self._precision, 'size': f'{size[0]} x {size[1]}',
                'threads': str(torch.get_num_threads())}


def export_to(target: Path, model: EOVSeg) -> None:
    """Export a network; for `run_apart`."""
    save_network(model, target)


def compile_and_compare(
        runtime: str, precision: str, size: tuple[int, int], exported: Path, folder: Path,
        threads: int, vocabulary: VocabularyEmbedding, model: EOVSeg) -> dict[str, float]:
    """Compile an exported network and compare it with PyTorch; for `run_apart`.

    Args:
        runtime: As for `EngineBuilder`.
        precision: As for `EngineBuilder`.
        size: (H, W) of the network's input.
        exported: Folder with the exported network.
        folder: Where to keep the compiled one.
        threads: Of the engine.
        vocabulary: The names to look for.
        model: What it must equal.

    Returns:
        What `compare` found.
    """
    torch.set_num_threads(threads)
    network = exported / _FILES[runtime]
    engine: Engine
    if runtime == 'onnxruntime':
        engine = onnxruntime.ONNXRuntimeEngine(network)
    else:
        compiled = openvino.compile_network(network, size, precision)
        (folder / _BLOB).write_bytes(openvino.save_network(compiled))
        engine = openvino.OpenVINOEngine(compiled)
    return compare(model, engine, vocabulary, size)


def _cpu() -> str:
    """Return what compiled code depends on: model, instructions and number of cores."""
    wanted = ('model name', 'flags', 'Features', 'CPU part')
    try:
        lines = Path('/proc/cpuinfo').read_text(encoding='utf-8', errors='replace').splitlines()
    except OSError:
        lines = []
    said = sorted({line for line in lines if line.split('\t')[0].strip() in wanted})
    return '; '.join([platform.machine(), f'{os.cpu_count()} cores', *said])
