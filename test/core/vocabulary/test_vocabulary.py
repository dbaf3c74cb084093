# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Names, synonyms, flags, files and presets."""

import json
from pathlib import Path
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st
import pytest

from eov_seg_core.vocabulary import canonical_form, Category, MAX_NAMES, presets, Vocabulary
from eov_seg_core.vocabulary.canonical import NOTHING
from eov_seg_core.world import OBJECT_TYPES
from eov_seg_core.world.furnishing.categories import SURFACE_NAMES

PUBLISHED = Path(__file__).parents[4] / 'shared' / 'vocabularies' / 'published.json'
# classes, synonyms, things, classes seen by a COCO-trained model (EOV-Seg's published counts)
COUNTS = {
    'coco_panoptic': (133, 254, 80, 133),
    'ade20k_150': (150, 403, 100, 64),
    'ade20k_847': (847, 1342, 0, 101),
    'cityscapes': (19, 60, 8, 17),
    'pascal_voc_20': (20, 79, 20, 20),
    'pascal_context_59': (59, 160, 0, 51),
    'pascal_context_459': (459, 559, 0, 85),
}
NAMES = st.text(st.characters(exclude_categories=['Cs'], exclude_characters=','), min_size=1,
                max_size=30).map(str.strip).filter(lambda name: canonical_form(name) != NOTHING)


def test_things_come_first_and_names_keep_their_order():
    vocabulary = Vocabulary(things=['person,pedestrian', 'chair'], stuff=['floor, ground', 'wall'])
    assert vocabulary.names == ('person', 'chair', 'floor', 'wall')
    assert vocabulary.synonyms == ('person', 'pedestrian', 'chair', 'floor', 'ground', 'wall')
    assert vocabulary.synonym_class_index == [0, 0, 1, 2, 2, 3]
    assert vocabulary.is_thing == (True, True, False, False)
    assert len(vocabulary) == 4


def test_categories_keep_any_order():
    vocabulary = Vocabulary.from_categories(
        [Category(('wall', 'brick wall'), is_thing=False), Category(('dog',), is_thing=True)])
    assert vocabulary.names == ('wall', 'dog')
    assert vocabulary.is_thing == (False, True)


@given(st.lists(NAMES, min_size=1, max_size=12, unique_by=canonical_form), st.data())
def test_any_unicode_name_is_kept(names, data):
    split = data.draw(st.integers(0, len(names)))
    vocabulary = Vocabulary(things=names[:split], stuff=names[split:])
    assert list(vocabulary.names) == names
    assert vocabulary.is_thing.count(True) == split


@pytest.mark.parametrize(('things', 'stuff', 'message'), [
    ([], [], 'at least one name, got 0; for example'),
    (['chair', ''], [], 'name is empty'),
    (['chair,,seat'], [], 'name is empty'),
    (['  '], [], 'name is empty'),
    (['chair', 'chair'], [], "the name 'chair' appears more than once; remove one, .*one class"),
    (['a', 'b', 'a', 'b'], [], "2 names appear more than once: 'a', 'b'; keep each once, "),
    ([str(i % 20) for i in range(40)], [], "20 names .* '7' and 12 more; keep"),
    (['chair,seat', 'bench,seat'], [], "'seat'"),
    (['chair,chair'], [], "'chair'"),
    (['floor'], ['wall', 'floor'], 'in things and in stuff'),
    (['x' * 201], [], '201 characters, at most 200'),
    ([f'name {i}' for i in range(MAX_NAMES + 1)], [], 'got 4097'),
    ('chair', [], r"got the string 'chair'; write things=\['chair'\]"),
    ([], 'floor', r"got the string 'floor'; write stuff=\['floor'\]"),
    (None, [], r'list of strings.*got None \(NoneType\); write things=\[...\], or leave'),
    ({'a': 1}, [], 'list of strings.*dict'),
    ([3], [], 'expected a string'),
    (['\ud800'], [], 'surrogate'),
])
def test_bad_names_are_refused_with_the_reason(things, stuff, message):
    with pytest.raises(ValueError, match=message):
        Vocabulary(things, stuff)


