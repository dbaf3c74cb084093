# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages of one image to what was found in it; decoded only when somebody asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from eov_seg_core.app.console.words import Words
from eov_seg_core.results.result import PanopticResult, Segment
from eov_seg_core.vocabulary import Category, Vocabulary


@dataclass(frozen=True)
class ClassMap:
    """The class map of a node at one moment.

    Attributes:
        index_of: Class index 0..K-1 of each published class id.
        vocabulary: The K classes; None: there are none.
    """

    index_of: Mapping[int, int]
    vocabulary: Vocabulary | None

    @classmethod
    def of(cls, names: Mapping[int, str], words: Words) -> ClassMap:
        """Return the class map of a node.

        Args:
            names: Name of each class id, without 0.
            words: Tell synonyms and what is a thing; a name that they do not know is a thing.
        """
        known: dict[str, list[Category]] = {}
        vocabulary = words.vocabulary()
        for category in () if vocabulary is None else vocabulary.categories:
            known.setdefault(category.name, []).append(category)
        categories = [known[name].pop(0) if known.get(name) else Category((name,), True)
                      for name in names.values()]
        return cls({class_id: index for index, class_id in enumerate(names)},
                   Vocabulary.from_categories(categories) if categories else None)


def found(parts: Mapping[str, Any], overlay: bytes, classes: ClassMap) -> PanopticResult:
    """Return what was found in an image.

    Args:
        parts: Messages of that image: `instance`, `semantic` and `confidence` (CompressedImage)
            and `detections`; what is missing is not known.
        overlay: JPEG of the overlay, which has the size of the image.
        classes: Of the image.
    """
    images = [decoded(parts.get(name)) for name in ('instance', 'semantic', 'confidence')]
    instance, semantic, confidence = images
    if classes.vocabulary is None or instance is None or semantic is None or confidence is None:
        picture = cv2.imdecode(np.frombuffer(overlay, np.uint8), cv2.IMREAD_GRAYSCALE)
        size = (1, 1) if picture is None else picture.shape[:2]
        return PanopticResult(np.zeros(size, np.int32), [])
    scores = {detection.id: float(detection.results[0].hypothesis.score)
              for detection in getattr(parts.get('detections'), 'detections', ())}
    areas = np.bincount(instance.ravel())
    segments = []
    for number, place in enumerate(ndimage.find_objects(instance), start=1):
        if place is None:       # ids that stay with objects leave gaps
            continue
        first = np.unravel_index(np.argmax(instance[place] == number), instance[place].shape)
        index = classes.index_of.get(int(semantic[place][first]))
        if index is not None:   # else the class map changed between the two messages
            category = classes.vocabulary.categories[index]
            rows, columns = place
            segments.append(Segment(
                number, index + 1, category.name, category.is_thing,
                scores.get(str(number), float(confidence[place][first]) / 255),
                int(areas[number]), (columns.start, rows.start, columns.stop, rows.stop)))
    return PanopticResult(instance.astype(np.int32), segments)


def decoded(message: Any) -> npt.NDArray[Any] | None:
    """Return the label image of a compressed message; None where there is none."""
    if message is None:
        return None
    image = cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_UNCHANGED)
    return None if image is None else np.asarray(image)


def same_names(words: Words, names: Sequence[str]) -> bool:
    """Whether a class map is that of these words."""
    vocabulary = words.vocabulary()
    return vocabulary is not None and sorted(vocabulary.names) == sorted(names)
