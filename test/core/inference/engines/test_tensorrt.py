# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""TensorRT: what it is given, and how it is called; the engine itself needs a GPU."""

from __future__ import annotations

from contextlib import nullcontext
import ctypes
from importlib.util import find_spec
import sys
from types import SimpleNamespace

from engine_case import assert_same_outputs, expected_outputs, guide_rows, small_network
from network_case import random_vocabulary
import numpy as np
import pytest
import torch

from eov_seg_core.app.cli import main
from eov_seg_core.inference.engines.build import EngineBuilder
from eov_seg_core.inference.engines.cache import EngineCache
from eov_seg_core.inference.engines.example import room_pixels
from eov_seg_core.inference.engines.files import save_network
from eov_seg_core.inference.engines.graph import INPUTS, OUTPUTS
from eov_seg_core.inference.engines.runtimes import tensorrt

SIZE = (96, 128)
# docs/operators.md of github.com/onnx/onnx-tensorrt at 10.1 (opset 9 to 20), without restrictions
# on what is given here but those that the test checks
READ_BY_TENSORRT = """
    Add AveragePool BatchNormalization Cast Clip Concat Conv ConvTranspose DeformConv Div Einsum
    Expand Gather Gelu Gemm Greater LayerNormalization MatMul Mul Not Or Pad ReduceMax ReduceMean
    ReduceSum Relu Reshape Resize Sigmoid Slice Softmax Split Squeeze Sub Transpose Unsqueeze
    Where"""
NEED_CONSTANT_AXES = {'ReduceMax', 'ReduceMean', 'ReduceSum', 'Squeeze', 'Unsqueeze'}


@pytest.fixture(scope='module')
def network(tmp_path_factory):
    """Return the ONNX file that TensorRT is given for fp16."""
    pytest.importorskip('onnxscript', reason='the extra onnx is not installed')
    path = tmp_path_factory.mktemp('tensorrt') / tensorrt.FILE
    save_network(small_network(), path, SIZE, precision='mixed')
    return path


@pytest.fixture(scope='module')
def session(network):
    onnxruntime = pytest.importorskip('onnxruntime', minversion='1.25', reason='no DeformConv')
    return onnxruntime.InferenceSession(str(network))


def test_the_file_is_what_tensorrt_reads(network):
    onnx = pytest.importorskip('onnx')
    graph = onnx.load(str(network)).graph
    constants = {tensor.name for tensor in graph.initializer}
    assert {node.op_type for node in graph.node} <= set(READ_BY_TENSORRT.split())
    for node in graph.node:
        attributes = {entry.name: onnx.helper.get_attribute_value(entry)
                      for entry in node.attribute}
        if node.op_type in NEED_CONSTANT_AXES and len(node.input) > 1:
            assert node.input[1] in constants
        if node.op_type == 'DeformConv':
            assert attributes['pads'] == [1, 1, 1, 1]
    free = {dimension.dim_param for value in (*graph.input, *graph.output)
            for dimension in value.type.tensor_type.shape.dim if dimension.dim_param}
    assert len(free) == 1, 'only the number of guide rows is free'
    types = [value.type.tensor_type.elem_type for value in graph.output]
    assert types == [onnx.TensorProto.FLOAT] * 3 + [onnx.TensorProto.BOOL]


@pytest.mark.parametrize('rows', [2, 7, 1343])
def test_the_file_in_half_precision_computes_nearly_the_same(model, session, rows):
    pixels, guide = room_pixels(SIZE, seed=1), guide_rows(model, rows)
    found = session.run(None, dict(zip(INPUTS, (pixels.numpy(), guide.numpy()))))
    expected = expected_outputs(model, pixels, guide)
    assert_same_outputs(dict(zip(OUTPUTS, found)), expected, tolerance=2e-2)
    assert not np.array_equal(found[1], expected['embedding']), 'nothing was rounded'


class FakeContext:
    """Computes with ONNX Runtime where TensorRT would, at the addresses that it was given."""

    def __init__(self, session):
        self._session, self.shapes, self._addresses = session, {}, {}

    def set_input_shape(self, name, shape):
        self.shapes[name] = shape
        return shape[0] <= tensorrt.MAX_ROWS

    def set_tensor_address(self, name, address):
        self._addresses[name] = address

    def get_tensor_shape(self, name):
        return next(output.shape for output in self._session.get_outputs()
                    if output.name == name)

    def execute_async_v3(self, stream):
        def at(name, shape, dtype):
            length = int(np.prod(shape)) * np.dtype(dtype).itemsize
            memory = (ctypes.c_char * length).from_address(self._addresses[name])
            return np.frombuffer(memory, dtype).reshape(shape)

        inputs = {name: at(name, self.shapes[name], np.float32) for name in INPUTS}
        for name, array in zip(OUTPUTS, self._session.run(None, inputs)):
            at(name, array.shape, array.dtype)[:] = array
        return stream == 7


