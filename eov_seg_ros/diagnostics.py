# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the node says about itself once a second on /diagnostics."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, fields
from pathlib import Path
import resource
import threading
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
import numpy as np

from eov_seg_ros.worker import Counts

_WINDOW = 200
"""Frames over which percentiles are taken."""
_FUTURE_MS = -50.0
"""Latency below which a stamp lies in the future, whatever the clocks' jitter."""


@dataclass(frozen=True)
class Timing:
    """Where the time of one frame went, in milliseconds.

    Attributes:
        latency: From the image's stamp until all was published.
        waiting: From the stamp until the frame was started: camera, transport, the frame before.
        decoding: Message to RGB.
        inference: RGB to result.
        publishing: Result to messages.
    """

    latency: float
    waiting: float
    decoding: float
    inference: float
    publishing: float


class Monitor:
    """Collects numbers in any thread and sums them up on request.

    Args:
        timeout_s: Longest time without an image before it is a warning; 0: never.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._timings: deque[Timing] = deque(maxlen=_WINDOW)
        self._published = 0
        self._last_error = ''
        self._last_image_s = time.monotonic()
        self._before = (time.monotonic(), Counts(), 0)

    def image_came(self) -> None:
        """Note that an image has arrived, or that images are expected from now on."""
        self._last_image_s = time.monotonic()

    def frame_done(self, timing: Timing) -> None:
        """Note a published frame."""
        with self._lock:
            self._timings.append(timing)
            self._published += 1

    def failed(self, error: Exception) -> None:
        """Note what went wrong last."""
        self._last_error = f'{error} [{type(error).__name__}]'

    def status(self, name: str, facts: dict[str, Any], counts: Counts, *, is_active: bool,
               fell_back: bool) -> DiagnosticStatus:
        """Sum up the time since the last call.

        Args:
            name: Name of the status.
            facts: Further values to report.
            counts: The frame worker's counters.
            is_active: Whether images are expected.
            fell_back: Whether the CPU replaces the device that was asked for.
        """
        now_s = time.monotonic()
        with self._lock:
            timings, published = list(self._timings), self._published
        (before_s, before, published_before), self._before = (
            self._before, (now_s, counts, published))
        seconds = max(now_s - before_s, 1e-3)
        values = {
            **facts,
            'input_rate_hz': f'{(counts.received - before.received) / seconds:.1f}',
            'output_rate_hz': f'{(published - published_before) / seconds:.1f}',
            'skipped_frames': counts.skipped, 'failed_frames': counts.failed,
            **_percentiles(timings), 'host_memory_mb': _host_memory_mb(),
            'last_error': self._last_error}
        warnings = self._warnings(now_s, timings, is_active, fell_back)
        if counts.failed > before.failed:
            warnings.append(f'frames failed: {self._last_error}')
        text = '; '.join(warnings) or ('running' if is_active else 'inactive')
        return DiagnosticStatus(
            level=DiagnosticStatus.WARN if warnings else DiagnosticStatus.OK, name=name,
            message=text, hardware_id=str(facts.get('device', '')),
            values=[KeyValue(key=key, value=str(value)) for key, value in values.items()])

    def _warnings(self, now_s: float, timings: list[Timing], is_active: bool,
                  fell_back: bool) -> list[str]:
        warnings = []
        silent_s = now_s - self._last_image_s
        if is_active and 0 < self._timeout_s < silent_s:
            warnings.append(f'no image for {silent_s:.0f} s')
        if timings and timings[-1].latency < _FUTURE_MS:
            warnings.append(f'stamps lie {-timings[-1].latency:.0f} ms in the future: the clocks '
                            'of camera and node differ')
        if fell_back:
            warnings.append('the CPU is used, because the device that was asked for is not there')
        return warnings


def _percentiles(timings: list[Timing]) -> dict[str, str]:
    """Return the percentiles of the latency and the median of each part; none without frames."""
    if not timings:
        return {}
    latencies = [timing.latency for timing in timings]
    values = {f'latency_p{percent}_ms': f'{np.percentile(latencies, percent):.1f}'
              for percent in (50, 95, 99)}
    for part in fields(Timing)[1:]:
        median = np.median([getattr(timing, part.name) for timing in timings])
        values[f'{part.name}_p50_ms'] = f'{median:.1f}'
    return values


def _host_memory_mb() -> int | str:
    """Return the resident memory of this process, or an empty text where there is no /proc."""
    try:
        pages = int(Path('/proc/self/statm').read_text(encoding='ascii').split()[1])
    except OSError:
        return ''
    return pages * resource.getpagesize() // 2**20
