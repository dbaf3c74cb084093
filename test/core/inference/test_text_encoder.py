# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The text tower against open_clip's own, short contexts against the full one, and the cache."""

import logging
import random
import subprocess
import sys

import open_clip
from open_clip.tokenizer import SimpleTokenizer
import pytest
import torch
import torch.nn.functional as F

from eov_seg_core.inference import text_encoder
from eov_seg_core.inference.embedding_cache import EmbeddingCache
from eov_seg_core.inference.options import Superseded
from eov_seg_core.inference.text_encoder import PROMPTS_PER_BATCH, TEMPLATES, TextEncoder
from eov_seg_core.network.text_tower import CLIPTextTower

SIZES = {'embed_dim': 24, 'width': 32, 'heads': 4, 'layers': 2, 'quick_gelu': True}


@pytest.fixture
def tower():
    torch.manual_seed(0)
    return CLIPTextTower(**SIZES).eval()


@pytest.fixture
def encoder(tower, tmp_path):
    return TextEncoder(tower, EmbeddingCache(tmp_path))


class CountingTower(CLIPTextTower):
    """A tower that remembers how many texts of which lengths it was given."""

    def __init__(self):
        torch.manual_seed(0)
        super().__init__(**SIZES)
        self.shapes = []

    def forward(self, tokens_BT):
        self.shapes.append(tuple(tokens_BT.shape))
        return super().forward(tokens_BT)

    @property
    def texts(self):
        return sum(shape[0] for shape in self.shapes)


def test_names_of_untrained_tokens_are_unknown(tower, tmp_path):
    """All tokens but those of a few words share one row, as in variant t."""
    known = [token for word in ('chair', 'red chair', 'a photo of') for token in
             SimpleTokenizer().encode(word)]
    with torch.no_grad():
        row = tower.token_embedding.weight[0].clone()
        kept = tower.token_embedding.weight[known].clone()
        tower.token_embedding.weight[:] = row
        tower.token_embedding.weight[known] = kept
    encoder = TextEncoder(tower, EmbeddingCache(tmp_path))
    assert encoder.unknown_words(['chair', 'Red  Chair', 'elephant', 'blue chair']) == (
        'elephant', 'blue chair')
    assert encoder.unknown_words([]) == ()


def test_no_name_is_unknown_where_all_rows_differ(encoder):
    assert encoder.unknown_words(['chair', 'elephant', '日本']) == ()


def test_weights_loaded_anew_know_other_words(tower, tmp_path):
    encoder = TextEncoder(tower, EmbeddingCache(tmp_path))
    with torch.no_grad():
        tower.token_embedding.weight[:] = 0.5
    encoder.encode(['chair'], tower)
    assert encoder.unknown_words(['chair']) == ('chair',)


def test_names_that_are_equal_where_clip_cuts_them_look_alike(encoder):
    long = 'very ' * 39
    assert encoder.look_alikes([long + 'big', 'chair', 'seat', long + 'red', long + 'Red']) == []
    longer = '床' * 190        # more than one token each
    assert encoder.look_alikes([longer, 'chair', longer + 'a', longer + 'b', '桌' * 190]) == [
        (longer, longer + 'a', longer + 'b')]
    assert encoder.look_alikes([longer + 'a', longer + 'A']) == []   # one name, as typed twice
    assert encoder.look_alikes([]) == []


@pytest.mark.parametrize('quick_gelu', [True, False])
def test_tower_equals_open_clip(quick_gelu):
    """The same weights give open_clip's own text features: names, layout, mask, end token."""
    torch.manual_seed(1)
    theirs = open_clip.CLIP(
        embed_dim=24, quick_gelu=quick_gelu,
        vision_cfg={'layers': 1, 'width': 64, 'head_width': 32, 'patch_size': 16,
                    'image_size': 32},
        text_cfg={'context_length': 77, 'vocab_size': 49408, 'width': 32, 'heads': 4,
                  'layers': 2}).eval()
    ours = CLIPTextTower(**{**SIZES, 'quick_gelu': quick_gelu}).eval()
    ours.load_state_dict({name: tensor for name, tensor in theirs.state_dict().items()
                          if not name.startswith('visual.') and name != 'logit_scale'})
    tokens = open_clip.tokenizer.tokenize(['a cat', 'a photo of an unusually long sentence'])
    with torch.no_grad():
        torch.testing.assert_close(ours(tokens), theirs.encode_text(tokens))


def test_encoding_equals_one_prompt_at_a_time_with_full_context(tower, encoder):
    names = ['cat', 'traffic light', 'Ärmel', '床', 'x' * 200, 'a b c d e f g h i j k l m n o p']
    rows = []
    with torch.no_grad():
        for name in names:
            prompts = open_clip.tokenizer.tokenize([text.format(name) for text in TEMPLATES])
            each = torch.cat([F.normalize(tower(prompt[None]), dim=-1) for prompt in prompts])
            rows.append(F.normalize(each.mean(0), dim=-1))
    torch.testing.assert_close(encoder.encode(names, tower), torch.stack(rows),
                               atol=1e-6, rtol=1e-5)


