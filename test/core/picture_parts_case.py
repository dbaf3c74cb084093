# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the tests of pictures in parts share.

As a script it labels a folder slowly, to be killed: `python picture_parts_case.py FOLDER OUTPUT`.
"""

from __future__ import annotations

from pathlib import Path
import sys

from bag_case import StripSegmenter
import cv2
import numpy as np

from eov_seg_core.io.media import find_media
from eov_seg_core.pictures.labelling import PictureLabeller
from eov_seg_core.pictures.options import PictureOptions

HEIGHT, WIDTH = 4, 6


def make_folder(folder: Path, count: int, *, broken=()) -> Path:
    """Write small pictures, some of which cannot be read."""
    folder.mkdir()
    for index in range(count):
        path = folder / f'p{index:04d}.png'
        rgb = np.full((HEIGHT, WIDTH, 3), index % 256, np.uint8)
        path.write_bytes(b'no picture' if index in broken
                         else cv2.imencode('.png', rgb[..., ::-1])[1].tobytes())
    return folder


def label(paths, output: Path, *, segmenter=None, problems=None, shard=(0, 1), settings=None,
          instances=False, **options):
    """Label a folder or a list of paths, in parts of ten pictures where nothing else is said."""
    found = find_media([str(paths)])[0] if isinstance(paths, Path) else paths
    return PictureLabeller(
        lambda: found, output, segmenter or StripSegmenter(),
        PictureOptions(**({'part_size': 10} | options)), settings or {}, shard,
        instances=instances).run(
            lambda count: None, ([] if problems is None else problems).append)


if __name__ == '__main__':
    label(Path(sys.argv[1]), Path(sys.argv[2]), segmenter=StripSegmenter(0.005))
