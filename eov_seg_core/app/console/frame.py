# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A picture with what was found in it, and what is said about one pixel of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
import io

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from eov_seg_core.results.result import PanopticResult, Segment
from eov_seg_core.vocabulary import Vocabulary

RGB = npt.NDArray[np.uint8]
MAX_SHOWN_PX = 1920
"""Long side in pixels of the pictures that are sent to the page."""
_RUNNERS_UP = 3
_REDUCED = ((4, cv2.IMREAD_REDUCED_COLOR_4), (2, cv2.IMREAD_REDUCED_COLOR_2),
            (1, cv2.IMREAD_COLOR))
"""How a JPEG is decoded in a fraction of its size, which is faster than to resize it."""


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture with what was found in it; without words nothing is looked for.

    Attributes:
        number: Counts the frames of a session from 1.
        name: Of the picture, for people.
        overlay: JPEG of the overlay, which may be larger than what is sent to the page.
        find: Returns what was found; called when somebody asks, and not again before `forget`.
        vocabulary: What was looked for; None: nothing.
        seconds: From the picture to the result; None: not known.
        plain: JPEG of the picture itself; None: it is not at hand.
        rgb: (H, W, 3) uint8 RGB; None: it is not at hand.
    """

    number: int
    name: str
    overlay: bytes
    find: Callable[[], PanopticResult]
    vocabulary: Vocabulary | None
    seconds: float | None = None
    plain: bytes | None = None
    rgb: RGB | None = None

    @cached_property
    def result(self) -> PanopticResult:
        """What was found."""
        return self.find()

    def forget(self) -> None:
        """Free the memory of `result`; it is found again when somebody asks."""
        self.__dict__.pop('result', None)

    @cached_property
    def shown(self) -> bytes:
        """JPEG of the overlay, its long side at most `MAX_SHOWN_PX`."""
        return shrunk_jpeg(self.overlay)

    def pixel(self, right: float, down: float) -> Pixel:
        """Say what is at a place.

        Args:
            right: From the left edge, as a share of the width; what lies outside counts as edge.
            down: From the upper edge, as a share of the height.
        """
        height, width = self.result.instance.shape
        x, y = (min(max(int(share * size), 0), size - 1)
                for share, size in ((right, width), (down, height)))
        found = int(self.result.instance[y, x])
        segment = next((each for each in self.result.segments if each.id == found), None)
        return Pixel(x, y, segment, [] if segment is None else runners_up(self, segment))


@dataclass(frozen=True)
class Pixel:
    """What is at a pixel.

    Attributes:
        x: Column in the picture.
        y: Row in the picture.
        segment: None: the pixel is unlabeled.
        others: The names that came next, with their probabilities, best first.
    """

    x: int
    y: int
    segment: Segment | None
    others: list[tuple[str, float]]


def runners_up(frame: Frame, segment: Segment) -> list[tuple[str, float]]:
    """Return the names that a segment would have had next, with their probabilities.

    Args:
        frame: With the raw output in its result; without it, nothing is known.
        segment: Of this frame.
    """
    raw, vocabulary = frame.result.raw, frame.vocabulary
    if raw is None or vocabulary is None:
        return []
    probs_QK = np.exp(raw.class_log_probs)
    class_index = segment.class_id - 1
    # A segment does not say which query it came from: it is one whose best class is the segment's
    # and whose probability is its score.
    distance_Q = np.abs(probs_QK[:, class_index] - segment.score)
    distance_Q[probs_QK.argmax(axis=1) != class_index] = np.inf
    query = int(np.argmin(distance_Q))
    best = np.argsort(-probs_QK[query, :-1])
    return [(vocabulary.names[index], float(probs_QK[query, index])) for index in best
            if index != class_index][:_RUNNERS_UP]


def shrunk(picture: RGB) -> RGB:
    """Return a picture whose long side is at most `MAX_SHOWN_PX`."""
    scale = MAX_SHOWN_PX / max(picture.shape[:2])
    if scale >= 1:
        return picture
    height, width = picture.shape[:2]
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def jpeg(rgb: RGB) -> bytes:
    """Return a picture as a JPEG, its long side at most `MAX_SHOWN_PX`."""
    _, data = cv2.imencode('.jpg', shrunk(rgb)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    return bytes(data)


def shrunk_jpeg(data: bytes) -> bytes:
    """Return a JPEG whose long side is at most `MAX_SHOWN_PX`; what is small or no JPEG, as it is.

    Args:
        data: As a node publishes it, in the size of its camera.
    """
    try:
        long_side = max(Image.open(io.BytesIO(data), formats=('JPEG',)).size)
    except (OSError, Image.DecompressionBombError):
        return data
    if long_side <= MAX_SHOWN_PX:
        return data
    how = next(how for factor, how in _REDUCED if long_side >= factor * MAX_SHOWN_PX)
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), how)
    return data if picture is None else jpeg(np.asarray(picture[..., ::-1], np.uint8))