def test_limits_are_inclusive():
    assert len(Vocabulary(things=[f'name {i}' for i in range(MAX_NAMES)])) == MAX_NAMES
    assert Vocabulary(stuff=['x' * 200]).names == ('x' * 200,)


@pytest.mark.parametrize(('categories', 'message'), [
    ([], 'got 0'),
    ([Category(('a', 'b'), True), Category(('b', 'a'), True)], 'same names'),
    ([Category(('a',), True), Category(('a', 'b'), False)], 'thing and of a stuff'),
    ([Category(('a',), True)] * 2, 'stands there twice'),
    ([Category(('a',), True, 3), Category(('b',), True, 3)], "'a' and 'b' both have the id 3"),
])
def test_contradicting_categories_are_refused(categories, message):
    with pytest.raises(ValueError, match=message):
        Vocabulary.from_categories(categories)


@pytest.mark.parametrize(('names', 'message'), [
    ((), 'at least one'), ('chair', 'tuple'), ((1,), 'must be a string'), (None, 'tuple'),
    (('a,b',), 'comma')])
def test_bad_category_is_refused(names, message):
    with pytest.raises(ValueError, match=message):
        Category(names, is_thing=True)


def test_other_wrong_types_are_refused():
    with pytest.raises(ValueError, match='True or False'):
        Category(('a',), is_thing='no')
    with pytest.raises(ValueError, match='expected a Category'):
        Vocabulary.from_categories(['a'])
    for categories in ('chair', None, Category(('a',), True)):
        with pytest.raises(ValueError, match='expected a list of Category, got'):
            Vocabulary.from_categories(categories)
    for names in (None, Vocabulary(['a'])):
        with pytest.raises(ValueError, match='training_names must be a list of strings'):
            Vocabulary(['a']).seen(names)
    with pytest.raises(ValueError, match='list of strings'):
        Vocabulary(['a']).seen('a')


def test_seen_needs_one_whole_synonym():
    vocabulary = Vocabulary(['person,pedestrian', 'Chair', 'sofa'], ['sky'])
    assert vocabulary.seen(['man,pedestrian', 'chair', 'sofas']) == (True, True, False, False)
    assert vocabulary.seen([]) == (False,) * 4


def test_every_preset_has_the_published_counts():
    assert set(presets()) == {*COUNTS, 'world', 'world_labels'}
    training = Vocabulary.preset('coco_panoptic').synonyms
    for name, expected in COUNTS.items():
        vocabulary = Vocabulary.preset(name)
        assert (len(vocabulary), len(vocabulary.synonyms), sum(vocabulary.is_thing),
                sum(vocabulary.seen(training))) == expected, name


def test_presets_equal_the_published_lists():
    if not PUBLISHED.is_file():
        pytest.skip('the published lists (../shared/vocabularies) are not beside this checkout')
    published = json.loads(PUBLISHED.read_text())
    published['pascal_voc_20'] = published['pascal_voc_21'][1:]
    for name in COUNTS:
        expected = [Category(tuple(entry['names']), bool(entry['is_thing']))
                    for entry in published[name]]
        vocabulary = Vocabulary.preset(name)
        assert list(vocabulary.categories) == expected, name
        assert vocabulary.dataset_ids == tuple(entry['id'] for entry in published[name]), name
        assert [list(category.color or ()) for category in vocabulary.categories] == [
            entry.get('color', []) for entry in published[name]], name


def test_presets_have_the_ids_of_their_data_sets():
    stop_sign = Vocabulary.preset('coco_panoptic').categories[11]
    assert (stop_sign.name, stop_sign.dataset_id, stop_sign.color) == (
        'stop sign', 13, (220, 220, 0))
    assert Vocabulary.preset('ade20k_150').dataset_ids == tuple(range(150))
    assert Vocabulary.preset('world').dataset_ids == tuple(range(1, 30))