def test_one_name_and_a_repeated_name(tower, encoder):
    assert encoder.encode(['cat'], tower).shape == (1, 24)
    twice = encoder.encode(['cat', 'dog', 'cat'], tower)
    assert torch.equal(twice[0], twice[2])
    assert not torch.equal(twice[0], twice[1])


def test_short_names_need_short_contexts(tmp_path):
    tower = CountingTower()
    TextEncoder(tower, EmbeddingCache(tmp_path)).encode(['cat'], tower)
    assert max(length for _, length in tower.shapes) <= 12


def test_changing_five_of_150_names_encodes_five(tmp_path):
    tower = CountingTower()
    encoder = TextEncoder(tower, EmbeddingCache(tmp_path))
    names = [f'name {i}' for i in range(150)]
    encoder.encode(names, tower)
    assert tower.texts == 150 * len(TEMPLATES)
    encoder.encode(names[5:] + [f'other {i}' for i in range(5)], tower)
    assert tower.texts == 155 * len(TEMPLATES)


def test_released_tower_still_gives_cached_names(tower, tmp_path):
    expected = TextEncoder(tower, EmbeddingCache(tmp_path)).encode(['cat'], tower)
    encoder = TextEncoder(tower, EmbeddingCache(tmp_path))   # a later process
    assert torch.equal(encoder.encode(['cat'], None), expected)
    with pytest.raises(RuntimeError, match="released.*'dog'"):
        encoder.encode(['cat', 'dog'], None)


def test_other_weights_have_other_embeddings(tower, tmp_path):
    cache = EmbeddingCache(tmp_path)
    first = TextEncoder(tower, cache).encode(['cat'], tower)
    tower.ln_final.bias.data += 0.5
    second = TextEncoder(tower, cache).encode(['cat'], tower)
    assert not torch.allclose(first, second)


@pytest.mark.parametrize('damage', ['truncate', 'garbage', 'flip', 'empty', 'swap', 'retype'])
def test_damaged_file_is_made_again(tower, tmp_path, damage, caplog):
    expected = TextEncoder(tower, EmbeddingCache(tmp_path)).encode(['cat', 'dog'], tower)
    files = sorted(tmp_path.rglob('*.safetensors'))
    content = bytearray(files[0].read_bytes())
    if damage == 'flip':
        content[-3] ^= 0x40
    retyped = bytes(content).replace(b'"F32"', b'"I32"')
    broken = {'truncate': content[:-7], 'garbage': b'no tensors here', 'flip': content,
              'empty': b'', 'swap': files[1].read_bytes(), 'retype': retyped}[damage]
    files[0].write_bytes(broken)
    counting = CountingTower()
    counting.load_state_dict(tower.state_dict())
    with caplog.at_level(logging.WARNING):
        again = TextEncoder(counting, EmbeddingCache(tmp_path)).encode(['cat', 'dog'], counting)
    torch.testing.assert_close(again, expected)
    assert counting.texts == len(TEMPLATES)
    assert 'damaged' in caplog.text
    assert torch.equal(TextEncoder(tower, EmbeddingCache(tmp_path)).encode(['cat', 'dog'], None),
                       again)


def test_folder_that_cannot_be_written_is_reported_once(tower, tmp_path, caplog):
    (tmp_path / 'file').write_text('not a folder')
    encoder = TextEncoder(tower, EmbeddingCache(tmp_path / 'file' / 'cache'))
    with caplog.at_level(logging.WARNING):
        encoder.encode(['cat', 'dog'], tower)
        encoder.encode(['bird'], tower)
    assert caplog.text.count('cannot be kept on disk') == 1


SHARE = """
import sys, torch
from eov_seg_core.inference.embedding_cache import EmbeddingCache
from eov_seg_core.inference.text_encoder import CLIPTextTower, TextEncoder
torch.set_num_threads(1)
torch.manual_seed(0)
tower = CLIPTextTower(embed_dim=24, width=32, heads=4, layers=2, quick_gelu=True).eval()
names = [f'name {i}' for i in range(20)]
print(TextEncoder(tower, EmbeddingCache(sys.argv[1])).encode(names, tower).sum().item())
"""


def test_two_processes_share_a_folder(tmp_path):
    processes = [subprocess.Popen([sys.executable, '-c', SHARE, str(tmp_path)], text=True,
                                  stdout=subprocess.PIPE) for _ in range(2)]
    sums = [float(process.communicate(timeout=120)[0]) for process in processes]
    assert abs(sums[0] - sums[1]) < 1e-3
    assert len(list(tmp_path.rglob('*.safetensors'))) == 20
    assert not list(tmp_path.rglob('*.tmp'))


