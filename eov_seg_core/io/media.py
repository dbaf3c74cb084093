# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures from image files, folders, videos and cameras, one after the other, as RGB."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
import os
from pathlib import Path
import re

import cv2
import numpy as np
import numpy.typing as npt

from eov_seg_core.io.files import replace_file

IMAGE_SUFFIXES = frozenset({
    '.bmp', '.jpeg', '.jpg', '.pgm', '.png', '.pnm', '.ppm', '.tif', '.tiff', '.webp'})
"""Endings by which a folder's images are found, in lower case."""
VIDEO_SUFFIXES = frozenset({'.avi', '.m4v', '.mkv', '.mov', '.mp4', '.mpeg', '.mpg', '.webm'})
"""Endings of videos, in lower case."""
# What OpenCV calls the number of frames is, for these, reckoned from the duration.  That of MPEG
# streams in turn is reckoned from the frames that are there (2 frames are "3", 30 are "26").
_COUNT_FROM_DURATION = frozenset({'.mkv', '.webm'})
_COUNT_UNKNOWN = frozenset({'.mpeg', '.mpg'})
_CAMERA = 'camera:'
_FRAME_NAME = re.compile(r'(.+)_(\d{6,})')


class MediaError(Exception):
    """A file or camera cannot be read; the message names it and says why."""


@dataclass(frozen=True)
class Picture:
    """One image or frame.

    Attributes:
        name: File name for its results, without an ending; unique among all sources of a run.
        file_name: Where it came from, for people.
        origin: Where it came from, to find its results again; see `Source.origin`.
        rgb: (H, W, 3) uint8 RGB.
    """

    name: str
    file_name: str
    origin: str
    rgb: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Source:
    """A file or camera that yields pictures.

    Attributes:
        path: As given; `camera:0` for the first camera.
        name: Start of its pictures' names.
        origin: Its path from the folder of results, so that the same file is known again from
            another working directory; a frame's origin is this with `#` and its number.
    """

    path: str
    name: str
    origin: str

    @property
    def is_camera(self) -> bool:
        """Whether it is a camera."""
        return self.path.startswith(_CAMERA)

    @property
    def is_image(self) -> bool:
        """Whether it is a single image."""
        return not self.is_camera and Path(self.path).suffix.lower() not in VIDEO_SUFFIXES

    def count(self) -> int | None:
        """Return how many pictures there will be, as far as the file says; None: unknown."""
        if self.is_image:
            return 1
        if self.is_camera:
            return None
        capture = cv2.VideoCapture(self.path)
        frames = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
        capture.release()
        return frames if frames > 0 else None

    def pictures(self) -> Iterator[Picture]:
        """Read the pictures one by one.

        Raises:
            MediaError: The file or camera cannot be read; or, after the last frame that can be
                decoded, the video is shorter than it announces.  An MPEG stream (`.mpg`, `.mpeg`)
                announces nothing, so that its end is never missed.
        """
        if self.is_image:
            yield Picture(self.name, Path(self.path).name, self.origin, read_image(self.path))
        else:
            yield from self._frames()

    def _frames(self) -> Iterator[Picture]:
        capture = cv2.VideoCapture(
            int(self.path[len(_CAMERA):]) if self.is_camera else self.path)
        try:
            if not capture.isOpened():
                raise MediaError(f'{self.path} cannot be opened; check that it is there and '
                                 f'{"not in use" if self.is_camera else "a video"}')
            index, last = 0, 0.0
            while True:
                is_read, bgr = capture.read()
                if not is_read:
                    break
                yield Picture(f'{self.name}_{index:06d}', f'{Path(self.path).name}#{index}',
                              f'{self.origin}#{index}', _to_rgb(np.asarray(bgr, np.uint8)))
                index += 1
                last = max(last, capture.get(cv2.CAP_PROP_POS_MSEC))
            if index == 0:
                raise MediaError(f'{self.path} holds no frame that can be decoded')
            if not self.is_camera:
                _check_complete(self.path, index, last, capture)
        finally:
            capture.release()


def _check_complete(path: str, decoded: int, last: float, capture: cv2.VideoCapture) -> None:
    """Raise a MediaError if frames are missing; `last` is the last one's time in milliseconds."""
    suffix = Path(path).suffix.lower()
    announced, rate = capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS)
    reached = decoded
    if suffix in _COUNT_FROM_DURATION:      # fewer frames fill it if some are shown for longer
        reached = max(reached, round(last * rate / 1000) + 1)
    if reached < announced and suffix not in _COUNT_UNKNOWN:
        raise MediaError(f'{path} is damaged or cut off: {decoded} frames can be decoded, '
                         f'expected {announced:.0f}; fetch or record it again')


