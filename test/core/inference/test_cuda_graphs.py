# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""When a graph is captured, replayed and given up, with stubs; real graphs where there is CUDA."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
import logging
from types import SimpleNamespace

from network_case import random_vocabulary
import numpy as np
import pytest
import torch

from eov_seg_core import Segmenter, Vocabulary
from eov_seg_core.inference import cuda_graphs
from eov_seg_core.inference.cuda_graphs import CAPTURE_AFTER, CUDAGraphs, MAX_SHAPES
from eov_seg_core.network.model import EOVSeg, Prediction

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason='needs CUDA')


class Recorder:
    """A network that notes what it was given; its captures note what they replay."""

    def __init__(self, error=None):
        self.eager, self.captures, self.replays = [], [], []
        self.error = error

    def __call__(self, pixels, vocabulary):
        self.eager.append((pixels.shape, len(vocabulary.text_NE)))
        return Prediction(pixels, pixels)

    def capture(self, network, pixels, vocabulary):
        assert network is self
        shape = (pixels.shape, len(vocabulary.text_NE))
        self.captures.append(shape)
        if self.error is not None:
            raise self.error

        def replay(pixels, vocabulary):
            assert (pixels.shape, len(vocabulary.text_NE)) == shape
            self.replays.append(shape)
            return Prediction(pixels, pixels)
        return replay


def inputs(height=32, names=5):
    return torch.zeros(1, 3, height, 32), random_vocabulary(4, names)


def test_a_shape_is_captured_after_some_frames():
    network = Recorder()
    graphs = CUDAGraphs(network, network.capture)
    for _ in range(CAPTURE_AFTER):
        graphs(*inputs())
    assert len(network.eager) == CAPTURE_AFTER
    assert not network.captures
    for _ in range(3):
        graphs(*inputs())
    assert len(network.eager) == CAPTURE_AFTER
    assert len(network.captures) == 1
    assert len(network.replays) == 3


def test_a_shape_that_was_prepared_is_replayed_from_the_first_frame():
    network = Recorder()
    graphs = CUDAGraphs(network, network.capture)
    graphs.prepare(*inputs())
    graphs.prepare(*inputs())
    graphs(*inputs())
    graphs(*inputs(height=64))
    graphs(*inputs(names=6))
    assert len(network.captures) == len(network.replays) == 1
    assert network.eager == [(torch.Size([1, 3, 64, 32]), 6), (torch.Size([1, 3, 32, 32]), 7)]


def test_the_number_of_graphs_is_bounded_and_the_latest_stay():
    network = Recorder()
    graphs = CUDAGraphs(network, network.capture)
    heights = [32 * (index + 1) for index in range(MAX_SHAPES + 1)]
    for height in heights:
        graphs.prepare(*inputs(height))
        graphs(*inputs(heights[0]))     # never the oldest
    assert len(graphs._shapes) == MAX_SHAPES
    assert not network.eager
    graphs(*inputs(heights[1]))
    assert len(network.eager) == 1, 'the oldest was forgotten'


def test_shapes_that_hardly_come_again_are_never_captured():
    network = Recorder()
    graphs = CUDAGraphs(network, network.capture)
    for _ in range(3 * CAPTURE_AFTER):
        for index in range(MAX_SHAPES + 1):
            graphs(*inputs(32 * (index + 1)))
    assert not network.captures


@pytest.mark.parametrize('prepared', [False, True])
def test_what_cannot_be_captured_runs_as_it_is_from_then_on(caplog, prepared):
    network = Recorder(RuntimeError('operation not permitted when stream is capturing'))
    graphs = CUDAGraphs(network, network.capture)
    if prepared:
        graphs.prepare(*inputs())
        graphs.prepare(*inputs(64))
    for _ in range(CAPTURE_AFTER + 5):
        graphs(*inputs())
    assert len(network.captures) == 1
    assert len(network.eager) == CAPTURE_AFTER + 5
    assert 'not permitted' in graphs.why_eager
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert 'not permitted' in warnings[0].getMessage()


@pytest.mark.parametrize('change', [0.0, 0.001, 0.5, float('nan')])
def test_a_graph_that_computes_something_else_is_refused(change):
    masks = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    expected, found = Prediction(masks, masks), Prediction(masks, masks * (1 + change))
    if change < 0.01:
        cuda_graphs._compare(found, expected)
        return
    with pytest.raises(cuda_graphs.GraphError, match='update it'):
        cuda_graphs._compare(found, expected)


