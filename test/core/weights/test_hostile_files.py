# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints as others write them, and files that claim, hide or break something."""

from __future__ import annotations

import argparse
from collections import OrderedDict
import json
import random
import struct
import subprocess
import sys

import numpy as np
import pytest
from safetensors.torch import save_file
import torch

from eov_seg_core.network.model import EOVSeg
from eov_seg_core.weights.checkpoint import (
    CheckpointError,
    from_official,
    read_checkpoint,
    weights_digest,
)

VOID = {'void_embedding.weight': torch.zeros(1, 128)}


@pytest.fixture(scope='module')
def model():
    torch.manual_seed(0)
    return EOVSeg.from_variant('t')


@pytest.fixture(scope='module')
def official(model):
    return model.official_state_dict()


def prefixed(state, prefix):
    return {f'{prefix}{name}': tensor for name, tensor in state.items()}


@pytest.mark.parametrize('wrap', [
    lambda state: prefixed(state, 'module.'),
    lambda state: {'model': prefixed(state, '_orig_mod.')},
    lambda state: {'model': prefixed(state, 'module._orig_mod.')},
    lambda state: {'state_dict': state, 'epoch': 3},
    lambda state: {'model': OrderedDict(state), 'best': np.float64(0.3), 'count': np.int64(3),
                   'sizes': np.zeros(3), 'options': argparse.Namespace(lr=0.1), 'names': {'a'}},
    lambda state: {'model': {name: torch.nn.Parameter(tensor, requires_grad=False)
                             for name, tensor in state.items()}},
], ids=['module', 'compiled', 'both', 'state_dict', 'beside', 'parameters'])
def test_what_is_harmless_is_read(tmp_path, model, official, wrap):
    for zipped in (True, False):
        path = tmp_path / f'{zipped}.pth'
        torch.save(wrap(official), path, _use_new_zipfile_serialization=zipped)
        loaded = EOVSeg.from_checkpoint(path)
        assert weights_digest(loaded.state_dict()) == weights_digest(model.state_dict())


def test_published_names_in_safetensors_are_read_and_converted(tmp_path, model, official):
    path = tmp_path / 'hub.safetensors'
    save_file({name: tensor.contiguous() for name, tensor in official.items()}, path,
              metadata={'format': 'pt'})
    assert read_checkpoint(path).official
    loaded = EOVSeg.from_checkpoint(path)
    assert loaded.weights_digest == weights_digest(model.state_dict())


def test_entries_that_share_memory_in_a_file_do_not_in_a_model(tmp_path, official):
    first, second = (f'light_weight_decoder.mask_heads.{stage}.logit_scale' for stage in (0, 1))
    torch.save({**official, second: official[first]}, tmp_path / 'tied.pth')
    stages = EOVSeg.from_checkpoint(tmp_path / 'tied.pth').decoder.stages
    with torch.no_grad():
        stages[0].logit_scale += 1
    assert stages[0].logit_scale != stages[1].logit_scale


class Foreign:
    """A class of the program that wrote a checkpoint."""


@pytest.mark.parametrize(('content', 'words'), [
    ({'state_dict': {'a.weight': torch.ones(2)}}, "below 'state_dict'"),
    ({'model': {'a.weight': torch.ones(2)}, 'best': np.float64(0.3)}, 'numpy'),
    ({'model': dict(VOID), 'trainer': Foreign()}, 'test_hostile_files.Foreign'),
    ({'a\x1b[31m.weight': torch.ones(2)}, r'a\\x1b'),
    (np.zeros(3), 'numpy'), ('weights', 'holds a str'), (torch.ones(3), 'holds a tensor'),
])
def test_the_offender_is_named(tmp_path, content, words):
    path = tmp_path / 'model.pth'
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=words) as caught:
        EOVSeg.from_checkpoint(path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
@pytest.mark.parametrize(('content', 'words'), [
    (b'version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n', 'Git LFS pointer'),
    (b'\n<!DOCTYPE html><html><head><title>Quota exceeded', 'HTML page'), (b'', 'empty')])
def test_what_people_have_instead_is_named(tmp_path, suffix, content, words):
    path = tmp_path / f'model{suffix}'
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=words):
        read_checkpoint(path)


# Files that claim more than they hold

def expanded(path):
    torch.save({'model': {**VOID, 'decoder.x': torch.zeros(1).expand(10 ** 6, 10 ** 6)}}, path)


def expanded_entry(path):
    torch.save({'model': {'void_embedding.weight': torch.zeros(1, 1).expand(10 ** 6, 128)}}, path)


def large_token_table(path):
    name = 'text_tower.token_embedding'
    state = {f'{name}.rows': torch.zeros(1, 30000),
             f'{name}.row_of_token': torch.zeros(30000, dtype=torch.int32)}
    save_file(state, path, metadata={'format': 'eov_seg', 'variant': 't',
                                     'sha256': weights_digest(state)})


def large_header(path):
    path.write_bytes(struct.pack('<Q', 1 << 40) + b'{' + b' ' * 100)


def large_shape(path):
    header = json.dumps({'void_embedding.weight': {
        'dtype': 'F32', 'shape': [1 << 20, 1 << 20], 'data_offsets': [0, 1 << 42]}}).encode()
    path.write_bytes(struct.pack('<Q', len(header)) + header)


