# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames never wait for an engine unless told to, and one that nobody named has to pay."""

from __future__ import annotations

import logging
import threading
import time

import pytest
import torch

from eov_seg_core.inference.engines.build import GateError
from eov_seg_core.inference.engines.network import (
    BEGIN_AFTER,
    BUILD_AFTER_S,
    EngineNetwork,
    MAX_ENGINES,
)
from eov_seg_core.network.model import NetworkOutput


class FakeBuilder:
    """Builds what multiplies the masks by two, when it is told to."""

    name = 'engine 1.0 in fp32'
    max_rows = 2048

    def __init__(self, model, error=None):
        self.go, self.built, self._model, self._error = threading.Event(), [], model, error
        self.cached = False

    def find(self, size):
        return self.build(size, None, None) if self.cached else None

    def build(self, size, _vocabulary, wait):
        while not self.cached and not self.go.wait(0.01):
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


def network_with(model, builder, *, is_named=True, frames_wait=False):
    return EngineNetwork(model, model.finish, builder, is_named=is_named,
                         frames_wait=frames_wait)


def settle(network):
    """Wait until nothing is being loaded or built."""
    while network.is_preparing:
        time.sleep(0.01)


@torch.inference_mode()
def test_frames_go_on_in_pytorch_until_the_engine_is_ready(model, words, small_pixels, caplog):
    caplog.set_level(logging.INFO)
    builder = FakeBuilder(model)
    network = network_with(model, builder)
    plain = model(small_pixels, words).mask_logits_BQhw
    for _ in range(BEGIN_AFTER + 3):
        assert torch.equal(network(small_pixels, words).mask_logits_BQhw, plain)
        assert not network.is_used
    assert network.preparation == (f'{builder.name} for inputs of 64 x 64, begun 0 s ago; '
                                   'PyTorch computes meanwhile')
    builder.go.set()
    network.prepare(small_pixels, words, wait=True)
    settle(network)
    assert not network.preparation
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
    for _ in range(BEGIN_AFTER - 1):
        network(torch.randn(1, 3, 64, 96), words)
    for _ in range(BEGIN_AFTER + 1):
        network(torch.randn(1, 3, 32, 64), words)
    network.prepare(torch.randn(1, 3, 32, 64), words, wait=True)
    time.sleep(0.05)
    assert builder.built == []


@torch.inference_mode()
def test_what_no_engine_takes_is_said_once_and_as_long_as_it_lasts(
        model, words, small_pixels, caplog):
    builder = FakeBuilder(model)
    builder.go.set()
    network = network_with(model, builder)
    for _ in range(2):
        network(torch.randn(1, 3, 32, 64), words)
        assert 'takes inputs of 64 to 8192 pixels' in network.why_torch
        assert 'this one has 32 x 64; PyTorch computes instead' in network.why_torch
        network(small_pixels, words)
        assert network.why_torch is None
    builder.max_rows = len(words.guide_NE) - 1
    for _ in range(2):
        network(small_pixels, words)
    rows = len(words.guide_NE)
    assert f'takes {rows - 2} names and synonyms, and the vocabulary has {rows - 1}' \
        in network.why_torch
    assert caplog.text.count('takes inputs of') == 1
    assert caplog.text.count('names and synonyms') == 1


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
                                   OSError('disk full'), RuntimeError('bug'),
                                   KeyError('no class that is foreseen')])
def test_what_cannot_be_built_is_said_once_and_pytorch_computes(
        model, words, small_pixels, caplog, error):
    builder = FakeBuilder(model, error)
    builder.go.set()
    network = network_with(model, builder)
    network.prepare(small_pixels, words, wait=True)
    for _ in range(BEGIN_AFTER + 1):
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


@torch.inference_mode()
def test_an_engine_that_nobody_named_is_taken_from_the_cache(model, words, small_pixels):
    builder = FakeBuilder(model)
    builder.cached = True
    network = network_with(model, builder, is_named=False)
    for _ in range(BEGIN_AFTER):
        network(small_pixels, words)
    settle(network)
    network(small_pixels, words)
    assert network.is_used


@torch.inference_mode()
def test_an_engine_that_nobody_named_is_built_when_pytorch_took_a_minute(
        model, words, small_pixels):
    builder = FakeBuilder(model)
    builder.go.set()
    network = network_with(model, builder, is_named=False)
    for _ in range(BEGIN_AFTER + 2):
        network(small_pixels, words)
        settle(network)
    assert builder.built == []
    network._torch_s[64, 64] = BUILD_AFTER_S
    network(small_pixels, words)
    network(small_pixels, words)
    settle(network)
    assert builder.built == [(64, 64)]


@torch.inference_mode()
@pytest.mark.parametrize(('is_named', 'cached'), [(True, False), (False, True)])
def test_frames_that_wait_are_all_of_one_runtime(model, words, caplog, is_named, cached):
    builder = FakeBuilder(model)
    builder.go.set()
    builder.cached = cached
    network = network_with(model, builder, is_named=is_named, frames_wait=True)
    for step in range(MAX_ENGINES + 1):
        for _ in range(2):
            network(torch.zeros(1, 3, 64, 64 + 32 * step), words)
            assert network.is_used == (step < MAX_ENGINES)
    assert caplog.text.count('PyTorch computes inputs of') == 1


@torch.inference_mode()
def test_frames_that_wait_do_not_wait_for_what_nobody_named(model, words, small_pixels):
    builder = FakeBuilder(model)
    network = network_with(model, builder, is_named=False, frames_wait=True)
    for _ in range(BEGIN_AFTER + 1):
        network(small_pixels, words)
        assert not network.is_used
    assert not network.is_preparing
