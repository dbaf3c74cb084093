# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The demo in the built-in world: camera and node are processes, this one watches and measures.

Half-way it changes the words through the node's parameter service: from categories to colours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
import json
from pathlib import Path
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray, Detection3DArray, LabelInfo

from eov_seg_core.quality import PanopticQuality
from eov_seg_core.world import generate_scene, OBJECT_TYPES, Scene
from eov_seg_ros.class_ids import UNLABELED
from eov_seg_ros.demo.collector import Collector, latched, NODE, Received, UNTRAINED
from eov_seg_ros.demo.processes import node_command, NodeSettings, running
from eov_seg_ros.demo.quality import countable_truth, panoptic_map, true_classes
from eov_seg_ros.demo.report import RGB, sample, Shown, Video, write_sheet
from eov_seg_ros.demo.space import MEMORY, SpaceWatcher
from eov_seg_ros.demo.space import TOPICS as SPACE_TOPICS

CAMERA_HZ = 12.5
START_S = 300.0
FIRST_FRAME_S = 60.0
SHEET_ROWS = 3
_TOPICS = {'image_raw': Image, 'world_camera/truth/panoptic': Image,
           f'{NODE}/panoptic': Image, f'{NODE}/overlay': Image,
           f'{NODE}/detections': Detection2DArray, **SPACE_TOPICS}
_ALSO_EXPECTED = {'depth/image_raw': Image, '/diagnostics': DiagnosticArray}
_COLUMNS = ('Left: masks, names, and ids that last. Middle: boxes in metres. Right: the room from '
            'above, what is there filled, what the node remembers as lines, the camera red.')


@dataclass
class Phase:
    """One set of words and what came back while it was in use.

    Attributes:
        label: For people.
        things: Entries of the parameter `vocabulary.things`.
        stuff: The same for stuff.
        class_map: The node's class ids.
        frames: What is kept to be shown.
        stamps_s: Stamp of every frame.
        latencies_ms: From the stamp until all was here.
        quality: Against the truth; all classes count alike, things or stuff.
        memory: The objects that were remembered in the end, against the truth.
        map: The same, seen from above.
    """

    label: str
    things: list[str]
    stuff: list[str]
    class_map: Mapping[int, str] = field(default_factory=dict)
    frames: list[Shown] = field(default_factory=list)
    stamps_s: list[float] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)
    quality: PanopticQuality = field(default_factory=lambda: PanopticQuality({}))
    memory: dict[str, Any] = field(default_factory=dict)
    map: RGB | None = None

    def figures(self) -> dict[str, Any]:
        """Return the figures that are printed and written."""
        seconds = self.stamps_s[-1] - self.stamps_s[0]
        rate_hz = (len(self.stamps_s) - 1) / seconds if seconds else 0.0
        p50, p95, p99 = np.percentile(self.latencies_ms, (50, 95, 99)).round(1).tolist()
        return {'words': [*self.things, *self.stuff], 'frames': len(self.stamps_s),
                'rate_hz': round(rate_hz, 2),
                'latency_ms': {'p50': p50, 'p95': p95, 'p99': p99},
                'panoptic_quality': round(100 * self.quality.compute()['All']['pq'], 1),
                'memory': self.memory}


def phases_of(scene: Scene) -> tuple[Phase, Phase]:
    """Return the words before and after: all categories, then this room's objects by colour."""
    things = [kind.name for kind in OBJECT_TYPES if kind.is_thing]
    stuff = [surface.name for surface in scene.surfaces]
    stuff += [kind.name for kind in OBJECT_TYPES if not kind.is_thing]
    colored = [f'{item.color} {item.name}' for item in scene.objects if item.is_thing]
    return (Phase('categories', things, stuff),
            Phase('colours', list(dict.fromkeys(colored)), stuff))


