# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a model to an engine: export, compile, and compare; each kept on disk once it was done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import cached_property, partial
import logging
import os
from pathlib import Path
import platform
from typing import Any

import torch

from eov_seg_core.inference.engines.cache import EngineCache, Entry, Wait
from eov_seg_core.inference.engines.choice import version_of
from eov_seg_core.inference.engines.files import save_network
from eov_seg_core.inference.engines.gate import compare, describe, fault, MEASURE
from eov_seg_core.inference.engines.graph import FORMAT, graph_digest
from eov_seg_core.inference.engines.make import run_apart
from eov_seg_core.inference.engines.runtimes import onnxruntime, openvino, tensorrt
from eov_seg_core.inference.engines.runtimes.interface import Engine, Runtime, Target
from eov_seg_core.network.classification import VocabularyEmbedding
from eov_seg_core.network.model import EOVSeg

_log = logging.getLogger(__name__)
_RUNTIMES: dict[str, Runtime] = {
    'openvino': openvino, 'onnxruntime': onnxruntime, 'tensorrt': tensorrt}


class GateError(RuntimeError):
    """An engine does not compute what PyTorch does."""


class LoadError(RuntimeError):
    """An engine of the cache could not be loaded, and was removed from it."""


class EngineBuilder:
    """Builds the engines of one model.

    Args:
        model: On its device; its weights must not change any more.
        runtime: One that runs on this device.
        precision: One that this runtime has.
        cache: Where the parts are kept.

    Attributes:
        name: Of the engine, with version and precision.
        max_rows: Most guide rows that the engines take.
    """

    def __init__(self, model: EOVSeg, runtime: str, precision: str, cache: EngineCache) -> None:
        self.name = f'{runtime} {version_of(runtime)} in {precision}'
        self.max_rows = _RUNTIMES[runtime].MAX_ROWS
        self._model = model
        self._runtime = runtime
        self._precision = precision
        self._cache = cache
        self._device = str(next(model.parameters()).device)

    def find(self, size: tuple[int, int]) -> Engine | None:
        """Return the engine for images of a size if it was built before, else None.

        Args:
            size: (H, W) of the network's input.

        Raises:
            GateError: As for `build`.
            LoadError: It cannot be loaded.
            RuntimeError: As for `build`.
            ValueError: As for `build`.
            OSError: A file cannot be read.
        """
        target = self._target(size)
        exported = self._cache.find(self._export_key(target))
        if exported is None:
            return None
        key = self._engine_key(target, exported)
        entry = self._cache.find(key)
        if entry is None:
            return None
        try:
            return self._load(entry, exported, target)
        except GateError:
            raise
        except (RuntimeError, LookupError, TypeError) as error:     # or its facts are damaged
            for unusable in (key, self._export_key(target)):
                self._cache.remove(unusable)
            raise LoadError(f'the engine in {entry.folder} cannot be loaded '
                            f'({type(error).__name__}: {error}), so it was removed') from error

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
        target = self._target(size)
        exported = self._exported(target, wait)

        def make(folder: Path) -> dict[str, Any]:
            job = partial(compile_and_compare, self._runtime, target, exported.folder, folder,
                          torch.get_num_threads(), _on_cpu(vocabulary))
            return dict(run_apart(self._model, job, folder, wait))

        return self._load(
            self._cache.get(self._engine_key(target, exported), make, wait), exported, target)

    def _target(self, size: tuple[int, int]) -> Target:
        return Target(size, self._precision, self._device)

    def _exported(self, target: Target, wait: Wait) -> Entry:
        """Return the exported network."""
        runtime = _RUNTIMES[self._runtime]

        def make(folder: Path) -> dict[str, Any]:
            _log.info('exporting the network for %s, once for these weights%s', self._runtime,
                      ' and this size' if runtime.IS_EXPORTED_FOR_TARGET else '')
            run_apart(self._model, partial(export_to, self._runtime, target, folder), folder, wait)
            return {}

        return self._cache.get(self._export_key(target), make, wait)

    def _load(self, entry: Entry, exported: Entry, target: Target) -> Engine:
        """Return an engine whose parts are there, unless it failed at the gate."""
        reason = fault(entry.facts, self._precision)
        if reason is not None:
            raise GateError(reason)
        _log.info('%s beside PyTorch in float32, when it was built: %s', self.name,
                  describe(entry.facts))
        runtime = _RUNTIMES[self._runtime]
        return runtime.load_engine(exported.folder / runtime.FILE, entry.folder, target)

    def _export_key(self, target: Target) -> Mapping[str, str]:
        if not _RUNTIMES[self._runtime].IS_EXPORTED_FOR_TARGET:
            return self._common_key
        return {**self._common_key, 'size': _size_text(target), 'precision': self._precision}

    @cached_property
    def _common_key(self) -> Mapping[str, str]:
        runtime = _RUNTIMES[self._runtime]
        return {'format': FORMAT, 'weights': graph_digest(self._model),
                'config': repr(self._model.config), 'file': runtime.FILE,
                'torch': torch.__version__, 'converter': str(version_of(runtime.CONVERTER))}

    def _engine_key(self, target: Target, exported: Entry) -> Mapping[str, str]:
        # the bytes, too: the gate has not seen what another export of the same weights holds
        return {**self._common_key, 'exported': exported.digest, 'runtime': self._runtime,
                'version': str(version_of(self._runtime)), 'device': _describe(target.device),
                'gate': MEASURE, 'precision': self._precision, 'size': _size_text(target),
                'threads': str(torch.get_num_threads())}


