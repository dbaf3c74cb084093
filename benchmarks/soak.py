# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node under load for as long as you like, while its words change.

    source scripts/ros_env.sh
    .venv/bin/python -m benchmarks.soak --minutes 5 [--engine t] [--rate 20] [--edits 2]

A camera and a watcher here, the node in a process of its own, over DDS.  Prints the slope of the
node's memory, its descriptors and threads, what became of each frame, and how long changes of
words took.  Ctrl-C prints what was measured until then.  Exit status 1: a frame was lost without
being counted, or carried labels of another vocabulary than the class map published before it, or
the words that were set last are not in use.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import contextlib
from dataclasses import asdict, dataclass
import json
import os
from pathlib import Path
import resource
import sys
import threading
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
import rclpy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image
from tqdm import tqdm
from vision_msgs.msg import Detection2DArray, LabelInfo

from benchmarks.ledger import Ledger
from eov_seg_core.vocabulary import Vocabulary
from eov_seg_ros.class_ids import UNLABELED
from eov_seg_ros.demo.collector import Collector, latched, Received
from eov_seg_ros.demo.processes import Child, node_command, NodeSettings, running

TOPICS = {'eov_seg/semantic': Image, 'eov_seg/detections': Detection2DArray}
LABELS = {'detections_include_stuff': True, 'semantic_encoding': 'mono8'}
WARM_UP_SHARE = 0.2
"""Part of the time whose memory is not counted into the slope."""
SETTLE_S = 2.5
"""Until the last frames and the node's next report have come."""


