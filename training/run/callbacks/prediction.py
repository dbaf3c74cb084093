# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Looking at what a network predicts between two training steps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from eov_seg_core.network.model import EOVSeg
from eov_seg_core.segmenter import Segmenter
from eov_seg_core.vocabulary import Vocabulary


@contextmanager
def predicting(model: EOVSeg, device: torch.device, vocabulary: Vocabulary,
               input_size: int | None) -> Iterator[Segmenter]:
    """Lend a network that is being trained to a segmenter, in float32.

    Args:
        model: The network; it is in training mode again afterwards.
        device: Where it is.
        vocabulary: What to look for; all of it counts as seen in training.
        input_size: Short side of the network's input in pixels; None: the image as it is.
    """
    try:
        # graphs would keep memory that the next training step needs
        segmenter = Segmenter(model, device, 'fp32', input_size, cuda_graphs=False,
                              runtime='torch')     # its weights change
        segmenter.set_vocabulary(vocabulary, training_names=vocabulary.synonyms)
        with torch.autocast(device.type, enabled=False):
            yield segmenter
    finally:
        model.train()
