# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A small model for tests of behaviour rather than numbers."""

from cli_case import make_checkpoint, make_pictures
import pytest
import torch

from eov_seg_core.network.model import EOVSeg


@pytest.fixture
def tiny_model():
    """Return variant `t` with untrained but always the same weights."""
    torch.manual_seed(0)
    return EOVSeg.from_variant('t')


@pytest.fixture(scope='session')
def checkpoint(tmp_path_factory):
    """Return the path of a file with untrained weights of variant `t`."""
    return make_checkpoint(tmp_path_factory.mktemp('weights'))


@pytest.fixture
def pictures(tmp_path):
    """Return a folder with two images of different sizes."""
    return make_pictures(tmp_path / 'pictures')
