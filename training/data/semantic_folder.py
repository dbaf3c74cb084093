# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Data sets of images with a label map for each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from eov_seg_core.vocabulary import Vocabulary
from training.data.files import advising, check_present, read_labels, read_rgb, Remedies
from training.data.samples import SemanticSample


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
        remedies: For messages about missing and broken files.

    Raises:
        FileNotFoundError: There is no image, or a label map is missing.

    Attributes:
        vocabulary: The classes.
    """

    vocabulary: Vocabulary

    def __init__(self, images: Path, labels: Path, vocabulary: Vocabulary, *,
                 suffix: str = '.png', ignore: int = 255, remedies: Remedies) -> None:
        self.vocabulary = vocabulary
        self._ignore = ignore
        self._remedies = remedies
        self._images = sorted(images.glob('*.jpg'))
        self._labels = [labels / f'{image.stem}{suffix}' for image in self._images]
        if not self._images:
            raise FileNotFoundError(f'{images} holds no image *.jpg. {remedies.images}')
        check_present(self._labels, 'the class of every pixel', remedies.truth)

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
        with advising(self._remedies.images):
            image = read_rgb(self._images[index])
        with advising(self._remedies.truth):
            classes = self._classes(self._labels[index], image)
        return SemanticSample(self._images[index].name, image, classes)

    def _classes(self, path: Path, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
        values = read_labels(path)
        if image.shape[:2] != values.shape:
            raise ValueError(f'{path} has {values.shape[1]} x {values.shape[0]} pixels, but its '
                             f'image has {image.shape[1]} x {image.shape[0]}; both must be of one '
                             'size')
        is_judged = values != self._ignore
        wrong = values[is_judged & ((values < 0) | (values >= len(self.vocabulary)))]
        if wrong.size:
            raise ValueError(f'{path} has the value {wrong[0]}; expected 0..'
                             f'{len(self.vocabulary) - 1}, or {self._ignore} for pixels that are '
                             'not judged')
        return np.where(is_judged, values, -1).astype(np.int32)
