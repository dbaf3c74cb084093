# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`ros2 run eov_seg_ros console`: the page of a running node."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import importlib.util
import signal
import sys

import rclpy
from rclpy.signals import SignalHandlerOptions

from eov_seg_core.app.console.options import add_page_options, ServerAddress
from eov_seg_ros.console.node_session import NodeSession
from eov_seg_ros.process.arguments import node_name, parse_options


def main(args: Sequence[str] | None = None) -> int:
    """Serve the page until Ctrl-C.

    Args:
        args: Command line with ROS arguments; None: the process's.

    Returns:
        The exit code: 1 if the page cannot be served.
    """
    command_line = ['console', *(sys.argv[1:] if args is None else args)]
    options = parse_options(_parser(), command_line)
    rclpy.init(args=command_line, signal_handler_options=SignalHandlerOptions.NO)
    if importlib.util.find_spec('nicegui') is None:
        sys.stderr.write("the console needs NiceGUI: pip install 'nicegui>=3.14,<4'\n")
        return 1
    address = ServerAddress.of(options)
    try:
        address.check()
    except ValueError as error:
        sys.stderr.write(f'{error}\n')
        return 1
    node = rclpy.create_node('eov_seg_console', start_parameter_services=False)
    target = options.node if options.node.startswith('/') else (
        f'{node.get_namespace().rstrip("/")}/{options.node}')
    sys.stdout.write(f'{address.url}  (Ctrl-C ends it)\n')
    sys.stdout.flush()
    from eov_seg_core.app.console.server import serve  # takes a second
    signal.signal(signal.SIGTERM, signal.default_int_handler)   # an end like that by Ctrl-C
    try:
        serve(NodeSession(node, target), address, open_browser=not options.no_browser)
    except KeyboardInterrupt:
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        'console', description='Serve a page that shows what the node publishes and sets its '
        'words; see docs/console.md.')
    parser.add_argument('--node', type=node_name, default='eov_seg', metavar='NAME',
                        help='the node that segments, in the namespace of this one or from / on '
                             '(eov_seg)')
    add_page_options(parser)
    return parser


if __name__ == '__main__':
    sys.exit(main())