class Camera:
    """Publishes numbered pictures in a thread; the number is the header's frame_id."""

    def __init__(self, height: int, width: int, rate_hz: float) -> None:
        self.sent = 0
        self.node = rclpy.create_node('soak_camera')
        self._publisher = self.node.create_publisher(Image, 'image_raw', 10)
        self._message = Image(height=height, width=width, step=3 * width, encoding='rgb8')
        self._message.data.frombytes(np.random.default_rng(0).bytes(height * width * 3))
        self._period_s = 1 / rate_hz
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def is_connected(self) -> bool:
        """Return whether somebody subscribes."""
        return self._publisher.get_subscription_count() > 0

    def start(self) -> None:
        """Begin to publish."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._period_s):
            self._message.header.stamp = self.node.get_clock().now().to_msg()
            self._message.header.frame_id = str(self.sent)
            self._publisher.publish(self._message)
            self.sent += 1


@dataclass(frozen=True)
class Report:
    """What was measured.

    Attributes:
        seconds: How long frames were sent.
        samples: Seconds since the start, memory in MiB, descriptors and threads of the node.
        counts: Frames `sent`, `processed`, `skipped`, `failed`, `lost_by_dds` and counted; `lost`
            are those that nothing counted.
        mixed: One line for each mixed frame.
        accepted_ms: Time until each change of words was accepted.
        last_words_won: Whether the words that were set last are in use.
    """

    seconds: float
    samples: list[tuple[float, float, int, int]]
    counts: dict[str, int]
    mixed: list[str]
    accepted_ms: list[float]
    last_words_won: bool

    @property
    def is_good(self) -> bool:
        """Whether no frame was lost uncounted or mixed, and the last words won."""
        return not (self.counts['lost'] or self.mixed) and self.last_words_won

    def mib_per_hour(self) -> float | None:
        """Return the slope of the memory after the warm-up; None for fewer than three samples."""
        times_s, memory_mib = np.array(self.samples)[:, :2].T if self.samples else np.empty((2, 0))
        steady = times_s >= WARM_UP_SHARE * self.seconds
        if steady.sum() < 3:
            return None
        return float(np.polyfit(times_s[steady] / 3600, memory_mib[steady], 1)[0])

    def print(self) -> None:
        """Print all of it for people."""
        slope = self.mib_per_hour()
        if self.samples:
            (_, *first), (_, *last) = self.samples[0], self.samples[-1]
            print(f'memory {first[0]:.1f} to {last[0]:.1f} MiB, slope after the warm-up '
                  f'{"unknown" if slope is None else f"{slope:+.1f} MiB per hour"}; '
                  f'descriptors {first[1]} to {last[1]}, threads {first[2]} to {last[2]}')
        print('frames: ' + ', '.join(f'{value} {name.replace("_", " ")}'
                                     for name, value in self.counts.items())
              + f', {len(self.mixed)} mixed')
        if self.accepted_ms:
            p50, p95 = np.percentile(self.accepted_ms, [50, 95])
            print(f'{len(self.accepted_ms)} changes of words, accepted after {p50:.0f} ms (p50), '
                  f'{p95:.0f} ms (p95), {max(self.accepted_ms):.0f} ms (most); the last words '
                  f'{"are" if self.last_words_won else "are NOT"} in use')
        for line in self.mixed[:5]:
            print(line)


def sample(pid: int) -> tuple[float, int, int]:
    """Return resident memory in MiB, open descriptors and threads of a process."""
    folder = Path(f'/proc/{pid}')
    pages = int((folder / 'statm').read_text(encoding='ascii').split()[1])
    return (pages * resource.getpagesize() / 2**20, len(os.listdir(folder / 'fd')),
            len(os.listdir(folder / 'task')))


class Soak:
    """One run: the camera, the watcher and what they have seen.

    Args:
        child: The node's process.
        camera: Not yet started.
        ledger: Empty.
        seed: Of the words.
    """

    def __init__(self, child: Child, camera: Camera, ledger: Ledger, seed: int) -> None:
        self._child, self._camera, self._ledger = child, camera, ledger
        self._rng = np.random.default_rng(seed)
        self._pool = Vocabulary.preset('world').names
        self._diagnostics: dict[str, str] = {}
        self._samples: list[tuple[float, float, int, int]] = []
        self._accepted_ms: list[float] = []
        self._words: set[str] = set()
        self._collector = Collector(child.is_alive, TOPICS, self._on_frame)
        subscribe = self._collector.node.create_subscription
        subscribe(LabelInfo, 'eov_seg/label_info', self._on_class_map, latched(1000))
        subscribe(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)

    def run(self, seconds: float, edits_hz: float) -> Report:
        """Run until the time is up or Ctrl-C."""
        self._collector.wait_for_node(300)
        self._collector.wait_for(self._camera.is_connected, 'the node to subscribe', 60)
        self._collector.wait_for(lambda: self._diagnostics, 'the first diagnostics', 60)
        self._collector.spin_for(1.0)
        started_s = time.monotonic()
        self._camera.start()
        try:
            with contextlib.suppress(KeyboardInterrupt):
                self._load(started_s, seconds, edits_hz)
        finally:
            self._camera.stop()
        seconds = time.monotonic() - started_s
        self._collector.spin_for(SETTLE_S)
        self._ledger.settle(sys.maxsize)
        in_use = set(self._collector.class_map.values()) - {UNLABELED}
        won = not self._words or in_use == self._words
        return Report(seconds, self._samples, self._counts(), self._ledger.mixed,
                      self._accepted_ms, won)

    def _load(self, started_s: float, seconds: float, edits_hz: float) -> None:
        next_edit_s = next_sample_s = 0.0
        with tqdm(total=round(seconds), unit='s', disable=None) as progress:
            while (now_s := time.monotonic() - started_s) < seconds:
                if edits_hz and now_s >= next_edit_s:
                    self._edit()
                    next_edit_s = max(next_edit_s + 1 / edits_hz, now_s)
                if now_s >= next_sample_s:
                    self._samples.append((now_s, *sample(self._child.process.pid)))
                    self._ledger.settle(self._collector.now_ns() - round(SETTLE_S * 1e9))
                    progress.update(int(now_s) - progress.n)
                    next_sample_s += 1
                self._collector.spin_for(0.02)

    def _edit(self) -> None:
        words = [str(word) for word in self._rng.choice(
            self._pool, self._rng.integers(2, 9), replace=False)]
        self._words = set(words)
        self._accepted_ms.append(self._collector.set_words(words[:1], words[1:]))

    def _counts(self) -> dict[str, int]:
        values = {name: int(self._diagnostics[key]) for name, key in (
            ('skipped', 'skipped_frames'), ('failed', 'failed_frames'),
            ('lost_by_dds', 'lost_images'))}
        known = {'sent': self._camera.sent, 'processed': self._ledger.processed, **values}
        return {**known, 'lost': self._camera.sent - self._ledger.processed - sum(values.values())}

    def _on_class_map(self, message: LabelInfo, info: Any) -> None:
        self._ledger.add_class_map(info['source_timestamp'], {
            entry.class_id: entry.class_name for entry in message.class_map})

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self._diagnostics = {value.key: value.value for value in status.values}

    def _on_frame(self, frame: Received) -> None:
        detections = frame.messages['eov_seg/detections'].detections
        self._ledger.add_frame(
            frame.published_ns, frame.name,
            {found.results[0].hypothesis.class_id for found in detections},
            set(np.unique(frame.pixels('eov_seg/semantic')).tolist()))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the soak; return its exit status."""
    parser = argparse.ArgumentParser(prog='python -m benchmarks.soak',
                                     description=__doc__.partition('\n')[0])
    parser.add_argument('--minutes', type=float, default=5.0)
    parser.add_argument('--engine', choices=('free', 't'), default='free',
                        help='what segments: an engine that costs nothing, or variant t (free)')
    parser.add_argument('--size', type=int, nargs=2, default=(480, 640), metavar=('H', 'W'))
    parser.add_argument('--rate', type=float, default=20.0, help='frames per second (20)')
    parser.add_argument('--edits', type=float, default=2.0, help='changes of words per second (2)')
    parser.add_argument('--seed', type=int, default=0, help='of the words')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all figures here as well')
    options = parser.parse_args(arguments)
    command = (node_command(NodeSettings('t'), **LABELS) if options.engine == 't'
               else ['benchmarks.node', 'free_node', *_as_arguments(LABELS)])
    # Ctrl-C is ours: it ends the load, and what was measured is still printed.
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    try:
        with running('node', command) as child:
            camera = Camera(*options.size, options.rate)
            report = Soak(child, camera, Ledger(all_names=options.engine == 'free'),
                          options.seed).run(60 * options.minutes, options.edits)
    except RuntimeError as error:
        print(f'soak failed: {error}', file=sys.stderr)
        return 1
    finally:
        rclpy.try_shutdown()
    height, width = options.size
    print(f'{report.seconds:.0f} s, engine {options.engine}, {width} x {height} at '
          f'{options.rate:g} Hz; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores')
    report.print()
    if options.json is not None:
        options.json.write_text(json.dumps(asdict(report), indent=1) + '\n', encoding='utf-8')
    return 0 if report.is_good else 1


def _as_arguments(parameters: dict[str, Any]) -> list[str]:
    return [part for name, value in parameters.items() for part in ('-p', f'{name}:={value}')]


if __name__ == '__main__':
    sys.exit(main())