def export_to(runtime: str, target: Target, folder: Path, model: EOVSeg) -> None:
    """Export a network; for `run_apart`.

    Args:
        runtime: As for `EngineBuilder`.
        target: What it is exported for, if the runtime wants that.
        folder: Where to write it.
        model: What to export.
    """
    module = _RUNTIMES[runtime]
    if module.IS_EXPORTED_FOR_TARGET:
        save_network(model, folder / module.FILE, target.size, precision=target.precision)
    else:
        save_network(model, folder / module.FILE)


def compile_and_compare(
        runtime: str, target: Target, exported: Path, folder: Path, threads: int,
        vocabulary: VocabularyEmbedding, model: EOVSeg) -> dict[str, float]:
    """Compile an exported network and compare it with PyTorch; for `run_apart`.

    Args:
        runtime: As for `EngineBuilder`.
        target: What to compile it for.
        exported: Folder with the exported network.
        folder: Where to keep the compiled one.
        threads: Of the engine.
        vocabulary: The names to look for, on the CPU.
        model: What it must equal, on the CPU.

    Returns:
        What `compare` found.
    """
    torch.set_num_threads(threads)
    module = _RUNTIMES[runtime]
    network = exported / module.FILE
    module.compile_network(network, folder, target)
    return compare(model, module.load_engine(network, folder, target), vocabulary, target.size)


def _on_cpu(vocabulary: VocabularyEmbedding) -> VocabularyEmbedding:
    return VocabularyEmbedding(**{field.name: getattr(vocabulary, field.name).cpu()
                                  for field in fields(vocabulary)})


def _size_text(target: Target) -> str:
    return f'{target.size[0]} x {target.size[1]}'


def _describe(device: str) -> str:
    """Return what compiled code depends on: of a CPU model, instructions and number of cores."""
    if device != 'cpu':
        major, minor = torch.cuda.get_device_capability(device)
        return f'{torch.cuda.get_device_name(device)}, compute capability {major}.{minor}'
    wanted = ('model name', 'flags', 'Features', 'CPU part')
    try:
        lines = Path('/proc/cpuinfo').read_text(encoding='utf-8', errors='replace').splitlines()
    except OSError:
        lines = []
    said = sorted({line for line in lines if line.split('\t')[0].strip() in wanted})
    return '; '.join([platform.machine(), f'{os.cpu_count()} cores', *said])
