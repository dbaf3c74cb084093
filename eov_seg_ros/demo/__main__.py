# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The whole system on one machine: scripts/demo.sh [picture, folder or video ...].

Three processes talk over DDS: a camera, the node, and this one, which changes the words half-way
through and measures what comes back.  Without arguments the camera is the built-in one, which
knows the truth; with pictures it plays those.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import os
from pathlib import Path
import sys

import rclpy
from rclpy.executors import ExternalShutdownException

from eov_seg_core.config import VARIANTS
from eov_seg_ros.demo.pictures import run_pictures
from eov_seg_ros.demo.processes import NodeSettings
from eov_seg_ros.demo.world import run_world

ROOM = 700043
"""A room with much in it, of a seed that no training uses."""


def main(args: Sequence[str] | None = None) -> int:
    """Run the demo.

    Args:
        args: Command line; None: the process's.

    Returns:
        0 if everything came back.
    """
    arguments = _parse(args)
    try:
        rclpy.init(args=[])
        _run(arguments)
    except (RuntimeError, ValueError, OSError) as error:
        print(f'demo failed: {error}', file=sys.stderr)
        return 1
    except (KeyboardInterrupt, ExternalShutdownException):  # Ctrl-C, SIGTERM
        return 130
    finally:
        rclpy.try_shutdown()
    return 0


def _parse(args: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='demo.sh', description=__doc__)
    parser.add_argument('inputs', nargs='*', help='pictures, folders or videos; default: the '
                        'built-in camera')
    parser.add_argument('--checkpoint', default='', help='weights: a published .pth or our '
                        '.safetensors')
    parser.add_argument('--variant', choices=VARIANTS, help='default: t for the '
                        'built-in camera, s for pictures')
    parser.add_argument('--device', default='auto')
    parser.add_argument('--input-size', type=int, help="short side of the network's input in "
                        'pixels; default: what variant t is meant for with the built-in camera, '
                        '320 for pictures (the published value is 640)')
    parser.add_argument('--seconds', type=float, default=24.0, help='how long to watch the '
                        'built-in camera, after the start; it needs 12 for a way around')
    parser.add_argument('--seed', type=int, default=ROOM,
                        help='room of the built-in camera')
    parser.add_argument('--limit', type=int, default=6, help='most pictures to play')
    parser.add_argument('--output', default='demo_output')
    return parser.parse_args(args)


def _run(arguments: argparse.Namespace) -> None:
    variant, input_size = ('s', 320) if arguments.inputs else ('t', 0)  # 0: the variant's own
    settings = NodeSettings(
        variant=arguments.variant or variant, device=arguments.device,
        checkpoint=os.path.abspath(arguments.checkpoint) if arguments.checkpoint else '',
        input_size=input_size if arguments.input_size is None else arguments.input_size)
    output = Path(arguments.output)
    if arguments.inputs:
        run_pictures(settings, arguments.inputs, output, arguments.limit)
    else:
        run_world(settings, output, arguments.seed, arguments.seconds)


if __name__ == '__main__':
    sys.exit(main())
