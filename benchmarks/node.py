# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the node itself costs, how long a change of words takes, and its rate beside other work.

    source scripts/ros_env.sh
    .venv/bin/python -m benchmarks.node [--seconds 20] [--size 720 1280] [--rate 30]
    .venv/bin/python -m benchmarks.node switch [--checkpoint FILE]
    .venv/bin/python -m benchmarks.node busy [--busy 2] [--runtimes torch openvino]

The first: an engine that costs nothing, a camera process, the node's process, and this one, which
subscribes to panoptic, semantic, instance, detections, label_info and diagnostics.  The second:
variant t, five names that were never encoded, then words that were; from the parameter's
acceptance to the first frame with the new words here.  The third: variant t with the words of the
built-in world, a camera in it (320 x 240, 30 Hz), and this process as RViz would watch (overlay,
detections, label_info), in turns alone and beside busy processes.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
import contextlib
import os
from pathlib import Path
import signal
import statistics
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import Any
import uuid

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
import rclpy
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray, LabelInfo

from eov_seg_core.app.benchmark.busy import BusyProcesses
from eov_seg_core.results.result import PanopticResult, Segment
from eov_seg_core.world import generate_scene, random_camera, render
from eov_seg_ros.demo.collector import Collector
from eov_seg_ros.demo.processes import node_command, NodeSettings

WARM_UP_S = 4.0
ROUNDS = 4
LONGEST_PREPARATION_S = 300.0
TOPICS = {'panoptic': Image, 'semantic': Image, 'instance': Image,
          'detections': Detection2DArray}
RVIZ_TOPICS = {'overlay': Image, 'detections': Detection2DArray}


