# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The exported network computes what PyTorch does, for any words, without our package."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
import re
import subprocess
import sys
from unittest.mock import Mock

from engine_case import assert_same_outputs, expected_outputs, guide_rows, small_network
from network_case import random_vocabulary
import numpy as np
import pytest
import torch

from eov_seg_core.app import commands
from eov_seg_core.app.cli import main
from eov_seg_core.inference.engines import files
from eov_seg_core.inference.engines.choice import needed
from eov_seg_core.inference.engines.example import example_arrays, room_pixels
from eov_seg_core.inference.engines.graph import INPUTS, OUTPUTS
from eov_seg_core.network.aggregator import _coordinates
from eov_seg_core.network.pooling import mask_pool
from eov_seg_core.pretrained import load_pretrained

ROOT = Path(__file__).parents[4]
SIZES = ((96, 128), (64, 160))


@pytest.fixture(scope='module')
def model():
    return small_network()


def session(path):
    onnxruntime = pytest.importorskip('onnxruntime', minversion='1.25', reason='no DeformConv')
    return onnxruntime.InferenceSession(str(path))


def run(network, pixels, guide):
    return dict(zip(OUTPUTS, network.run(None, dict(zip(
        INPUTS, (pixels.numpy(), guide.numpy()))))))


@pytest.mark.parametrize('rows', [2, 7, 1343])
@pytest.mark.parametrize('size', SIZES)
def test_onnx_runtime_computes_the_same_for_any_words_and_sizes(model, onnx_file, size, rows):
    pixels, guide = room_pixels(size, seed=1), guide_rows(model, rows)
    expected = expected_outputs(model, pixels, guide)
    assert_same_outputs(run(session(onnx_file), pixels, guide), expected)


def test_an_empty_mask_has_numbers_outside_of_pytorch_too(model, onnx_file):
    """The exporter once dropped `+ 1e-8`, and 0 / 0 is no number."""
    pixels, guide = torch.zeros(1, 3, 64, 64), guide_rows(model, 2)
    found = run(session(onnx_file), pixels, guide)
    assert not (found['masks'] > 0).any((2, 3)).all(), 'no mask is empty'
    assert all(np.isfinite(array).all() for array in found.values())


def test_the_smallest_count_changes_no_average():
    features = torch.randn(1, 3, 4, 5)
    mask = torch.rand(1, 9, 4, 5) > 0.5
    mask[:, 0] = False
    published = mask.flatten(2).float() @ features.flatten(2).transpose(1, 2) / (
        mask.flatten(2).sum(2, keepdim=True).float() + 1e-8)
    assert torch.equal(mask_pool(features, mask), published)


@pytest.mark.parametrize('size', [8, 9, 64, 640])
def test_coordinates_of_an_export_are_those_of_linspace(monkeypatch, size):
    plain = _coordinates(size, torch.zeros(1))
    monkeypatch.setattr(torch.compiler, 'is_exporting', lambda: True)
    torch.testing.assert_close(_coordinates(size, torch.zeros(1)), plain, atol=2e-7, rtol=0)


def test_the_file_says_what_it_is(model, onnx_file):
    onnx = pytest.importorskip('onnx')
    proto = onnx.load(str(onnx_file))
    onnx.checker.check_model(proto)
    assert {opset.domain: opset.version for opset in proto.opset_import}[''] == files.OPSET
    assert 'DeformConv' in {node.op_type for node in proto.graph.node}
    said = {entry.key.removeprefix('eov_seg.'): entry.value for entry in proto.metadata_props
            if entry.key.startswith('eov_seg.')}
    assert said['variant'] == 't'
    assert json.loads(said['names']) == ['cup', 'wall']
    assert len(json.loads(said['pixel_mean'])) == len(json.loads(said['pixel_std'])) == 3
    assert float(said['logit_scale']) == pytest.approx(model.decoder.logit_scale.exp().item())
    assert re.fullmatch('[0-9a-f]{64}', said['weights_sha256'])
    assert str(ROOT).encode() not in onnx_file.read_bytes()     # nothing of this machine


