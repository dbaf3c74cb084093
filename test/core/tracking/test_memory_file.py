# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A memory in a file: it goes on where it was, and nothing else is read or overwritten."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from memory_case import CUP, ELSEWHERE, show, view
import pytest

from eov_seg_core.geometry import LEVEL_CAMERA
from eov_seg_core.tracking import ObjectMemory, TrackingOptions
from eov_seg_core.tracking.storage.memory_file import MemoryFile, NotThisMemoryError


def remembering(options=None) -> ObjectMemory:
    memory = ObjectMemory(options)
    for stamp_s in (100., 101., 102.):
        show(memory, stamp_s, cup_1=CUP, box_2=ELSEWHERE)
        for _ in range(2):
            memory.ids.draw(memory.numbers)
    return memory


@pytest.fixture
def file(tmp_path) -> MemoryFile:
    return MemoryFile(tmp_path / 'memory.json', 'odom', 'abc')


def test_a_memory_goes_on_where_it_was(file) -> None:
    memory, again = remembering(), ObjectMemory()
    assert not file.load(again)     # there is no file yet
    file.save(memory)
    assert file.load(again)
    assert again.ids.draw(again.numbers) == memory.ids.draw(memory.numbers) == 9
    for before, after in zip(memory.objects(), again.objects(), strict=True):
        assert (before.state, after.state) == ('visible', 'remembered')
        for name in ('id', 'name', 'share', 'hits', 'first_seen_s', 'last_seen_s'):
            assert getattr(before, name) == getattr(after, name), name
        assert (before.viewpoint == after.viewpoint).all()
        for name in ('center', 'size'):
            assert getattr(before.box, name) == pytest.approx(getattr(after.box, name), abs=.002)
    show(again, 103., cup_1=CUP)
    cup, = again.find('cup')
    assert (cup.state, cup.hits) == ('visible', 4)
    file.save(again)                # over what is ours
    assert file.load(ObjectMemory())


@pytest.mark.parametrize('now_s', [1e6, 5.])
def test_the_time_until_it_is_forgotten_begins_anew(file, now_s) -> None:
    """Also where the clock begins anew, as in a simulation."""
    file.save(remembering())
    memory = ObjectMemory(TrackingOptions(memory_s=60))
    file.load(memory)
    show(memory, now_s, box_2=ELSEWHERE)
    cup, = memory.find('cup')
    assert cup.last_seen_s == min(102., now_s)
    show(memory, now_s + 59, box_2=ELSEWHERE)
    assert memory.find('cup')
    show(memory, now_s + 61, box_2=ELSEWHERE)
    assert not memory.find('cup')
    assert memory.find('box')


@pytest.mark.parametrize(('content', 'reason'), [
    ('', 'is no JSON'),
    ('[1]', 'is no memory of objects'),
    ('{"name": "my recipe"}', 'is no memory of objects'),
    ('[' * 100000, 'nested too deep'),
])
def test_a_file_that_is_not_ours_is_named(file, content, reason) -> None:
    file.path.write_text(content)
    memory = remembering()
    with pytest.raises(NotThisMemoryError, match=reason):
        file.load(memory)
    assert len(memory) == 2


@pytest.mark.parametrize('other', [('map', 'abc'), ('odom', 'abd')])
def test_a_memory_of_another_frame_or_other_weights_is_not_taken(file, other) -> None:
    file.save(remembering())
    with pytest.raises(NotThisMemoryError, match='is the memory for'):
        MemoryFile(file.path, *other).load(ObjectMemory())


def places(value, path=()):
    """Yield the path of every value in nested JSON."""
    entries = (value.items() if isinstance(value, dict)
               else enumerate(value[:3]) if isinstance(value, list) else ())
    for key, entry in entries:
        yield (*path, key)
        yield from places(entry, (*path, key))


PLAIN = json.loads(json.dumps(remembering().as_plain()))


@given(st.sampled_from(sorted(places(PLAIN), key=str)),
       st.sampled_from([None, True, -1, 10**30, math.nan, 1e300, 'x', [], [[1]], {}, {'x': 'y'}]))
@settings(max_examples=300, deadline=None)
def test_no_damaged_memory_is_taken_and_breaks_later(path, value) -> None:
    plain = copy.deepcopy(PLAIN)
    parent = plain
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    memory = ObjectMemory()
    try:
        memory.restore(plain)
    except ValueError:
        assert len(memory) == 0
        return
    memory.objects(include_missing=True)
    show(memory, 103., cup_1=CUP, box_7=ELSEWHERE)
    memory.see(9, view(CUP), 5, LEVEL_CAMERA, 104.)
    json.dumps(memory.as_plain(), allow_nan=False)


def test_a_reader_never_sees_half_a_file(file, monkeypatch) -> None:
    file.save(remembering())
    before = file.path.read_bytes()
    monkeypatch.setattr(Path, 'replace', lambda *_: (_ for _ in ()).throw(OSError('full')))
    with pytest.raises(OSError, match='full'):
        file.save(ObjectMemory())
    assert file.path.read_bytes() == before
    assert [path.name for path in file.path.parent.iterdir()] == ['memory.json']
