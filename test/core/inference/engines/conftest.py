# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The small network of the tests of engines, words for it, and its ONNX file."""

from __future__ import annotations

from engine_case import small_network
from network_case import random_vocabulary
import pytest

from eov_seg_core.inference.engines.files import save_network


@pytest.fixture(scope='module')
def model():
    return small_network()


@pytest.fixture(scope='module')
def words(model):
    return random_vocabulary(model.embed_dim, 6)


@pytest.fixture(scope='session')
def onnx_file(tmp_path_factory):
    """Return the ONNX file of `small_network()`, whose export takes half a minute."""
    pytest.importorskip('onnxscript', reason='the extra onnx is not installed')
    path = tmp_path_factory.mktemp('onnx') / 'network.onnx'
    save_network(small_network(), path, extra={'names': '["cup", "wall"]'})
    return path