class FakeTensorRT:
    """As much of the module `tensorrt` as is used; notes what is called."""

    Logger = type('Logger', (), {'WARNING': 1, '__init__': lambda *_arguments: None})
    NetworkDefinitionCreationFlag = SimpleNamespace(STRONGLY_TYPED=1)
    BuilderFlag = SimpleNamespace(TF32='TF32')

    def __init__(self, session=None, errors=()):
        self.calls, self._errors = [], errors
        self.context = FakeContext(session)

    def _note(self, name, result=None):
        return lambda *given: self.calls.append((name, *given)) or result

    def init_libnvinfer_plugins(self, _logger, namespace):
        self.calls.append(('plugins', namespace))

    def Builder(self, _logger):  # noqa: N802  as in TensorRT
        inputs = [SimpleNamespace(name='pixels', shape=(1, 3, *SIZE)),
                  SimpleNamespace(name='guide', shape=(-1, 128))]
        definition = SimpleNamespace(num_inputs=2, get_input=inputs.__getitem__)
        profile = SimpleNamespace(set_shape=self._note('set_shape'))
        config = SimpleNamespace(clear_flag=self._note('clear_flag'),
                                 add_optimization_profile=self._note('add_profile'))
        return SimpleNamespace(
            create_network=self._note('create_network', definition),
            create_builder_config=lambda: config,
            create_optimization_profile=lambda: profile,
            build_serialized_network=self._note('build', b'plan'))

    def OnnxParser(self, _definition, _logger):  # noqa: N802  as in TensorRT
        return SimpleNamespace(
            parse_from_file=self._note('parse', not self._errors), num_errors=len(self._errors),
            get_error=self._errors.__getitem__)

    def Runtime(self, _logger):  # noqa: N802  as in TensorRT
        engine = SimpleNamespace(create_execution_context=lambda: self.context)
        return SimpleNamespace(
            deserialize_cuda_engine=lambda plan: engine if plan == b'plan' else None)


@pytest.fixture
def on_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'device', lambda _device: nullcontext())


def test_a_plan_is_strongly_typed_and_for_free_rows(tmp_path, monkeypatch):
    fake = FakeTensorRT()
    monkeypatch.setitem(sys.modules, 'tensorrt', fake)
    assert tensorrt.build_plan(tmp_path / 'network.onnx') == b'plan'
    names = [call[0] for call in fake.calls]
    assert names == ['plugins', 'create_network', 'parse', 'clear_flag', 'set_shape',
                     'add_profile', 'build']
    calls = {call[0]: call[1:] for call in fake.calls}
    assert calls['create_network'] == (1 << fake.NetworkDefinitionCreationFlag.STRONGLY_TYPED,)
    assert calls['clear_flag'] == ('TF32',)
    assert calls['set_shape'] == ('guide', (2, 128), (256, 128), (2048, 128))


def test_what_tensorrt_cannot_read_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'tensorrt', FakeTensorRT(errors=('no DeformConv', 'line 2')))
    with pytest.raises(RuntimeError, match='cannot read the network: no DeformConv; line 2'):
        tensorrt.build_plan(tmp_path / 'network.onnx')


@pytest.mark.usefixtures('on_cpu')
def test_inputs_and_outputs_lie_where_tensorrt_is_told(model, session, monkeypatch):
    fake = FakeTensorRT(session)
    monkeypatch.setitem(sys.modules, 'tensorrt', fake)
    engine = tensorrt.TensorRTEngine(b'plan', torch.device('cpu'))
    pixels = room_pixels(SIZE, seed=2)
    for rows in (2, 1343):
        guide = guide_rows(model, rows)
        found = engine._run([pixels, guide], 7)
        expected = session.run(None, dict(zip(INPUTS, (pixels.numpy(), guide.numpy()))))
        for tensor, array in zip(found, expected):
            np.testing.assert_array_equal(tensor.numpy(), array)
    with pytest.raises(RuntimeError, match=r'refuses the shape \(2049, 128\) of guide'):
        engine._run([pixels, guide_rows(model, 2049)], 7)
    with pytest.raises(RuntimeError, match='TensorRT failed'):
        engine._run([pixels, guide], 0)


@pytest.mark.usefixtures('on_cpu')
def test_a_plan_of_another_version_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, 'tensorrt', FakeTensorRT())
    with pytest.raises(RuntimeError, match='cannot load the engine'):
        tensorrt.TensorRTEngine(b'other plan', torch.device('cpu'))


def test_an_export_without_tensorrt_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'tensorrt', None)
    target = str(tmp_path / 'network.engine')
    assert main(['export', target, '--variant', 't', '--size', '128', '96']) == 2
    assert 'JetPack' in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, 'tensorrt', FakeTensorRT())
    assert main(['export', target, '--variant', 't']) == 2
    assert 'for one size of images' in capsys.readouterr().err


@pytest.mark.skipif(find_spec('tensorrt') is None or not torch.cuda.is_available(),
                    reason='not run on a device: needs TensorRT and a CUDA device')
@pytest.mark.parametrize('precision', ['fp32', 'mixed'])
def test_a_real_engine_computes_the_same(tmp_path, precision):
    model = small_network().to('cuda')
    builder = EngineBuilder(model, 'tensorrt', precision, EngineCache(tmp_path))
    words = random_vocabulary(model.embed_dim, 6)
    for engine in (builder.build(SIZE, words, lambda _seconds: None), builder.find(SIZE)):
        for rows in (2, 7, 1343):
            pixels, guide = room_pixels(SIZE, seed=1), guide_rows(model, rows)
            found = engine(pixels.to('cuda'), guide.to('cuda'))
            assert_same_outputs(
                {name: tensor.cpu().numpy() for name, tensor in zip(OUTPUTS, found)},
                expected_outputs(small_network(), pixels, guide),
                tolerance=1e-3 if precision == 'fp32' else 2e-2)
