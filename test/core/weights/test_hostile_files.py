# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints as others write them, and files that claim, hide or break something."""

from __future__ import annotations

import argparse
from collections import OrderedDict
import io
import json
import pickle
import random
import struct
import subprocess
import sys

import numpy as np
import pytest
from safetensors.torch import save_file
import torch
from weights_case import entries_of

from eov_seg_core.network.model import EOVSeg
from eov_seg_core.weights.checkpoint import (
    CheckpointError,
    from_official,
    read_checkpoint,
    weights_digest,
)
from eov_seg_core.weights.pickled import read_pickle
from eov_seg_core.weights.tensor_files import read_tensors

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
    assert read_checkpoint(path, entries_of).official
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
        read_checkpoint(path, entries_of)


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


def both_tables(path):
    name = 'text_tower.token_embedding'
    state = {f'{name}.rows': torch.zeros(1, 128), f'{name}.weight': torch.zeros(49408, 128),
             f'{name}.row_of_token': torch.zeros(49408, dtype=torch.int32)}
    save_file(state, path, metadata={'format': 'eov_seg', 'variant': 't',
                                     'sha256': weights_digest(state)})


def many_prefixes(path):
    torch.save({'_orig_mod.' * count + name: tensor for name, tensor in VOID.items()
                for count in range(500)}, path)


LARGE = 40 << 30
"""Bytes of a sparse file, which takes no room on the disk."""


def sparse_entry(path, name='text_tower.large'):
    shapes = {'void_embedding.weight': [1, 128], name: [LARGE >> 2]}
    header, end = {}, 0
    for entry, shape in shapes.items():
        start, end = end, end + 4 * int(np.prod(shape))
        header[entry] = {'dtype': 'F32', 'shape': shape, 'data_offsets': [start, end]}
    text = json.dumps(header).encode()
    with path.open('wb') as file:
        file.write(struct.pack('<Q', len(text)) + text)
        file.truncate(8 + len(text) + end)


def sparse_list_of_parts(path):
    with path.open('wb') as file:
        file.seek(LARGE)
        file.write(struct.pack('<4sQ2H2L4Q', b'PK\x06\x06', 44, 45, 45, 0, 0, 1, 1, LARGE, 0)
                   + struct.pack('<4sLQL', b'PK\x06\x07', 0, LARGE, 1)
                   + struct.pack('<4s4H2LH', b'PK\x05\x06', 0, 0, 0xffff, 0xffff, 0xffffffff,
                                 0xffffffff, 0))


CLAIMS = {expanded: 'missing', expanded_entry: 'misshapen', large_token_table: 'does not fit',
          large_header: 'header', large_shape: 'bytes', deep_header: 'RecursionError',
          overlapping_entries: 'as long as the file',
          both_tables: 'does not fit', many_prefixes: 'twice', sparse_entry: 'missing',
          sparse_list_of_parts: 'list of parts',
          large_pickle: 'MiB'}
READ = """
import resource, sys
from eov_seg_core import CheckpointError, EOVSeg
import torch
with torch.device('meta'):
    EOVSeg.from_variant('t')
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
resource.setrlimit(resource.RLIMIT_AS, (12 << 30, resource.RLIM_INFINITY))
for path in sys.argv[1:]:
    try:
        EOVSeg.from_checkpoint(path)
        print('loaded')
    except CheckpointError as error:
        before, peak = peak, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(peak - before, error)
"""
KIB = 2 ** (10 if sys.platform == 'darwin' else 0)


def test_nothing_is_allocated_because_a_file_says_so(tmp_path):
    paths = []
    for write in CLAIMS:
        paths.append(str(tmp_path / write.__name__))
        write(tmp_path / write.__name__)
    lines = subprocess.run([sys.executable, '-c', READ, *paths], text=True, check=True,
                           stdout=subprocess.PIPE).stdout.splitlines()
    for line, (write, words) in zip(lines, CLAIMS.items(), strict=True):
        grown, message = line.split(maxsplit=1)
        # 4 MiB of pickled instructions take about 64 times as much as objects
        assert int(grown) < (400 if write is large_pickle else 60) * 2 ** 10 * KIB, line
        assert words in message


