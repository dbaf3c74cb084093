# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The sub-command `bag-sample`: a recording to try things with."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from eov_seg_core.app.arguments import folder, room_side, ROOM_SIDE_PX
from eov_seg_core.io.text import counted, printable


def add_parser(commands: Any) -> None:
    """Add the sub-command."""
    parser = commands.add_parser(
        'bag-sample', help='make a recording of a camera in the built-in world',
        description='Write a ROS 2 recording, with colour, depth, camera_info, /tf and /tf_static '
                    'of a camera that looks around a room. Equal options give equal bytes. '
                    'See docs/recordings.md.')
    parser.add_argument('output', type=folder, metavar='DIR',
                        help='folder of the recording; must not be there')
    parser.add_argument('--seconds', type=float, default=3.0, metavar='S',
                        help='length, with 10 images a second (3)')
    parser.add_argument('--seed', type=int, default=7, metavar='N', help='which room (7)')
    parser.add_argument('--size', type=room_side, nargs=2, default=(320, 240),
                        metavar=('WIDTH', 'HEIGHT'),
                        help='of the images, {} to {} each (320 240)'.format(*ROOM_SIDE_PX))
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from eov_seg_core.app.bag.library import require_rosbags
    require_rosbags()
    from eov_seg_core.recordings.sample import write_sample
    frames = write_sample(Path(arguments.output), arguments.seconds, arguments.seed,
                          *arguments.size)
    print(f'{printable(arguments.output)}: {counted(frames, "image")}')
    return 0
