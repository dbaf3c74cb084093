# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The demo on pictures of one's own: each is shown to the node until everything has come back."""

from __future__ import annotations

from collections.abc import Sequence
import functools
from pathlib import Path
import time

from eov_seg_core.io.text import counted
from eov_seg_ros.demo.collector import Collector, NODE, Received, UNTRAINED
from eov_seg_ros.demo.files import prepare_pictures, write_frame, write_summary
from eov_seg_ros.demo.processes import Child, node_command, NodeSettings, running

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


def run_pictures(settings: NodeSettings, inputs: Sequence[str], output: Path,
                 limit: int) -> None:
    """Play the pictures and write what comes back.

    Args:
        settings: What to start the node with.
        inputs: Pictures, folders or videos.
        output: The folder to write to.
        limit: Most pictures to play.

    Raises:
        ValueError: There are no pictures to play.
        RuntimeError: Something did not come back.
    """
    names = prepare_pictures(inputs, output, limit)
    print(f'playing {counted(len(names), "picture")} (at most {limit}: --limit) at {CAMERA_HZ:g} '
          f'Hz; the network sees them with a short side of {settings.input_size} pixels '
          '(--input-size), because this shall be quick on a CPU too')
    played: dict[str, list[Received]] = {}
    class_maps: dict[str, dict[int, str]] = {}
    node_process = running('node', _node_command(settings))
    camera_process = running('camera', ['eov_seg_ros.demo.player', str(output / 'played'),
                                        str(CAMERA_HZ)])
    frames: list[Received] = []
    with node_process as node, camera_process as camera:
        collector = Collector(lambda: node.is_alive() and camera.is_alive(), Collector.OUTPUTS,
                              frames.append)
        collector.wait_for_node(START_S)
        started_s, after_ns, switch = time.monotonic(), 0, ''
        for label, things, stuff in WORDS:
            if played:
                after_ns, switch = change_words(collector, frames)
            print(f'{label} words: {", ".join(things + stuff)}')
            played[label] = play(collector, camera, names, after_ns, frames)
            class_maps[label] = collector.class_map
        seconds = time.monotonic() - started_s
    print(f'{counted(len(frames), "complete frame")} in {seconds:.1f} s: '
          f'{len(frames) / seconds:.1f} per second; the camera sent {CAMERA_HZ:g} per '
          'second, the newest was always taken')
    print(switch)
    for label, received in played.items():
        for frame in received:
            write_frame(frame, output / label)
    warnings = [] if collector.is_trained else [UNTRAINED]
    write_summary(played, class_maps, output, warnings)
    print(f'written: {output}/overview.png, detections.json, and overlays and label images in '
          f'{output}/first and {output}/second')
    for warning in warnings:
        print(f'\n{warning}')


def _node_command(settings: NodeSettings) -> list[str]:
    _, things, stuff = WORDS[0]
    # Masks of random weights overlap too much to survive.
    overlap = {} if settings.checkpoint else {'overlap_threshold': 0.0}
    return node_command(settings, allow_untrained='true', detections_include_stuff='true',
                        vocabulary__things=things, vocabulary__stuff=stuff, **overlap)


def play(collector: Collector, camera: Child, names: Sequence[str], after_ns: int,
         frames: Sequence[Received]) -> list[Received]:
    """Show each picture until everything has come back for it."""
    played = []
    for name in names:
        camera.write(name)
        answer = functools.partial(_first_answer, frames, name, after_ns)
        played.append(collector.wait_for(answer, f'an answer to {name}', FRAME_S))
        segments = len(played[-1].messages[f'{NODE}/detections'].detections)
        print(f'  {name}: {segments} segments after {played[-1].latency_ms:.0f} ms')
    return played


def _first_answer(frames: Sequence[Received], name: str, after_ns: int) -> Received | None:
    return next((frame for frame in frames if frame.name == name and frame.stamp_ns > after_ns),
                None)


def change_words(collector: Collector, frames: Sequence[Received]) -> tuple[int, str]:
    """Change the words while frames flow.

    Returns:
        The time in ROS nanoseconds from which on frames have the new words, and what happened.
    """
    _, things, stuff = WORDS[1]
    before, count = collector.class_map, collector.labels_count
    frames_before, started_s = len(frames), time.monotonic()
    accepted_ms = collector.set_words(things, stuff)
    collector.wait_for(lambda: collector.labels_count > count, 'the new class map', FRAME_S)
    swapped_ms = 1000 * (time.monotonic() - started_s)
    kept = [f'{name} = {number}' for number, name in collector.class_map.items()
            if number and before.get(number) == name]
    return collector.now_ns(), (
        f'new words accepted after {accepted_ms:.0f} ms, in use after {swapped_ms:.0f} ms '
        f'({counted(len(frames) - frames_before, "frame")} came with the old words meanwhile); '
        f'unchanged class ids: {", ".join(kept)}')