def test_nothing_is_read_of_what_the_network_does_not_want(tmp_path, official):
    path = tmp_path / 'model.safetensors'
    save_file({name: tensor.contiguous() for name, tensor in official.items()}, path)
    content = path.read_bytes()
    length, = struct.unpack('<Q', content[:8])
    header, size = json.loads(content[8:8 + length]), len(content) - 8 - length
    header['cnn_backbone.clip_model.attn_mask'] = {
        'dtype': 'F32', 'shape': [LARGE >> 2], 'data_offsets': [size, size + LARGE]}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack('<Q', len(text)) + text + content[8 + length:])
    with path.open('r+b') as file:
        file.truncate(8 + len(text) + size + LARGE)
    output = subprocess.run([sys.executable, '-c', READ, str(path)], text=True, check=True,
                            stdout=subprocess.PIPE).stdout
    assert output == 'loaded\n'


def test_an_old_file_holds_as_many_numbers_as_it_declares(tmp_path):
    path = tmp_path / 'model.pth'
    torch.save(VOID, path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    assert content[-520:-512] == struct.pack('<q', 128)
    path.write_bytes(content[:-520] + struct.pack('<q', LARGE >> 2))
    with path.open('r+b') as file:
        file.truncate(LARGE + 10_000)
    with pytest.raises(ValueError, match='instead of 128'):
        read_tensors(path, lambda declared: declared.tensors)


def test_parts_of_larger_tensors_are_refused(tmp_path):
    torch.save({'void_embedding.weight': torch.zeros(1000, 128)[:1]}, tmp_path / 'model.pth')
    with pytest.raises(ValueError, match=r'512000 bytes for tensors of 512 bytes.*clone'):
        read_tensors(tmp_path / 'model.pth', lambda declared: declared.tensors)


def test_names_that_are_tuples_of_tuples_take_no_time():
    name = 'a'
    for _ in range(60):
        name = (name, name)

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            return ('storage', torch.FloatStorage, name, 'cpu', 1) if value == 'here' else None

    buffer = io.BytesIO()
    Pickler(buffer, protocol=2).dump(['here'])
    buffer.seek(0)
    with pytest.raises(ValueError, match='tuple where a name'):
        read_pickle(buffer)


def test_a_file_without_checksums_is_explained(tmp_path, official):
    path = tmp_path / 'model.pth'
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(official, path)
    finally:
        torch.serialization.set_crc32_options(True)
    with pytest.raises(CheckpointError, match=r'checksum.*set_crc32_options\(True\)'):
        EOVSeg.from_checkpoint(path)


def test_an_expanded_tensor_of_the_right_shape_becomes_a_real_one(official):
    name = 'light_weight_decoder.mask_heads.0.ffn_norm.bias'
    state = {**official, name: torch.zeros(1).expand(official[name].shape)}
    with torch.device('meta'):
        wanted = EOVSeg.from_variant('t').state_dict()
    selected = from_official(state).select(wanted)['decoder.stages.0.ffn_norm.bias']
    assert selected.is_contiguous()
    assert selected.stride() == (1,)


# Damage

def few_entries(_):
    return {'void_embedding.weight': torch.empty(1, 128, device='meta'),
            'aggregator.bias': torch.empty(1, 4, 1, 1, device='meta'),
            'clip_logit_scale': torch.empty((), device='meta')}


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
        assert len(read_checkpoint(path, few_entries).state) == 3
    rng, target, refused = random.Random(seed), tmp_path / 'damaged', 0
    for _ in range(300):
        target.write_bytes(damaged(rng.choice(contents), rng.choice(contents), rng))
        problem, state = '', {}
        try:
            state = read_checkpoint(target, few_entries).state
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
        code = ('import sys\nfrom eov_seg_core import CheckpointError, EOVSeg\n'
                'print("ready", flush=True)\n'
                'for _ in range(40):\n    try:\n        EOVSeg.from_checkpoint(sys.argv[1])\n'
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