def test_the_preset_of_the_world_holds_all_its_names():
    surfaces = [Category(names, is_thing=False) for names in SURFACE_NAMES]
    things = [Category(kind.names, is_thing=True) for kind in OBJECT_TYPES if kind.is_thing]
    others = [Category(kind.names, is_thing=False) for kind in OBJECT_TYPES if not kind.is_thing]
    assert list(Vocabulary.preset('world').categories) == [*things, *surfaces, *others]


def test_unknown_preset_names_the_others():
    with pytest.raises(ValueError, match='coco.*choose one of ade20k_150'):
        Vocabulary.preset('coco')


def test_yaml_file(tmp_path):
    path = tmp_path / 'words.yaml'
    path.write_text('things: [person, "café,bistro"]\nstuff:\n  - 床\n', encoding='utf-8')
    assert Vocabulary.from_file(path) == Vocabulary(['person', 'café,bistro'], ['床'])


def test_yaml_file_of_ordered_categories(tmp_path):
    path = tmp_path / 'words.yml'
    path.write_text('categories:\n- stuff: wall,brick wall\n- thing: dog\n')
    assert Vocabulary.from_file(str(path)).is_thing == (False, True)


def test_published_list_file(tmp_path):
    path = tmp_path / 'words.txt'
    path.write_text('0:invalid_class_id\n1:person, child,girl\n\n17:cat')
    assert Vocabulary.from_file(path) == Vocabulary(['person,child,girl', 'cat'])


def test_the_ids_of_a_published_list_are_kept(tmp_path):
    path = tmp_path / 'words.txt'
    path.write_text('0:invalid_class_id\n1:person\n17:cat')
    assert Vocabulary.from_file(path).dataset_ids == (1, 17)


def test_plain_list_of_names(tmp_path):
    path = tmp_path / 'words.txt'
    path.write_text('# my kitchen\nchair\ntable, desk  # for work\n\nstuff: floor,ground\n'
                    'thing: cup\nrock #2', encoding='utf-8-sig')
    assert Vocabulary.from_file(path) == Vocabulary.from_categories([
        Category(('chair',), True), Category(('table', 'desk'), True),
        Category(('floor', 'ground'), False), Category(('cup',), True),
        Category(('rock',), True)])
    assert Vocabulary.from_file(path).dataset_ids == (1, 2, 3, 4, 5)


def test_yaml_file_with_ids_and_colors(tmp_path):
    path = tmp_path / 'words.yaml'
    path.write_text('categories:\n- {id: 13, thing: stop sign, color: [220, 220, 0]}\n'
                    '- stuff: wall\n- {stuff: floor, id: 0}\n')
    vocabulary = Vocabulary.from_file(path)
    assert [category.dataset_id for category in vocabulary.categories] == [13, None, 0]
    assert vocabulary.categories[0].color == (220, 220, 0)
    assert vocabulary.dataset_ids == (13, 14, 0)


def test_dataset_ids_are_the_class_ids_where_no_category_has_one():
    assert Vocabulary(['cat', 'dog'], ['sky']).dataset_ids == (1, 2, 3)
    zero = Category(('cat',), True, dataset_id=0)
    assert Vocabulary.from_categories([zero]).dataset_ids == (0,)
    assert Vocabulary.from_categories([Category(('dog',), True), zero]).dataset_ids == (1, 0)


def test_ids_and_colors_make_no_other_vocabulary():
    plain = Vocabulary(['cat'])
    marked = Vocabulary.from_categories([Category(('cat',), True, 17, (1, 2, 3))])
    assert plain == marked
    assert hash(plain) == hash(marked)


