# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the node says about itself once a second on /diagnostics."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
import resource
import threading
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
import numpy as np
from rclpy.node import Node

from eov_seg_ros.worker import Counts

_WINDOW = 200
"""Frames over which percentiles are taken."""
_FUTURE_MS = -50.0
"""Latency below which a stamp lies in the future, whatever the clocks' jitter."""


def status_name(node: Node, camera: str) -> str:
    """Return the name of a camera's status; the camera's name is empty where there is only one."""
    return f'{node.get_fully_qualified_name()}: {camera or "segmentation"}'


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


@dataclass(frozen=True)
class Figures:
    """What happened to one camera's images.

    Attributes:
        published: Frames whose results were published.
        failed: Frames that were dropped because of an error.
        lost: Images that the middleware knows to have lost.
        future_stamps: Images whose stamp lay in the future.
        failed_vocabularies: Vocabularies that could not be encoded or numbered.
    """

    published: int = 0
    failed: int = 0
    lost: int = 0
    future_stamps: int = 0
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
        self._before = (time.monotonic(), Counts(), self._figures)
        self._last_error = ''
        self._last_image_s = time.monotonic()

    @property
    def figures(self) -> Figures:
        """The counters as they are now."""
        return self._figures

    def expect_images(self) -> None:
        """Note that images are expected from now on."""
        self._last_image_s = time.monotonic()

    def image_came(self, age_ms: float) -> bool:
        """Note an image.

        Args:
            age_ms: Time since its stamp.

        Returns:
            Whether the stamp lies in the future.
        """
        self._last_image_s = time.monotonic()
        is_future = age_ms < _FUTURE_MS
        if is_future:
            self._count(future_stamps=1)
        return is_future

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
        self._last_error = f'{error} [{type(error).__name__}]'

    def _count(self, **added: int) -> None:
        with self._lock:
            self._figures = replace(self._figures, **{
                name: getattr(self._figures, name) + number for name, number in added.items()})

    def status(self, name: str, facts: dict[str, Any], counts: Counts, *, is_active: bool,
               fell_back: bool, why_silent: Callable[[], str],
               transport_advice: Callable[[], str]) -> DiagnosticStatus:
        """Sum up the time since the last call.

        Args:
            name: Name of the status.
            facts: Further values to report.
            counts: The frame worker's counters.
            is_active: Whether images are expected.
            fell_back: Whether the CPU replaces the device that was asked for.
            why_silent: Asked when no image comes.
            transport_advice: Asked when images were lost on the way.
        """
        now_s = time.monotonic()
        with self._lock:
            timings, figures = list(self._timings), self._figures
        (before_s, counts_before, before), self._before = self._before, (now_s, counts, figures)
        seconds = max(now_s - before_s, 1e-3)
        values = {
            **facts,
            'input_rate_hz': f'{(counts.received - counts_before.received) / seconds:.1f}',
            'output_rate_hz': f'{(figures.published - before.published) / seconds:.1f}',
            'skipped_frames': counts.skipped, 'failed_frames': figures.failed,
            'lost_images': figures.lost, 'future_stamps': figures.future_stamps,
            **_percentiles(timings), 'host_memory_mb': _host_memory_mb(),
            'last_error': self._last_error}
        warnings = []
        silent_s = now_s - self._last_image_s
        if is_active and 0 < self._timeout_s < silent_s:
            warnings.append(f'no image for {silent_s:.0f} s: {why_silent()}')
        if figures.lost > before.lost:
            warnings.append(f'{figures.lost - before.lost} images were sent and lost on the way: '
                            + transport_advice())
        if figures.future_stamps > before.future_stamps:
            warnings.append('stamps lie in the future: the clocks of camera and node differ, or '
                            'one of them uses simulated time')
        if figures.failed > before.failed:
            warnings.append(f'frames failed: {self._last_error}')
        if figures.failed_vocabularies > before.failed_vocabularies:
            warnings.append(f'the old vocabulary stays: {self._last_error}')
        if fell_back:
            warnings.append('the CPU is used, because the device that was asked for is not there')
        text = '; '.join(warnings) or ('running' if is_active else 'inactive')
        return DiagnosticStatus(
            level=DiagnosticStatus.WARN if warnings else DiagnosticStatus.OK, name=name,
            message=text, hardware_id=str(facts.get('device', '')),
            values=[KeyValue(key=key, value=str(value)) for key, value in values.items()])


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
