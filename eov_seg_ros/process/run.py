# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How our processes start, spin and end: Ctrl-C and SIGTERM end them cleanly, with exit code 0."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import gc
import os
import signal
import sys
from typing import NoReturn

import rclpy
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node

from eov_seg_ros.process.executor import EnduringExecutor, FatalError

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_NO_KEYS = ('ROS could not start while ROS_SECURITY_ENABLE is true: make its keys with '
            '`ros2 security create_enclave` and name them with --enclave, use a middleware that '
            'was built with security, or unset ROS_SECURITY_ENABLE; see docs/reliability.md')


def run_node(make_node: Callable[[], Node], args: list[str] | None = None) -> int:
    """Run a node until it is told to end.

    Args:
        make_node: Makes the node once ROS is there.
        args: Command line with ROS arguments; None: the process's.

    Returns:
        The exit code: 1 if the ROS arguments cannot be read, a given parameter has the wrong type
        or is out of range, or the node cannot do its work.
    """
    with interrupted_once():
        try:
            return _run_until_end(make_node, args)
        except KeyboardInterrupt:   # before there was a node, or while it ended
            return 0


@contextmanager
def interrupted_once() -> Iterator[None]:
    """Let SIGINT and SIGTERM raise KeyboardInterrupt once; after the block they are ignored.

    For the last thing that a process does.
    """
    for signum in _SIGNALS:
        signal.signal(signum, _interrupt_once)
    try:
        yield
    finally:
        # Python gives signals their deadly defaults back while it takes PyTorch down, unless
        # they are ignored.
        for signum in _SIGNALS:
            signal.signal(signum, signal.SIG_IGN)


def _run_until_end(make_node: Callable[[], Node], args: list[str] | None) -> int:
    node = None
    try:
        try:
            rclpy.init(args=args)   # fails for `-p name:=` without a value
            node = make_node()      # fails where the middleware refuses the process
        except RuntimeError as error:
            is_secure = os.environ.get('ROS_SECURITY_ENABLE') == 'true'
            sys.stderr.write(f'{_NO_KEYS}: {error}\n' if is_secure else f'{error}\n')
            return 1
        executor = EnduringExecutor()
        executor.add_node(node)
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except (InvalidParameterTypeException, InvalidParameterValueException, FatalError) as error:
        rclpy.logging.get_logger('eov_seg_ros').fatal(str(error))
        return 1
    finally:
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    return 0


def end_process(code: int) -> NoReturn:
    """End this process at once, after `run_node` has cleaned up.

    Python would first take PyTorch down, which takes seconds on a busy machine, and could crash on
    a thread that is still inside of it.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    gc.collect()    # frees what belongs to DDS, else its shared memory would stay behind
    os._exit(code)


def _interrupt_once(signum: int, frame: object) -> None:
    """Raise KeyboardInterrupt for the first signal only, wherever the program is.

    A launch file and a terminal both send SIGINT, and the second one must not disturb the cleanup.
    rclpy alone would let SIGTERM wait until a model is loaded.
    """
    for handled in _SIGNALS:
        signal.signal(handled, lambda *_: None)
    raise KeyboardInterrupt
