# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Opening videos, cameras and streams with OpenCV, and noticing that a video was cut off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
import re
import struct
import tempfile
from typing import BinaryIO

import cv2

from eov_seg_core.io.media.pictures import check_megapixels, MAX_MEGAPIXELS, MediaError

CAMERA = 'camera:'
"""Start of a camera's path: `camera:0`."""
_STREAM = re.compile(r'(rtsps?|https?)://(?:[^/@]*@)?(.+)', re.IGNORECASE | re.DOTALL)
# What OpenCV calls the number of frames is, for these, reckoned from the duration.  That of MPEG
# streams in turn is reckoned from the frames that are there (2 frames are "3", 30 are "26").
_COUNT_FROM_DURATION = frozenset({'.3gp', '.asf', '.flv', '.mkv', '.ogv', '.webm', '.wmv'})
_COUNT_UNKNOWN = frozenset({'.m2ts', '.mjpeg', '.mjpg', '.mpeg', '.mpg', '.mts', '.ts', '.vob'})
_ISO_FILES = frozenset({'.3gp', '.m4v', '.mov', '.mp4'})
_PLAYLISTS = (b'#EXTM3U', b'ffconcat', b'<MPD')
_HEAD_BYTES = 64


def stream_name(path: str) -> str | None:
    """Return the address of a network stream without user and password; None: it is no stream."""
    match = _STREAM.fullmatch(path)
    return f'{match[1]}://{match[2]}' if match else None


@contextmanager
def open_video(path: str, max_megapixels: float = MAX_MEGAPIXELS) -> Iterator[cv2.VideoCapture]:
    """Open a video file, a camera or a stream.

    Args:
        path: Of a file; `camera:N`; or an address `rtsp://...` or `http://...`.
        max_megapixels: Larger frames are refused.

    Raises:
        MediaError: It cannot be opened, or its frames are too large.
    """
    shown = stream_name(path) or path
    with tempfile.TemporaryDirectory(prefix='eov_seg_') as folder:
        if path.startswith(CAMERA):
            capture = cv2.VideoCapture(int(path[len(CAMERA):]))
        elif stream_name(path):
            capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG)
        else:
            capture = cv2.VideoCapture(_plain_name(path, Path(folder)))
        try:
            if not capture.isOpened():
                state = 'not in use' if path.startswith(CAMERA) else 'a video'
                raise MediaError(f'{shown} cannot be opened; check that it is there and {state}')
            width, height = (int(capture.get(name)) for name in (
                cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
            check_megapixels(width, height, f'a frame of {shown}', max_megapixels)
            yield capture
        finally:
            capture.release()


def _plain_name(path: str, folder: Path) -> str:
    """Return a path to the file that OpenCV and FFmpeg take for nothing else.

    Names that are no UTF-8 crash OpenCV; a colon makes FFmpeg look for a protocol, and digits or a
    per cent sign make OpenCV look for a sequence of pictures.
    """
    try:
        with open(path, 'rb') as file:
            head = file.read(_HEAD_BYTES)
    except (OSError, ValueError) as error:
        raise MediaError(f'{path} cannot be read: {error}') from error
    # FFmpeg would open what a playlist names, wherever that is
    if b'\0' not in head or any(start in head for start in _PLAYLISTS):
        raise MediaError(f'{path} is no video, but a text, a playlist or nothing')
    link = folder / 'video'
    link.symlink_to(Path(path).absolute())
    return str(link)


def check_complete(path: str, decoded: int, last_ms: float, capture: cv2.VideoCapture) -> None:
    """Raise a MediaError if frames are missing at the end of a video file.

    Args:
        path: Of the file.
        decoded: Frames that were read until there were no more.
        last_ms: Time of the last one.
        capture: That they were read from.
    """
    suffix = Path(path).suffix.lower()
    announced, rate = capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS)
    reached = decoded
    shown_s = _edited_seconds(path) if suffix in _ISO_FILES and decoded < announced else None
    if suffix in _COUNT_FROM_DURATION or shown_s is not None:
        # fewer frames fill the time if some are shown for longer
        reached = max(reached, round(last_ms * rate / 1000) + 1)
    if shown_s is not None:     # less one: edits need not be on the borders of frames
        announced = min(announced, int(shown_s * rate) - 1)
    if reached < announced and suffix not in _COUNT_UNKNOWN:
        raise MediaError(f'{path} is damaged or cut off: {decoded} frames can be decoded, '
                         f'expected {announced:.0f}; fetch or record it again')


def _edited_seconds(path: str) -> float | None:
    """Return for how long an MP4 is shown if its edit list hides a part, else None.

    Phones trim a video by changing this list; the hidden frames stay in the file.
    """
    with open(path, 'rb') as file:
        size = file.seek(0, 2)
        try:
            moov = _find(file, 0, size, b'moov')
            scale = _ticks(file, *_find(file, *moov, b'mvhd'))[0]
            for track in _children(file, *moov, b'trak'):
                media = _find(file, *track, b'mdia')
                handler = _find(file, *media, b'hdlr')
                file.seek(handler[0] + 8)
                if file.read(4) == b'vide':
                    ticks, duration = _ticks(file, *_find(file, *media, b'mdhd'))
                    edits = _find(file, *_find(file, *track, b'edts'), b'elst')
                    return _shown(file, edits[0], scale, duration / ticks)
        except (LookupError, struct.error, ZeroDivisionError):
            return None     # there is no such list
    return None


def _shown(file: BinaryIO, start: int, scale: int, stored_s: float) -> float | None:
    """Return the seconds of an edit list; None if they are all that is stored."""
    file.seek(start)
    version, count = struct.unpack('>B3xI', file.read(8))
    layout = '>QqI' if version else '>IiI'
    shown_s = 0.0
    for _ in range(min(count, 1000)):
        duration, begin, _rate = struct.unpack(layout, file.read(struct.calcsize(layout)))
        shown_s += duration / scale if begin >= 0 else 0.0
    return shown_s if 0 < shown_s < stored_s else None


def _ticks(file: BinaryIO, start: int, end: int) -> tuple[int, int]:
    """Return ticks per second and duration of an `mvhd` or `mdhd` box."""
    file.seek(start)
    data = file.read(min(end - start, 32))
    return struct.unpack_from('>IQ', data, 20) if data[:1] == b'\x01' else struct.unpack_from(
        '>II', data, 12)


def _find(file: BinaryIO, start: int, end: int, kind: bytes) -> tuple[int, int]:
    """Return where the content of the first box of a kind begins and ends, or LookupError."""
    for found in _children(file, start, end, kind):
        return found
    raise LookupError(kind)


def _children(file: BinaryIO, start: int, end: int, kind: bytes) -> Iterator[tuple[int, int]]:
    """Yield where the content of each box of a kind begins and ends, between two positions."""
    while start + 8 <= end:
        file.seek(start)
        size, name = struct.unpack('>I4s', file.read(8))
        head = 8
        if size == 1:
            size, head = struct.unpack('>Q', file.read(8))[0], 16
        size = size or end - start
        if size < head:
            return
        if name == kind:
            yield start + head, min(start + size, end)
        start += size
