# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Data sets of images with a label map for each."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from eov_seg_core.vocabulary import Vocabulary
from training.datasets.files import check_present, read_labels, read_rgb
from training.samples import SemanticSample


class SemanticFolder:
    """Images NAME.jpg, and label maps of the same names whose values are class indices.

    Opening looks whether every image has its label map; a picture that is damaged is found when
    it is read.

    Args:
        images: Folder of the images.
        labels: Folder of the label maps.
        vocabulary: The classes, in the order of the values.
        suffix: Ending of the label maps.
        ignore: Value of pixels that are not judged.
        remedy: Sentence for messages about missing files: how to get them.

    Raises:
        FileNotFoundError: There is no image, or a label map is missing.

    Attributes:
        vocabulary: The classes.
    """

    vocabulary: Vocabulary

    def __init__(self, images: Path, labels: Path, vocabulary: Vocabulary, *,
                 suffix: str = '.png', ignore: int = 255, remedy: str) -> None:
        self.vocabulary = vocabulary
        self._ignore = ignore
        self._images = sorted(images.glob('*.jpg'))
        self._labels = [labels / f'{image.stem}{suffix}' for image in self._images]
        if not self._images:
            raise FileNotFoundError(f'{images} holds no image *.jpg. {remedy}')
        check_present(self._labels, 'the class of every pixel', remedy)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._images)

    def __getitem__(self, index: int) -> SemanticSample:
        """Read one image with its label map.

        Raises:
            IndexError: There is no such image.
            OSError: A file cannot be read.
            ValueError: A file is damaged, sizes differ, or a value is no class.
        """
        path = self._labels[index]
        image, values = read_rgb(self._images[index]), read_labels(path)
        if image.shape[:2] != values.shape:
            raise ValueError(f'{path} has {values.shape[1]} x {values.shape[0]} pixels, but its '
                             f'image {self._images[index]} has {image.shape[1]} x '
                             f'{image.shape[0]}; both must be of one size')
        classes = np.where(values == self._ignore, -1, values).astype(np.int32)
        wrong = values[(classes < -1) | (classes >= len(self.vocabulary))]
        if wrong.size:
            raise ValueError(f'{path} has the value {wrong[0]}; expected 0..'
                             f'{len(self.vocabulary) - 1}, or {self._ignore} for pixels that are '
                             'not judged')
        return SemanticSample(self._images[index].name, image, classes)
