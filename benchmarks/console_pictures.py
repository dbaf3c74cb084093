# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The two pictures in docs/console.md: the real page in a headless Chromium.

    source scripts/ros_env.sh
    .venv/bin/python -m benchmarks.console_pictures docs/images [--only console.jpg]

`console.jpg` is the page of `eov-seg console`, on a screen and on a telephone.  `console_ros.jpg`
is the page of a node that sees the built-in world with depth and has a memory.  It is not the same
to the pixel each time, because a camera and a node run in real time for it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
import contextlib
import io
from pathlib import Path
import sys
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.console import browser, PORT, wait_for_page
from benchmarks.node import process
from eov_seg_core.io.files import replace_file
from eov_seg_ros.demo.processes import node_command, NodeSettings

SCREEN, PHONE, ROBOT_SCREEN = (1180, 860), (375, 860), (1280, 1160)
_GAP_PX, _GAP_GREY = 20, 140
_OBJECTS = 10       # in the memory, which then shows the room well
_LONGEST_S = 180.0
_JPEG_QUALITY = 85  # text stays sharp, and a picture has less than 300 KB
_OUTLINE = 'return document.querySelector(".stage .outline")?.naturalWidth || 0'


def picture_of_words(page: Any) -> np.ndarray:
    """Return the page of `eov-seg console`, wide and narrow: (H, W, 3) uint8 RGB."""
    with process('eov_seg_core.app.cli', 'console', '--no-browser', '--port', str(PORT)):
        wait_for_page()
        return np.hstack([_page_with_the_bed(page, *SCREEN),
                          np.full((SCREEN[1], _GAP_PX, 3), _GAP_GREY, np.uint8),
                          _page_with_the_bed(page, *PHONE)])


def _page_with_the_bed(page: Any, width: int, height: int) -> np.ndarray:
    """Return the page of a window of this size after a click at the bed of the room."""
    _open(page, width, height)
    _wait(lambda: page.text('.status').startswith('Ready'), 'a segmented picture')
    page.click_at('.stage .live', 0.3, 0.85)
    _wait(lambda: 'bed' in page.text('.under .hint'), 'the name of what was clicked')
    return _screenshot(page)


def picture_of_node(page: Any) -> np.ndarray:
    """Return the page of a node, paused, with the floor outlined: (H, W, 3) uint8 RGB."""
    node = node_command(NodeSettings('t'), vocabulary__preset='world', depth='true',
                        world_frame='odom', runtime='torch')     # no engine to wait for
    camera = ('eov_seg_ros.world_camera_node', '--ros-args', '-p', 'width:=640', '-p',
              'height:=480', '-p', 'rate_hz:=5.0')
    with process(*camera), process(*node), process(
            'eov_seg_ros.console.command', '--no-browser', '--port', str(PORT)):
        wait_for_page()
        _open(page, *ROBOT_SCREEN)
        _wait(lambda: int(page.text('.room .hint').partition(',')[0] or 0) >= _OBJECTS,
              f'{_OBJECTS} objects in the memory')
        page.element('body').send_keys(' ')     # a click would leave its button dark
        _wait(lambda: page.text('.status').startswith('Paused'), 'a picture that stands still')
        page.script("""[...document.querySelectorAll(".segments .segment")].find(
            (row) => row.querySelector(".name").innerText === "floor")?.focus()""")
        return _screenshot(page)


def _open(page: Any, width: int, height: int) -> None:
    page.resize(width, height)
    page.driver.get(f'http://127.0.0.1:{PORT}/')
    _wait(lambda: page.text('.chip'), 'words')


def _screenshot(page: Any) -> np.ndarray:
    _wait(lambda: page.script(_OUTLINE), 'an outline')
    page.script('scrollTo(0, 0)')
    packed = io.BytesIO(page.driver.get_screenshot_as_png())
    return np.asarray(Image.open(packed).convert('RGB'))


def _packed(rgb: np.ndarray) -> bytes:
    packed = io.BytesIO()
    Image.fromarray(rgb).save(packed, 'JPEG', quality=_JPEG_QUALITY, optimize=True)
    return packed.getvalue()


def _wait(condition: Callable[[], Any], what: str) -> None:
    from browser_case import wait_for
    wait_for(condition, f'the page did not show {what} within {_LONGEST_S:g} s', _LONGEST_S)


PICTURES = {'console.jpg': picture_of_words, 'console_ros.jpg': picture_of_node}


def main() -> int:
    """Write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('folder', type=Path)
    parser.add_argument('--only', choices=PICTURES)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        page = stack.enter_context(browser())
        if page is None:
            return 1
        for name, make in PICTURES.items():
            if options.only in (None, name):
                replace_file(options.folder / name, _packed(make(page)))
    return 0


if __name__ == '__main__':
    sys.exit(main())
