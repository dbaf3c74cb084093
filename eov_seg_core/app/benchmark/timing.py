# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How long a call takes by three clocks, percentiles of many, ratios of pairs, peak memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import resource
import sys
import time
from typing import Any, NamedTuple

import numpy as np
import torch

PERCENTILES = (50, 95, 99)


class Sample(NamedTuple):
    """What one call took.

    Attributes:
        wall_ms: By the clock on the wall, until the device was done.
        cpu_ms: Of this process on all its threads; hardly moved by what else the machine does.
        device_ms: Between two events of the GPU's stream; NaN on the CPU.
    """

    wall_ms: float
    cpu_ms: float
    device_ms: float


def timed(function: Callable[[], Any], device: torch.device) -> tuple[Sample, Any]:
    """Call a function and return what it took and what it returned."""
    if device.type != 'cuda':
        wall, cpu = time.perf_counter(), time.process_time()
        result = function()
        return Sample(1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - cpu),
                      float('nan')), result
    events = [torch.cuda.Event(enable_timing=True) for _ in range(2)]
    torch.cuda.synchronize(device)
    wall, cpu = time.perf_counter(), time.process_time()
    events[0].record(torch.cuda.current_stream(device))
    result = function()
    events[1].record(torch.cuda.current_stream(device))
    torch.cuda.synchronize(device)
    return Sample(1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - cpu),
                  events[0].elapsed_time(events[1])), result


def summary(samples: Sequence[Sample]) -> dict[str, Any]:
    """Return percentiles of each clock in milliseconds, and frames per second of the median."""
    columns = dict(zip(Sample._fields, np.array(samples).T))
    clocks = {name: _percentiles(values) for name, values in columns.items()
              if not np.isnan(values).any()}
    return {**clocks, 'frames_per_second': 1e3 / clocks['wall_ms']['p50']}


def ratio(numerators: Sequence[Sample], denominators: Sequence[Sample]) -> dict[str, Any]:
    """Compare calls that were made in turns, pair by pair.

    Returns:
        For each clock the median of the pairs' ratios and its spread, the quartiles.
    """
    quotients = np.array(numerators) / np.array(denominators)
    return {name.removesuffix('_ms'): dict(zip(('p25', 'p50', 'p75'), np.percentile(
                values, (25, 50, 75)).tolist()))
            for name, values in zip(Sample._fields, quotients.T) if not np.isnan(values).any()}


def _percentiles(values: Any) -> dict[str, float]:
    return {f'p{percent}': float(value)
            for percent, value in zip(PERCENTILES, np.percentile(values, PERCENTILES))}


def peak_resident_mib() -> float:
    """Return the largest resident memory of this process so far, loading included."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2 ** (20 if sys.platform == 'darwin' else 10)     # bytes there, KiB elsewhere
