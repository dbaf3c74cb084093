# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Engines see what PyTorch sees, for any words; frames never wait for them; nothing is trusted."""

from __future__ import annotations

import json
import logging
import threading
import time

from engine_case import small_network
from network_case import random_vocabulary
import numpy as np
import pytest
import torch

from eov_seg_core import Segmenter, Vocabulary
from eov_seg_core.inference.engines import build as engine_build
from eov_seg_core.inference.engines import choice
from eov_seg_core.inference.engines.build import EngineBuilder, GateError
from eov_seg_core.inference.engines.cache import EngineCache, Entry
from eov_seg_core.inference.engines.example import room_pixels
from eov_seg_core.inference.engines.gate import equal_pixels
from eov_seg_core.inference.engines.make import export_apart, ExportError
from eov_seg_core.inference.engines.network import BUILD_AFTER, EngineNetwork, MAX_ENGINES
from eov_seg_core.network.model import NetworkOutput

SIZE = (96, 128)
ENGINES = ('openvino', 'onnxruntime')


def wait(_seconds):
    """Have all the patience in the world."""


@pytest.fixture(scope='module')
def model():
    return small_network()


@pytest.fixture(scope='module')
def words(model):
    return random_vocabulary(model.embed_dim, 6)


@pytest.fixture(scope='module')
def cache(tmp_path_factory):
    """Return a cache that is filled by the tests of this module."""
    return EngineCache(tmp_path_factory.mktemp('engines'))


@pytest.fixture(params=ENGINES)
def builder(model, cache, request, monkeypatch):
    """Return a builder; OpenVINO's network is exported by a child process as in real life."""
    reason = choice.why_not(request.param)
    if reason is not None:
        pytest.skip(reason)
    if request.param == 'onnxruntime':     # was exported for other tests
        content = request.getfixturevalue('onnx_file').read_bytes()
        monkeypatch.setattr(engine_build, 'export_apart',
                            lambda _model, target, _wait: target.write_bytes(content))
    return EngineBuilder(model, request.param, 'fp32', cache)


def test_words_change_a_hundred_times_without_a_rebuild(model, words, builder):
    engine = builder.build(SIZE, words, wait)
    random, pixels = np.random.default_rng(0), room_pixels(SIZE, seed=3)
    with torch.inference_mode():
        for step in range(100):
            names = 1 if step == 0 else 1342 if step == 1 else int(random.integers(1, 60))
            vocabulary = random_vocabulary(model.embed_dim, names)
            found = engine(pixels, vocabulary.guide_NE)
            if step % 10 < 2:
                expected = model(pixels, vocabulary)
                np.testing.assert_allclose(
                    model.finish(found, vocabulary).class_log_probs_BQK.exp(),
                    expected.class_log_probs_BQK.exp(), atol=1e-3)
                same = (found.mask_logits_BQhw > 0) == (expected.mask_logits_BQhw > 0)
                assert same.float().mean() > 0.999


def test_a_second_builder_takes_all_from_the_cache(model, words, builder, monkeypatch):
    first = builder.build(SIZE, words, wait)

    def never(*_arguments):
        raise AssertionError('it is in the cache')

    monkeypatch.setattr(engine_build, 'export_apart', never)
    monkeypatch.setattr(engine_build, 'equal_pixels', never)
    second = EngineBuilder(model, builder._runtime, 'fp32', builder._cache).build(
        SIZE, words, wait)
    pixels = room_pixels(SIZE, seed=4)
    for found, expected in zip(second(pixels, words.guide_NE), first(pixels, words.guide_NE)):
        torch.testing.assert_close(found, expected)


def test_other_weights_and_another_size_are_something_else(model, builder):
    other = small_network()
    with torch.no_grad():
        other.decoder.vas.scale.add_(0.1)
    runtime, cache = builder._runtime, builder._cache
    assert builder._export_key != EngineBuilder(other, runtime, 'fp32', cache)._export_key
    assert builder._engine_key(SIZE) != builder._engine_key((64, 64))
    assert builder._export_key == EngineBuilder(model, runtime, 'bf16', cache)._export_key


