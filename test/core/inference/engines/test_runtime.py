# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Engines see what PyTorch sees, for any words; what sees something else is refused."""

from __future__ import annotations

from functools import partial
import json
from pathlib import Path

from engine_case import small_network
from network_case import random_vocabulary
import numpy as np
import pytest
from safetensors import SafetensorError
import torch

from eov_seg_core import Segmenter, Vocabulary
from eov_seg_core.inference.engines import build as engine_build
from eov_seg_core.inference.engines import choice
from eov_seg_core.inference.engines import make as engine_make
from eov_seg_core.inference.engines.build import EngineBuilder, export_to, GateError, LoadError
from eov_seg_core.inference.engines.cache import EngineCache, Entry
from eov_seg_core.inference.engines.example import room_pixels
from eov_seg_core.inference.engines.files import save_network
from eov_seg_core.inference.engines.gate import FACTS
from eov_seg_core.inference.engines.make import ChildError, run_apart
from eov_seg_core.inference.engines.network import EngineNetwork
from eov_seg_core.inference.engines.runtimes.interface import Target

SIZE = (96, 128)
TARGET = Target(SIZE, 'fp32', 'cpu')
ENGINES = ('openvino', 'onnxruntime')


def wait(_seconds):
    """Have all the patience in the world."""


@pytest.fixture(scope='module')
def cache(tmp_path_factory):
    """Return a cache that is filled by the tests of this module."""
    return EngineCache(tmp_path_factory.mktemp('engines'))


@pytest.fixture(params=ENGINES)
def builder(model, cache, request):
    """Return a builder; OpenVINO's network is exported by a child process as in real life."""
    reason = choice.why_not(request.param)
    if reason is not None:
        pytest.skip(reason)
    if request.param == 'onnxruntime':     # was exported for other tests
        builder = EngineBuilder(model, request.param, 'fp32', cache)
        keep_exported(builder, request.getfixturevalue('onnx_file').read_bytes())
    return EngineBuilder(model, request.param, 'fp32', cache)


def keep_exported(builder, content):
    def make(folder):
        (folder / 'network.onnx').write_bytes(content)
        return {}

    return builder._cache.get(builder._export_key(TARGET), make, wait)


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

    monkeypatch.setattr(engine_build, 'run_apart', never)
    second = EngineBuilder(model, builder._runtime, 'fp32', builder._cache)
    assert second.find((64, 64)) is None
    pixels = room_pixels(SIZE, seed=4)
    for engine in (second.build(SIZE, words, wait), second.find(SIZE)):
        for found, expected in zip(engine(pixels, words.guide_NE),
                                   first(pixels, words.guide_NE)):
            torch.testing.assert_close(found, expected)


def test_other_weights_and_another_size_are_something_else(model, builder):
    other = small_network()
    with torch.no_grad():
        other.decoder.vas.scale.add_(0.1)
    runtime, cache = builder._runtime, builder._cache
    key, smaller = builder._export_key(TARGET), builder._target((64, 64))
    assert key != EngineBuilder(other, runtime, 'fp32', cache)._export_key(TARGET)
    exported = Entry(Path(), {}, 'a')
    engine = builder._engine_key(TARGET, exported)
    assert engine != builder._engine_key(smaller, exported)
    assert engine != builder._engine_key(TARGET, Entry(Path(), {}, 'b'))
    assert key == EngineBuilder(model, runtime, 'bf16', cache)._export_key(smaller)


@pytest.fixture
def wrong_network(onnx_file):
    """Return an ONNX file that can be loaded, with a layer of zeros."""
    onnx = pytest.importorskip('onnx')
    proto = onnx.load(str(onnx_file))
    layer, = (tensor for tensor in proto.graph.initializer
              if tensor.name.endswith('aggregator.lateral.0.weight'))
    layer.raw_data = bytes(len(layer.raw_data))
    return proto.SerializeToString()


def test_what_takes_the_place_of_an_exported_network_comes_before_the_gate(
        model, words, onnx_file, wrong_network, tmp_path):
    builder = EngineBuilder(model, 'onnxruntime', 'fp32', EngineCache(tmp_path))
    keep_exported(builder, onnx_file.read_bytes())
    builder.build(SIZE, words, wait)
    assert builder.find(SIZE) is not None
    builder._cache.remove(builder._export_key(TARGET))
    keep_exported(builder, wrong_network)
    assert builder.find(SIZE) is None
    with pytest.raises(GateError):
        builder.build(SIZE, words, wait)


