# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files of both kinds, damaged in every way, and what a failed load leaves behind."""

from collections import OrderedDict
import io
import pickle
import zipfile

import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file
import torch
from weights_case import entries_of

from eov_seg_core.network.model import EOVSeg
from eov_seg_core.weights.checkpoint import (
    CheckpointError,
    read_checkpoint,
    weights_digest,
)


@pytest.fixture
def official(tiny_model):
    """Return the state dict of a published checkpoint, with entries that nothing needs."""
    return {**tiny_model.official_state_dict(),
            'vit_backbone.clip_model.transformer.resblocks.0.ln_1.weight': torch.ones(3),
            'light_weight_decoder.criterion.empty_weight': torch.ones(134)}


def digest(model):
    return weights_digest(model.state_dict())


def other_model():
    torch.manual_seed(99)
    return EOVSeg.from_variant('t')


@pytest.mark.parametrize('wrapped', [True, False])
@pytest.mark.parametrize('zipped', [True, False])
def test_official_file_in_all_its_forms(tmp_path, tiny_model, official, wrapped, zipped):
    path = tmp_path / 'model.pth'
    content = {'model': official, 'iteration': 200_000} if wrapped else OrderedDict(official)
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    model = EOVSeg.from_checkpoint(path)
    assert model.config.variant == 't'
    assert digest(model) == digest(tiny_model)
    assert model.weights_digest == digest(tiny_model)
    assert not any(parameter.is_meta for parameter in model.parameters())


def test_safetensors_round_trip_with_metadata(tmp_path, tiny_model):
    path = tmp_path / 'model.safetensors'
    tiny_model.save(path)
    with safe_open(path, framework='pt') as file:
        assert file.metadata() == {
            'format': 'eov_seg', 'variant': 't', 'sha256': digest(tiny_model)}
    model = EOVSeg.from_checkpoint(path, 't')
    assert digest(model) == digest(tiny_model)
    assert {name for name, parameter in model.named_parameters() if parameter.requires_grad} == {
        name for name, parameter in tiny_model.named_parameters() if parameter.requires_grad}


def test_weights_do_not_change_with_their_file(tmp_path, tiny_model):
    for name in ('a.safetensors', 'a.pth'):
        path = tmp_path / name
        tiny_model.save(path)
        model = EOVSeg.from_checkpoint(path)
        with path.open('r+b') as file:
            file.write(b'\0' * path.stat().st_size)
        assert digest(model) == digest(tiny_model)


def test_official_round_trip_through_a_file(tmp_path, tiny_model):
    path = tmp_path / 'model.pth'
    tiny_model.save(path)
    assert set(torch.load(path, weights_only=True)) == {'model'}
    model = other_model()
    model.load(read_checkpoint(path, entries_of))
    assert digest(model) == digest(tiny_model)


def test_official_names_round_trip(tiny_model, official):
    model = other_model()
    model.load_official_state_dict(official)
    ours = model.official_state_dict()
    assert set(ours) < set(official)
    assert all(torch.equal(ours[name], official[name]) for name in ours)


def test_half_precision_weights_become_float32(tiny_model, official):
    model = other_model()
    model.load_official_state_dict({name: tensor.half() for name, tensor in official.items()})
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_released_text_tower(tmp_path, tiny_model, official):
    tiny_model.release_text_tower()
    with pytest.raises(ValueError, match='text tower was released'):
        tiny_model.save(tmp_path / 'model.safetensors')
    with pytest.raises(ValueError, match='text tower was released'):
        tiny_model.save(tmp_path / 'model.pth')
    tiny_model.load_official_state_dict(official)   # its text entries are no error


def damaged_entries(official):
    some = [name for name in official if name.endswith('norm1.weight')] or list(official)
    shorter = {name: tensor for name, tensor in official.items() if name != some[0]}
    return some[0], {
        'missing': shorter,
        'misshapen': {**official, some[0]: torch.zeros(7)},
        'unknown': {**official, 'light_weight_decoder.surprise': torch.zeros(7)},
        'complex': {**official, some[0]: official[some[0]].to(torch.complex64)},
        'sparse': {**official, some[0]: official[some[0]].to_sparse()},
        'no tensor': {**official, some[0]: 'weight'},
        'not finite': {**official, some[0]: official[some[0]] * float('nan')}}


@pytest.mark.parametrize('kind', ['missing', 'misshapen', 'unknown', 'complex', 'sparse',
                                  'no tensor', 'not finite'])
def test_bad_entries_are_named_and_change_nothing(tiny_model, official, kind):
    name, states = damaged_entries(official)
    model = other_model()
    before = digest(model)
    with pytest.raises(CheckpointError) as caught:
        model.load_official_state_dict(states[kind])
    message = str(caught.value)
    assert '1 ' in message
    assert {'missing': '1 missing', 'unknown': '1 unknown', 'not finite': 'not finite'}.get(
        kind, '1 misshapen') in message
    assert ('light_weight_decoder.surprise' if kind == 'unknown' else name) in message
    assert 'unmodified' in message
    assert digest(model) == before
    assert model.weights_digest is None


@pytest.mark.parametrize('content', [None, [1], 'weights'])
def test_state_dicts_that_are_none(tiny_model, content):
    with pytest.raises(CheckpointError, match='expected a dictionary'):
        tiny_model.load_official_state_dict(content)


