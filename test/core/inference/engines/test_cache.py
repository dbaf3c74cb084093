# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What engines are made of, on disk: made once, checked, and nothing half-made stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from eov_seg_core.inference.engines.cache import EngineCache


def wait(_seconds):
    """Have all the patience in the world."""


def kept(folder, text='content'):
    (folder / 'file').write_text(text)
    return {'equal_pixels': 1.0}


@pytest.mark.parametrize('damage', ['changed', 'missing', 'cut manifest', 'no manifest', 'list'])
def test_what_is_damaged_is_made_again(tmp_path, caplog, damage):
    cache, key = EngineCache(tmp_path / 'deep' / 'cache'), {'size': '1'}
    folder = cache.get(key, kept, wait).folder
    manifest = folder / 'manifest.json'
    {'changed': lambda: (folder / 'file').write_text('other'),
     'missing': (folder / 'file').unlink,
     'cut manifest': lambda: manifest.write_text(manifest.read_text()[:20]),
     'no manifest': manifest.unlink,
     'list': lambda: manifest.write_text('[]')}[damage]()
    assert cache.find(key) is None
    assert 'is damaged' in caplog.text
    entry = cache.get(key, kept, wait)
    assert (entry.folder / 'file').read_text() == 'content'
    assert entry.facts == {'equal_pixels': 1.0}
    assert cache.find({'size': '2'}) is None


@pytest.mark.parametrize('foreign', ['file', 'link to a folder', 'link to nothing'])
def test_what_stands_in_the_place_of_an_entry_is_replaced(tmp_path, caplog, foreign):
    cache, key = EngineCache(tmp_path / 'cache'), {'size': '1'}
    elsewhere = cache.get(key, kept, wait).folder.rename(tmp_path / 'elsewhere')
    (elsewhere / 'file').write_text('other')
    place = cache._folder(key)
    {'file': place.touch,
     'link to a folder': lambda: place.symlink_to(elsewhere),
     'link to nothing': lambda: place.symlink_to('nothing')}[foreign]()
    entry = cache.get(key, kept, wait)
    assert 'is damaged' in caplog.text
    assert (entry.folder / 'file').read_text() == 'content'
    assert (elsewhere / 'file').read_text() == 'other'
    cache.remove(key)
    assert not os.path.lexists(place)


def test_an_entry_of_another_key_is_not_taken(tmp_path):
    cache = EngineCache(tmp_path)
    folder = cache.get({'version': '1'}, kept, wait).folder
    folder.rename(cache._folder({'version': '2'}))
    assert cache.find({'version': '2'}) is None


def test_what_fails_leaves_nothing(tmp_path):
    def broken(folder):
        kept(folder)
        raise RuntimeError('no')

    cache = EngineCache(tmp_path)
    with pytest.raises(RuntimeError):
        cache.get({'a': 'b'}, broken, wait)
    assert [path.suffix for path in tmp_path.iterdir()] == ['.lock']


def test_two_that_want_the_same_make_it_once(tmp_path):
    made, entries = [], []

    def slow(folder):
        made.append(folder)
        time.sleep(0.3)
        return kept(folder)

    threads = [threading.Thread(
        target=lambda: entries.append(EngineCache(tmp_path).get({'a': 'b'}, slow, wait)))
        for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert len({entry.folder for entry in entries}) == 1


KILLED = """
import os, signal, sys
from eov_seg_core.inference.engines.cache import EngineCache

def make(folder):
    (folder / 'file').write_text('half')
    print('making', flush=True)
    sys.stdin.read()

EngineCache(sys.argv[1]).get({'a': 'b'}, make, lambda seconds: None)
"""


def test_what_a_killed_process_left_is_removed_and_what_is_being_made_is_not(tmp_path):
    process = subprocess.Popen([sys.executable, '-c', KILLED, str(tmp_path)], text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == 'making\n'
    EngineCache(tmp_path).remove_leftovers()
    assert len(list(tmp_path.glob('.new_*'))) == 1
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    EngineCache(tmp_path).remove_leftovers()
    assert [path.suffix for path in tmp_path.iterdir()] == ['.lock']
    EngineCache(tmp_path / 'nowhere').remove_leftovers()


ENDS = """
import time
import numpy as np
from eov_seg_core import Segmenter, Vocabulary
segmenter = Segmenter.from_pretrained('t', device='cpu', runtime='openvino')
segmenter.set_vocabulary(Vocabulary(things=['chair'], stuff=['floor']))
segmenter.warm_up(96, 128, wait=False)
time.sleep(1)
assert segmenter.is_preparing
print(time.monotonic())
"""


def test_a_process_that_ends_while_an_engine_is_built_ends_at_once_and_leaves_nothing(tmp_path):
    pytest.importorskip('openvino', reason='the extra openvino is not installed')
    done = subprocess.run([sys.executable, '-c', ENDS], capture_output=True, text=True, check=True,
                          env={**os.environ, 'EOV_SEG_HOME': str(tmp_path)})
    assert time.monotonic() - float(done.stdout) < 20    # to build one takes longer
    assert {path.suffix for path in (tmp_path / 'engines').iterdir()} == {'.lock'}
