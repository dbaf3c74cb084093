# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The files of the demo: which pictures it plays, and what it writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
import importlib.util
import json
from pathlib import Path
import re
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from eov_seg_core.io.media import (
    describe_folders,
    find_media,
    MediaError,
    open_video,
    read_image,
    save_picture,
    VIDEO_SUFFIXES,
)
from eov_seg_ros.demo.collector import NODE, Received

PHOTOGRAPHS = ('astronaut.png', 'chelsea.png', 'coffee.png')
"""Photographs that lie in scikit-image's wheel."""
MAX_SIDE = 1280
"""Longest side of a played picture, as of a camera."""
TILE = (320, 240)
"""Width and height of a picture in the overview."""

BGR = npt.NDArray[Any]
RGB = npt.NDArray[np.uint8]


def prepare_pictures(inputs: Sequence[str], output: Path, limit: int) -> list[str]:
    """Put the pictures to play into `output/played` as PNG and return their names.

    Args:
        inputs: Pictures, folders or videos; none: photographs of scikit-image.
        output: The demo's folder; the pictures of an earlier demo in it are removed.
        limit: Most pictures; videos are sampled evenly.

    Raises:
        ValueError: There is no picture that can be read, or one lies in the demo's folder.
    """
    if limit < 1:
        raise ValueError(f'--limit must be at least 1, got {limit}')
    _remove_earlier(output, inputs)
    played = output / 'played'
    played.mkdir(parents=True, exist_ok=True)
    names: list[str] = []
    for stem, image in _pictures(inputs or _photographs(), limit):
        if len(names) == limit:
            break
        # the name goes to the player in a line of text, and into `frame_id`
        stem = re.sub(r'[^\w. -]', '_', stem)
        names.append(f'{len(names):02d}_{stem}.png')
        scale = min(1.0, MAX_SIDE / max(image.shape[:2]))
        size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        resized = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        save_picture(played / names[-1], np.asarray(resized, np.uint8))
    if not names:
        raise ValueError(f'there is no picture or video in {", ".join(inputs)}; what is missing, '
                         'damaged or of another kind is no picture and no video')
    return names


def _remove_earlier(output: Path, inputs: Sequence[str]) -> None:
    """Remove the pictures of an earlier demo, and nothing else."""
    folders = [output / name for name in ('played', 'first', 'second')]
    for entry in inputs:
        if any(Path(entry).resolve().is_relative_to(folder.resolve()) for folder in folders):
            raise ValueError(f'{entry} lies in the folder {output} that the demo writes to; '
                             'choose another one with --output')
    for folder in folders:
        for path in folder.glob('[0-9][0-9]_*.png'):
            path.unlink()


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
    columns = [_column('played', [read_image(output / 'played' / frame.name)[..., ::-1]
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
    path.write_bytes(cv2.imencode('.png', image)[1].tobytes())


def _overlay_bgr(frame: Received) -> BGR:
    return cv2.cvtColor(frame.pixels(f'{NODE}/overlay'), cv2.COLOR_RGB2BGR)


def _photographs() -> list[str]:
    spec = importlib.util.find_spec('skimage')
    folder = Path(spec.origin).parent / 'data' if spec and spec.origin else Path('skimage/data')
    found = [str(folder / name) for name in PHOTOGRAPHS if (folder / name).is_file()]
    if not found:
        raise ValueError(f'scikit-image, whose photographs are the default, is not installed or '
                         f'has none of {", ".join(PHOTOGRAPHS)}; name pictures of your own')
    return found


def _pictures(paths: Sequence[str], limit: int) -> Iterator[tuple[str, RGB]]:
    """Yield the stem of the name and the image of each picture and of each video's frames.

    What cannot be read is said and left out.
    """
    found, problems = find_media(paths)
    for problem in [*problems, *describe_folders(paths)]:
        print(problem)
    for path in found:
        try:
            if Path(path).suffix.lower() in VIDEO_SUFFIXES:
                yield from _video_frames(path, limit)
            else:
                yield Path(path).stem, read_image(path)
        except MediaError as error:
            print(f'left out: {error}')


def _video_frames(path: str, limit: int) -> Iterator[tuple[str, RGB]]:
    """Yield frames spread evenly over a video."""
    with open_video(path) as video:
        count = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
        wanted = set(np.linspace(0, count - 1, min(limit, max(count, 1))).astype(int).tolist())
        index = 0
        while wanted and video.grab():
            if index in wanted:
                wanted.discard(index)
                frame = cv2.cvtColor(video.retrieve()[1], cv2.COLOR_BGR2RGB)
                yield f'{Path(path).stem}_{index:05d}', np.asarray(frame, np.uint8)
            index += 1
        if not index:
            raise MediaError(f'{path} holds no frame that can be decoded')


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
