# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The newest-wins thread, without ROS."""

from __future__ import annotations

import threading
import time

import pytest

from eov_seg_ros.worker import Counts, LatestWorker


class Gate:
    """A process function that waits at a gate and notes what it saw in the slot without a name."""

    def __init__(self):
        self.seen = []
        self.entered = threading.Semaphore(0)
        self.open = threading.Semaphore(0)

    def __call__(self, items):
        item, = items.values()
        self.entered.release()
        assert self.open.acquire(timeout=5)
        if isinstance(item, Exception):
            raise item
        self.seen.append(item)


@pytest.fixture
def gate():
    return Gate()


@pytest.fixture
def worker(gate):
    errors = []
    worker = LatestWorker(gate, errors.append, 'test')
    worker.errors = errors
    yield worker
    for _ in range(10):
        gate.open.release()
    assert worker.stop(5)


def test_newest_item_replaces_the_waiting_one(worker, gate):
    worker.submit(1)
    assert gate.entered.acquire(timeout=5)
    for item in (2, 3, 4):
        worker.submit(item)
    gate.open.release()
    gate.open.release()
    assert gate.entered.acquire(timeout=5)
    worker.drain()
    assert gate.seen == [1, 4]
    assert worker.counts() == Counts(received=4, taken=2, skipped=2)


def test_each_slot_keeps_its_newest_and_all_are_taken_together():
    gate, batches = threading.Event(), []

    def process(items):
        batches.append(dict(items))
        gate.wait(5)

    worker = LatestWorker(process, print, 'test')
    worker.submit('first', 'left')
    while not batches:
        time.sleep(0.001)
    for number in range(3):
        worker.submit(f'left {number}', 'left')
    worker.submit('right 0', 'right')
    gate.set()
    while len(batches) < 2:
        time.sleep(0.001)
    worker.stop(5)
    assert batches == [{'left': 'first'}, {'left': 'left 2', 'right': 'right 0'}]
    assert worker.counts('left') == Counts(received=4, taken=2, skipped=2)
    assert worker.counts('right') == Counts(received=1, taken=1)


def test_nothing_submitted(worker):
    worker.drain()
    assert worker.counts() == Counts()


def test_an_error_is_reported_and_ends_nothing(worker, gate):
    error = KeyError('bad frame')
    for item in (error, 'good'):
        gate.open.release()
        worker.submit(item)
        assert gate.entered.acquire(timeout=5)
        worker.drain()
    assert worker.errors == [error]
    assert gate.seen == ['good']
    assert worker.counts() == Counts(received=2, taken=2)


def test_actions_run_in_order_between_two_items_and_are_never_dropped(worker, gate):
    worker.submit('a')
    assert gate.entered.acquire(timeout=5)
    for number in range(3):
        worker.run_between(lambda number=number: gate.seen.append(number))
    worker.submit('b')
    gate.open.release()
    gate.open.release()
    assert gate.entered.acquire(timeout=5)
    worker.drain()
    assert gate.seen == ['a', 0, 1, 2, 'b']


def test_actions_run_without_items(worker, gate):
    done = threading.Event()
    worker.run_between(done.set)
    assert done.wait(5)


def test_a_failing_action_ends_nothing(worker, gate):
    def fail():
        raise ValueError('no')
    worker.run_between(fail)
    worker.drain()
    assert [str(error) for error in worker.errors] == ['no']
    done = threading.Event()
    worker.run_between(done.set)
    assert done.wait(5)


def test_drain_drops_the_waiting_item_and_waits_for_the_one_in_work(worker, gate):
    worker.submit(1)
    assert gate.entered.acquire(timeout=5)
    worker.submit(2)
    threading.Timer(0.05, gate.open.release).start()
    worker.drain()
    assert gate.seen == [1]
    assert worker.counts().skipped == 1


def test_stop_gives_up_after_its_time():
    gate = Gate()
    worker = LatestWorker(gate, lambda error: None, 'test')
    worker.submit(1)
    assert gate.entered.acquire(timeout=5)
    assert not worker.stop(0.05)
    gate.open.release()
    assert worker.stop(5)


def test_rate_limit_takes_the_newest_when_its_time_has_come():
    seen = []
    worker = LatestWorker(lambda items: seen.append(items['']), print, 'test', 10.0)
    started_s = time.monotonic()
    for item in range(6):
        worker.submit(item)
        time.sleep(0.03)
    deadline_s = time.monotonic() + 5
    while seen[-1:] != [5] and time.monotonic() < deadline_s:
        time.sleep(0.001)
    worker.stop(5)
    assert seen[-1] == 5
    assert len(seen) <= 2 + 10 * (time.monotonic() - started_s), 'ten a second, and the first'
    assert len(seen) < 6


def test_a_new_rate_limit_holds_for_the_waiting_item():
    seen = []
    worker = LatestWorker(lambda items: seen.append(items['']), print, 'test', 0.01)
    worker.submit(1)
    while not seen:
        time.sleep(0.001)
    worker.submit(2)
    time.sleep(0.02)
    assert seen == [1]
    worker.set_max_rate(0.0)
    deadline = time.monotonic() + 2
    while seen != [1, 2] and time.monotonic() < deadline:
        time.sleep(0.001)
    worker.stop(5)
    assert seen == [1, 2]
