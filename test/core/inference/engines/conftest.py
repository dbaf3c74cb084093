# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An exported network, which takes half a minute, for all tests of engines."""

from __future__ import annotations

from engine_case import small_network
import pytest

from eov_seg_core.inference.engines.files import save_network


@pytest.fixture(scope='session')
def onnx_file(tmp_path_factory):
    """Return the ONNX file of `small_network()`."""
    pytest.importorskip('onnxscript', reason='the extra onnx is not installed')
    path = tmp_path_factory.mktemp('onnx') / 'network.onnx'
    save_network(small_network(), path, extra={'names': '["cup", "wall"]'})
    return path
