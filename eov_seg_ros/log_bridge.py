# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Python's logging into the node's ROS logger, so that /rosout has what the core says."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
import logging
import math
import time
import traceback
from typing import Any

from eov_seg_core.io.text import printable

PACKAGES = ('eov_seg_core', 'eov_seg_ros')
"""The loggers that are forwarded, with all below them."""
_MOST_KINDS = 200


class RosLogHandler(logging.Handler):
    """Forward log records to a ROS logger.

    Args:
        ros_logger: What `node.get_logger()` returns.
    """

    def __init__(self, ros_logger: Any) -> None:
        super().__init__()
        self._ros_logger = ros_logger

    def emit(self, record: logging.LogRecord) -> None:
        """Log one record in its level; ROS decides whether it is shown."""
        try:
            text = printable(self.format(record))
        except (TypeError, ValueError):
            self.handleError(record)
            return
        # rclpy ties a severity to the line of the call, so each level needs a line of its own.
        if record.levelno >= logging.CRITICAL:
            self._ros_logger.fatal(text)
        elif record.levelno >= logging.ERROR:
            self._ros_logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._ros_logger.warning(text)
        elif record.levelno >= logging.INFO:
            self._ros_logger.info(text)
        else:
            self._ros_logger.debug(text)


@contextmanager
def forward_logging(ros_logger: Any, level: int = logging.INFO) -> Iterator[None]:
    """Forward the records of this project's packages while the context is open.

    They go to ROS only: a library that configures the root logger would print them once more.

    Args:
        ros_logger: What `node.get_logger()` returns.
        level: Python level from which records are made at all.
    """
    handler = RosLogHandler(ros_logger)
    loggers = [logging.getLogger(name) for name in PACKAGES]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(level)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, before in zip(loggers, levels):
            logger.removeHandler(handler)
            logger.setLevel(before)
            logger.propagate = True


class Repeats:
    """Says when a complaint is due again, so that a broken camera does not fill the log.

    Args:
        period_s: Least time between two complaints of one kind.
    """

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._said_s: dict[Hashable, float] = {}

    def is_due(self, kind: Hashable) -> bool:
        """Return whether a complaint of a kind should be logged, and take it as logged then.

        Args:
            kind: What the complaint is about.  Not its text: that may hold what others send, and
                would be new every time.  For errors `kind_of`.
        """
        now_s = time.monotonic()
        if now_s < self._said_s.get(kind, -math.inf) + self._period_s:
            return False
        if len(self._said_s) >= _MOST_KINDS:
            self._said_s.clear()
        self._said_s[kind] = now_s
        return True


def kind_of(error: Exception) -> Hashable:
    """Return what two errors have in common that were raised by the same line."""
    place = traceback.extract_tb(error.__traceback__)[-1:]
    return (type(error), *((frame.filename, frame.lineno) for frame in place))