# What the cache takes from a file that somebody else may have written

def write_entry(cache, space, name, tensor):
    """Write what looks like an entry of the cache in all but its values."""
    EmbeddingCache(cache).put(space, {name: tensor})


CRAFTED = {'short': torch.ones(1), 'matrix': torch.full((1, 24), 24 ** -0.5),
           'not a number': torch.full((24,), float('nan')), 'zero': torch.zeros(24),
           'infinite': torch.full((24,), float('inf')), 'too long': torch.ones(24),
           'half': torch.full((24,), 24 ** -0.5).half(), 'none': torch.zeros(0)}


@pytest.mark.parametrize('kind', CRAFTED)
def test_an_entry_that_is_no_embedding_is_made_again(tower, tmp_path, kind, caplog):
    encoder = TextEncoder(tower, EmbeddingCache(tmp_path / 'own'))
    expected = encoder.encode(['cat'], tower)
    write_entry(tmp_path / 'crafted', encoder._space, 'cat', CRAFTED[kind])
    for complaints in (1, 0):       # it heals
        caplog.clear()
        again = TextEncoder(tower, EmbeddingCache(tmp_path / 'crafted')).encode(['cat'], tower)
        assert torch.equal(again, expected)
        assert caplog.text.count('damaged') == complaints


def test_embeddings_do_not_change_with_their_files(tower, tmp_path):
    expected = TextEncoder(tower, EmbeddingCache(tmp_path)).encode(['cat'], tower)
    later = EmbeddingCache(tmp_path)
    found = TextEncoder(tower, later).encode(['cat'], None)
    for path in tmp_path.rglob('*.safetensors'):
        with path.open('r+b') as file:
            file.write(bytes(path.stat().st_size))
            file.truncate(0)        # reading a mapped page of it now would end the process
    assert torch.equal(found, expected)
    assert torch.equal(TextEncoder(tower, later).encode(['cat'], None), expected)


def test_no_damage_to_a_file_of_the_cache_goes_further(tower, tmp_path):
    """1000 cut, flipped and mixed-up files: an embedding is the right one or made anew."""
    cache = EmbeddingCache(tmp_path)
    encoder = TextEncoder(tower, cache)
    right = dict(zip(['cat', 'dog'], encoder.encode(['cat', 'dog'], tower)))
    files = {name: cache._path(encoder._space, name) for name in right}
    contents = {name: path.read_bytes() for name, path in files.items()}
    rng = random.Random(0)
    for _ in range(1000):
        files['cat'].write_bytes(damaged(contents['cat'], contents['dog'], rng))
        for tensor in EmbeddingCache(tmp_path).get(encoder._space, ['cat'], 24).values():
            assert torch.equal(tensor, right['cat'])


def damaged(content, other, rng):
    """Cut a file, flip bits in it, or give it the head of another one."""
    changed = bytearray(content)
    kind = rng.randrange(4)
    if kind == 0:
        return bytes(changed[:rng.randrange(len(changed))])
    if kind == 1:
        cut = rng.randrange(min(len(content), len(other)))
        return other[:cut] + content[cut:]
    for _ in range(rng.randrange(1, 9)):
        position = rng.randrange(8 if kind == 2 else len(changed))
        changed[position] ^= 1 << rng.randrange(8)
    return bytes(changed)


# Giving way to newer words

def test_an_encoding_that_is_no_longer_wanted_ends_soon_and_keeps_what_is_done(
        tmp_path, monkeypatch):
    monkeypatch.setattr(text_encoder, 'NAMES_PER_PORTION', 20)
    tower = CountingTower()
    encoder = TextEncoder(tower, EmbeddingCache(tmp_path))
    names = [f'name {i}' for i in range(200)]
    with pytest.raises(Superseded):
        encoder.encode(names, tower, lambda: tower.texts < 30 * len(TEMPLATES))
    assert tower.texts <= 30 * len(TEMPLATES) + PROMPTS_PER_BATCH
    before = tower.texts
    encoder.encode(names[:20], tower)
    assert tower.texts == before, 'the first portion was kept'
    assert encoder.encode(['cat'], tower, lambda: True).shape == (1, 24)
    encoder.encode(['cat'], tower, lambda: False)    # known: nothing to give up


def test_portions_give_what_names_give_that_are_encoded_together(tower, tmp_path, monkeypatch):
    names = [f'name {i}' for i in range(40)]
    whole = TextEncoder(tower, EmbeddingCache(tmp_path / 'a')).encode(names, tower)
    monkeypatch.setattr(text_encoder, 'NAMES_PER_PORTION', 7)
    parts = TextEncoder(tower, EmbeddingCache(tmp_path / 'b')).encode(names, tower)
    torch.testing.assert_close(parts, whole, atol=1e-6, rtol=1e-5)