def test_only_the_first_offenders_are_named(tiny_model):
    with pytest.raises(CheckpointError, match='and [0-9]+ more'):
        tiny_model.load_official_state_dict(
            {'void_embedding.weight': tiny_model.void_embedding.weight})


def test_wrong_variant(tmp_path, tiny_model):
    path = tmp_path / 'model.safetensors'
    tiny_model.save(path)
    with pytest.raises(CheckpointError, match="holds variant 't', but 's'"):
        EOVSeg.from_checkpoint(path, 's')
    with torch.device('meta'):
        large = EOVSeg.from_variant('s')
    with pytest.raises(CheckpointError, match="holds variant 't', but 's'"):
        large.load(read_checkpoint(path, entries_of))


class Malicious:
    """Writes a file when it is unpickled by a careless reader."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), 'w'))


def write_zip(path):
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('hello.txt', 'hello')


def write_truncated(path, state):
    buffer = io.BytesIO()
    torch.save({'model': state}, buffer)
    path.write_bytes(buffer.getvalue()[:-5000])


WRITERS = {
    'no file': lambda path, state, marker: None,
    'folder': lambda path, state, marker: path.mkdir(),
    'empty': lambda path, state, marker: path.write_bytes(b''),
    'text': lambda path, state, marker: path.write_text('not a checkpoint\n' * 100),
    'zip': lambda path, state, marker: write_zip(path),
    'code in a zip': lambda path, state, marker: torch.save(
        {'model': state, 'extra': Malicious(marker)}, path),
    'code': lambda path, state, marker: path.write_bytes(
        pickle.dumps(Malicious(marker), protocol=2)),
    'list': lambda path, state, marker: torch.save([1, 2, 3], path),
    'other network': lambda path, state, marker: torch.save({'a.weight': torch.ones(3)}, path),
    'truncated': lambda path, state, marker: write_truncated(path, state),
}


@pytest.mark.parametrize('kind', WRITERS)
@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_files_that_are_no_checkpoint(tmp_path, tiny_model, kind, suffix):
    path, marker = tmp_path / f'model{suffix}', tmp_path / 'was_executed'
    WRITERS[kind](path, tiny_model.official_state_dict(), marker)
    model = other_model()
    before = digest(model)
    with pytest.raises(CheckpointError, match='model') as caught:
        model.load(read_checkpoint(path, entries_of))
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 700
    assert digest(model) == before
    assert not marker.exists()


def test_truncated_safetensors(tmp_path, tiny_model):
    path = tmp_path / 'model.safetensors'
    tiny_model.save(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match='model.safetensors'):
        read_checkpoint(path, entries_of)


def test_flipped_bits_do_not_pass_the_digest(tmp_path, tiny_model):
    path = tmp_path / 'model.safetensors'
    tiny_model.save(path)
    content = bytearray(path.read_bytes())
    content[-1000] ^= 0x10
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match='digest|damaged'):
        EOVSeg.from_checkpoint(path)


def test_files_can_be_read_by_whom_the_umask_lets(tmp_path, tiny_model):
    (tmp_path / 'other').touch()
    tiny_model.save(tmp_path / 'model.safetensors')
    assert (tmp_path / 'model.safetensors').stat().st_mode == (tmp_path / 'other').stat().st_mode


def test_safetensors_without_our_metadata(tmp_path, tiny_model):
    path = tmp_path / 'model.safetensors'
    tiny_model.save(path)
    save_file(load_file(path), path)   # loses the metadata
    model = EOVSeg.from_checkpoint(path)
    assert digest(model) == digest(tiny_model)


def test_a_small_file_holds_nearly_the_same_weights(tmp_path):
    model = EOVSeg.from_variant('t')
    with torch.no_grad():   # as after a training: few tokens have a row of their own
        table = model.text_tower.token_embedding.weight
        table[500:] = table[499]
    model.save(tmp_path / 'small.safetensors', small=True)
    model.save(tmp_path / 'exact.safetensors')
    assert (tmp_path / 'small.safetensors').stat().st_size < 15 * 2 ** 20
    small = EOVSeg.from_checkpoint(tmp_path / 'small.safetensors').state_dict()
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(small[name], tensor, rtol=1e-3, atol=1e-6, msg=name)


@pytest.mark.parametrize('rows', [
    torch.zeros(49408, dtype=torch.int64), torch.full((49408,), 3, dtype=torch.int32),
    torch.full((49408,), -1, dtype=torch.int32), torch.zeros(0, dtype=torch.int32)])
def test_a_small_file_whose_token_rows_do_not_fit_is_refused(tmp_path, rows):
    name = 'text_tower.token_embedding'
    state = {f'{name}.rows': torch.zeros(2, 4, dtype=torch.float16), f'{name}.row_of_token': rows}
    path = tmp_path / 'small.safetensors'
    save_file(state, path, metadata={'format': 'eov_seg', 'variant': 't',
                                     'sha256': weights_digest(state)})
    with pytest.raises(CheckpointError, match='does not fit'):
        EOVSeg.from_checkpoint(path)


def test_what_float16_cannot_hold_is_not_made_small(tmp_path):
    model = EOVSeg.from_variant('t')
    with torch.no_grad():
        model.void_embedding.weight[0, 0] = 1e6
    with pytest.raises(ValueError, match='void_embedding.weight has values beyond'):
        model.save(tmp_path / 'small.safetensors', small=True)
