# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The pictures of the demo: a video in real time and a contact sheet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
import textwrap
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from eov_seg_core.io.media import save_picture
from eov_seg_core.visualization import to_ascii

RGB = npt.NDArray[np.uint8]
VIDEO_HZ = 10.0
_LINE_PX = 18


class Shown(NamedTuple):
    """One frame as people look at it: three uint8 RGB pictures of one height.

    Attributes:
        overlay: The image with masks, names and ids.
        boxes: The image with boxes in space.
        map: The memory from above.
    """

    overlay: RGB
    boxes: RGB
    map: RGB


class Video:
    """An MP4 in which every frame stays until the next one came.

    Args:
        path: The file.

    Raises:
        OSError: OpenCV cannot write it; raised with the first frame.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: cv2.VideoWriter | None = None
        self._written = 0
        self._start_s = 0.0

    def add(self, stamp_s: float, shown: Shown, title: str) -> None:
        """Add the three pictures side by side, below a line of text."""
        picture = np.concatenate(shown, axis=1)
        picture = np.concatenate([caption([title], picture.shape[1]), picture])
        if self._writer is None:
            self._start_s = stamp_s
            self._writer = cv2.VideoWriter(str(self._path), cv2.VideoWriter.fourcc(*'mp4v'),
                                           VIDEO_HZ, picture.shape[1::-1])
            if not self._writer.isOpened():
                raise OSError(f'{self._path} could not be written: this OpenCV has no encoder '
                              'for MP4')
        until = round(VIDEO_HZ * (stamp_s - self._start_s)) + 1
        while self._written < until:
            self._writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
            self._written += 1

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.release()


def write_sheet(path: Path, parts: Sequence[tuple[str, Sequence[Sequence[RGB]]]]) -> None:
    """Write rows of pictures as one picture.

    Args:
        path: The file, PNG.
        parts: A text and the rows below it; all rows have one width.

    Raises:
        OSError: The file could not be written.
    """
    rows = []
    for text, shown in parts:
        pictures = [np.concatenate(row, axis=1) for row in shown]
        width = pictures[0].shape[1]
        lines = [line for part in text.splitlines() for line in textwrap.wrap(part, width // 8)]
        rows += [caption(lines, width), *pictures]
    save_picture(path, np.concatenate(rows))


def caption(lines: Sequence[str], width: int) -> RGB:
    """Return lines of white text on dark ground; an even number of rows, as encoders want it."""
    strip = np.full((_LINE_PX * len(lines) + 10, width, 3), 40, np.uint8)
    for number, line in enumerate(lines, start=1):
        cv2.putText(strip, to_ascii(line), (6, _LINE_PX * number), cv2.FONT_HERSHEY_SIMPLEX, 0.45,
                    (255, 255, 255), 1, cv2.LINE_AA)
    return strip


def sample(frames: Sequence[Shown], count: int) -> list[Shown]:
    """Return at most so many frames, evenly spread."""
    indices = np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int)
    return [frames[index] for index in indices.tolist()]