@pytest.mark.parametrize('wrong', ['nan', 'other masks'])
def test_an_engine_that_sees_something_else_is_refused(model, words, cache, monkeypatch, wrong):
    class Wrong:
        def __call__(self, pixels, guide):
            output = model.embed(model.extract_features(pixels), guide)
            masks = output.mask_logits_BQhw
            return output._replace(mask_logits_BQhw=masks * float('nan') if wrong == 'nan'
                                   else masks.flip(3))

    assert equal_pixels(model, Wrong(), words, SIZE) < 0.9
    builder = EngineBuilder(model, 'openvino', 'fp32', cache)
    monkeypatch.setattr(builder, '_exported', lambda _wait: Entry(cache.directory, {}))
    monkeypatch.setattr(builder, '_compile', lambda *_arguments: Wrong())
    size = (64, 64) if wrong == 'nan' else (64, 96)
    for _ in range(2):      # the second time by what is in the cache
        with pytest.raises(GateError, match=r'of the pixels equal .* 99\.9 % are needed'):
            builder.build(size, words, wait)


class FakeBuilder:
    """Builds what multiplies the masks by two, when it is told to."""

    name = 'engine 1.0 in fp32'

    def __init__(self, model, error=None):
        self.go, self.built, self._model, self._error = threading.Event(), [], model, error

    def build(self, size, _vocabulary, wait):
        while not self.go.wait(0.01):
            wait(0.0)
        if self._error is not None:
            raise self._error
        self.built.append(size)

        def engine(pixels, guide):
            assert pixels.shape[0] == 1
            output = self._model.embed(self._model.extract_features(pixels), guide)
            return NetworkOutput(2 * output.mask_logits_BQhw, *output[1:])
        return engine


@pytest.fixture
def small_pixels():
    return torch.randn(1, 3, 64, 64)


def network_with(model, builder):
    return EngineNetwork(model, model.finish, builder)


@torch.inference_mode()
def test_frames_go_on_in_pytorch_until_the_engine_is_ready(model, words, small_pixels, caplog):
    caplog.set_level(logging.INFO)
    builder = FakeBuilder(model)
    network = network_with(model, builder)
    plain = model(small_pixels, words).mask_logits_BQhw
    for _ in range(BUILD_AFTER + 3):
        assert torch.equal(network(small_pixels, words).mask_logits_BQhw, plain)
        assert not network.is_used
    builder.go.set()
    network.prepare(small_pixels, words, wait=True)
    assert torch.equal(network(small_pixels, words).mask_logits_BQhw, 2 * plain)
    assert network.is_used
    assert network.why_torch is None
    both = torch.cat([small_pixels, torch.randn(1, 3, 64, 64)])
    torch.testing.assert_close(network(both, words).mask_logits_BQhw,
                               2 * model(both, words).mask_logits_BQhw, atol=1e-3, rtol=0)
    assert builder.built == [(64, 64)]
    assert 'computes inputs of 64 x 64 from now on' in caplog.text


@torch.inference_mode()
def test_a_size_that_hardly_comes_and_one_that_cannot_be_are_not_built(model, words):
    builder = FakeBuilder(model)
    builder.go.set()
    network = network_with(model, builder)
    for _ in range(BUILD_AFTER - 1):
        network(torch.randn(1, 3, 64, 96), words)
    for _ in range(BUILD_AFTER + 1):
        network(torch.randn(1, 3, 32, 64), words)
    network.prepare(torch.randn(1, 3, 32, 64), words, wait=True)
    time.sleep(0.05)
    assert builder.built == []


@torch.inference_mode()
def test_the_latest_sizes_are_kept(model, words):
    builder = FakeBuilder(model)
    builder.go.set()
    network = network_with(model, builder)
    for step in range(MAX_ENGINES + 1):
        network.prepare(torch.zeros(1, 3, 64, 64 + 32 * step), words, wait=True)
    network(torch.zeros(1, 3, 64, 64), words)
    assert not network.is_used
    network(torch.zeros(1, 3, 64, 96), words)
    assert network.is_used


@torch.inference_mode()
@pytest.mark.parametrize('error', [GateError('12.00 % of the pixels'), ValueError('no library'),
                                   OSError('disk full'), RuntimeError('bug')])
def test_what_cannot_be_built_is_said_once_and_pytorch_computes(
        model, words, small_pixels, caplog, error):
    builder = FakeBuilder(model, error)
    builder.go.set()
    network = network_with(model, builder)
    network.prepare(small_pixels, words, wait=True)
    for _ in range(BUILD_AFTER + 1):
        network(small_pixels, words)
    assert str(error) in network.why_torch
    assert caplog.text.count(str(error)) == 1


@torch.inference_mode()
def test_an_engine_that_fails_later_gives_way(model, words, small_pixels):
    class Failing(FakeBuilder):
        def build(self, *_arguments):
            def engine(_pixels, _guide):
                raise RuntimeError('lost its memory')
            return engine

    network = network_with(model, Failing(model))
    network.prepare(small_pixels, words, wait=True)
    assert torch.equal(network(small_pixels, words).mask_logits_BQhw,
                       model(small_pixels, words).mask_logits_BQhw)
    assert 'lost its memory' in network.why_torch


