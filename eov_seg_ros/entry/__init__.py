# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where our processes begin: a signal during the imports ends them without a traceback.

Importing takes a second or more, and whoever presses Ctrl-C in it has done nothing wrong.
"""

from __future__ import annotations

import os
import signal
from typing import NoReturn


def segment_node() -> NoReturn:
    """Run the segmentation node as this process."""
    _end_quietly()
    from eov_seg_ros.segment_node import main
    main()


def world_camera_node() -> int:
    """Run the camera of the built-in world; return the exit code."""
    _end_quietly()
    from eov_seg_ros.world_camera_node import main
    return main()


def find() -> int:
    """Say where an object is; return the exit code."""
    _end_quietly()
    from eov_seg_ros.find.command import main
    return main()


def _end_quietly() -> None:
    """End with exit code 0 at SIGINT and SIGTERM, until `run_node` has handlers of its own."""
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda *_: os._exit(0))