class Watcher:
    """Judges every frame as it comes.

    Args:
        phases: The words before and after.
        video: Gets every frame.
        space: Judges boxes, ids and memory.
    """

    def __init__(self, phases: tuple[Phase, Phase], video: Video, space: SpaceWatcher) -> None:
        self.phases = phases
        self.space = space
        self.truth_names: dict[int, str] = {}
        self.new_frame_s: float | None = None
        self._early: list[Received] = []
        self._video = video

    def __call__(self, frame: Received) -> None:
        """Take a frame; it waits if it has classes whose class map is still under way.

        Raises:
            RuntimeError: It has classes of both vocabularies.
        """
        panoptic = frame.pixels(f'{NODE}/panoptic')
        phase = self._phase_of(set(np.unique(panoptic >> 16).tolist()) - {0})
        if phase is None:
            self._early.append(frame)
            return
        true_panoptic = frame.pixels('world_camera/truth/panoptic')
        truth = countable_truth(true_panoptic, self._true_classes(phase))
        phase.quality.add(panoptic_map(truth, 'the truth'), panoptic_map(panoptic, 'the result'))
        phase.stamps_s.append(frame.stamp_ns / 1e9)
        phase.latencies_ms.append(frame.latency_ms)
        shown = Shown(frame.pixels(f'{NODE}/overlay'),
                      *self.space.take_frame(frame, panoptic, true_panoptic))
        phase.frames.append(shown)
        self._video.add(frame.stamp_ns / 1e9, shown, f'words: {phase.label}')

    def end(self, phase: Phase) -> None:
        """Note what is remembered at the end of a phase."""
        words = {self.truth_names[number]: phase.class_map[class_id]
                 for number, class_id in self._true_classes(phase).items() if class_id}
        phase.memory, phase.map = self.space.figures(words), self.space.large_map()

    def _true_classes(self, phase: Phase) -> dict[int, int]:
        return true_classes(self.truth_names, [*phase.things, *phase.stuff], phase.class_map)

    def take_class_map(self, class_map: Mapping[int, str]) -> None:
        """Give a class map to the words that it belongs to, and take the frames that waited.

        DDS keeps no order between two topics: a frame may be here before its class map.
        """
        for phase in self.phases:
            if set(class_map.values()) - {UNLABELED} == {*phase.things, *phase.stuff}:
                if not phase.class_map:
                    phase.quality = PanopticQuality(dict.fromkeys(class_map, True))
                phase.class_map = class_map
        early, self._early = self._early, []
        for frame in early:
            self(frame)

    def take_truth_names(self, message: LabelInfo) -> None:
        """Take the class map of the truth."""
        self.truth_names.update((entry.class_id, entry.class_name) for entry in message.class_map)

    def _phase_of(self, class_ids: set[int]) -> Phase | None:
        """Return the words of a frame; None if their class map is not known yet."""
        before, after = self.phases
        if after.class_map and class_ids <= after.class_map.keys():
            if self.new_frame_s is None:
                self.new_frame_s = time.monotonic()
            return after
        if class_ids <= before.class_map.keys() and self.new_frame_s is None:
            return before
        if not (before.class_map and after.class_map):
            return None
        raise RuntimeError(f'a frame has the classes {sorted(class_ids)}, which belong to no '
                           'vocabulary, to both, or to the one before')


def run_world(settings: NodeSettings, output: Path, seed: int, seconds: float) -> None:
    """Run the demo, print its figures and write its pictures.

    Args:
        settings: What to start the node with.
        output: The folder to write to.
        seed: Which room.
        seconds: How long to watch, after the start.

    Raises:
        RuntimeError: Something was missing; the message says what.
    """
    output.mkdir(parents=True, exist_ok=True)
    scene = generate_scene(seed)
    phases = phases_of(scene)
    video = Video(output / 'demo.mp4')
    watcher = Watcher(phases, video, SpaceWatcher(scene.room.size[:2]))
    camera_process = running('camera', [
        'eov_seg_ros.world_camera_node', '--ros-args', '-p', f'rate_hz:={CAMERA_HZ}',
        '-p', f'seed:={seed}'])
    node_process = running('node', _node_command(settings, phases[0]))
    with camera_process as camera, node_process as node:
        collector = Collector(lambda: camera.is_alive() and node.is_alive(), _TOPICS, watcher)
        collector.count(_ALSO_EXPECTED)
        switch = _watch(collector, watcher, seconds / 2)
    video.close()
    figures = {'weights': collector.method, 'is_trained': collector.is_trained,
               'camera_hz': round(switch.pop('camera_hz'), 2), 'switch': switch,
               'ids': watcher.space.counts.compute(),
               'before': phases[0].figures(), 'after': phases[1].figures()}
    (output / 'figures.json').write_text(json.dumps(figures, indent=1) + '\n', encoding='utf-8')
    _write_sheet(output / 'contact_sheet.png', phases, collector.is_trained)
    _print(figures, output)
    _refuse_gaps(collector)


def _write_sheet(path: Path, phases: tuple[Phase, Phase], is_trained: bool) -> None:
    texts = [f'Words: {", ".join(phase.things + phase.stuff)}' for phase in phases]
    texts[0] = '\n'.join([*([] if is_trained else [UNTRAINED]), _COLUMNS, texts[0]])
    parts: list[tuple[str, Sequence[Sequence[RGB]]]] = [
        (text, sample(phase.frames, SHEET_ROWS)) for text, phase in zip(texts, phases)]
    before, after = (_memory_text(phase.memory) for phase in phases)
    memories = f'Remembered with the words before (left): {before}.\nWith those after: {after}.'
    maps = [phase.map for phase in phases if phase.map is not None]
    write_sheet(path, [*parts, (memories, [maps])])


