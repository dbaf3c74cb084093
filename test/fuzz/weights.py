# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Hostile checkpoints and entries of the text cache; targets as in `targets`."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
import struct
from typing import Any

from fuzz import hostile
from fuzz.hostile import Case
from fuzz.targets import Target
import numpy as np
from numpy.random import Generator
from safetensors.torch import save
import torch

from eov_seg_core import EOVSeg
from eov_seg_core.inference.embedding_cache import EmbeddingCache
from eov_seg_core.inference.text_encoder import TextEncoder
from eov_seg_core.weights.checkpoint import weights_digest

_HEAD = 1 << 16
"""Bytes at either end of a file in which most of the damage is done: names and sizes are there."""


class _Executed:
    """What a malicious pickle holds: unpickling it freely makes a file."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> Any:
        return Path.touch, (self._marker,)


def safetensors(folder: Path) -> Target:
    """Our weight files."""
    return _target(folder, '.safetensors', _crafted_safetensors)


def pth(folder: Path) -> Target:
    """Published checkpoints, which are pickles; nothing in them may be executed."""
    return _target(folder, '.pth', _crafted_pickle)


def _target(folder: Path, suffix: str, craft: Any) -> Target:
    torch.manual_seed(0)
    path, marker = folder / f'case{suffix}', folder / 'executed'
    EOVSeg.from_variant('t').save(path)
    content = path.read_bytes()

    def generate(rng: Generator) -> Case:
        part = rng.integers(5)
        if part == 0:
            return Case(*craft(rng, marker), suffix)
        if part == 1:
            return Case('intact', content, suffix)
        if part == 2:
            return hostile.damaged(content, suffix, rng)
        if part == 3:
            case = hostile.damaged(content[:_HEAD], suffix, rng)
            return case._replace(kind=f'head: {case.kind}', content=case.content + content[_HEAD:])
        case = hostile.damaged(content[-_HEAD:], suffix, rng)
        return case._replace(kind=f'tail: {case.kind}', content=content[:-_HEAD] + case.content)

    def use(case: Case) -> None:
        path.write_bytes(case.content)
        try:
            model = EOVSeg.from_checkpoint(path)
            assert all(value.isfinite().all() for value in model.state_dict().values())
        finally:
            assert not marker.exists(), 'the file was executed'

    return Target(generate, use, (ValueError,))


def _crafted_safetensors(rng: Generator, marker: Path) -> tuple[str, bytes]:
    kind = str(rng.choice(['header of exabytes', 'shape of exabytes', 'overlap', 'nested header',
                           'rows of gigabytes', 'no metadata', 'other names', 'pointer']))
    if kind == 'header of exabytes':
        return kind, struct.pack('<Q', int(rng.choice([2**63, 2**40, 2**31]))) + b'{}'
    if kind == 'rows of gigabytes':     # a table of tokens with one row for all
        state = {'text_tower.token_embedding.rows': torch.zeros(1, 30_000),
                 'text_tower.token_embedding.row_of_token': torch.zeros(30_000, dtype=torch.int32)}
        return kind, _our_file(state)
    if kind == 'other names':
        return kind, _our_file({'a': torch.zeros(3)})
    if kind == 'no metadata':
        return kind, save({'a': torch.zeros(3)})
    if kind == 'pointer':
        return kind, b'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 13\n'
    entries: Any = {'a': {'dtype': 'F32', 'shape': [2**40, 2**20], 'data_offsets': [0, 4]}}
    if kind == 'overlap':
        entries = {name: {'dtype': 'F32', 'shape': [1], 'data_offsets': [0, 4]} for name in 'ab'}
    header = json.dumps(entries).encode()
    if kind == 'nested header':
        header = b'[' * 50_000 + b']' * 50_000
    return kind, struct.pack('<Q', len(header)) + header + bytes(4)


def _our_file(state: dict[str, torch.Tensor]) -> bytes:
    return save(state, metadata={'format': 'eov_seg', 'variant': 't',
                                 'sha256': weights_digest(state)})


def _crafted_pickle(rng: Generator, marker: Path) -> tuple[str, bytes]:
    void = {'void_embedding.weight': torch.zeros(1, 128)}
    crafted: dict[str, Any] = {
        'executes': {'model': void, 'x': _Executed(marker)},
        'executes alone': _Executed(marker),
        'expanded': {'model': {**void, 'decoder.x': torch.zeros(1).expand(10**9)}},
        'expanded twice': {'model': {**void, 'decoder.x': torch.zeros(1).expand(10**6, 10**6)}},
        'wide void': {'void_embedding.weight': torch.zeros(1).expand(1, 10**12)},
        'a list': [void], 'a tensor': torch.zeros(3), 'nothing': None, 'empty': {},
        'numbers as names': {1: torch.zeros(3), **void},
        'sparse': {**void, 'decoder.x': torch.eye(3).to_sparse()},
        'numpy': {**void, 'iteration': np.float64(3)}}
    if rng.integers(6) == 0:
        return 'web page', b'<!DOCTYPE html><html><body>404 not found</body></html>'
    kind = str(rng.choice(list(crafted)))
    stream = io.BytesIO()
    torch.save(crafted[kind], stream, _use_new_zipfile_serialization=bool(rng.integers(2)))
    return kind, stream.getvalue()


def cache_entry(folder: Path) -> Target:
    """An entry of the text cache: whatever it holds, the true embedding comes back."""
    torch.manual_seed(0)
    tower = EOVSeg.from_variant('t').text_tower
    truth = TextEncoder(tower, EmbeddingCache(folder)).encode(['chair'], tower)
    path, = folder.rglob('*.safetensors')
    content = path.read_bytes()
    space = _space_of(content)

    def generate(rng: Generator) -> Case:
        if rng.integers(3):
            return hostile.damaged(content, '.safetensors', rng)
        value = {'nan': torch.full((128,), float('nan')), 'huge': torch.full((128,), 1e30),
                 'zero': torch.zeros(128), 'short': torch.ones(1), 'square': torch.eye(128),
                 'long': torch.nn.functional.normalize(torch.ones(4096), dim=0)}
        kind = str(rng.choice(list(value)))
        return Case(f'written with a right checksum: {kind}', _written(space, value[kind]), '')

    def _written(space: str, value: torch.Tensor) -> bytes:
        path.write_bytes(content)
        EmbeddingCache(folder).put(space, {'chair': value})
        return path.read_bytes()

    def use(case: Case) -> None:
        path.write_bytes(case.content)
        found = TextEncoder(tower, EmbeddingCache(folder)).encode(['chair'], tower)
        torch.testing.assert_close(found, truth)
        assert os.listdir(path.parent) == [path.name], 'healed in place, and nothing left beside'

    return Target(generate, use, ())


def _space_of(content: bytes) -> str:
    length, = struct.unpack('<Q', content[:8])
    return str(json.loads(content[8:8 + length])['__metadata__']['space'])
