# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`vocabulary.file`: what it sets, and what its refusal tells to whoever sets parameters."""

from __future__ import annotations

import pytest

from eov_seg_ros.pipeline.word_lists import FILE, lists_of_file, STUFF, THINGS

SECRET = 'sEcReT'


@pytest.mark.parametrize(('name', 'content', 'where'), [
    ('shadow', f'root:$6${SECRET}:19000:0:99999:7:::\n', 'line 1 is'),
    ('words.txt', f'chair\n\nkey = "{SECRET}"\n', 'line 3 is'),
    ('table.csv', f'chair\n1,{SECRET}\n', 'line 2 is'),
    ('long', f'chair\n{SECRET * 40}\n', 'line 2 is'),
    ('keys.yaml', f'password: {SECRET}\n', 'it is'),
    ('list.yaml', f'things: {SECRET}\n', 'it is'),
    ('entry.yaml', f'categories: [{{{SECRET}: 1}}]\n', 'it is'),
    ('broken.yaml', f'things:\n- a\n  {SECRET}: [\n', 'line 3 is'),
    ('anchor.yaml', f'things:\n- *{SECRET}\n', 'line 2 is'),
    ('tag.yaml', f'things:\n- !{SECRET} a\n', 'line 2 is'),
    ('twice.yaml', f'{SECRET}: 1\n{SECRET}: 2\n', 'line 2 is'),
    ('doubled.txt', f'stuff: {SECRET}\n{SECRET}\n', 'it is'),
    ('homonyms.txt', f'{SECRET},a\n{SECRET},b\n', 'gives one name to several categories'),
    ('homonyms.yaml', f'categories: [thing: "{SECRET}, a", thing: "{SECRET}, b"]', 'gives one'),
    ('binary', f'{SECRET}\0', 'null byte at byte 6'),
    ('empty', '', 'it is')])
def test_a_refusal_says_where_and_quotes_nothing(tmp_path, name, content, where):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(ValueError, match=f'{FILE}: {path}') as refused:
        lists_of_file(str(path))
    assert where in str(refused.value)
    assert SECRET.lower() not in str(refused.value).lower()


def test_both_lists_come_from_the_file(tmp_path):
    path = tmp_path / 'words.txt'
    path.write_text('cup,mug\nstuff: floor\n')
    assert lists_of_file(str(path)) == {THINGS: ['cup,mug'], STUFF: ['floor']}
