# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is made of a frame: the outline of a segment, and a ZIP to keep."""

from __future__ import annotations

import io
from pathlib import Path
import tempfile
import zipfile

import cv2
import numpy as np

from eov_seg_core.app.console.frame import Frame, shrunk
from eov_seg_core.io.coco import CocoWriter
from eov_seg_core.io.media import save_picture
from eov_seg_core.visualization import draw_overlay


def outline(frame: Frame, segment_id: int) -> bytes:
    """Return the outline of a segment as a PNG, transparent elsewhere, of the shown size.

    Args:
        frame: In which the segment is.
        segment_id: Without a segment of this id the PNG is transparent everywhere.
    """
    mask = np.equal(frame.result.instance, segment_id).astype(np.uint8)
    mask = shrunk(mask)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    rgba = np.zeros((*mask.shape, 4), np.uint8)
    width = max(2, max(mask.shape) // 200)
    cv2.drawContours(rgba, contours, -1, (0, 0, 0, 255), 2 * width)
    cv2.drawContours(rgba, contours, -1, (255, 255, 255, 255), width)
    _, data = cv2.imencode('.png', rgba, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return bytes(data)


def archive(frame: Frame) -> bytes:
    """Return a ZIP of a frame: picture, overlay, and the files of `eov-seg segment`.

    Where the picture itself is not at hand there is only the overlay that was shown.

    Raises:
        ValueError: Nothing was looked for in it, as there were no words.
    """
    if frame.vocabulary is None:
        raise ValueError('nothing was looked for in this picture; give words first')
    packed = io.BytesIO()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        writer = CocoWriter(folder, frame.vocabulary)
        writer.add(frame.result, 'picture', 'picture.png')
        writer.save()
        if frame.rgb is None:
            (folder / 'overlay.jpg').write_bytes(frame.overlay)
        else:
            save_picture(folder / 'picture.png', frame.rgb)
            save_picture(folder / 'overlay.png', draw_overlay(frame.rgb, frame.result))
        with zipfile.ZipFile(packed, 'w') as target:
            for path in sorted(folder.rglob('*')):
                if path.is_file():
                    target.write(path, path.relative_to(folder).as_posix())
    return packed.getvalue()