def test_a_damaged_engine_is_refused_now_and_later(model, words, wrong_network, tmp_path):
    builder = EngineBuilder(model, 'onnxruntime', 'fp32', EngineCache(tmp_path))
    keep_exported(builder, wrong_network)
    for _ in range(2):      # the second time by what is in the cache
        with pytest.raises(GateError, match=r'beside PyTorch .* needed are equal pixels 0\.999'):
            builder.build(SIZE, words, wait)
    with pytest.raises(GateError):
        builder.find(SIZE)


def test_an_engine_that_cannot_be_loaded_is_removed_and_made_again(
        model, words, onnx_file, tmp_path):
    builder = EngineBuilder(model, 'onnxruntime', 'fp32', EngineCache(tmp_path))
    exported = keep_exported(builder, b'no network')
    builder._cache.get(builder._engine_key(TARGET, exported),
                       lambda _folder: dict.fromkeys(FACTS, 1.0), wait)
    network = EngineNetwork(model, model.finish, builder, is_named=False, frames_wait=True)
    pixels = room_pixels(SIZE, seed=3)
    with torch.inference_mode():
        network(pixels, words)
        assert not network.is_used
        assert 'cannot be loaded' in network.why_torch
        assert 'so it was removed; PyTorch computes until it is made again' in network.why_torch
        assert builder.find(SIZE) is None
        keep_exported(builder, onnx_file.read_bytes())
        network.prepare(pixels, words, wait=True)
        network(pixels, words)
        assert network.is_used
    assert network.why_torch is None


@pytest.mark.parametrize('facts', [{}, {**dict.fromkeys(FACTS, 1.0), 'masks': 'good'}])
def test_an_engine_without_what_the_gate_measured_is_removed(model, onnx_file, tmp_path, facts):
    builder = EngineBuilder(model, 'onnxruntime', 'fp32', EngineCache(tmp_path))
    exported = keep_exported(builder, onnx_file.read_bytes())
    builder._cache.get(builder._engine_key(TARGET, exported), lambda _folder: facts, wait)
    with pytest.raises(LoadError, match='so it was removed'):
        builder.find(SIZE)
    assert builder.find(SIZE) is None


def test_a_blob_that_openvino_cannot_load_is_removed(model, tmp_path):
    reason = choice.why_not('openvino')
    if reason is not None:
        pytest.skip(reason)
    cache = EngineCache(tmp_path)
    builder = EngineBuilder(model, 'openvino', 'fp32', cache)

    def make(folder):
        (folder / 'network.blob').write_bytes(b'no engine')
        return dict.fromkeys(FACTS, 1.0)

    exported = cache.get(builder._export_key(TARGET), make, wait)
    cache.get(builder._engine_key(TARGET, exported), make, wait)
    with pytest.raises(LoadError, match=r'(?s)cannot be loaded .* so it was removed'):
        builder.find(SIZE)
    assert builder.find(SIZE) is None
    assert not list(tmp_path.glob('*/manifest.json'))


# the child that exports

def test_a_failed_export_says_why(model, tmp_path):
    with pytest.raises(ChildError, match=r'must end in \.onnx'):
        run_apart(model, partial(save_network, path=tmp_path / 'network.pt'), tmp_path, wait)
    assert not list(tmp_path.iterdir())


def test_weights_that_cannot_be_written_are_an_error_that_says_where(model, tmp_path, monkeypatch):
    def full(_tensors, _path):
        raise SafetensorError('I/O error: No space left on device (os error 28)')

    monkeypatch.setattr(engine_make, 'save_file', full)
    with pytest.raises(OSError, match=f'to {tmp_path}.*No space left.*set EOV_SEG_HOME'):
        run_apart(model, partial(save_network, path=tmp_path / 'network.onnx'), tmp_path, wait)
    assert not list(tmp_path.iterdir())


def test_an_export_that_is_not_wanted_ends_at_once(model, tmp_path):
    class EnoughError(Exception):
        pass

    def impatient(_seconds):
        raise EnoughError

    with pytest.raises(EnoughError):
        run_apart(model, partial(export_to, 'onnxruntime', TARGET, tmp_path), tmp_path, impatient)
    assert not list(tmp_path.iterdir())


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
