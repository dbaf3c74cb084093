# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the node says about itself once a second on /diagnostics."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from enum import Enum
from pathlib import Path
import resource
import threading
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
import numpy as np
from rclpy.node import Node

from eov_seg_core.io.text import counted, printable
from eov_seg_ros.text import describe
from eov_seg_ros.worker import Counts

_WINDOW = 200
"""Frames over which percentiles are taken."""
_FUTURE_MS = -50.0
"""Age below which a stamp lies in the future, whatever the clocks' jitter."""
_OLD_MS = 3600e3
"""Age above which a stamp cannot be meant for this clock."""


class StampFault(Enum):
    """Why nothing can be said about an image's age."""

    ZERO = "images carry no time stamp (0): set it in the camera's driver"
    NO_CLOCK = ('use_sim_time is true and no time comes on /clock: start what publishes it, or '
                'set use_sim_time to false')
    FUTURE = ('stamps lie in the future: the clocks of camera and node differ, or one of them '
              'uses simulated time')
    OLD = ('stamps are older than an hour: a recording is played without use_sim_time, or the '
           'clocks of camera and node differ')


def judge_stamp(stamp_ns: int, now_ns: int) -> StampFault | None:
    """Return what is wrong with a stamp, if anything is; both in nanoseconds."""
    age_ms = (now_ns - stamp_ns) / 1e6
    if not stamp_ns:
        return StampFault.ZERO
    if not now_ns:
        return StampFault.NO_CLOCK
    if age_ms < _FUTURE_MS:
        return StampFault.FUTURE
    return StampFault.OLD if age_ms > _OLD_MS else None


def status_name(node: Node, camera: str) -> str:
    """Return the name of a camera's status; the camera's name is empty where there is only one."""
    return f'{node.get_fully_qualified_name()}: {camera or "segmentation"}'


@dataclass(frozen=True)
class Timing:
    """Where the time of one frame went, in milliseconds.

    Attributes:
        latency: From the image's stamp until all was published; None where the stamp is faulty.
        waiting: From the stamp until the frame was started: camera, transport, the frame before;
            None as well.
        decoding: Message to RGB.
        inference: RGB to result.
        publishing: Result to messages.
    """

    latency: float | None
    waiting: float | None
    decoding: float
    inference: float
    publishing: float


@dataclass(frozen=True)
class Figures:
    """What happened to one camera's images.

    Attributes:
        published: Frames whose results were published.
        failed: Frames that were dropped because of an error.
        lost: Images that the middleware knows to have lost.
        failed_vocabularies: Vocabularies that could not be encoded or numbered.
    """

    published: int = 0
    failed: int = 0
    lost: int = 0
    failed_vocabularies: int = 0


