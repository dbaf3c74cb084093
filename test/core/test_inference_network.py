# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The network compiled and as CUDA graphs, as far as a machine without CUDA can tell."""

from __future__ import annotations

from contextlib import nullcontext
from itertools import chain
import logging

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from eov_seg_core import compiled_network, cuda_graphs, Segmenter, Vocabulary
from eov_seg_core.classification import VocabularyEmbedding
from eov_seg_core.cuda_graphs import CAPTURE_AFTER, CUDAGraphs, MAX_SHAPES
from eov_seg_core.inference_cnn import inference_cnn
from eov_seg_core.model import EOVSeg, Prediction

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason='needs CUDA')


def random_vocabulary(embed_dim, names=5, device='cpu'):
    text = torch.nn.functional.normalize(torch.randn(names + 1, embed_dim, device=device), dim=1)
    return VocabularyEmbedding(text, torch.arange(names, device=device),
                               torch.ones(names, dtype=torch.bool, device=device), text.clone())


class OnOneDevice(TorchDispatchMode):
    """Notes operations that see a tensor of another kind of device than CUDA."""

    def __init__(self):
        super().__init__()
        self.strangers = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        output = func(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves((args, kwargs, output))
                   if isinstance(leaf, torch.Tensor)]
        if any(not tensor.is_cuda for tensor in tensors):
            self.strangers.append(str(func))
        return output


@pytest.mark.parametrize('variant', ['t', 's', 'm', 'l'])
def test_the_network_neither_asks_for_a_value_nor_copies_from_the_host(variant):
    """Fake tensors have no values: what asks for one raises.  So it can be captured."""
    with torch.device('meta'):
        model = EOVSeg.from_variant(variant)
    with FakeTensorMode(), torch.inference_mode(), OnOneDevice() as watch:
        weights = {name: torch.empty(tensor.shape, dtype=tensor.dtype, device='cuda')
                   for name, tensor in chain(model.named_parameters(), model.named_buffers())}
        embedding = torch.empty(9, model.embed_dim, device='cuda')
        vocabulary = VocabularyEmbedding(
            embedding, torch.empty(8, dtype=torch.int64, device='cuda'),
            torch.empty(4, dtype=torch.bool, device='cuda'), embedding)
        prediction = functional_call(
            model, weights, (torch.empty(2, 3, 64, 96, device='cuda'), vocabulary))
    assert prediction.class_log_probs_BQK.shape[2] == 5
    assert prediction.mask_logits_BQhw.shape[2:] == (16, 24)
    assert prediction.mask_logits_BQhw.is_cuda
    assert not watch.strangers


def test_the_watch_sees_a_copy_from_the_host():
    with FakeTensorMode(), OnOneDevice() as watch:
        torch.ones(3, device='cuda') + torch.ones(3).to('cuda')
    assert watch.strangers


# torch.compile

@pytest.fixture
def compiled(monkeypatch):
    """Return the runs of compiled code, which is what PyTorch captured, as it is."""
    runs = []

    def backend(graph, _):
        def run(*arguments):
            runs.append(arguments)
            return graph.forward(*arguments)
        return run

    torch._dynamo.reset()
    yield backend, runs
    torch._dynamo.reset()


@pytest.mark.parametrize('folded', [False, True])
@pytest.mark.parametrize('dtype', [None, torch.bfloat16])
def test_compiles_as_a_whole_only_when_asked_to(tiny_model, compiled, folded, dtype, caplog):
    backend, runs = compiled
    tiny_model.set_half_dtype(dtype)
    network = compiled_network.CompiledNetwork(tiny_model, backend)
    vocabulary = random_vocabulary(tiny_model.embed_dim)
    pixels, others = torch.randn(1, 3, 64, 96), torch.randn(1, 3, 32, 64)
    context = inference_cnn(tiny_model.cnn, torch.device('cpu')) if folded else nullcontext()
    with context, torch.inference_mode():
        network(pixels, vocabulary)
        assert not runs, 'frames never compile'
        assert '(1, 3, 64, 96) runs without torch.compile' in caplog.text
        network.prepare(pixels)
        runs.clear()
        for batch, count in ((pixels, 1), (others, 1), (pixels, 2)):
            found, expected = network(batch, vocabulary), tiny_model(batch, vocabulary)
            assert len(runs) == count
            assert all(torch.equal(*pair) for pair in zip(found, expected))
    assert network.why_eager is None
    assert len([record for record in caplog.records if record.name.startswith('eov_seg')]) == 1


def test_what_cannot_be_compiled_runs_as_it_is(tiny_model, caplog):
    def broken(graph, _):
        raise RuntimeError('no compiler here')

    torch._dynamo.reset()
    network = compiled_network.CompiledNetwork(tiny_model, broken)
    pixels, vocabulary = torch.randn(1, 3, 32, 32), random_vocabulary(tiny_model.embed_dim)
    with torch.inference_mode():
        network.prepare(pixels)
        found = network(pixels, vocabulary)
        assert torch.equal(found.mask_logits_BQhw,
                           tiny_model(pixels, vocabulary).mask_logits_BQhw)
    assert 'no compiler here' in network.why_eager
    assert len([record for record in caplog.records if record.name.startswith('eov_seg')]) == 1


def test_a_segmenter_compiles_in_warm_up_and_gives_the_same(
        tiny_model, compiled, tmp_path, monkeypatch):
    backend, runs = compiled
    monkeypatch.setattr(compiled_network.CompiledNetwork.__init__, '__defaults__', (backend,))
    options = {'device': 'cpu', 'input_size': 64, 'embedding_cache_dir': tmp_path}
    segmenter = Segmenter(tiny_model, compile=True, **options)
    with pytest.raises(RuntimeError, match='no vocabulary is set'):
        segmenter.warm_up(48, 64)
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    plain = Segmenter(tiny_model, **options)
    for each in (segmenter, plain):
        each.set_vocabulary(Vocabulary(things=['cup'], stuff=['wall']))
    plain.warm_up(48, 64)
    assert not runs
    segmenter.warm_up(48, 64)
    runs.clear()
    found = segmenter(image)
    assert len(runs) == 1
    np.testing.assert_array_equal(found.instance, plain(image).instance)
    assert len(runs) == 1, 'a segmenter that does not compile shares the model'
    assert segmenter.fallbacks == plain.fallbacks == {}


# CUDA graphs, with a stub for the capture

class Recorder:
    """A network that notes what it was given; its captures note what they replay."""

    def __init__(self, error=None):
        self.eager, self.captures, self.replays = [], [], []
        self.error = error

    def __call__(self, pixels, vocabulary):
        self.eager.append((pixels.shape, len(vocabulary.text_NE)))
        return Prediction(pixels, pixels)

    def capture(self, network, pixels, vocabulary, pool):
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


def test_a_cpu_has_no_graphs(tiny_model, tmp_path):
    segmenter = Segmenter(tiny_model, device='cpu', embedding_cache_dir=tmp_path)
    assert segmenter._network._graphs is None


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
