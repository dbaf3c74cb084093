# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A thread that always works on the newest item.

Inference takes longer than the time between two camera frames.  A queue would make the robot see
the past, so there is one slot: a new item replaces the waiting one, which counts as skipped.  The
executor only ever fills the slot, and so answers services and parameters at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
import functools
import math
import threading
import time
from typing import Any, Generic, TypeVar

Item = TypeVar('Item')
_NOTHING: Any = object()


@dataclass(frozen=True)
class Counts:
    """What a worker has done since it was started.

    Attributes:
        received: Items handed in.
        processed: Items that were processed without an error.
        skipped: Items that a newer one replaced before their turn.
        failed: Items or actions that raised an error.
    """

    received: int = 0
    processed: int = 0
    skipped: int = 0
    failed: int = 0


class LatestWorker(Generic[Item]):
    """Process the newest item in a thread of its own; `stop` ends the thread.

    Args:
        process: Called in the thread with each item.  An error in it ends nothing.
        on_error: Called in the thread with what `process` or an action raised.
        name: The thread's name.
        max_rate_hz: Most items per second; 0: no limit.
    """

    def __init__(self, process: Callable[[Item], None], on_error: Callable[[Exception], None],
                 name: str, max_rate_hz: float = 0.0) -> None:
        self._max_rate_hz = max_rate_hz
        self._process = process
        self._on_error = on_error
        self._waiting: Item = _NOTHING
        self._actions: deque[Callable[[], None]] = deque()
        self._counts = Counts()
        self._busy = False
        self._stopped = False
        self._last_start_s = -math.inf
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def set_max_rate(self, max_rate_hz: float) -> None:
        """Change the limit; holds for the waiting item already."""
        with self._changed:
            self._max_rate_hz = max_rate_hz
            self._changed.notify_all()

    def submit(self, item: Item) -> None:
        """Hand in an item; it replaces the one that waits, if any."""
        with self._changed:
            self._count(received=1, skipped=int(self._waiting is not _NOTHING))
            self._waiting = item
            self._changed.notify_all()

    def run_between(self, action: Callable[[], None]) -> None:
        """Run an action in the thread, after the current item and before the next.

        Actions are run in order and none is dropped; with no item at hand they run at once.
        """
        with self._changed:
            self._actions.append(action)
            self._changed.notify_all()

    def drain(self) -> None:
        """Drop the waiting item, then wait until the thread has nothing left to do."""
        with self._changed:
            self._drop_waiting()
            self._changed.wait_for(lambda: self._stopped
                                   or not (self._busy or self._actions))

    def stop(self, timeout_s: float | None = None) -> bool:
        """End the thread after its current item; what waits is dropped.

        Returns:
            Whether the thread has ended within the time.
        """
        with self._changed:
            self._stopped = True
            self._drop_waiting()
            self._actions.clear()
            self._changed.notify_all()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def counts(self) -> Counts:
        """Return the counters as they are now."""
        with self._changed:
            return self._counts

    def _count(self, **added: int) -> None:
        self._counts = replace(self._counts, **{
            name: getattr(self._counts, name) + number for name, number in added.items()})

    def _drop_waiting(self) -> None:
        if self._waiting is not _NOTHING:
            self._count(skipped=1)
            self._waiting = _NOTHING

    def _run(self) -> None:
        while (job := self._next_job()) is not None:
            try:
                job()
            except Exception as error:  # noqa: BLE001  one bad frame must not end the node
                with self._changed:
                    self._count(failed=1)
                self._on_error(error)
            with self._changed:
                self._busy = False
                self._changed.notify_all()

    def _next_job(self) -> Callable[[], None] | None:
        """Wait for work and take it; None when the thread shall end."""
        with self._changed:
            while not self._stopped:
                delay_s = self._delay_s()
                has_item = self._waiting is not _NOTHING
                if self._actions:
                    self._busy = True
                    return self._actions.popleft()
                if has_item and delay_s <= 0:
                    return self._take()
                self._changed.wait(delay_s if has_item else None)
            return None

    def _delay_s(self) -> float:
        """Seconds until the rate limit lets the next item start; not above 0: now."""
        if self._max_rate_hz <= 0:
            return 0.0
        return self._last_start_s + 1.0 / self._max_rate_hz - time.monotonic()

    def _take(self) -> Callable[[], None]:
        self._busy = True
        item, self._waiting = self._waiting, _NOTHING
        self._last_start_s = time.monotonic()
        return functools.partial(self._process_and_count, item)

    def _process_and_count(self, item: Item) -> None:
        self._process(item)
        with self._changed:
            self._count(processed=1)