class Monitor:
    """Collects the figures of one camera in any thread and sums them up on request.

    Args:
        timeout_s: Longest time without an image before it is a warning; 0: never.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._timings: deque[Timing] = deque(maxlen=_WINDOW)
        self._figures = Figures()
        self._faults: Counter[StampFault] = Counter()
        self._before = (time.monotonic(), Counts(), self._figures, self._faults.copy())
        self._last_error = ''
        self._last_image_s = time.monotonic()

    @property
    def figures(self) -> Figures:
        """The counters as they are now."""
        return self._figures

    def expect_images(self) -> None:
        """Note that images are expected from now on."""
        self._last_image_s = time.monotonic()

    def image_came(self, fault: StampFault | None) -> None:
        """Note an image, and what is wrong with its stamp."""
        self._last_image_s = time.monotonic()
        if fault is not None:
            with self._lock:
                self._faults[fault] += 1

    def silent_s(self) -> float:
        """Return for how many seconds no image came, if these are too many; else 0."""
        seconds = time.monotonic() - self._last_image_s
        return seconds if 0 < self._timeout_s < seconds else 0.0

    def images_lost(self, number: int) -> None:
        """Note that the middleware lost images."""
        self._count(lost=number)

    def frame_done(self, timing: Timing) -> None:
        """Note a published frame."""
        with self._lock:
            self._timings.append(timing)
        self._count(published=1)

    def failed(self, error: Exception) -> None:
        """Note a dropped frame and why."""
        self._note(error)
        self._count(failed=1)

    def vocabulary_failed(self, error: Exception) -> None:
        """Note that a vocabulary could not be used and why."""
        self._note(error)
        self._count(failed_vocabularies=1)

    def _note(self, error: Exception) -> None:
        self._last_error = describe(error)

    def _count(self, **added: int) -> None:
        with self._lock:
            self._figures = replace(self._figures, **{
                name: getattr(self._figures, name) + number for name, number in added.items()})

    def status(self, name: str, facts: dict[str, Any], counts: Counts, *, is_active: bool,
               fell_back: bool, silence: str,
               transport_advice: Callable[[], str], depth_fault: str = '') -> DiagnosticStatus:
        """Sum up the time since the last call.

        Args:
            name: Name of the status.
            facts: Further values to report.
            counts: The frame worker's counters.
            is_active: Whether images are expected.
            fell_back: Whether the CPU replaces the device that was asked for.
            silence: For how long no image came, and why; empty: images come.
            transport_advice: Asked when images were lost on the way.
            depth_fault: Why images have no depth; empty: they have, or need none.
        """
        now_s = time.monotonic()
        with self._lock:
            timings, figures, faults = list(self._timings), self._figures, self._faults.copy()
        before_s, counts_before, before, faults_before = self._before
        self._before = (now_s, counts, figures, faults)
        seconds = max(now_s - before_s, 1e-3)
        values = {
            **facts,
            'input_rate_hz': f'{(counts.received - counts_before.received) / seconds:.1f}',
            'output_rate_hz': f'{(figures.published - before.published) / seconds:.1f}',
            'skipped_frames': counts.skipped, 'failed_frames': figures.failed,
            'lost_images': figures.lost,
            **{f'{fault.name.lower()}_stamps': faults[fault] for fault in StampFault},
            **_percentiles(timings), 'host_memory_mb': _host_memory_mb(),
            'last_error': self._last_error}
        warnings = []
        if silence:
            warnings.append(silence)
        if depth_fault:
            warnings.append(depth_fault)
        if figures.lost > before.lost:
            warnings.append(f'{counted(figures.lost - before.lost, "image")} sent and lost on the '
                            f'way: {transport_advice()}')
        warnings += [fault.value for fault in StampFault if faults[fault] > faults_before[fault]]
        if figures.failed > before.failed:
            warnings.append(f'frames failed: {self._last_error}')
        if figures.failed_vocabularies > before.failed_vocabularies:
            warnings.append(f'the old vocabulary stays: {self._last_error}')
        if fell_back:
            warnings.append('the CPU is used, because the device that was asked for is not there')
        text = '; '.join(warnings) or ('running' if is_active else 'inactive')
        return DiagnosticStatus(
            level=DiagnosticStatus.WARN if warnings else DiagnosticStatus.OK, name=name,
            message=printable(text), hardware_id=str(facts.get('device', '')),
            values=[KeyValue(key=key, value=printable(str(value)))
                    for key, value in values.items()])


def _percentiles(timings: list[Timing]) -> dict[str, str]:
    """Return the percentiles of the latency and the median of each part; none without frames."""
    values = {}
    latencies = [timing.latency for timing in timings if timing.latency is not None]
    if latencies:
        values = {f'latency_p{percent}_ms': f'{np.percentile(latencies, percent):.1f}'
                  for percent in (50, 95, 99)}
    for part in fields(Timing)[1:]:
        times = [getattr(timing, part.name) for timing in timings
                 if getattr(timing, part.name) is not None]
        if times:
            values[f'{part.name}_p50_ms'] = f'{np.median(times):.1f}'
    return values


def _host_memory_mb() -> int | str:
    """Return the resident memory of this process, or an empty text where there is no /proc."""
    try:
        pages = int(Path('/proc/self/statm').read_text(encoding='ascii').split()[1])
    except OSError:
        return ''
    return pages * resource.getpagesize() // 2**20
