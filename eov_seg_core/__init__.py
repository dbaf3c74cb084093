# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""EOV-Seg: open-vocabulary panoptic segmentation in PyTorch (arXiv 2412.08628).

    from eov_seg_core import Segmenter, Vocabulary

    segmenter = Segmenter.from_pretrained('s', checkpoint='eov_seg_r50.pth')
    segmenter.set_vocabulary(Vocabulary(things=['person,pedestrian', 'chair'], stuff=['floor']))
    result = segmenter(image_rgb)          # (H, W, 3) uint8 RGB

Tensors of rank three and more carry their shape as a suffix: B batch, Q queries, K classes (the
last one void), N synonym rows, D hidden, E CLIP embedding, C channels, H W image, h w feature,
L positions, T tokens, P pixels.

The names below are imported on first use, so that `import eov_seg_core.vocabulary` or a command's
`--help` need not wait for PyTorch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eov_seg_core.network.model import EOVSeg
    from eov_seg_core.results.result import PanopticResult, Segment
    from eov_seg_core.segmenter import Segmenter
    from eov_seg_core.vocabulary import Category, Vocabulary
    from eov_seg_core.weights.checkpoint import CheckpointError

__all__ = ['Category', 'CheckpointError', 'EOVSeg', 'PanopticResult', 'Segment', 'Segmenter',
           'Vocabulary']

_HOME = {'Category': 'vocabulary', 'CheckpointError': 'weights.checkpoint',
         'EOVSeg': 'network.model', 'PanopticResult': 'results.result',
         'Segment': 'results.result', 'Segmenter': 'segmenter', 'Vocabulary': 'vocabulary'}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(f'{__name__}.{_HOME[name]}'), name)
