# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of the built-in world as a data set, rendered once and kept on disk.

A frame takes 50 ms to render and 1 ms to read.  To render a set ahead, with a progress bar:
`python -m training.world.frames clip` or `... masks`; it can be stopped and run again.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
import hashlib
import json
from pathlib import Path
import zipfile

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from eov_seg_core.io.files import replacing
from eov_seg_core.world import generate_scene, random_camera, render
from training.world.split import HELD_OUT_PAIRS, MASK_CATEGORIES

WIDTH, HEIGHT = 320, 240
MIN_AREA = 40
"""Visible pixels from which on a thing counts, in both trainings and in the benchmark."""
DEFAULT_CACHE = Path('runs/world_frames')


@dataclass(frozen=True)
class FrameObject:
    """One visible object or surface.

    Attributes:
        id: Its value in the id map.
        name: Its category.
        color: Its colour; None for surfaces of the room.
        material: What a surface of the room is made of; None for objects.
        is_thing: Whether its category is told apart.
        support: Category of what it stands on or hangs at; None for surfaces of the room.
        area: Visible pixels, above 0.
    """

    id: int
    name: str
    color: str | None
    material: str | None
    is_thing: bool
    support: str | None
    area: int


@dataclass(frozen=True)
class WorldFrame:
    """A rendered frame.

    Attributes:
        rgb: (240, 320, 3) uint8 RGB.
        ids: (240, 320) uint8 id of the object at every pixel.
        objects: The visible ones.
    """

    rgb: npt.NDArray[np.uint8]
    ids: npt.NDArray[np.uint8]
    objects: tuple[FrameObject, ...]


@dataclass(frozen=True)
class FrameSet:
    """Which rooms to render: `views` frames of each of `rooms` rooms.

    Attributes:
        first_seed: Of the first room; the others follow.
        rooms: How many rooms.
        views: Frames of each room.
        categories: What may be in the rooms; None for everything.
        forbidden_pairs: (colour, category) pairs that may not.
    """

    first_seed: int
    rooms: int
    views: int = 2
    categories: tuple[str, ...] | None = None
    forbidden_pairs: tuple[tuple[str, str], ...] = HELD_OUT_PAIRS

    def __len__(self) -> int:
        return self.rooms * self.views

    def render(self, index: int) -> WorldFrame:
        """Render one frame, without the cache."""
        return render_frame(self.first_seed + index // self.views, index % self.views,
                            self.categories, self.forbidden_pairs)

    @property
    def folder(self) -> str:
        """A name for what the frames' content depends on besides room and view."""
        content = repr((WIDTH, HEIGHT, self.categories, sorted(self.forbidden_pairs)))
        return hashlib.sha256(content.encode()).hexdigest()[:12]


CLIP_FRAMES = FrameSet(first_seed=500_000, rooms=4000)
"""Rooms of everything, for CLIP's training: boxes and captions only."""
MASK_FRAMES = FrameSet(first_seed=0, rooms=5000, categories=MASK_CATEGORIES)
"""Rooms of base categories, for the training of the masks."""


def render_frame(seed: int, view: int, categories: Iterable[str] | None = None,
                 forbidden_pairs: Iterable[tuple[str, str]] = ()) -> WorldFrame:
    """Render one view of the room of a seed."""
    scene = generate_scene(seed, categories=categories, forbidden_pairs=forbidden_pairs)
    frame = render(scene, random_camera(scene, view, WIDTH, HEIGHT), noise_seed=view)
    everything = (*scene.surfaces, *scene.objects)
    name_of_id = {item.id: item.name for item in everything}
    support = {item.id: name_of_id[item.stands_on] for item in scene.objects}
    objects = tuple(
        FrameObject(item.id, item.name, item.color, item.material, item.is_thing,
                    support.get(item.id), item.area)
        for item in frame.objects if item.area)
    return WorldFrame(frame.rgb, frame.ids.astype(np.uint8), objects)


class CachedFrames:
    """A frame set that keeps what it rendered.

    Several processes may share the folder; a damaged file is rendered again.

    Args:
        frames: What to render.
        cache: Folder; made if missing.
    """

    def __init__(self, frames: FrameSet, cache: Path = DEFAULT_CACHE) -> None:
        self._frames = frames
        self._folder = cache / frames.folder
        self._folder.mkdir(parents=True, exist_ok=True)

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: int) -> WorldFrame:
        """Read a frame, or render and keep it."""
        seed, view = divmod(index, self._frames.views)
        path = self._folder / f'{self._frames.first_seed + seed:08d}_{view}.npz'
        try:
            return _read(path)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            frame = self._frames.render(index)
            with replacing(path) as temporary, temporary.open('wb') as file:
                np.savez(file, rgb=frame.rgb, ids=frame.ids, objects=np.array(
                    json.dumps([vars(item) for item in frame.objects])))
            return frame


def _read(path: Path) -> WorldFrame:
    with np.load(path, allow_pickle=False) as content:
        objects = json.loads(str(content['objects']))
        return WorldFrame(content['rgb'], content['ids'],
                          tuple(FrameObject(**item) for item in objects))


def _fill(frames: FrameSet, cache: Path, indices: range) -> int:
    cached = CachedFrames(frames, cache)
    for index in indices:
        cached[index]
    return len(indices)


def main() -> None:
    """Render a set of frames ahead of its training."""
    parser = argparse.ArgumentParser(description='Render frames of the built-in world to disk.')
    parser.add_argument('set', choices=('clip', 'masks'))
    parser.add_argument('--frames', type=int, help='only the first so many')
    parser.add_argument('--cache', type=Path, default=DEFAULT_CACHE)
    parser.add_argument('--processes', type=int, default=1)
    arguments = parser.parse_args()
    frames = CLIP_FRAMES if arguments.set == 'clip' else MASK_FRAMES
    total = min(arguments.frames or len(frames), len(frames))
    portions = [range(start, min(start + 20, total)) for start in range(0, total, 20)]
    with ProcessPoolExecutor(arguments.processes) as pool, tqdm(total=total, unit='frame') as bar:
        for done in pool.map(_fill, *zip(*((frames, arguments.cache, portion)
                                           for portion in portions))):
            bar.update(done)


if __name__ == '__main__':
    main()
