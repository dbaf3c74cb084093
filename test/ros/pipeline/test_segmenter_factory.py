# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which weights and which device the parameters lead to; nothing here needs ROS."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
import logging
import os

from fake_segmenter import FakeSegmenter
import pytest

from eov_seg_core import pretrained
from eov_seg_core.config import variant_config
from eov_seg_core.network.model import EOVSeg
from eov_seg_core.segmenter import Segmenter
from eov_seg_core.vocabulary import Vocabulary
from eov_seg_core.weights import choice
from eov_seg_core.weights.checkpoint import CheckpointError, weights_digest
from eov_seg_ros.parameters import Parameters
from eov_seg_ros.pipeline import segmenter_factory
from eov_seg_ros.pipeline.segmenter_factory import gpu_memory_mb, load_segmenter, warm_up

NO_CUDA = 'cuda:63'


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp('weights') / 'tiny.safetensors'
    EOVSeg.from_variant('t').save(path)
    return str(path)


def load(tmp_path, **values):
    return load_segmenter(Parameters(variant='t', device=values.pop('device', 'cpu'),
                                     embedding_cache_dir=str(tmp_path), **values))


def test_checkpoint_and_options_arrive(checkpoint, tmp_path, caplog):
    segmenter = load(tmp_path, checkpoint=checkpoint, input_size=64, precision='bf16')
    assert segmenter.model.weights_digest
    assert (segmenter.input_size, segmenter.precision) == (64, 'bf16')
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert load(tmp_path, checkpoint=checkpoint, input_size=-1).input_size is None
    assert load(tmp_path, checkpoint=checkpoint).input_size == 288, 'what the variant is meant for'
    assert gpu_memory_mb(segmenter.device) is None


@pytest.fixture
def no_built_in_weights(monkeypatch):
    monkeypatch.setattr(choice, 'has_builtin_weights', lambda variant: False)


def test_no_weights_is_an_error_unless_allowed(no_built_in_weights, tmp_path, caplog):
    with pytest.raises(ValueError, match=r'no weights of variant t .*clip_pretrained alone'):
        load(tmp_path, clip_pretrained=True)
    with pytest.raises(ValueError, match=r'no weights of variant s .*checkpoint:=published does'):
        load_segmenter(Parameters(variant='s'))
    with pytest.raises(ValueError, match=r'because the parameter download is false.*\(3\) set'):
        load_segmenter(Parameters(variant='s', checkpoint='published', download=False))
    segmenters = [load(tmp_path, allow_untrained=True) for _ in range(2)]
    models = [segmenter.model for segmenter in segmenters]
    assert models[0].weights_digest is None
    assert segmenters[0].input_size == 288
    states = [weights_digest(model.state_dict()) for model in models]
    assert states[0] == states[1], 'pictures of random weights are at least the same every time'
    assert 'ALL WEIGHTS ARE RANDOM' in caplog.text


def test_built_in_weights_come_before_all_else(checkpoint, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(pretrained, 'builtin_weights', lambda variant: nullcontext(checkpoint))
    segmenter = load(tmp_path, allow_untrained=True)
    assert segmenter.model.weights_digest
    assert 'NO CHECKPOINT' not in caplog.text


def test_both_aspects_are_warmed_up_if_that_takes_compiling(caplog):
    caplog.set_level(logging.INFO)
    for compiles, sizes in ((False, [(480, 640)]), (True, [(480, 640), (720, 1280)])):
        segmenter = FakeSegmenter()
        segmenter.use_vocabulary(segmenter.prepare_vocabulary(Vocabulary(['cup'])))
        warm_up(segmenter, Parameters(compile=compiles))
        assert segmenter.warm_ups == sizes
        assert ('takes minutes' in caplog.text) == compiles


def test_compile_arrives(checkpoint, tmp_path, monkeypatch):
    given = []
    original = Segmenter.__init__
    monkeypatch.setattr(Segmenter, '__init__', lambda self, *arguments, **options: given.append(
        options['compile']) or original(self, *arguments, **options))
    load(tmp_path, checkpoint=checkpoint, compile=True)
    load(tmp_path, checkpoint=checkpoint)
    assert given == [True, False]


def test_damaged_built_in_weights_are_an_error(tmp_path, monkeypatch):
    damaged = tmp_path / 'damaged.safetensors'
    damaged.write_bytes(b'no weights')
    monkeypatch.setattr(pretrained, 'builtin_weights', lambda variant: nullcontext(damaged))
    with pytest.raises(CheckpointError, match='damaged'):
        load(tmp_path, allow_untrained=True)


def test_wrong_checkpoint_is_an_error_even_if_untrained_is_allowed(checkpoint, tmp_path):
    with pytest.raises(ValueError, match='no_such'):
        load(tmp_path, checkpoint='no_such.pth', allow_untrained=True)
    with pytest.raises(CheckpointError, match="'s'"):
        load_segmenter(Parameters(variant='s', checkpoint=checkpoint, device='cpu'))


def test_missing_device_is_an_error_unless_the_cpu_may_replace_it(
        no_built_in_weights, tmp_path, caplog):
    with pytest.raises(ValueError, match=NO_CUDA):
        load(tmp_path, allow_untrained=True, device=NO_CUDA)
    segmenter = load(tmp_path, allow_untrained=True, device=NO_CUDA, allow_cpu_fallback=True)
    assert segmenter.device.type == 'cpu'
    assert 'using the CPU' in caplog.text


def test_clip_weights_alone_are_announced_loudly(
        no_built_in_weights, tmp_path, caplog, monkeypatch):
    build = EOVSeg.from_variant
    monkeypatch.setattr(EOVSeg, 'from_variant', lambda variant, clip_pretrained=False:
                        build('t' if clip_pretrained else 'none'))
    load_segmenter(Parameters(variant='s', device='cpu', clip_pretrained=True,
                              allow_untrained=True, embedding_cache_dir=str(tmp_path)))
    assert 'MASKS ARE MEANINGLESS' in caplog.text


def test_without_network_only_the_cache_is_tried_and_said_once(tmp_path, monkeypatch, caplog):
    monkeypatch.delenv('HF_HUB_OFFLINE', raising=False)
    monkeypatch.setenv('HF_ENDPOINT', 'http://127.0.0.1:9')     # nobody listens there
    tried = []

    def refuse(*_, sources):
        tried.append((sources, os.environ.get('HF_HUB_OFFLINE')))
        raise ValueError('no weights')
    monkeypatch.setattr(segmenter_factory, 'load_pretrained', refuse)
    with pytest.raises(ValueError, match='no weights'):
        load_segmenter(Parameters(variant='s', device='cpu', clip_pretrained=True,
                                  allow_untrained=True))
    assert tried == [(['clip', 'untrained'], '1')]
    assert caplog.text.count('http://127.0.0.1:9 cannot be reached') == 1


def test_random_weights_stand_in_for_clip_that_cannot_be_fetched(
        no_built_in_weights, tmp_path, caplog, monkeypatch):
    def no_network(config):
        raise RuntimeError('no route to host')
    monkeypatch.setattr('eov_seg_core.network.model.fetch_clip_weights', no_network)
    monkeypatch.setattr(EOVSeg, '__init__', lambda self, config, build=EOVSeg.__init__:
                        build(self, variant_config('t')))
    parameters = Parameters(variant='s', device='cpu', clip_pretrained=True,
                            embedding_cache_dir=str(tmp_path))
    load_segmenter(replace(parameters, allow_untrained=True))
    assert 'ALL WEIGHTS ARE RANDOM' in caplog.text
