# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command lines with ROS arguments: what is wrong in them ends the process with one line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import re
import sys

from rclpy.exceptions import InvalidTopicNameException
from rclpy.expand_topic_name import expand_topic_name
from rclpy.utilities import remove_ros_args
from rclpy.validate_full_topic_name import validate_full_topic_name


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


def parse_options(parser: argparse.ArgumentParser, command_line: Sequence[str]
                  ) -> argparse.Namespace:
    """Return the options among ROS arguments; ends the process with status 2 if one is wrong.

    Args:
        parser: Of the options.
        command_line: With the program.
    """
    try:
        others = remove_ros_args(list(command_line))[1:]
    except RuntimeError as error:
        parser.error(f'what stands after --ros-args is wrong: {error}; expected for example '
                     '-p NAME:=VALUE or -r FROM:=TO')
    return parser.parse_args(others)


def node_name(text: str) -> str:
    """Return the name of a node, `eov_seg` or `/robot/eov_seg`, for `argparse`."""
    if len(text) > 200 or not re.fullmatch(r'/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*', text, re.ASCII):
        raise argparse.ArgumentTypeError(
            f'expected the name of a node such as eov_seg or /robot/eov_seg, got {text!r:.80}')
    return text


def topic_name(text: str) -> str:
    """Return the name of a topic, for `argparse`."""
    try:
        validate_full_topic_name(expand_topic_name(text, 'node', '/'))
    except (InvalidTopicNameException, ValueError) as error:
        raise argparse.ArgumentTypeError(
            f'expected a topic such as goal_pose or /robot/goal_pose, got {text!r:.80}') from error
    return text