def test_the_example_of_the_docs_runs_without_our_package(model, onnx_file):
    session(onnx_file)
    arrays = example_arrays(model, random_vocabulary(model.embed_dim, 5), SIZES[0])
    arrays['names'] = np.array(['cup', 'chair', 'floor', 'wall', 'door'])
    np.savez(onnx_file.with_suffix('.npz'), **arrays)
    text = (ROOT / 'docs' / 'engines.md').read_text(encoding='utf-8')
    code = re.search(r'```python\n(import json\n.*?)```', text, re.DOTALL)[1]
    code += ("\nimport sys\nassert not any(name.startswith('eov_seg') for name in sys.modules)\n"
             "error = abs(np.log(probabilities) - example['class_log_probs'][0]).max()\n"
             'assert error < 1e-3, error\n')
    done = subprocess.run([sys.executable, '-P' if sys.version_info >= (3, 11) else '-s', '-c',
                           code], cwd=onnx_file.parent, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(('options', 'message'), [
    ([''], r'must end in'),
    (['network.pt'], r'must end in \.onnx, in \.xml .* or in \.engine'),
    (['network.xml', '--precision', 'mixed'], 'written in fp32'),
    (['network.onnx', '--size', '100', '64'], 'multiples of 32'),
    (['network.onnx', '--size', '32', '64'], r'in 64\.\.8192'),
    (['missing/network.onnx'], 'is no folder'),
    (['network.onnx', '--vocabulary', 'nothing'], 'neither a file nor a preset')])
def test_what_cannot_be_exported_is_said(options, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(['export', *options, '--variant', 't']) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(('target', 'folder'), [
    ('network.onnx', 'network.onnx'), ('network.onnx', 'network.npz'),
    ('network.xml', 'network.bin'), ('network.xml', 'network.npz')])
def test_a_folder_in_the_place_of_a_file_is_said_before_the_work(
        target, folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(files, 'needed', lambda _: None)
    monkeypatch.setattr(commands, 'build_segmenter', Mock(side_effect=AssertionError))
    (tmp_path / folder).mkdir()
    assert main(['export', str(tmp_path / target), '--vocabulary', 'world']) == 2
    assert f'{folder} cannot be written, because it is a folder' in capsys.readouterr().err


def test_a_folder_without_rights_is_said_before_the_work(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(files, 'needed', lambda _: None)
    monkeypatch.setattr(commands, 'build_segmenter', Mock(side_effect=AssertionError))
    monkeypatch.setattr(os, 'access', lambda *_: False)     # root may write everywhere
    assert main(['export', str(tmp_path / 'network.onnx')]) == 2
    assert re.search(r'network\.onnx cannot be written: you may not write to ',
                     capsys.readouterr().err)


def test_an_export_that_fails_leaves_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(files, 'needed', lambda _: None)
    monkeypatch.setattr(files, 'export_program', Mock(side_effect=ValueError('no trace')))
    assert main(['export', str(tmp_path / 'network.onnx'), '--variant', 't', '--size', '96', '64',
                 '--vocabulary', 'world']) == 2
    assert 'no trace' in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_words_that_cannot_be_written_leave_no_network(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(files, 'needed', lambda _: None)
    save = Mock()
    monkeypatch.setattr(files, 'save_network', save)
    monkeypatch.setattr(np, 'savez_compressed', Mock(side_effect=OSError(28, 'No space left')))
    assert main(['export', str(tmp_path / 'network.onnx'), '--variant', 't', '--size', '96', '64',
                 '--vocabulary', 'world']) == 2
    assert 'network.npz: No space left' in capsys.readouterr().err
    assert not save.called
    assert not list(tmp_path.iterdir())


def test_what_the_optimizer_of_onnx_leaves_as_it_is_is_not_told(tmp_path, monkeypatch, caplog):
    pytest.importorskip('onnxscript', reason='the extra onnx is not installed')

    def export(*_, **__):
        logging.getLogger('onnxscript.optimizer._constant_folding').warning('Skipping')

    monkeypatch.setattr(torch.onnx, 'export', export)
    with pytest.raises(ValueError, match='gave no model'):
        files._save_onnx(Mock(), tmp_path / 'network.onnx', {})
    assert not caplog.records


def test_a_full_disk_is_said_with_the_name_of_the_ir(tmp_path, monkeypatch):
    openvino = Mock()
    openvino.convert_model.return_value.inputs = [Mock() for _ in INPUTS]
    openvino.convert_model.return_value.outputs = [Mock() for _ in OUTPUTS]
    openvino.serialize.side_effect = RuntimeError('basic_ios::clear: iostream error')
    monkeypatch.setattr(files, 'needed', lambda _: openvino)
    with pytest.raises(OSError, match=r'network\.xml and network\.bin cannot be written.*room in'):
        files._save_openvino(Mock(), tmp_path / 'network.xml', {})
    assert not list(tmp_path.iterdir())


def test_libraries_do_not_report_their_use():
    pytest.importorskip('openvino', reason='the extra openvino is not installed')
    code = ("from eov_seg_core.inference.engines.choice import needed; needed('openvino'); "
            "import openvino.tools.ovc.convert_impl as used; print(used.tm.__name__)")
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True,
                          check=True)
    assert done.stdout.strip() == 'openvino.tools.ovc.telemetry_stub'


def test_a_missing_library_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, 'onnxscript', None)
    with pytest.raises(ValueError, match=r"onnxscript.*pip install 'eov_seg_ros\[onnx\]'"):
        needed('onnxscript')


@pytest.mark.slow
@pytest.mark.parametrize('variant', ['t', 's', 'm', 'l'])
def test_every_variant_computes_the_same_in_onnx_runtime(variant, tmp_path):
    if variant != 't' and 'EOV_SEG_LARGE' not in os.environ:
        pytest.skip('takes minutes and gigabytes; EOV_SEG_LARGE=1 runs it')
    model = load_pretrained(variant, sources=('built-in', 'untrained')).model.requires_grad_(False)
    path = tmp_path / 'network.onnx'
    files.save_network(model, path)
    network, size = session(path), (96, 128)
    for rows in (2, 1343):
        pixels, guide = room_pixels(size, seed=1), guide_rows(model, rows)
        assert_same_outputs(run(network, pixels, guide), expected_outputs(model, pixels, guide),
                            tolerance=1e-2)