@pytest.mark.parametrize(('name', 'content', 'message'), [
    ('a.yaml', b'', 'things'),
    ('a.yaml', b'things: []', 'got 0'),
    ('a.yaml', b'things: [yes]', 'expected a string'),
    ('a.yaml', b'thing: [chair]', "entries \\['thing'\\]"),
    ('a.yaml', b'- chair', 'expected YAML'),
    ('a.yaml', b'things: [chair', 'no valid YAML'),
    ('a.yaml', b'things: 3', 'a.yaml'),
    ('a.yaml', b'categories: [{thing: a, stuff: b}]', "expected 'thing"),
    ('a.txt', b'', 'no category'),
    ('a.txt', b'# nothing\n\n', 'no category'),
    ('a.txt', b'1:chair\n2:', 'line 2.*empty'),
    ('a.txt', b'1:chair\nx:table', "line 2: got 'x:table'"),
    ('a.txt', b'1:chair\n1:table', "'chair' and 'table' both have the id 1"),
    ('a.txt', b'1:chair\n9999999999:table', 'line 2.*0..2147483647'),
    ('a.txt', b'chair\nchair', 'stands there twice'),
    ('a.txt', b'things: [chair]', 'line 1: got'),
    ('a.txt', b'["chair"]', 'line 1: got'),
    ('a.txt', b'<html>', 'line 1: got'),
    ('a.yaml', b'categories: [{thing: a, id: -1}]', "id of 'a' must be a whole number in 0.."),
    ('a.yaml', b'categories: [{thing: a, id: 1.5}]', "id of 'a'"),
    ('a.yaml', b'categories: [{thing: a, color: [0, 0]}]', "color of 'a' must be three"),
    ('a.yaml', b'categories: [{thing: a, color: [0, 0, 256]}]', "color of 'a'"),
    ('a.yaml', b'categories: [{thing: a, name: b}]', "at most 'id' and 'color'"),
    ('a.yaml', b'categories: [{thing: a, id: 1}, {stuff: b, id: 1}]', 'both have the id 1'),
    ('a.txt', b'\xff\xfe\x00', 'UTF-8'),
    ('a.txt', b'chair\0s\n', 'null byte at byte 5'),
    ('a.csv', b'id,name\n1,chair\n', "line 2: got '1,chair'; write the id before a colon: '1: "),
    ('a.tsv', b'1\tchair\n', "line 1: got '1.tchair'; write the id before"),
])
def test_bad_files_are_refused_with_the_reason(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        Vocabulary.from_file(path)


@pytest.mark.parametrize(('path', 'kind', 'message'), [
    ('nix.yaml', FileNotFoundError, 'vocabulary file nix.yaml cannot be read: No such file'),
    ('/', IsADirectoryError, 'vocabulary file / cannot be read: Is a directory; check the path'),
    ('/dev/zero', OSError, '/dev/zero cannot be read: /dev/zero is a pipe, a device or a socket'),
    ('ade20k_150', FileNotFoundError, r"did you mean Vocabulary.preset\('ade20k_150'\)\?"),
    (None, ValueError, r'a path must be a string or a pathlib.Path, got None \(NoneType\)'),
    (b'a', ValueError, r'got b.a. \(bytes\)'),
])
def test_a_file_that_cannot_be_read_is_named(path, kind, message):
    with pytest.raises(kind, match=message):
        Vocabulary.from_file(path)


@pytest.mark.parametrize('name', ['ADE20K_150', 'ade20k_150.yaml', 'ade20k-150'])
def test_a_misspelt_preset_is_recognized(name):
    with pytest.raises(ValueError, match=r"did you mean Vocabulary.preset\('ade20k_150'\)"):
        Vocabulary.preset(name)


def test_vocabulary_needs_no_pytorch():
    code = 'import sys, eov_seg_core.vocabulary; sys.exit("torch" in sys.modules)'
    assert subprocess.run([sys.executable, '-c', code], check=False).returncode == 0
