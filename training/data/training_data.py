# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Panoptic data as the training engine sees it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import logging

import torch

from eov_seg_core.vocabulary import Vocabulary
from training.data.samples import PanopticData, PanopticSample, TrainingBatch, TrainingExample

_MAX_BROKEN = 10
_log = logging.getLogger(__name__)

Augmentation = Callable[[PanopticSample, torch.Generator], TrainingExample]


class PanopticTrainingData:
    """Augmented examples of a panoptic data set.

    An image whose files are broken does not end the training: the next one stands in for it,
    always the same, and a warning names the file.  Ten broken ones in a row are an error.

    Args:
        data: At least one image.
        augmentation: Makes an example of a sample, all of one size.

    Raises:
        ValueError: There is no image.
    """

    vocabulary: Vocabulary

    def __init__(self, data: PanopticData, augmentation: Augmentation) -> None:
        if not len(data):
            raise ValueError('the data set holds no image; expected at least one')
        self.vocabulary = data.vocabulary
        self._data = data
        self._augment = augmentation

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._data)

    def example(self, index: int, generator: torch.Generator) -> TrainingExample:
        """Read and augment one image; all randomness comes from the generator.

        Raises:
            OSError: A file cannot be read.
            ValueError: Too many images in a row are broken.
        """
        return self._augment(self._sample(index), generator)

    def name(self, index: int) -> str:
        """Return the name of the image of `example`; it is read for that."""
        return self._sample(index).name

    def collate(self, examples: Sequence[TrainingExample],
                positions: Sequence[int]) -> TrainingBatch:
        """Stack examples of one size."""
        return TrainingBatch(
            torch.stack([example.pixels_CHW for example in examples]),
            [example.target for example in examples], self.vocabulary, tuple(positions))

    def _sample(self, index: int) -> PanopticSample:
        for candidate in range(index, index + _MAX_BROKEN):
            try:
                return self._data[candidate % len(self._data)]
            except ValueError as error:
                _log.warning('skipped a broken image: %s', error)
                reason = error
        raise ValueError(f'{_MAX_BROKEN} images in a row are broken; find all with `python -m '
                         f'training.prepare ... --check`.  The last one: {reason}') from reason
