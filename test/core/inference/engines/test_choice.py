# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which runtime computes: what is asked for, and what this machine has."""

from __future__ import annotations

import pytest

from eov_seg_core.inference.engines import choice


@pytest.fixture
def installed(monkeypatch):
    versions = {'openvino': '2026.4.1', 'onnxruntime': '1.32.0', 'onnxscript': '0.7',
                'tensorrt': '10.3.0'}
    monkeypatch.setattr(choice, 'version_of', versions.get)
    monkeypatch.delenv(choice.VARIABLE, raising=False)
    return versions


def test_auto_is_openvino_in_float32_on_a_cpu(installed, monkeypatch):
    assert choice.choose_runtime('auto', 'cpu', 'fp32') == 'openvino'
    assert choice.choose_runtime('auto', 'cpu', 'bf16') == 'torch'
    assert choice.describe_auto('cpu', 'fp32').startswith('openvino 2026.4.1')
    assert choice.describe_auto('cpu', 'bf16') == 'torch, because the precision is bf16'
    assert not choice.is_named('auto')
    assert choice.is_named('openvino')
    assert choice.choose_runtime('auto', 'cuda', 'mixed') == 'torch'
    monkeypatch.setenv(choice.VARIABLE, 'torch')
    assert choice.choose_runtime('auto', 'cpu', 'fp32') == 'torch'
    assert choice.choose_runtime('onnxruntime', 'cpu', 'fp32') == 'onnxruntime'
    assert choice.is_named('auto')
    assert choice.describe_auto('cpu', 'fp32') == 'torch, as EOV_SEG_RUNTIME says'
    monkeypatch.delenv(choice.VARIABLE)
    installed.pop('openvino')
    assert 'because openvino is not installed; pip install' in choice.describe_auto('cpu', 'fp32')
    assert choice.choose_runtime('auto', 'cpu', 'fp32') == 'torch'


@pytest.mark.parametrize(('arguments', 'message'), [
    (('tensorflow', 'cpu', 'fp32'), 'must be one of auto, torch'),
    (('openvino', 'cuda', 'fp32'), "runs on cpu, and the device is cuda.*'torch'"),
    (('tensorrt', 'cpu', 'fp32'), "runs on cuda, and the device is cpu.*'cuda'"),
    (('tensorrt', 'cuda', 'bf16'), "computes in fp32 or mixed, and precision is 'bf16'"),
    (('onnxruntime', 'cpu', 'bf16'), "computes in fp32, and precision is 'bf16'")])
def test_a_choice_that_cannot_be_is_refused(installed, arguments, message):
    with pytest.raises(ValueError, match=message):
        choice.choose_runtime(*arguments)


def test_what_is_missing_or_too_old_is_said(installed):
    installed.pop('openvino')
    installed['onnxruntime'] = '1.24.4'
    installed['tensorrt'] = '8.6.1'
    with pytest.raises(ValueError, match=r"not installed; pip install 'eov_seg_ros\[openvino\]'"):
        choice.choose_runtime('openvino', 'cpu', 'fp32')
    with pytest.raises(ValueError, match=r'1\.24\.4 has no DeformConv; 1\.25 or newer'):
        choice.choose_runtime('onnxruntime', 'cpu', 'fp32')
    with pytest.raises(ValueError, match=r'8\.6\.1 has no DeformConv; 10\.1 or newer'):
        choice.choose_runtime('tensorrt', 'cuda', 'mixed')
    installed.pop('tensorrt')
    with pytest.raises(ValueError, match=r'not installed; on a Jetson .*tensorrt>=10\.3'):
        choice.choose_runtime('tensorrt', 'cuda', 'mixed')
