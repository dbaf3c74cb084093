# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where pictures come from: files, folders, videos, cameras and streams, each under one name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
import os
from pathlib import Path, PurePath
import re

import cv2
import numpy as np
import numpy.typing as npt

from eov_seg_core.io.media.pictures import MAX_MEGAPIXELS, MediaError, read_image
from eov_seg_core.io.media.video import CAMERA, check_complete, open_video, stream_name
from eov_seg_core.wrong import wrong

IMAGE_SUFFIXES = frozenset({
    '.bmp', '.dib', '.gif', '.j2k', '.jfif', '.jp2', '.jpe', '.jpeg', '.jpg', '.pbm', '.pgm',
    '.png', '.pnm', '.ppm', '.tif', '.tiff', '.webp'})
"""Endings by which a folder's images are found, in lower case."""
VIDEO_SUFFIXES = frozenset({
    '.3gp', '.asf', '.avi', '.flv', '.m2ts', '.m4v', '.mjpeg', '.mjpg', '.mkv', '.mov', '.mp4',
    '.mpeg', '.mpg', '.mts', '.ogv', '.ts', '.vob', '.webm', '.wmv'})
"""Endings of videos, in lower case."""
_DEVICE = re.compile(r'/dev/video(\d+)')
_CAMERA_NUMBER = re.compile('0*[0-9]{1,2}')
"""OpenCV takes the hundreds of a number for the name of a driver, and opens another camera."""
_FRAME_NAME = re.compile(r'(.+)_(\d{6,})')


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
    """A file, camera or network stream that yields pictures.

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
    def is_live(self) -> bool:
        """Whether it is a camera or a stream: it may have no end, and never repeats itself."""
        return is_live(self.path)

    @property
    def is_image(self) -> bool:
        """Whether it is a single image."""
        return not self.is_live and Path(self.path).suffix.lower() not in VIDEO_SUFFIXES

    def count(self) -> int | None:
        """Return how many pictures there will be, as far as the file says; None: unknown."""
        if self.is_image:
            return 1
        if self.is_live:
            return None
        try:
            with open_video(self.path) as capture:
                frames = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        except MediaError:      # said when its pictures are read
            return None
        return frames if frames > 0 else None

    def pictures(self, max_megapixels: float = MAX_MEGAPIXELS) -> Iterator[Picture]:
        """Read the pictures one by one.

        Args:
            max_megapixels: Larger pictures and frames are refused.

        Raises:
            MediaError: The file or camera cannot be read; or, after the last frame that can be
                decoded, the video is shorter than it announces.  An MPEG stream (`.mpg`, `.ts`)
                announces nothing, so that its end is never missed.
        """
        if self.is_image:
            rgb = read_image(self.path, max_megapixels=max_megapixels)
            yield Picture(self.name, Path(self.path).name, self.origin, rgb)
        else:
            yield from self._frames(max_megapixels)

    def _frames(self, max_megapixels: float) -> Iterator[Picture]:
        shown = stream_name(self.path) or self.path
        with open_video(self.path, max_megapixels) as capture:
            index, last = 0, 0.0
            while True:
                try:
                    is_read, bgr = capture.read()
                except cv2.error as error:      # such as memory that is short
                    raise MediaError(f'{shown}: frame {index} cannot be read: {error}') from error
                if not is_read:
                    break
                yield Picture(f'{self.name}_{index:06d}', f'{Path(shown).name}#{index}',
                              f'{self.origin}#{index}',
                              np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8))
                index += 1
                last = max(last, capture.get(cv2.CAP_PROP_POS_MSEC))
            if index == 0:
                raise MediaError(f'{shown} holds no frame that can be decoded')
            if not self.is_live:
                check_complete(self.path, index, last, capture)


def is_live(path: str) -> bool:
    """Say whether an input of a command is a camera or a stream."""
    return (path.startswith(CAMERA) or _DEVICE.fullmatch(path) is not None
            or stream_name(path) is not None)


def find_media(inputs: Sequence[str]) -> tuple[list[str], list[str]]:
    """List the files, cameras and streams that the arguments of a command name.

    Args:
        inputs: Image and video files; folders, whose images and videos are taken in the order of
            their names, without hidden ones and those of sub-folders; `camera:N` or
            `/dev/videoN` for camera N; `rtsp://...` and `http://...`.

    Returns:
        Their paths, and a message for each argument that names nothing.

    Raises:
        ValueError: It is no list.
    """
    if isinstance(inputs, (str, Path)) or not isinstance(inputs, Iterable):
        raise wrong('the list of inputs', inputs, 'a list of paths')
    paths: list[str] = []
    problems: list[str] = []
    for entry in inputs:
        device = _DEVICE.fullmatch(os.path.realpath(entry)) if entry.startswith('/dev/') else None
        if device:
            entry = CAMERA + device[1]
        if entry.startswith(CAMERA) and not _CAMERA_NUMBER.fullmatch(entry[len(CAMERA):]):
            problems.append(f'{entry}: expected camera:N with N = 0 to 99')
        elif entry.startswith(CAMERA) or stream_name(entry) or os.path.isfile(entry):
            paths.append(entry)
        elif os.path.isdir(entry):
            found = _media_in(Path(entry))
            paths += found
            problems += [] if found else [f'{entry}: the folder holds no image and no video']
        else:
            problems.append(_why_not(entry))
    return paths, problems


def _why_not(entry: str) -> str:
    if not entry:
        return ('an input is empty, as an unset variable of a shell is; name a file or a folder, '
                '. for this one')
    if os.path.exists(entry):
        return f'{entry} is a pipe, a device or a socket; expected a file or a folder'
    return f'{entry}: there is no such file or folder'


def describe_folders(inputs: Sequence[str]) -> list[str]:
    """Say of each folder among the inputs what `find_media` takes, what it leaves out, and why."""
    notes = []
    for folder in (Path(entry) for entry in inputs if entry and not stream_name(entry)):
        if not os.path.isdir(folder):
            continue
        taken: Counter[str] = Counter()
        rest: Counter[str] = Counter()
        for entry in os.scandir(folder):
            if _is_dir(entry):
                rest['sub-folders (name them, too)'] += 1
            elif not _is_file(entry):
                rest['broken links, pipes and devices'] += 1
            elif not entry.name.startswith('.'):
                (taken if _is_media(entry) else rest)[
                    _suffix(entry.name) or 'without an ending'] += 1
            elif _has_media_suffix(entry.name):
                rest['hidden (a dot before the name)'] += 1
        if not taken and not rest:
            continue    # an empty folder is an error, which `find_media` says
        note = f'{folder}: reading {_listed(taken)}'
        if rest:
            note += (f'; leaving out {_listed(rest)}, because images end in '
                     f'{" ".join(sorted(IMAGE_SUFFIXES))} and videos in '
                     f'{" ".join(sorted(VIDEO_SUFFIXES))}')
        notes.append(note)
    return notes


def _listed(counts: Mapping[str, int]) -> str:
    return ', '.join(f'{number} {what}' for what, number in sorted(counts.items())) or 'nothing'


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
        unnamed = Source(path, _stem(path), _origin(path, Path(folder)))
        # two recordings of one camera are different pictures
        known_as = None if unnamed.is_live else unnamed.origin
        sources.append(replace(
            unnamed, name=names.take(unnamed.name, known_as, unnamed.is_image)))
    return sources


def _media_in(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:     # says what is a file without asking for each
        names = sorted(entry.name for entry in entries if _is_media(entry))
    return [str(folder / name) for name in names]


def _is_media(entry: os.DirEntry[str]) -> bool:
    # hidden pictures are notes of other systems, unfinished downloads or in the bin
    return not entry.name.startswith('.') and _has_media_suffix(entry.name) and _is_file(entry)


def _has_media_suffix(name: str) -> bool:
    return _suffix(name).lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES


def _is_file(entry: os.DirEntry[str]) -> bool:
    # a link may go round in circles, of which `entry` would raise
    return Path(entry.path).is_file() if entry.is_symlink() else entry.is_file()


def _is_dir(entry: os.DirEntry[str]) -> bool:
    return Path(entry.path).is_dir() if entry.is_symlink() else entry.is_dir()


def _suffix(name: str) -> str:
    return PurePath(name).suffix


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

    def take(self, stem: str, origin: str | None, is_image: bool) -> str:
        """Return the name that the origin had before, else the stem, numbered if it is taken."""
        if origin is not None and self._earlier.get(origin):
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


def _stem(path: str) -> str:
    live = stream_name(path) or (path if path.startswith(CAMERA) else '')
    return re.sub(r'[^\w.-]+', '_', live) if live else Path(path).stem


def _origin(path: str, folder: Path) -> str:
    if path.startswith(CAMERA) or stream_name(path):
        return stream_name(path) or path
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:      # on another drive
        return Path(path).resolve().as_posix()