# the cache

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


def test_an_entry_of_another_key_is_not_taken(tmp_path):
    cache = EngineCache(tmp_path)
    folder = cache.get({'version': '1'}, kept, wait).folder
    folder.rename(cache._folder({'version': '2'}))
    assert cache.find({'version': '2'}) is None


def test_what_fails_leaves_nothing(tmp_path):
    def broken(folder):
        kept(folder)
        raise ExportError('no')

    cache = EngineCache(tmp_path)
    with pytest.raises(ExportError):
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


# the child that exports

def test_a_failed_export_says_why(model, tmp_path):
    with pytest.raises(ExportError, match=r'must end in \.onnx'):
        export_apart(model, tmp_path / 'network.pt', wait)
    assert not list(tmp_path.iterdir())


def test_an_export_that_is_not_wanted_ends_at_once(model, tmp_path):
    class EnoughError(Exception):
        pass

    def impatient(_seconds):
        raise EnoughError

    with pytest.raises(EnoughError):
        export_apart(model, tmp_path / 'network.onnx', impatient)
    assert not list(tmp_path.iterdir())


# the choice

@pytest.fixture
def installed(monkeypatch):
    versions = {'openvino': '2026.4.1', 'onnxruntime': '1.32.0', 'onnxscript': '0.7'}
    monkeypatch.setattr(choice, 'version_of', versions.get)
    monkeypatch.delenv(choice.VARIABLE, raising=False)
    return versions


def test_auto_is_openvino_in_float32_on_a_cpu(installed, monkeypatch):
    assert choice.choose_runtime('auto', 'cpu', 'fp32') == 'openvino'
    assert choice.choose_runtime('auto', 'cpu', 'bf16') == 'torch'
    assert choice.choose_runtime('auto', 'cuda', 'fp16') == 'torch'
    monkeypatch.setenv(choice.VARIABLE, 'torch')
    assert choice.choose_runtime('auto', 'cpu', 'fp32') == 'torch'
    assert choice.choose_runtime('onnxruntime', 'cpu', 'fp32') == 'onnxruntime'
    monkeypatch.delenv(choice.VARIABLE)
    installed.pop('openvino')
    assert choice.choose_runtime('auto', 'cpu', 'fp32') == 'torch'


@pytest.mark.parametrize(('arguments', 'message'), [
    (('tensorflow', 'cpu', 'fp32'), 'must be one of auto, torch'),
    (('openvino', 'cuda', 'fp32'), "runs on the CPU.*'torch'"),
    (('onnxruntime', 'cpu', 'bf16'), "computes in fp32, and precision is 'bf16'")])
def test_a_choice_that_cannot_be_is_refused(installed, arguments, message):
    with pytest.raises(ValueError, match=message):
        choice.choose_runtime(*arguments)


def test_what_is_missing_or_too_old_is_said(installed):
    installed.pop('openvino')
    installed['onnxruntime'] = '1.24.4'
    with pytest.raises(ValueError, match=r"not installed; pip install 'eov_seg_ros\[openvino\]'"):
        choice.choose_runtime('openvino', 'cpu', 'fp32')
    with pytest.raises(ValueError, match=r'1\.24\.4 has no DeformConv; 1\.25 or newer'):
        choice.choose_runtime('onnxruntime', 'cpu', 'fp32')


# the segmenter

def test_a_segmenter_sees_the_same_through_an_engine(model, cache, builder, tmp_path, monkeypatch):
    runtime = builder._runtime
    monkeypatch.setenv('EOV_SEG_HOME', str(tmp_path))
    (tmp_path / 'engines').symlink_to(cache.directory)
    options = {'device': 'cpu', 'input_size': 96, 'embedding_cache_dir': tmp_path / 'text'}
    segmenter, plain = (Segmenter(model, runtime=name, **options) for name in (runtime, 'torch'))
    image = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    for names in (['chair'], ['chair', 'table', 'lamp']):
        for each in (segmenter, plain):
            each.set_vocabulary(Vocabulary(things=names, stuff=['floor']))
        segmenter.warm_up(96, 128)
        assert (segmenter(image).instance == plain(image).instance).mean() > 0.99
    assert segmenter.runtime.startswith(f'{runtime} ')
    assert plain.runtime.startswith('torch ')
    assert segmenter.fallbacks == {}
    manifests = [json.loads(path.read_text()) for path in cache.directory.glob('*/manifest.json')]
    assert all(set(manifest) == {'key', 'facts', 'files'} for manifest in manifests)
