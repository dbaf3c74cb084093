# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An evaluation in an engine: figures of that engine, or none."""

from __future__ import annotations

import pytest

from eov_seg_core.inference.engines import choice
from eov_seg_core.inference.engines.build import EngineBuilder, GateError
from training import evaluate

ROOMS = ['--data', 'world', '--variant', 't', '--split', 'base', '--rooms', '1', '--device', 'cpu',
         '--processes', '1', '--runtime', 'openvino']


@pytest.fixture(autouse=True)
def runtime(tmp_path, monkeypatch):
    reason = choice.why_not('openvino')
    if reason is not None:
        pytest.skip(reason)
    monkeypatch.setenv('EOV_SEG_HOME', str(tmp_path))


def test_a_refused_engine_gives_no_figures(monkeypatch, capsys):
    def refused(*_arguments):
        raise GateError('beside PyTorch in float32 it has equal pixels 0.1')

    monkeypatch.setattr(EngineBuilder, 'build', refused)
    assert evaluate.main(ROOMS) == 1
    said = capsys.readouterr()
    assert 'there are no figures: openvino' in said.err
    assert 'equal pixels 0.1' in said.err
    assert not said.out


def test_parts_cannot_be_taken_out_of_an_engine(capsys):
    assert evaluate.main([*ROOMS, '--without', 'ensemble']) == 1
    said = capsys.readouterr()
    assert '--without takes parts out of the network in PyTorch' in said.err
    assert not said.out
