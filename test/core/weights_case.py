# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a variant's network wants of a checkpoint."""

import torch

from eov_seg_core.network.model import EOVSeg


def entries_of(variant):
    """Return the state dict of a variant on the meta device: names, shapes and dtypes."""
    with torch.device('meta'):
        return EOVSeg.from_variant(variant).state_dict()
