# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The files of the demo: which pictures it plays, and what it writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
import importlib.util
import json
from pathlib import Path
import shutil
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from eov_seg_ros.demo.collector import NODE, Received

PHOTOGRAPHS = ('astronaut.png', 'chelsea.png', 'coffee.png')
"""Photographs that lie in scikit-image's wheel."""
PICTURE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff')
VIDEO_SUFFIXES = ('.mp4', '.avi', '.mkv', '.mov', '.webm')
MAX_SIDE = 1280
"""Longest side of a played picture, as of a camera."""
TILE = (320, 240)
"""Width and height of a picture in the overview."""

BGR = npt.NDArray[Any]


def prepare_pictures(inputs: Sequence[str], output: Path, limit: int) -> list[str]:
    """Put the pictures to play into `output/played` as PNG and return their names.

    Args:
        inputs: Pictures, folders or videos; none: photographs of scikit-image.
        output: The demo's folder; earlier results in it are removed.
        limit: Most pictures; videos are sampled evenly.

    Raises:
        ValueError: There is no picture, or one cannot be read.
    """
    if limit < 1:
        raise ValueError(f'--limit must be at least 1, got {limit}')
    for name in ('played', 'first', 'second'):
        shutil.rmtree(output / name, ignore_errors=True)
    played = output / 'played'
    played.mkdir(parents=True)
    names: list[str] = []
    for stem, image in _pictures([Path(path) for path in inputs] or _photographs(), limit):
        if len(names) == limit:
            break
        names.append(f'{len(names):02d}_{stem}.png')
        scale = min(1.0, MAX_SIDE / max(image.shape[:2]))
        size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        _write(played / names[-1], cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    if not names:
        raise ValueError(f'there is no picture or video in {", ".join(inputs)}; known are '
                         f'{", ".join(PICTURE_SUFFIXES + VIDEO_SUFFIXES)}')
    return names


def write_frame(frame: Received, folder: Path) -> None:
    """Write one frame's overlay and label images as PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = Path(frame.name).stem
    _write(folder / f'{stem}_overlay.png', _overlay_bgr(frame))
    for topic in ('instance', 'semantic'):
        _write(folder / f'{stem}_{topic}.png', frame.pixels(f'{NODE}/{topic}'))
    # 32 bits do not fit into a PNG: upper and lower half, as in the message.
    panoptic = frame.pixels(f'{NODE}/panoptic').view(np.uint32)
    halves = np.stack([np.zeros_like(panoptic), panoptic & 0xffff, panoptic >> 16], axis=-1)
    _write(folder / f'{stem}_panoptic.png', halves.astype(np.uint16))


def write_summary(played: Mapping[str, Sequence[Received]],
                  class_maps: Mapping[str, Mapping[int, str]], output: Path,
                  warnings: Sequence[str]) -> None:
    """Write `detections.json` and `overview.png`.

    Args:
        played: The frames for each set of words.
        class_maps: The class map for each set of words.
        output: The demo's folder.
        warnings: Written across the overview.
    """
    content = {label: {'class_map': class_maps[label], 'frames': [_record(f) for f in frames]}
               for label, frames in played.items()}
    (output / 'detections.json').write_text(json.dumps(content, indent=1, ensure_ascii=False),
                                            encoding='utf-8')
    columns = [_column('played', [_read(output / 'played' / frame.name)
                                  for frame in next(iter(played.values()))])]
    columns += [_column(f'{label} words', [_overlay_bgr(frame) for frame in frames])
                for label, frames in played.items()]
    sheet = np.concatenate(columns, axis=1)
    if warnings:
        banner = np.zeros((36, sheet.shape[1], 3), np.uint8)
        banner[:] = (0, 0, 200)
        cv2.putText(banner, 'UNTRAINED WEIGHTS: THE COLOURS SHOW NOTHING', (10, 25),
                    cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255, 255, 255), 2, cv2.LINE_AA)
        sheet = np.concatenate([banner, sheet])
    _write(output / 'overview.png', sheet)


def _write(path: Path, image: npt.NDArray[Any]) -> None:
    if not cv2.imwrite(str(path), image):
        raise OSError(f'{path} could not be written')


def _overlay_bgr(frame: Received) -> BGR:
    return cv2.cvtColor(frame.pixels(f'{NODE}/overlay'), cv2.COLOR_RGB2BGR)


def _photographs() -> list[Path]:
    spec = importlib.util.find_spec('skimage')
    folder = Path(spec.origin).parent / 'data' if spec and spec.origin else Path('skimage/data')
    found = [folder / name for name in PHOTOGRAPHS if (folder / name).is_file()]
    if not found:
        raise ValueError(f'scikit-image, whose photographs are the default, is not installed or '
                         f'has none of {", ".join(PHOTOGRAPHS)}; name pictures of your own')
    return found


def _pictures(paths: Sequence[Path], limit: int) -> Iterator[tuple[str, BGR]]:
    """Yield the stem of the name and the image of each picture and of each video's frames."""
    for path in paths:
        if path.is_dir():
            known = PICTURE_SUFFIXES + VIDEO_SUFFIXES
            yield from _pictures([entry for entry in sorted(path.iterdir())
                                  if entry.suffix.lower() in known and entry.is_file()], limit)
        elif path.suffix.lower() in VIDEO_SUFFIXES:
            yield from _video_frames(path, limit)
        else:
            yield path.stem, _read(path)


def _read(path: Path) -> BGR:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f'{path} is not there or is no picture that OpenCV can read')
    return image


def _video_frames(path: Path, limit: int) -> Iterator[tuple[str, BGR]]:
    """Yield frames spread evenly over a video."""
    video = cv2.VideoCapture(str(path))
    try:
        count = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
        wanted = set(np.linspace(0, count - 1, min(limit, max(count, 1))).astype(int).tolist())
        index = 0
        while wanted and video.grab():
            if index in wanted:
                wanted.discard(index)
                yield f'{path.stem}_{index:05d}', video.retrieve()[1]
            index += 1
        if not index:
            raise ValueError(f'{path} is not there or is no video that OpenCV can read')
    finally:
        video.release()


def _record(frame: Received) -> dict[str, Any]:
    overlay = frame.messages[f'{NODE}/overlay']
    return {
        'picture': frame.name, 'width': overlay.width, 'height': overlay.height,
        'stamp_ns': frame.stamp_ns, 'latency_ms': round(frame.latency_ms, 1),
        'detections': [{
            'id': int(detection.id),
            'name': detection.results[0].hypothesis.class_id,
            'score': round(detection.results[0].hypothesis.score, 4),
            'center_xy': [detection.bbox.center.position.x, detection.bbox.center.position.y],
            'size_xy': [detection.bbox.size_x, detection.bbox.size_y],
        } for detection in frame.messages[f'{NODE}/detections'].detections]}


def _column(title: str, images: Sequence[BGR]) -> BGR:
    """Return images below one another under a title."""
    head = np.full((28, TILE[0], 3), 40, np.uint8)
    cv2.putText(head, title, (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 1,
                cv2.LINE_AA)
    return np.concatenate([head, *(_tile(image) for image in images)])


def _tile(image: BGR) -> BGR:
    """Return an image fitted into a tile, its shape kept."""
    height, width = image.shape[:2]
    scale = min(TILE[0] / width, TILE[1] / height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    tile = np.full((TILE[1], TILE[0], 3), 40, np.uint8)
    left, top = (TILE[0] - size[0]) // 2, (TILE[1] - size[1]) // 2
    tile[top:top + size[1], left:left + size[0]] = cv2.resize(
        image, size, interpolation=cv2.INTER_AREA)
    return tile
