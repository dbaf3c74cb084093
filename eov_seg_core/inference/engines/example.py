# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the network must compute: rooms of the built-in world, and PyTorch's float32 output."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor

from eov_seg_core.inference.engines.graph import INPUTS, OUTPUTS
from eov_seg_core.inference.preprocess import preprocess
from eov_seg_core.network.classification import VocabularyEmbedding
from eov_seg_core.network.model import EOVSeg
from eov_seg_core.world import generate_scene, random_camera, render


def room_pixels(size: tuple[int, int], seed: int) -> Tensor:
    """Return a room of the built-in world as the network gets it.

    Args:
        size: (H, W), multiples of 32.
        seed: Of the room.

    Returns:
        (1, 3, H, W) float32, normalised.
    """
    scene = generate_scene(seed=seed)
    picture = render(scene, random_camera(scene, width=size[1], height=size[0])).rgb
    return preprocess([picture], output_sizes=None, input_size=None, max_input_size=max(size),
                      device=torch.device('cpu')).pixels_BCHW


@torch.inference_mode()
def example_arrays(model: EOVSeg, vocabulary: VocabularyEmbedding, size: tuple[int, int]
                   ) -> dict[str, npt.NDArray[Any]]:
    """Return inputs and outputs of the network, and what finishes its work, under their names.

    Args:
        model: On the CPU.
        vocabulary: The words.
        size: (H, W) of the input.
    """
    pixels_BCHW = room_pixels(size, seed=0)
    output = model.embed(model.extract_features(pixels_BCHW), vocabulary.guide_NE)
    named = dict(zip(INPUTS, (pixels_BCHW, vocabulary.guide_NE))) | dict(zip(OUTPUTS, output))
    named |= {'text': vocabulary.text_NE, 'class_of_row': vocabulary.class_of_row_N,
              'seen': vocabulary.seen_K,
              'class_log_probs': model.finish(output, vocabulary).class_log_probs_BQK}
    return {name: tensor.numpy() for name, tensor in named.items()}
