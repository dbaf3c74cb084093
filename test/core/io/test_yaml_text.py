# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""YAML that users write is read; YAML that costs minutes and gigabytes is refused at once."""

from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest
import yaml

from eov_seg_core.io import yaml_text
from eov_seg_core.io.yaml_text import MAX_BYTES, MAX_DEPTH, parse_yaml, read_text
from eov_seg_core.vocabulary import Vocabulary

LETTERS = 'abcdefghi'
LEVELS = ['&a ["x","x","x","x","x","x","x","x","x"]'] + [
    f'&{after} [' + ','.join([f'*{before}'] * 9) + ']'
    for before, after in zip(LETTERS, LETTERS[1:])]
BOMB = 'things: {a: [' + ', '.join(LEVELS) + ']}\n'     # 9 ** 9 entries in 300 bytes
HOSTILE = {
    'aliases': (BOMB, r'line 1 refers to an anchor \(\*a\)'),
    'alias to itself': ('things: &a [*a]', 'refers to an anchor'),
    'merge key': ('a: &a {x: 1}\nb:\n  <<: *a', 'line 3 refers to an anchor'),
    'deep lists': ('things: ' + '[' * 100_000, 'nest'),
    'deep mappings': ('{a: ' * 100_000, 'nested deeper than 20 levels'),
    'deep blocks': (''.join(' ' * depth + 'a:\n' for depth in range(300)), 'line 2. is nested'),
    'deep keys': ('? ' * 100_000 + 'a', 'nested deeper'),
    'key twice': ('things: [chair]\nstuff: [wall]\nthings: [table]',
                  "line 3 has the key 'things' for the second time"),
    'key twice inside': ('- {a: 1, b: {a: 2}}\n- {a: 1, a: 2}', "line 2 has the key 'a'"),
    'python object': ('things: !!python/object/apply:os.getcwd []', 'could not determine'),
    'two documents': ('a: 1\n---\nb: 2', 'but found another document'),
    'impossible date': ('a: 2024-99-99', 'cannot be read: month'),
    'float without digits': ('a: !!float ""', 'its tag contradicts'),
    'number of a dash': ('a: !!int "_"', 'its tag contradicts'),
    'bool of another word': ('a: !!bool x', 'its tag contradicts'),
    'time without digits': ('a: !!timestamp x', 'its tag contradicts'),
    'number of many digits': ('a: ' + '9' * 5000, 'cannot be read: Exceeds'),
    'list as key': ('? [a]\n: b', 'unhashable'),
    'control character': ('a: \x01', 'no valid YAML'),
}


@pytest.mark.parametrize('loader', [yaml_text._LOADER, yaml.SafeLoader])
@pytest.mark.parametrize('kind', HOSTILE)
def test_hostile_texts_are_refused_at_once(kind, loader, monkeypatch):
    monkeypatch.setattr(yaml_text, '_LOADER', loader)
    text, message = HOSTILE[kind]
    start = time.process_time()
    with pytest.raises(ValueError, match=message) as error:
        parse_yaml(text)
    assert time.process_time() - start < 2, 'seconds'
    assert len(str(error.value)) < 1000


def test_a_vocabulary_file_names_itself(tmp_path):
    path = tmp_path / 'words.yaml'
    path.write_text(BOMB)
    with pytest.raises(ValueError, match=r'words\.yaml: .*anchor'):
        Vocabulary.from_file(path)


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner,
                                                                max_size=4), max_leaves=20)


@settings(deadline=None)
@given(TREES)
def test_other_texts_are_read_as_ever(tree):
    text = yaml.safe_dump(tree)
    assert parse_yaml(text) == yaml.safe_load(text) == tree


@pytest.mark.parametrize('text', ['', '# nothing', '~'])
def test_nothing_is_none(text):
    assert parse_yaml(text) is None


def test_the_deepest_text_that_is_read():
    tree = parse_yaml('[' * MAX_DEPTH + ']' * MAX_DEPTH)
    for _ in range(MAX_DEPTH - 1):
        tree, = tree
    assert tree == []
    with pytest.raises(ValueError, match='nested'):
        parse_yaml('[' * (MAX_DEPTH + 1) + ']' * (MAX_DEPTH + 1))


def test_an_anchor_that_nothing_refers_to_is_harmless():
    assert parse_yaml('a: &unused 3') == {'a': 3}


def test_size_is_limited_before_anything_is_parsed(tmp_path):
    path = tmp_path / 'words.yaml'
    path.write_bytes(b'x' * MAX_BYTES)
    assert len(read_text(path)) == MAX_BYTES
    path.write_bytes(b'x' * (MAX_BYTES + 1))
    with pytest.raises(ValueError, match='larger than 512 KiB'):
        read_text(path)


def test_text_has_no_byte_order_mark(tmp_path):
    path = tmp_path / 'words.yaml'
    path.write_bytes(b'\xef\xbb\xbfa: 1')
    assert read_text(path) == 'a: 1'
