# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Data sets whose own lists have one name for several categories, as ADE20K-847 has."""

from __future__ import annotations

import json
import logging

from dataset_case import write_folder
import pytest

from eov_seg_core.vocabulary import Category, Vocabulary
from training.data import open_dataset


def rename(folder, names, is_thing=(1, 0, 1)):
    """Name the categories 4 (thing), 9 (stuff) and 2 (thing) of the folder anew."""
    path = folder / 'panoptic.json'
    content = json.loads(path.read_text())
    for entry, name, flag in zip(content['categories'], names, is_thing):
        entry.update(name=name, isthing=flag)
    path.write_text(json.dumps(content))


def use_category(folder, old, new):
    path = folder / 'panoptic.json'
    content = json.loads(path.read_text())
    for segment in content['annotations'][0]['segments_info']:
        if segment['category_id'] == old:
            segment['category_id'] = new
            break
    path.write_text(json.dumps(content))


@pytest.mark.parametrize('second', ['pot', 'Pot', ' pot ', '&#112;ot'])
def test_categories_of_one_name_share_a_class_and_are_named(tmp_path, caplog, second):
    folder = write_folder(tmp_path)
    rename(folder, ['pot', 'floor', second])
    use_category(folder, old=4, new=2)
    with caplog.at_level(logging.WARNING):
        data = open_dataset(folder)
    assert data.vocabulary.names == ('pot', 'floor')
    assert data.vocabulary.dataset_ids == (4, 9)
    assert {label.class_index for label in data[0].segments} == {0, 1}
    warning, = caplog.messages
    assert f"4 ('pot') and 2 ({second!r})" in warning
    assert 'Add synonyms' in warning


def test_without_homonyms_nothing_is_said(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        open_dataset(write_folder(tmp_path))
    assert not caplog.messages


def test_a_shared_synonym_keeps_two_classes(tmp_path, caplog):
    folder = write_folder(tmp_path)
    rename(folder, ['pot,kettle', 'floor', 'pot'])
    use_category(folder, old=4, new=2)
    with caplog.at_level(logging.WARNING):
        data = open_dataset(folder)
    assert data.vocabulary.dataset_ids == (4, 9, 2)
    assert {label.class_index for label in data[0].segments} == {0, 1, 2}
    assert not caplog.messages


def test_one_name_for_a_thing_and_for_stuff_is_refused(tmp_path):
    folder = write_folder(tmp_path)
    rename(folder, ['pot', 'pot', 'lamp'])
    with pytest.raises(ValueError, match="the category 'pot' stands there twice"):
        open_dataset(folder)


def test_ids_tell_the_homonyms_of_a_given_vocabulary_apart(tmp_path):
    folder = write_folder(tmp_path)
    rename(folder, ['pot', 'floor', 'pot'])
    use_category(folder, old=4, new=2)
    words = [Category(('pot', 'flowerpot'), True, 2), Category(('pot', 'kettle'), True, 4),
             Category(('floor',), False)]
    data = open_dataset(folder, vocabulary=Vocabulary.from_categories(words))
    assert {label.class_index for label in data[0].segments} == {0, 1, 2}
    without_ids = [Category(word.names, word.is_thing) for word in words]
    with pytest.raises(ValueError, match='fits 2 classes'):
        open_dataset(folder, vocabulary=Vocabulary.from_categories(without_ids))