class FakeCUDA:
    """Stands in for `torch.cuda`: a graph that repeats the last call before its capture ended."""

    def __init__(self, does_replay):
        self.calls, self.does_replay, self.modes = [], does_replay, []

    def network(self, pixels, vocabulary):
        output = Prediction(pixels.sum() + vocabulary.text_NE, pixels * vocabulary.seen_K.sum())
        self.calls.append((pixels, vocabulary, output))
        return output

    def install(self, monkeypatch):
        stream = SimpleNamespace(wait_stream=lambda other: None)
        monkeypatch.setattr(cuda_graphs.torch, 'cuda', SimpleNamespace(
            CUDAGraph=lambda: SimpleNamespace(replay=self.replay), graph=self.graph,
            Stream=lambda device: stream, current_stream=lambda device: stream,
            graph_pool_handle=lambda: None, device=nullcontext, stream=nullcontext))

    @contextmanager
    def graph(self, graph, *, pool, stream, capture_error_mode):
        self.modes.append(capture_error_mode)
        yield
        self.recorded = self.calls[-1]
        for output in self.recorded[2]:
            output.zero_()      # a capture computes nothing

    def replay(self):
        pixels, vocabulary, outputs = self.recorded
        if self.does_replay:
            for output, value in zip(outputs, self.network(pixels, vocabulary)):
                output.copy_(value)


def test_inputs_are_copied_into_a_graph_and_outputs_out_of_it(monkeypatch):
    cuda = FakeCUDA(does_replay=True)
    cuda.install(monkeypatch)
    graphs = CUDAGraphs(cuda.network)
    batches = [torch.randn(1, 3, 32, 32) for _ in range(3)]
    words = [random_vocabulary(4), random_vocabulary(4)]
    with torch.inference_mode():
        graphs.prepare(batches[0], words[0])
        pairs = [(batches[1], words[0]), (batches[2], words[1]), (batches[2], words[0])]
        found = [graphs(*pair) for pair in pairs]
        for prediction, pair in zip(found, pairs):
            for output, expected in zip(prediction, cuda.network(*pair)):
                assert torch.equal(output, expected)
    assert graphs.why_eager is None
    assert cuda.modes == ['thread_local'], 'text may be encoded meanwhile'


def test_a_kernel_that_is_missing_from_a_graph_is_noticed(monkeypatch):
    cuda = FakeCUDA(does_replay=False)
    cuda.install(monkeypatch)
    graphs = CUDAGraphs(cuda.network)
    pixels, vocabulary = torch.randn(1, 3, 32, 32), random_vocabulary(4)
    graphs.prepare(pixels, vocabulary)
    assert 'something else' in graphs.why_eager
    assert torch.equal(graphs(pixels, vocabulary).mask_logits_BQhw, 5 * pixels)


def test_a_cpu_has_no_graphs(tiny_model, tmp_path):
    segmenter = Segmenter(tiny_model, device='cpu', embedding_cache_dir=tmp_path)
    assert segmenter.network._graphs is None


# On a GPU

@needs_cuda
@pytest.mark.parametrize('variant', ['t', 's', 'm', 'l'])
def test_a_real_graph_computes_the_same_for_other_pixels_and_words(variant):
    torch.manual_seed(0)
    model = EOVSeg.from_variant(variant).cuda()
    graphs = CUDAGraphs(model)
    with torch.inference_mode():
        graphs.prepare(torch.randn(1, 3, 64, 96, device='cuda'),
                       random_vocabulary(model.embed_dim, device='cuda'))
        assert graphs.why_eager is None
        pixels = [torch.randn(1, 3, 64, 96, device='cuda') for _ in range(2)]
        vocabularies = [random_vocabulary(model.embed_dim, device='cuda') for _ in range(2)]
        found = [graphs(*pair) for pair in zip(pixels, vocabularies)]
        for prediction, batch, vocabulary in zip(found, pixels, vocabularies):
            for output, expected in zip(prediction, model(batch, vocabulary)):
                torch.testing.assert_close(output, expected, rtol=1e-3, atol=1e-3)


@needs_cuda
def test_a_vocabulary_may_be_encoded_while_a_graph_is_captured(tiny_model, tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    segmenter = Segmenter(tiny_model, device='cuda', precision='fp32', input_size=64,
                          embedding_cache_dir=tmp_path)
    segmenter.set_vocabulary(Vocabulary(things=['cup'], stuff=['wall']))
    with ThreadPoolExecutor(1) as pool:
        words = pool.submit(lambda: [segmenter.prepare_vocabulary(
            Vocabulary(things=[f'thing {index}'], stuff=['wall'])) for index in range(50)])
        for height in range(48, 48 + 32 * MAX_SHAPES, 32):
            segmenter.warm_up(height, 640)
        prepared = words.result()
    assert segmenter.fallbacks == {}
    segmenter.use_vocabulary(prepared[-1])
    segmenter(np.zeros((48, 640, 3), np.uint8))
