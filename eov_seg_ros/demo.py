# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The whole system on one machine: scripts/demo.sh [picture, folder or video ...].

Three processes talk over DDS: a camera that plays the pictures, the node, and this one, which
changes the words half-way through and writes down what comes back.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
import os
from pathlib import Path
import signal
import subprocess
import sys
import threading
import time

import rclpy
from rclpy.executors import ExternalShutdownException

from eov_seg_ros.demo_collector import Collector, Received
from eov_seg_ros.demo_files import prepare_pictures, write_frame, write_summary

WORDS = (
    ('first', ['person,woman', 'cat', 'cup', 'motorcycle', 'flag'], ['wall', 'table']),
    ('second', ['astronaut', 'kitten', 'coffee mug', 'spoon', 'flag'],
     ['wall', 'wooden table,desk', 'floor']),
)
CAMERA_HZ = 10.0
START_S = 600.0
"""Longest wait for the node, which may have to download weights."""
FRAME_S = 120.0
"""Longest wait for one picture."""


class NodeProcess:
    """The node as a child process; its output is passed on and searched for what matters.

    Args:
        command: What to run.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self.process = subprocess.Popen(command, text=True, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, start_new_session=True)
        self.warnings: list[str] = []
        self._failed = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def is_alive(self) -> bool:
        """Return whether the process runs and has not failed to start."""
        return self.process.poll() is None and not self._failed

    def stop(self) -> None:
        """End the process as Ctrl-C would; by force if it does not listen."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(5)

    def _read(self) -> None:
        for line in self.process.stdout or ():
            print(f'  node | {line.rstrip()}')
            self._failed |= 'failed: ' in line
            if 'NO CHECKPOINT' in line:
                self.warnings.append(line[line.index('NO CHECKPOINT'):].strip())


def node_command(arguments: argparse.Namespace) -> list[str]:
    """Return the command that starts the node with the first words."""
    _, things, stuff = WORDS[0]
    values = {
        'variant': arguments.variant, 'checkpoint': arguments.checkpoint,
        'device': arguments.device, 'input_size': arguments.input_size,
        'allow_untrained': 'true', 'detections_include_stuff': 'true',
        'vocabulary.things': things, 'vocabulary.stuff': stuff}
    if not arguments.checkpoint:
        values['overlap_threshold'] = 0.0  # masks of random weights overlap too much to survive
    command = [sys.executable, '-m', 'eov_seg_ros.segment_node', '--ros-args']
    for name, value in values.items():
        if value != '':
            command += ['-p', f'{name}:={value}']
    return command


@contextmanager
def running_node(arguments: argparse.Namespace) -> Iterator[NodeProcess]:
    """Run the node while the context is open."""
    node = NodeProcess(node_command(arguments))
    try:
        yield node
    finally:
        node.stop()