class FreeEngine:
    """A segmenter whose result is ready: twenty segments, found in no time.

    The words take turns, so that all of a vocabulary of at most twenty are in each result.
    """

    def __init__(self) -> None:
        self.device, self.precision, self.runtime = 'cpu', 'fp32', 'none'
        self.is_preparing, self.preparation = False, ''
        self.fallbacks: dict[str, str] = {}
        self.model = SimpleNamespace(config=SimpleNamespace(variant='none'), weights_digest='none')
        self._results: dict[tuple[int, int], PanopticResult] = {}

    def prepare_vocabulary(self, vocabulary: Any, **_: Any) -> Any:
        """Keep the words."""
        return SimpleNamespace(vocabulary=vocabulary)

    def unknown_words(self, _: Any) -> tuple[str, ...]:
        """Know all words."""
        return ()

    def use_vocabulary(self, prepared: Any) -> None:
        """Use the words."""
        self._vocabulary = prepared.vocabulary
        self._results = {}

    def warm_up(self, height: int, width: int, *, wait: bool = True) -> None:
        """Make the result of a size, as the node asks for at its start."""
        self(np.zeros((height, width, 3), np.uint8))

    def __call__(self, image: np.ndarray, **_: float) -> PanopticResult:
        """Return a result of the image's size."""
        shape = image.shape[:2]
        if shape not in self._results:
            self._results[shape] = self._result(*shape)
        return self._results[shape]

    def _result(self, height: int, width: int) -> PanopticResult:
        rows, columns = np.indices((height, width))
        instance = (1 + 5 * (4 * rows // height) + 5 * columns // width).astype(np.int32)
        names, is_thing = self._vocabulary.names, self._vocabulary.is_thing
        segments = [Segment(number, 1 + number % len(names), names[number % len(names)],
                            is_thing[number % len(names)], 0.9, int((instance == number).sum()),
                            (0, 0, 9, 9)) for number in range(1, 21)]
        return PanopticResult(instance, segments)


def run_camera(height: int, width: int, rate_hz: float, *, of_room: bool) -> None:
    """Publish one picture, of a room or of noise, at a rate until killed."""
    rclpy.init(args=[])
    node = rclpy.create_node('camera')
    publisher = node.create_publisher(Image, 'image_raw', 1)
    message = Image(height=height, width=width, step=3 * width, encoding='rgb8')
    message.data.frombytes(picture(height, width, of_room=of_room))
    next_s = time.monotonic()
    while True:
        message.header.stamp = node.get_clock().now().to_msg()
        publisher.publish(message)
        next_s = max(next_s + 1 / rate_hz, time.monotonic())
        time.sleep(max(0.0, next_s - time.monotonic()))


def picture(height: int, width: int, *, of_room: bool) -> np.ndarray:
    """Return a picture of a room or of noise, (height, width, 3) uint8 RGB."""
    if not of_room:
        return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    scene = generate_scene(7)
    return render(scene, random_camera(scene, seed=1, width=width, height=height)).rgb


def run_free_node(ros_arguments: list[str]) -> int:
    """Run the node with the free engine."""
    from eov_seg_ros.segment_node import run

    words = "['a', 'b', 'c', 'd', 'e']"
    return run(['segment_node', '--ros-args', '-p', f'vocabulary.things:={words}', *ros_arguments],
               lambda parameters: FreeEngine())


@contextlib.contextmanager
def process(*arguments: str, threads: int = 1) -> Iterator[subprocess.Popen[bytes]]:
    """Run a part of this benchmark, or a module, while the context is open."""
    environment = {name: value for name, value in os.environ.items()
                   if name != '_ROS_WHEELS_BOOTSTRAP_COMPLETE'}
    child = subprocess.Popen([sys.executable, '-m', *arguments],
                             env={**environment, 'OMP_NUM_THREADS': str(threads)})
    try:
        yield child
    finally:
        child.send_signal(signal.SIGINT)
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used."""
    fields = Path(f'/proc/{pid}/stat').read_text(encoding='ascii').rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


class Watcher:
    """Counts what the node publishes.

    Attributes:
        counts: Messages of each topic so far.
    """

    def __init__(self, topics: dict[str, type]) -> None:
        self.counts: Counter[str] = Counter()
        self._diagnostics: list[DiagnosticArray] = []
        self._node = rclpy.create_node('watcher')
        for topic, kind in topics.items():
            self._node.create_subscription(
                kind, f'eov_seg/{topic}', lambda _, topic=topic: self.counts.update([topic]), 1)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._node.create_subscription(LabelInfo, 'eov_seg/label_info',
                                       lambda _: self.counts.update(['label_info']), latched)
        self._node.create_subscription(
            DiagnosticArray, '/diagnostics', self._diagnostics.append, 10)

    @property
    def message(self) -> str:
        """The last message of /diagnostics."""
        return str(self._diagnostics[-1].status[0].message)

    @property
    def values(self) -> dict[str, str]:
        """The last values of /diagnostics."""
        last = self._diagnostics[-1].status[0].values if self._diagnostics else ()
        return {value.key: value.value for value in last}

    def spin(self, seconds: float) -> None:
        """Receive for a while."""
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            rclpy.spin_once(self._node, timeout_sec=0.1)

    def rate(self, topic: str, seconds: float) -> float:
        """Return how many messages of a topic come a second."""
        before, started_s = self.counts[topic], time.monotonic()
        self.spin(seconds)
        return (self.counts[topic] - before) / (time.monotonic() - started_s)


def measure_load(height: int, width: int, rate_hz: float, duration_s: float) -> None:
    """Print rates, latency and processor time with the free engine."""
    rclpy.init(args=[])
    watcher = Watcher(TOPICS)
    counts, spin = watcher.counts, watcher.spin
    me = 'benchmarks.node'
    with process(me, 'free_node') as segmenter, process(
            me, 'camera', '--size', str(height), str(width), '--rate', str(rate_hz)):
        while not counts['panoptic']:
            spin(0.2)
        spin(WARM_UP_S)
        counts.clear()
        started_s, cpu_s = time.monotonic(), cpu_seconds(segmenter.pid)
        spin(duration_s)
        seconds = time.monotonic() - started_s
        cpu_s = cpu_seconds(segmenter.pid) - cpu_s
    values = watcher.values
    print(f'{width} x {height} at {rate_hz:g} Hz, free engine, {seconds:.0f} s; load average '
          f'{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores')
    print('received per second: ' + ', '.join(
        f'{topic} {counts[topic] / seconds:.1f}' for topic in TOPICS))
    print('stamp to publish, ms: ' + ', '.join(
        f'{name} {values[f"latency_{name}_ms"]}' for name in ('p50', 'p95', 'p99')) + '; medians: '
        + ', '.join(f'{part} {values[f"{part}_p50_ms"]}' for part in (
            'waiting', 'decoding', 'inference', 'publishing')))
    frames = counts['panoptic']
    print(f'processor time of the node: {100 * cpu_s / seconds:.0f} % of one core, '
          f'{1000 * cpu_s / max(frames, 1):.1f} ms a frame; skipped {values["skipped_frames"]}, '
          f'lost by DDS {values["lost_images"]}')
    print(f'/diagnostics: {watcher.message}')
    rclpy.try_shutdown()


def measure_switch(checkpoint: str) -> None:
    """Print how long changes of words take with variant t."""
    new = [f'{uuid.uuid4().hex[:8]} thing {number}' for number in range(5)]
    lists = [['chair', 'table'], new, ['chair', 'table']]
    current: dict[str, Any] = {'names': (), 'frames': 0}

    def on_frame(frame: Any) -> None:
        current['frames'] += 1
        current['version'] = collector.labels_count

    rclpy.init(args=[])
    node = node_command(NodeSettings('t', checkpoint, input_size=64),
                        allow_untrained='true', vocabulary__things=lists[0])
    with process(*node) as segmenter, process(
            'benchmarks.node', 'camera', '--size', '96', '128', '--rate', '30'):
        collector = Collector(lambda: segmenter.poll() is None, {'eov_seg/instance': Image},
                              on_frame)
        collector.wait_for_node(300)
        collector.wait_for(lambda: current['frames'] > 20, 'frames', 60)
        for text, names in (('5 new names', new), ('cached names', lists[0]),
                            ('cached names', new), ('cached names', lists[0])):
            before = collector.labels_count
            collector.set(**{'vocabulary.things': names})
            accepted_s = time.monotonic()
            collector.wait_for(lambda before=before: current['version'] > before, 'new words', 60)
            print(f'{text}: {1000 * (time.monotonic() - accepted_s):.0f} ms from acceptance to '
                  'the first frame here')
            start, started_s = current['frames'], time.monotonic()
            collector.wait_for(lambda start=start: current['frames'] > start + 10, 'frames', 60)
        period_ms = 1000 * (time.monotonic() - started_s) / 11
    print(f'a frame of 128 x 96 (short side 64 in the network) every {period_ms:.0f} ms; load '
          f'average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores')
    rclpy.try_shutdown()


def measure_busy(runtimes: Sequence[str], busy: int, seconds: float) -> None:
    """Print the node's rate alone and beside busy processes, for each runtime."""
    for runtime in runtimes:
        rclpy.init(args=[])
        node = node_command(NodeSettings('t'), vocabulary__preset='world', runtime=runtime)
        with process(*node, threads=os.cpu_count() or 1), process(
                'benchmarks.node', 'camera', '--size', '240', '320', '--rate', '30', '--room'):
            alone, beside, computed_by = rates_of(Watcher(RVIZ_TOPICS), busy, seconds / ROUNDS)
        rclpy.try_shutdown()
        ratio = statistics.median(one / other for one, other in zip(alone, beside))
        print(f'{computed_by}, overlays a second here, medians of {ROUNDS} rounds: '
              f'{statistics.median(alone):.1f} alone, {statistics.median(beside):.1f} beside '
              f'{busy} busy processes; a frame takes {ratio:.2f} times as long')


def rates_of(watcher: Watcher, busy: int, seconds: float
             ) -> tuple[list[float], list[float], str]:
    """Return the rates of each round, alone and beside others, and what computed them."""
    limit_s = time.monotonic() + LONGEST_PREPARATION_S
    while not watcher.counts['overlay'] or watcher.values.get('preparing_engine') != 'False':
        if time.monotonic() > limit_s:
            raise RuntimeError(f'no overlay, or no engine, in {LONGEST_PREPARATION_S:.0f} s; see '
                               "the node's log above")
        watcher.spin(0.5)
    watcher.spin(WARM_UP_S)
    alone, beside = [], []
    with BusyProcesses(busy) as others:
        for _ in range(ROUNDS):
            alone.append(watcher.rate('overlay', seconds))
            with others.at_work():
                beside.append(watcher.rate('overlay', seconds))
    return alone, beside, watcher.values['runtime']


def main() -> int:
    """Run one of the measurements, or one of its processes."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('part', nargs='?', default='load',
                        choices=['load', 'switch', 'busy', 'camera', 'free_node'])
    parser.add_argument('--seconds', type=float, default=20.0)
    parser.add_argument('--size', type=int, nargs=2, default=(720, 1280), metavar=('H', 'W'))
    parser.add_argument('--rate', type=float, default=30.0)
    parser.add_argument('--checkpoint', default='')
    parser.add_argument('--busy', type=int, default=2, help='processes that keep a core busy')
    parser.add_argument('--runtimes', nargs='+', default=('torch', 'openvino'))
    parser.add_argument('--room', action='store_true', help='the camera shows a room, not noise')
    options, ros_arguments = parser.parse_known_args()
    if options.part == 'camera':
        with contextlib.suppress(KeyboardInterrupt):
            run_camera(*options.size, options.rate, of_room=options.room)
    elif options.part == 'free_node':
        return run_free_node(ros_arguments)
    elif options.part == 'switch':
        measure_switch(options.checkpoint)
    elif options.part == 'busy':
        measure_busy(options.runtimes, options.busy, options.seconds)
    else:
        measure_load(*options.size, options.rate, options.seconds)
    return 0


if __name__ == '__main__':
    sys.exit(main())
