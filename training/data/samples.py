# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What data sets give to training and evaluation, whatever their files look like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from eov_seg_core.vocabulary import Vocabulary


class SegmentLabel(NamedTuple):
    """One true segment of an image.

    Attributes:
        id: Its value in the id map, above 0.
        class_index: 0..K-1 in the order of the data set's vocabulary.
        is_crowd: Whether it is a group of things that nobody told apart: not trained, not missed.
    """

    id: int
    class_index: int
    is_crowd: bool = False


class PanopticSample(NamedTuple):
    """An image with its true segments.

    Attributes:
        name: File name or other name, for messages and predictions.
        image_rgb: (H, W, 3) uint8 RGB.
        ids: (H, W) int32 id of the segment of every pixel, 0 = void.
        segments: In the order of the annotation; ids differ, and each has at least one pixel.
        image_id: Of the image in its annotation; None: it has none.
    """

    name: str
    image_rgb: npt.NDArray[np.uint8]
    ids: npt.NDArray[np.int32]
    segments: tuple[SegmentLabel, ...]
    image_id: int | str | None = None


class SemanticSample(NamedTuple):
    """An image with the class of every pixel.

    Attributes:
        name: File name or other name, for messages and predictions.
        image_rgb: (H, W, 3) uint8 RGB.
        classes: (H, W) int32 class index 0..K-1, -1 = not judged.
    """

    name: str
    image_rgb: npt.NDArray[np.uint8]
    classes: npt.NDArray[np.int32]


class PanopticData(Protocol):
    """A data set for panoptic (hence also semantic and instance) evaluation."""

    vocabulary: Vocabulary

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> PanopticSample: ...


class SemanticData(Protocol):
    """A data set for semantic evaluation only."""

    vocabulary: Vocabulary

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> SemanticSample: ...


class Target(NamedTuple):
    """The true segments of one image; crowd regions are left out before.

    Attributes:
        labels_T: (T,) int64 class 0..K-1; T may be 0 or larger than the number of queries.
        masks_Thw: (T, h, w) bool, h and w at most the padded input's: missing pixels are outside.
    """

    labels_T: Tensor
    masks_Thw: Tensor


class TrainingExample(NamedTuple):
    """An augmented image, ready to be put into a batch.

    Attributes:
        pixels_CHW: (3, H, W) uint8 RGB, padded to the training size.
        target: Its segments; labels are indices into the batch's vocabulary.
    """

    pixels_CHW: Tensor
    target: Target


class TrainingBatch(NamedTuple):
    """What one training step sees.

    Attributes:
        pixels_BCHW: (B, 3, H, W) uint8 RGB, H and W multiples of 32.
        targets: One for each image.
        vocabulary: To which the targets' labels refer; may differ from batch to batch.
        positions: Place of each image in the endless, seeded stream of examples: what random
            numbers of the step may depend on, so that neither a restart nor the number of
            processes changes them.
    """

    pixels_BCHW: Tensor
    targets: list[Target]
    vocabulary: Vocabulary
    positions: tuple[int, ...]


class TrainingData(Protocol):
    """A data set as the engine sees it.

    `example` may be called in any process and any order: equal arguments give equal results.
    """

    vocabulary: Vocabulary

    def __len__(self) -> int: ...

    def example(self, index: int, generator: torch.Generator) -> TrainingExample:
        """Read and augment one image; all randomness comes from the generator."""
        ...

    def name(self, index: int) -> str:
        """Return what to call an image in messages."""
        ...

    def collate(self, examples: Sequence[TrainingExample],
                positions: Sequence[int]) -> TrainingBatch:
        """Make a batch of examples; what is drawn for the batch depends on its positions."""
        ...