def _node_command(settings: NodeSettings, phase: Phase) -> list[str]:
    return node_command(settings, clip_pretrained='false', allow_untrained='true',
                        detections_include_stuff='true', depth='true',
                        vocabulary__things=phase.things, vocabulary__stuff=phase.stuff)


def _watch(collector: Collector, watcher: Watcher, seconds: float) -> dict[str, Any]:
    """Watch for some seconds, change the words, and watch again; return what the change took."""
    before, after = watcher.phases
    collector.node.create_subscription(
        LabelInfo, 'world_camera/truth/label_info', watcher.take_truth_names, latched())
    collector.wait_for(lambda: watcher.truth_names, 'the truth of the camera', START_S)
    collector.node.create_subscription(
        Detection3DArray, MEMORY, watcher.space.take_memory, latched())
    collector.on_class_map = watcher.take_class_map
    collector.wait_for_node(START_S)
    if not collector.is_trained:
        collector.set(overlap_threshold=0.0)  # masks of random weights overlap too much
    collector.wait_for(lambda: before.frames, 'a first frame', FIRST_FRAME_S)
    images, started_s = collector.counts['image_raw'], time.monotonic()
    collector.spin_for(seconds)
    watcher.end(before)
    requested_s = time.monotonic()
    accepted_ms = collector.set_words(after.things, after.stuff)
    accepted_s = time.monotonic()
    new_frame_s = collector.wait_for(lambda: watcher.new_frame_s, 'a frame with the new words',
                                     FIRST_FRAME_S)
    collector.spin_for(max(0.0, seconds - (time.monotonic() - accepted_s)))
    watcher.end(after)
    kept = [name for number, name in before.class_map.items()
            if number and after.class_map.get(number) == name]
    return {
        'camera_hz': (collector.counts['image_raw'] - images) / (time.monotonic() - started_s),
        'accepted_ms': round(accepted_ms, 1),
        'first_new_frame_ms': round(1000 * (new_frame_s - requested_s), 1),
        'names_with_unchanged_ids': kept}


def _print(figures: Mapping[str, Any], output: Path) -> None:
    print(f'\nweights: {figures["weights"]}')
    if not figures['is_trained']:
        print(UNTRAINED)
    print(f'camera: {figures["camera_hz"]} images per second')
    print(f'{"words":12} {"frames":>6} {"per second":>10} {"latency p50":>12} {"p95":>8} '
          f'{"p99":>8} {"PQ":>6}  memory')
    for name in ('before', 'after'):
        part = figures[name]
        p50, p95, p99 = part['latency_ms'].values()
        print(f'{name:12} {part["frames"]:6} {part["rate_hz"]:10.1f} {p50:9.0f} ms {p95:5.0f} ms '
              f'{p99:5.0f} ms {part["panoptic_quality"]:6.1f}  {_memory_text(part["memory"])}')
    switch = figures['switch']
    print(f'new words: accepted after {switch["accepted_ms"]:.0f} ms, first frame with them here '
          f'after {switch["first_new_frame_ms"]:.0f} ms; class ids kept: '
          f'{", ".join(switch["names_with_unchanged_ids"])}')
    ids = figures['ids']
    print(f'ids: {ids["switches"]} changes, {ids["ids_per_object"] or 0:.1f} ids for an object; '
          + ('no object came back after 3 s' if ids['kept'] is None else
             f'{100 * ids["kept"]:.0f} % of the objects that came back after 3 s had theirs'))
    print(f'written: {output}/demo.mp4, {output}/contact_sheet.png, {output}/figures.json')


def _memory_text(memory: Mapping[str, Any]) -> str:
    text = (f'{memory["found"]} of {memory["there"]} things found, {memory["invented"]} of '
            f'{memory["remembered"]} objects invented')
    return text if memory['center_cm'] is None else f'{text}, centres off by ' \
        f'{memory["center_cm"]:.1f} cm'


def _refuse_gaps(collector: Collector) -> None:
    """Raise RuntimeError if a topic was silent."""
    silent = [topic for topic in (*_TOPICS, *_ALSO_EXPECTED) if not collector.counts[topic]]
    if silent:
        raise RuntimeError(f'nothing came on {", ".join(silent)}')
