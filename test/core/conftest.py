# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A small model for tests of behaviour rather than numbers."""

import pytest
import torch

from eov_seg_core.model import EOVSeg


@pytest.fixture
def tiny_model():
    """Return variant `t` with untrained but always the same weights."""
    torch.manual_seed(0)
    return EOVSeg.from_variant('t')