def deep_header(path):
    header = b'{"a":' + b'[' * 200_000
    path.write_bytes(struct.pack('<Q', len(header)) + header)


def overlapping_entries(path):
    entry = {'dtype': 'F32', 'shape': [1 << 18], 'data_offsets': [0, 1 << 20]}
    header = json.dumps({f'void_embedding.{i}': entry for i in range(5000)}).encode()
    path.write_bytes(struct.pack('<Q', len(header)) + header + bytes(1 << 20))


def large_pickle(path):
    path.write_bytes(b'\x80\x02' + b'}' * (1 << 25))


CLAIMS = (expanded, expanded_entry, large_token_table, large_header, large_shape, deep_header,
          overlapping_entries, large_pickle)
READ = """
import resource, sys
from eov_seg_core.weights.checkpoint import CheckpointError, read_checkpoint
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
    try:
        read_checkpoint(path)
    except CheckpointError:
        pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_nothing_is_allocated_because_a_file_says_so(tmp_path):
    paths = []
    for write in CLAIMS:
        paths.append(tmp_path / f'{write.__name__}')
        write(paths[-1])
    output = subprocess.run([sys.executable, '-c', READ, *map(str, paths)], text=True, check=True,
                            stdout=subprocess.PIPE).stdout
    assert int(output) < 600 * 2 ** (20 if sys.platform == 'darwin' else 10)


@pytest.mark.parametrize('write', CLAIMS)
def test_claims_are_refused(tmp_path, write):
    write(tmp_path / 'model')
    with pytest.raises(CheckpointError):
        EOVSeg.from_checkpoint(tmp_path / 'model')


def test_an_expanded_tensor_of_the_right_shape_becomes_a_real_one(official):
    name = 'light_weight_decoder.mask_heads.0.ffn_norm.bias'
    state = {**official, name: torch.zeros(1).expand(official[name].shape)}
    with torch.device('meta'):
        wanted = EOVSeg.from_variant('t').state_dict()
    selected = from_official(state).select(wanted)['decoder.stages.0.ffn_norm.bias']
    assert selected.is_contiguous()
    assert selected.stride() == (1,)


# Damage

def small_files(folder):
    """Write a small file of each kind."""
    state = {'void_embedding.weight': torch.arange(128.).view(1, 128),
             'aggregator.bias': torch.ones(1, 4, 1, 1), 'clip_logit_scale': torch.tensor(2.5)}
    paths = [folder / name for name in ('zip', 'legacy', 'ours', 'hub')]
    torch.save({'model': state, 'best': np.float64(1)}, paths[0])
    torch.save({'model': state}, paths[1], _use_new_zipfile_serialization=False)
    save_file(state, paths[2], metadata={'format': 'eov_seg', 'variant': 't',
                                         'sha256': weights_digest(state)})
    save_file(state, paths[3])
    return paths


def damaged(content, other, rng):
    changed = bytearray(content)
    kind = rng.randrange(5)
    if kind == 0:
        return changed[:rng.randrange(len(changed))]
    if kind == 1:
        cut = rng.randrange(min(len(content), len(other)))
        return other[:cut] + content[cut:]
    if kind == 2:
        start = rng.randrange(len(changed))
        del changed[start:start + rng.randrange(1, 40)]
        return changed
    for _ in range(rng.randrange(1, 9)):
        position = rng.randrange(min(len(changed), 64) if kind == 3 else len(changed))
        changed[position] ^= 1 << rng.randrange(8)
    return changed


@pytest.mark.parametrize('seed', range(4))
def test_no_damage_does_more_than_raise_a_checkpoint_error(tmp_path, seed):
    paths = small_files(tmp_path)
    contents = [path.read_bytes() for path in paths]
    for path in paths:
        assert len(read_checkpoint(path).state) == 3
    rng, target, refused = random.Random(seed), tmp_path / 'damaged', 0
    for _ in range(300):
        target.write_bytes(damaged(rng.choice(contents), rng.choice(contents), rng))
        problem, state = '', {}
        try:
            state = read_checkpoint(target).state
        except CheckpointError as error:
            problem, refused = str(error), refused + 1
        assert problem.isprintable()
        assert len(problem) < 900
        assert sum(tensor.untyped_storage().nbytes() for tensor in state.values()) < 10_000
    assert refused > 150


def test_a_file_that_is_cut_while_it_loads_ends_no_process(tmp_path, model):
    """Mapped files ended it: 30 of 52 tries."""
    for name in ('model.safetensors', 'model.pth'):
        path = tmp_path / name
        model.save(path)
        code = ('import sys\nfrom eov_seg_core.weights.checkpoint import *\n'
                'print("ready", flush=True)\n'
                'for _ in range(40):\n    try:\n        read_checkpoint(sys.argv[1])\n'
                '    except CheckpointError as error:\n        print(error)\n        break\n')
        process = subprocess.Popen([sys.executable, '-c', code, str(path)], text=True,
                                   stdout=subprocess.PIPE)
        try:
            assert process.stdout.readline() == 'ready\n'
            size = path.stat().st_size
            with path.open('r+b') as file:
                for part in (0.9, 0.5, 0.1):
                    file.truncate(int(part * size))
            output, _ = process.communicate(timeout=60)
        finally:
            process.kill()
        assert process.returncode == 0
        assert name in output
