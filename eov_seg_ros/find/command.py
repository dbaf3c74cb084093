# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command `find`: options, text or JSON, exit codes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import json
import os
import sys

import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from eov_seg_core.io.text import printable
from eov_seg_ros.find.answer import Found
from eov_seg_ros.find.client import FindError, MemoryClient
from eov_seg_ros.find.search import ask
from eov_seg_ros.process.arguments import node_name, parse_options, topic_name
from eov_seg_ros.process.run import interrupted_once

FOUND, NOT_FOUND, FAILED, INTERRUPTED = 0, 1, 2, 130
"""Exit codes."""
_LISTENER_S = 2.0


def main(args: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code: 0 found, 1 not found, 2 failed, 130 interrupted.

    Args:
        args: The command line with its program; None: the process's.
    """
    command_line = sys.argv if args is None else list(args)
    options = parse_options(_parser(), command_line)
    with interrupted_once():    # the words must be given back
        return _find(command_line, options)


def _find(command_line: list[str], options: argparse.Namespace) -> int:
    rclpy.init(args=command_line, signal_handler_options=SignalHandlerOptions.NO)
    node = Node(f'find_{os.getpid()}')
    client = MemoryClient(node, f'/{options.node.lstrip("/")}')
    try:
        return _run(client, options)
    except FindError as error:
        sys.stderr.write(f'find: {printable(str(error))}\n')
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        client.close()
        node.destroy_node()
        rclpy.try_shutdown()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='find', description='Say where an object is: from the memory of a segmentation node, '
        'or by looking for the word until it is seen. The words of the node are restored.')
    parser.add_argument('query', help="a word, as 'stapler', or 'stapler,paper stapler'")
    parser.add_argument('--timeout', type=_seconds, default=30.0, metavar='S',
                        help='look for so many seconds (30); 0: ask the memory only')
    parser.add_argument('--goal', type=topic_name, metavar='TOPIC',
                        help='send the place from which the object was seen best there, as '
                             'geometry_msgs/PoseStamped')
    parser.add_argument('--json', action='store_true', help='print JSON')
    parser.add_argument('--node', type=node_name, default='/eov_seg', metavar='NAME',
                        help='the segmentation node (/eov_seg)')
    return parser


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 86400:
        raise argparse.ArgumentTypeError(f'{text!r} is no number of seconds from 0 to 86400')
    return value


def _run(client: MemoryClient, options: argparse.Namespace) -> int:
    answer = ask(client, options.query, options.timeout, begin_looking=lambda: sys.stderr.write(
        printable(f'find: the memory has no {options.query}; looking for {options.timeout:g} s')
        + '\n'))
    if options.json:
        objects = [item.as_json() for item in answer.objects]
        text = json.dumps({'query': options.query, 'source': answer.source,
                           'message': answer.message, 'objects': objects})
        sys.stdout.write(f'{text}\n')
    else:
        lines = [str(item) for item in answer.objects] or [answer.message]
        sys.stdout.writelines(f'{printable(line)}\n' for line in lines)
    if options.goal and answer.objects:
        _send(client, options.goal, answer.objects[0])
    return FOUND if answer.objects else NOT_FOUND


def _send(client: MemoryClient, topic: str, item: Found) -> None:
    if item.viewpoint is None:
        raise FindError(f'no goal was sent: nobody knows from where {item.name} {item.id} was '
                        'seen')
    if not client.publish_goal(topic, item.frame_id, item.viewpoint, _LISTENER_S):
        sys.stderr.write(f'find: nobody listens to {topic}\n')
