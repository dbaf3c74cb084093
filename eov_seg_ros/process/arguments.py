# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Nodes take ROS arguments only; what ROS would ignore in silence is refused here."""

from __future__ import annotations

import argparse
import sys

from rclpy.utilities import remove_ros_args


def refuse_other_arguments(program: str, description: str) -> None:
    """Answer `--help`, and end the process with status 2 for what is no ROS argument.

    Without this, `-p variant:=t` after a forgotten `--ros-args` would be ignored.

    Args:
        program: The executable's name.
        description: What the node does, for the help.
    """
    parser = argparse.ArgumentParser(
        program, description=description,
        usage='%(prog)s [-h] [--ros-args [-p NAME:=VALUE] [--params-file FILE] [-r FROM:=TO] ...]',
        epilog='Parameters, topics and services are in docs/ros_api.md; `ros2 param describe` '
               'says what a parameter of a running node means.')
    try:
        others = remove_ros_args(sys.argv)[1:]
    except RuntimeError:    # a ROS argument is wrong, which `run_node` says
        return
    parser.parse_args(others)
