# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A thread that always works on the newest items.

Inference takes longer than the time between two camera frames.  A queue would make the robot see
the past, so each camera has one slot: a new item replaces the waiting one, which counts as
skipped.  The executor only ever fills slots, and so answers services and parameters at once.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
import functools
import math
import threading
import time
from typing import Generic, TypeVar

Item = TypeVar('Item')


@dataclass(frozen=True)
class Counts:
    """What came through one slot since the worker was started.

    Attributes:
        received: Items handed in.
        taken: Items that the thread took; with the skipped and the waiting one all received.
        skipped: Items that a newer one replaced before their turn.
    """

    received: int = 0
    taken: int = 0
    skipped: int = 0


class LatestWorker(Generic[Item]):
    """Process the newest items in a thread of its own; `stop` ends the thread.

    Args:
        process: Called in the thread with all items that wait together, by slot.  An error in it
            ends nothing.
        on_error: Called in the thread with what `process` or an action raised.
        name: The thread's name.
        max_rate_hz: Most calls of `process` per second; 0: no limit.
    """

    def __init__(self, process: Callable[[Mapping[str, Item]], None],
                 on_error: Callable[[Exception], None], name: str,
                 max_rate_hz: float = 0.0) -> None:
        self._max_rate_hz = max_rate_hz
        self._process = process
        self._on_error = on_error
        self._waiting: dict[str, Item] = {}
        self._actions: deque[Callable[[], None]] = deque()
        self._counts: defaultdict[str, Counts] = defaultdict(Counts)
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

    def submit(self, item: Item, slot: str = '') -> None:
        """Hand in an item; it replaces the one that waits in its slot, if any."""
        with self._changed:
            self._count(slot, received=1, skipped=int(slot in self._waiting))
            self._waiting[slot] = item
            self._changed.notify_all()

    def run_between(self, action: Callable[[], None]) -> None:
        """Run an action in the thread, after the current items and before the next.

        Actions are run in order and none is dropped; with no item at hand they run at once.
        """
        with self._changed:
            self._actions.append(action)
            self._changed.notify_all()

    def drain(self) -> None:
        """Drop the waiting items, then wait until the thread has nothing left to do."""
        with self._changed:
            self._drop_waiting()
            self._changed.wait_for(lambda: self._stopped
                                   or not (self._busy or self._actions))

    def stop(self, timeout_s: float | None = None) -> bool:
        """End the thread after its current items; what waits is dropped.

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

    def counts(self, slot: str = '') -> Counts:
        """Return the counters of a slot as they are now."""
        with self._changed:
            return self._counts[slot]

    def _count(self, slot: str, **added: int) -> None:
        counts = self._counts[slot]
        self._counts[slot] = replace(counts, **{
            name: getattr(counts, name) + number for name, number in added.items()})

    def _drop_waiting(self) -> None:
        for slot in self._waiting:
            self._count(slot, skipped=1)
        self._waiting = {}

    def _run(self) -> None:
        while (job := self._next_job()) is not None:
            try:
                job()
            except Exception as error:  # noqa: BLE001  one bad frame must not end the node
                self._on_error(error)
            with self._changed:
                self._busy = False
                self._changed.notify_all()

    def _next_job(self) -> Callable[[], None] | None:
        """Wait for work and take it; None when the thread shall end."""
        with self._changed:
            while not self._stopped:
                delay_s = self._delay_s()
                has_item = bool(self._waiting)
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
        items, self._waiting = self._waiting, {}
        for slot in items:
            self._count(slot, taken=1)
        self._last_start_s = time.monotonic()
        return functools.partial(self._process, items)