def find_media(inputs: Sequence[str]) -> tuple[list[str], list[str]]:
    """List the files and cameras that the arguments of a command name.

    Args:
        inputs: Image and video files; folders, whose images and videos are taken in the order of
            their names, without those of sub-folders; `camera:N` for camera N.

    Returns:
        Their paths, and a message for each argument that names nothing.
    """
    paths: list[str] = []
    problems: list[str] = []
    for entry in inputs:
        if entry.startswith(_CAMERA) and not entry[len(_CAMERA):].isdecimal():
            problems.append(f'{entry}: expected camera:N with N = 0, 1, ...')
        elif entry.startswith(_CAMERA) or Path(entry).is_file():
            paths.append(entry)
        elif Path(entry).is_dir():
            found = _media_in(Path(entry))
            paths += found
            problems += [] if found else [f'{entry}: the folder holds no image and no video']
        else:
            problems.append(f'{entry}: there is no such file or folder')
    return paths, problems


def name_sources(paths: Sequence[str], folder: str | Path,
                 known: Mapping[str, str] | None = None) -> list[Source]:
    """Give each path a name, so that no two pictures of all sources share one.

    Args:
        paths: Files and cameras, as from `find_media`.
        folder: Folder of the results.
        known: Name and origin of each picture that the folder holds results of: such a source
            keeps its name, and no other gets it.

    Returns:
        One source for each path, in order.
    """
    names = _Names(known or {})
    sources = []
    for path in paths:
        is_camera = path.startswith(_CAMERA)
        stem = path.replace(':', '_') if is_camera else Path(path).stem
        unnamed = Source(path, stem, path if is_camera else _origin(path, Path(folder)))
        sources.append(replace(
            unnamed, name=names.take(stem, unnamed.origin, unnamed.is_image)))
    return sources


def read_image(path: str | Path) -> npt.NDArray[np.uint8]:
    """Read an image file, turned upright, as (H, W, 3) uint8 RGB whatever it holds.

    Raises:
        MediaError: It cannot be read or is no image.
    """
    try:
        data = np.frombuffer(Path(path).read_bytes(), np.uint8)
        bgr = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except (OSError, cv2.error) as error:
        raise MediaError(f'{path} cannot be read: {error}') from error
    if bgr is None:
        raise MediaError(f'{path} is no image that OpenCV can decode')
    return _to_rgb(np.asarray(bgr, np.uint8))


def _to_rgb(bgr: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def _media_in(folder: Path) -> list[str]:
    return [str(path) for path in sorted(folder.iterdir())
            if path.suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES and path.is_file()]


class _Names:
    """The names of pictures, each given to one only.

    A video takes the names of all frames that it might have.  Names that differ in case alone
    count as the same, because they are on some file systems.
    """

    def __init__(self, known: Mapping[str, str]) -> None:
        self._pictures = {name.casefold() for name in known}
        self._videos: set[str] = set()
        self._earlier: dict[str, list[str]] = {}
        self._numbers: dict[str, Iterator[int]] = {}
        for name, origin in known.items():
            video, _, index = origin.rpartition('#')
            match = _FRAME_NAME.fullmatch(name)
            if match and match[2] == index.zfill(6):
                self._videos.add(match[1].casefold())
                name, origin = match[1], video
            names = self._earlier.setdefault(origin, [])
            if name not in names:
                names.append(name)

    def take(self, stem: str, origin: str, is_image: bool) -> str:
        """Return the name that the origin had before, else the stem, numbered if it is taken."""
        if self._earlier.get(origin):
            return self._earlier[origin].pop(0)
        numbers = self._numbers.setdefault(stem, count(1))
        name = stem
        while not self._is_free(name.casefold(), is_image):
            name = f'{stem}_{next(numbers)}'
        (self._pictures if is_image else self._videos).add(name.casefold())
        return name

    def _is_free(self, name: str, is_image: bool) -> bool:
        if is_image:
            match = _FRAME_NAME.fullmatch(name)
            return name not in self._pictures and not (match and match[1] in self._videos)
        frames = (_FRAME_NAME.fullmatch(picture) for picture in self._pictures)
        return name not in self._videos and not any(match and match[1] == name for match in frames)


def _origin(path: str, folder: Path) -> str:
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:      # on another drive
        return Path(path).resolve().as_posix()


def save_picture(path: str | Path, rgb: npt.NDArray[np.uint8]) -> None:
    """Write a picture in the format of its file name; the file appears complete or not at all.

    Args:
        path: Ends in `.png`, `.jpg` or another ending that OpenCV knows.
        rgb: (H, W, 3) uint8 RGB.

    Raises:
        OSError: The file cannot be written.
    """
    path = Path(path)
    _, encoded = cv2.imencode(path.suffix, rgb[:, :, ::-1])
    replace_file(path, encoded.tobytes())
