# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The network asks for no value, and compiles as a whole, only when asked to."""

from __future__ import annotations

from functools import partial
from itertools import chain

from network_case import random_vocabulary
import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from eov_seg_core import Segmenter, Vocabulary
from eov_seg_core.device.precision import arithmetic
from eov_seg_core.inference import compiled as compiled_network
from eov_seg_core.inference.folded_resnet import inference_cnn
from eov_seg_core.network.classification import VocabularyEmbedding
from eov_seg_core.network.model import EOVSeg


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
@pytest.mark.parametrize('precision', ['fp32', 'mixed', 'bf16'])
def test_compiles_as_a_whole_only_when_asked_to(tiny_model, compiled, folded, precision, caplog):
    types = arithmetic(precision, torch.device('cpu'))
    backend, runs = compiled
    cnn = inference_cnn(tiny_model.cnn, torch.device('cpu')) if folded else tiny_model.cnn
    plain = partial(tiny_model, cnn=cnn, arithmetic=types)
    network = compiled_network.CompiledNetwork(
        partial(tiny_model.extract_features, cnn=cnn, arithmetic=types),
        partial(tiny_model.predict_from, arithmetic=types), backend)
    vocabulary = random_vocabulary(tiny_model.embed_dim)
    pixels, others = torch.randn(1, 3, 64, 96), torch.randn(1, 3, 32, 64)
    with torch.inference_mode():
        network(pixels, vocabulary)
        assert not runs, 'frames never compile'
        assert '(1, 3, 64, 96) runs without torch.compile' in caplog.text
        network.prepare(pixels)
        runs.clear()
        for batch, count in ((pixels, 1), (others, 1), (pixels, 2)):
            found, expected = network(batch, vocabulary), plain(batch, vocabulary)
            assert len(runs) == count
            assert all(torch.equal(*pair) for pair in zip(found, expected))
    assert network.why_eager is None
    assert len([record for record in caplog.records if record.name.startswith('eov_seg')]) == 1


def test_what_cannot_be_compiled_runs_as_it_is(tiny_model, caplog):
    def broken(graph, _):
        raise RuntimeError('no compiler here')

    torch._dynamo.reset()
    network = compiled_network.CompiledNetwork(
        tiny_model.extract_features, tiny_model.predict_from, broken)
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