@contextmanager
def running_camera(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Run the camera while the context is open; the end of its input ends it."""
    camera = subprocess.Popen(
        [sys.executable, '-m', 'eov_seg_ros.demo_player', str(folder), str(CAMERA_HZ)],
        stdin=subprocess.PIPE, text=True, start_new_session=True)
    try:
        yield camera
    finally:
        if camera.stdin is not None:
            camera.stdin.close()
        try:
            camera.wait(10)
        except subprocess.TimeoutExpired:
            camera.kill()
            camera.wait()


def show(camera: subprocess.Popen[str], name: str) -> None:
    """Let the camera show a picture from now on."""
    if camera.stdin is None:
        raise RuntimeError('the camera was started without an input')
    camera.stdin.write(f'{name}\n')
    camera.stdin.flush()


def play(collector: Collector, camera: subprocess.Popen[str], names: Sequence[str],
         after_ns: int) -> list[Received]:
    """Show each picture until everything has come back for it."""
    frames = []
    for name in names:
        show(camera, name)
        frames.append(collector.wait_for_frame(name, after_ns, FRAME_S))
        segments = len(frames[-1].messages['detections'].detections)
        print(f'  {name}: {segments} segments after {frames[-1].latency_ms:.0f} ms')
    return frames


def change_words(collector: Collector) -> tuple[int, str]:
    """Change the words while frames flow.

    Returns:
        The time in ROS nanoseconds from which on frames have the new words, and what happened.
    """
    _, things, stuff = WORDS[1]
    before, count = collector.class_map, collector.labels_count
    frames_before, started_s = len(collector.frames), time.monotonic()
    accepted_ms = collector.set_words(things, stuff)
    collector.wait_for(lambda: collector.labels_count > count, 'the new class map', FRAME_S)
    swapped_ms = 1000 * (time.monotonic() - started_s)
    kept = [f'{name} = {number}' for number, name in collector.class_map.items()
            if number and before.get(number) == name]
    return collector.now_ns(), (
        f'new words accepted after {accepted_ms:.0f} ms, in use after {swapped_ms:.0f} ms '
        f'({len(collector.frames) - frames_before} frames came with the old words meanwhile); '
        f'unchanged class ids: {", ".join(kept)}')


def run(arguments: argparse.Namespace) -> int:
    """Play the demo and write its results.

    Raises:
        ValueError: There are no pictures to play.
        RuntimeError: Something did not come back.
    """
    output = Path(arguments.output)
    names = prepare_pictures(arguments.inputs, output, arguments.limit)
    print(f'playing {len(names)} pictures (at most {arguments.limit}: --limit) at {CAMERA_HZ:g} '
          f'Hz; the network sees them with a short side of {arguments.input_size} pixels '
          '(--input-size), because this shall be quick on a CPU too')
    rclpy.init(args=[])
    played, class_maps = {}, {}
    with running_node(arguments) as node, running_camera(output / 'played') as camera:
        collector = Collector(lambda: node.is_alive() and camera.poll() is None)
        collector.wait_for(lambda: collector.labels_count, 'the node', START_S)
        started_s, after_ns, switch = time.monotonic(), 0, ''
        for label, things, stuff in WORDS:
            if played:
                after_ns, switch = change_words(collector)
            print(f'{label} words: {", ".join(things + stuff)}')
            played[label] = play(collector, camera, names, after_ns)
            class_maps[label] = collector.class_map
        seconds = time.monotonic() - started_s
        print(f'{len(collector.frames)} complete frames in {seconds:.1f} s: '
              f'{len(collector.frames) / seconds:.1f} per second; the camera sent '
              f'{CAMERA_HZ:g} per second, the newest was always taken')
        print(switch)
    for label, frames in played.items():
        for frame in frames:
            write_frame(frame, output / label)
    write_summary(played, class_maps, output, node.warnings)
    print(f'written: {output}/overview.png, detections.json, and overlays and label images in '
          f'{output}/first and {output}/second')
    print_warnings(node.warnings)
    return 0


def print_warnings(warnings: Sequence[str]) -> None:
    """Say in large letters what weights that are missing mean for the pictures."""
    for warning in warnings:
        words = warning.upper().split()
        print('\n' + '#' * 84)
        line = '#'
        for word in words:
            if len(line) + len(word) > 81:
                print(line)
                line = '#'
            line += f' {word}'
        print(line)
        print('# SEGMENTS IN THE PICTURES SHOW NOTHING, OR THERE ARE NONE.')
        print('# GIVE THE DEMO A PUBLISHED CHECKPOINT: --checkpoint FILE')
        print('#' * 84)


def main(args: Sequence[str] | None = None) -> int:
    """Run the demo.

    Args:
        args: Command line; None: the process's.

    Returns:
        0 if everything came back.
    """
    parser = argparse.ArgumentParser(prog='demo.sh', description=__doc__)
    parser.add_argument('inputs', nargs='*', help='pictures, folders or videos; default: '
                        'photographs that scikit-image ships')
    parser.add_argument('--checkpoint', default='', help='weights: a published .pth or our '
                        '.safetensors')
    parser.add_argument('--variant', default='s', choices=('t', 's', 'm', 'l'))
    parser.add_argument('--device', default='auto')
    parser.add_argument('--input-size', type=int, default=320, help="short side of the network's "
                        'input in pixels (the published value is 640)')
    parser.add_argument('--limit', type=int, default=6, help='most pictures to play')
    parser.add_argument('--output', default='demo_output')
    arguments = parser.parse_args(args)
    if arguments.checkpoint:
        arguments.checkpoint = os.path.abspath(arguments.checkpoint)
    try:
        return run(arguments)
    except (RuntimeError, ValueError, OSError) as error:
        print(f'demo failed: {error}', file=sys.stderr)
        return 1
    except (KeyboardInterrupt, ExternalShutdownException):  # Ctrl-C, SIGTERM
        return 130
    finally:
        rclpy.try_shutdown()


if __name__ == '__main__':
    sys.exit(main())
