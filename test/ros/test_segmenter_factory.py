# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which weights and which device the parameters lead to; nothing here needs ROS."""

from __future__ import annotations

import logging

import pytest

from eov_seg_core.checkpoint import CheckpointError, save_checkpoint, weights_digest
from eov_seg_core.model import EOVSeg
from eov_seg_ros.parameters import Parameters
from eov_seg_ros.segmenter_factory import gpu_memory_mb, load_segmenter

NO_CUDA = 'cuda:63'


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp('weights') / 'tiny.safetensors'
    save_checkpoint(EOVSeg.from_variant('t'), path)
    return str(path)


def load(tmp_path, **values):
    return load_segmenter(Parameters(variant='t', device=values.pop('device', 'cpu'),
                                     embedding_cache_dir=str(tmp_path), **values))


def test_checkpoint_and_options_arrive(checkpoint, tmp_path, caplog):
    segmenter = load(tmp_path, checkpoint=checkpoint, input_size=64, score_threshold=0.5,
                     overlap_threshold=0.25, precision='bf16')
    assert segmenter.model.weights_digest
    assert (segmenter.input_size, segmenter.score_threshold, segmenter.overlap_threshold,
            segmenter.precision) == (64, 0.5, 0.25, 'bf16')
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert load(tmp_path, checkpoint=checkpoint, input_size=0).input_size is None
    assert gpu_memory_mb(segmenter.device) is None


def test_no_weights_is_an_error_unless_allowed(tmp_path, caplog):
    with pytest.raises(ValueError, match='no public CLIP weights'):
        load(tmp_path)
    with pytest.raises(ValueError, match='set the parameter checkpoint'):
        load(tmp_path, clip_pretrained=False)
    models = [load(tmp_path, allow_untrained=True).model for _ in range(2)]
    assert models[0].weights_digest is None
    states = [weights_digest(model.state_dict()) for model in models]
    assert states[0] == states[1], 'pictures of random weights are at least the same every time'
    assert 'ALL WEIGHTS ARE RANDOM' in caplog.text


def test_wrong_checkpoint_is_an_error_even_if_untrained_is_allowed(checkpoint, tmp_path):
    with pytest.raises(CheckpointError, match='no_such'):
        load(tmp_path, checkpoint='no_such.pth', allow_untrained=True)
    with pytest.raises(CheckpointError, match="'s'"):
        load_segmenter(Parameters(variant='s', checkpoint=checkpoint, device='cpu'))


def test_missing_device_is_an_error_unless_the_cpu_may_replace_it(tmp_path, caplog):
    with pytest.raises(ValueError, match=NO_CUDA):
        load(tmp_path, allow_untrained=True, device=NO_CUDA)
    segmenter = load(tmp_path, allow_untrained=True, device=NO_CUDA, allow_cpu_fallback=True)
    assert segmenter.device.type == 'cpu'
    assert 'using the CPU' in caplog.text


def test_clip_weights_alone_are_announced_loudly(tmp_path, caplog, monkeypatch):
    build = EOVSeg.from_variant
    monkeypatch.setattr(EOVSeg, 'from_variant', lambda variant, clip_pretrained=False:
                        build('t' if clip_pretrained else 'none'))
    load(tmp_path)
    assert 'MASKS ARE MEANINGLESS' in caplog.text
