# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A session that belongs to a running node: its topics in, its parameters out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import contextlib
from functools import lru_cache
import threading
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from std_msgs.msg import Header

from eov_seg_core.app.console.frame import Frame
from eov_seg_core.app.console.memory import Memory
from eov_seg_core.app.console.session import note_of_unknown, Session
from eov_seg_core.app.console.words import Mark, Words
from eov_seg_core.results.thresholds import Thresholds
from eov_seg_core.vocabulary import Vocabulary
from eov_seg_ros.console.assembly import ClassMap, found, same_names
from eov_seg_ros.console.facts import in_sentences
from eov_seg_ros.console.memory import NodeMemory
from eov_seg_ros.console.outputs import OutputReader, Picture, segmenters
from eov_seg_ros.console.remote_parameters import RemoteParameters

_KEPT_FRAMES = 32
"""About a second; they are kept as they came, compressed."""
_DECODED_FRAMES = 8
"""So many of the newest stay decoded, too, which takes 33 MB for each of 4K."""
_TICK_S = 0.5
_STALE_S = 2.0
_SILENT_S = 4.0
_THINGS, _STUFF, _PRESET = 'vocabulary.things', 'vocabulary.stuff', 'vocabulary.preset'
_THRESHOLDS = ('score_threshold', 'overlap_threshold')
_NAMES = (_THINGS, _STUFF, _PRESET, *_THRESHOLDS, 'camera_names', 'tracking')


class NodeSession(Session):
    """Show what a node publishes while a page is open, and set its parameters.

    Args:
        node: Of this process, not spun by anybody else.
        target: Full name of the node that segments.
    """

    def __init__(self, node: Node, target: str) -> None:
        super().__init__(_KEPT_FRAMES)
        self._node = node
        self._target = target
        self._parameters = RemoteParameters(node, target, _NAMES, self._on_parameters)
        self._reader = OutputReader(node, self._on_picture, self._on_class_names)
        self._memory = NodeMemory(node, target)
        self._has_memory = False
        self._header: Header | None = None
        self._cameras: tuple[str, ...] = ('',)
        self._camera = 0
        self._names: dict[int, str] = {}
        self._classes = ClassMap({}, None)
        self._wanted: tuple[Words, float] | None = None
        self._marks: Mapping[tuple[str, bool], tuple[Mark, ...]] = {}
        self._is_announced = False
        self._is_there = False
        self._status: DiagnosticStatus | None = None
        self._facts: Sequence[tuple[str, str]] = ()
        self._heard_s = self._seen_s = time.monotonic()
        self._diagnostics: Any = None
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)
        self._thread = threading.Thread(target=self._spin, name='ros', daemon=True)
        node.create_timer(_TICK_S, self._tick)

    def start(self) -> None:
        """Follow the node, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End the threads."""
        self._memory.stop()
        self._executor.shutdown(timeout_sec=2.0)
        if self._thread.is_alive():
            self._thread.join(2.0)

    @property
    def source_names(self) -> list[str]:
        """The cameras of the node."""
        return list(self._cameras)

    @property
    def source(self) -> int:
        """Which camera is shown."""
        return min(self._camera, len(self._cameras) - 1)

    @property
    def can_pause(self) -> bool:
        """A camera can always be paused."""
        return True

    @property
    def memory(self) -> Memory | None:
        """Where objects are; None: the node does not publish that."""
        return self._memory if self._has_memory else None

    @property
    def words(self) -> Words:
        """The words that the node's parameters say."""
        values = self._parameters.values
        words = Words(tuple(values.get(_THINGS) or ()), tuple(values.get(_STUFF) or ()),
                      self._marks)
        preset = values.get(_PRESET)
        if words == Words() and preset:
            return _preset_words(preset)
        return words

    @property
    def thresholds(self) -> Thresholds:
        """The thresholds that the node's parameters say."""
        return Thresholds(**{name: self._parameters.values[name] for name in _THRESHOLDS
                             if name in self._parameters.values})

    @property
    def state(self) -> str:
        """One of absent, loading, paused, empty, late, busy, ready."""
        status = '' if self._status is None else self._status.message
        is_late = time.monotonic() - self._seen_s > _STALE_S
        states = ((not self._is_there, 'absent'), (status.startswith('STARTING'), 'loading'),
                  (self.is_paused, 'paused'), (self.frame is None, 'empty'), (is_late, 'late'),
                  (self._wanted is not None, 'busy'))
        return next((name for holds, name in states if holds), 'ready')

    @property
    def facts(self) -> Sequence[tuple[str, str]]:
        """What the node says in /diagnostics about the camera that is shown."""
        return self._facts

    def _in_sentences(self, status: DiagnosticStatus) -> list[tuple[str, str]]:
        tracking = '' if 'tracking' not in self._parameters.values else (
            'each picture has its own' if self._parameters.values['tracking'] == 'off' else
            'stay with objects, in space, with a memory' if self._has_memory else
            'stay with objects, by the picture alone')
        return in_sentences(_values(status), tracking)

    @property
    def figures(self) -> str:
        """Frames a second as the node says, and how old the shown image was when it came."""
        rate = _values(self._status).get('output_rate_hz')
        seconds = None if self.frame is None else self.frame.seconds
        if self.state in ('absent', 'late'):
            return f'came {time.monotonic() - self._seen_s:.0f}\u00a0s ago'
        return ' · '.join([*([f'{rate} frames a second'] if rate else []),
                          *([] if seconds is None else [f'{seconds:.2f}\u00a0s old'])])

    def choose(self, index: int) -> None:
        """Show one of the cameras."""
        if not 0 <= index < len(self._cameras):
            raise ValueError(f'there are {len(self._cameras)} cameras, got number {index}')
        self._camera = index    # the timer follows

    def set_thresholds(self, thresholds: Thresholds) -> None:
        """Set the node's thresholds."""
        self._parameters.set(vars(thresholds))
        self.revision += 1

    def set_paused(self, is_paused: bool) -> None:
        """Keep the picture that is shown; the node goes on for others."""
        self.is_paused = is_paused
        self.revision += 1

    def use_preset(self, name: str) -> None:
        """Let the node use a published vocabulary."""
        with self._editing:
            before = self.words
            self._change(_preset_words(name), {_PRESET: name, _THINGS: [], _STUFF: []})
            self._remember(before)

    def _use_words(self, words: Words) -> None:
        if words == Words():
            raise ValueError('the node always looks for something: without words it would use '
                             'its preset; add another word before you remove the last one')
        words.vocabulary()      # refuses what is wrong in the words of the page
        self._change(words, {_THINGS: list(words.things), _STUFF: list(words.stuff)})
        self._marks = words.marks   # parameters hold names only

    def _change(self, words: Words, changes: dict[str, Any]) -> None:
        before = self._is_announced, self._wanted
        # first, because the node may announce them before it answers
        self._is_announced, self._wanted = False, (words, time.monotonic())
        try:
            self._parameters.set(changes)
        except ValueError:
            self._is_announced, self._wanted = before
            raise
        self.revision += 1

    # All that follows runs in the executor's thread.

    def _spin(self) -> None:
        with contextlib.suppress(ExternalShutdownException):
            self._executor.spin()

    def _tick(self) -> None:
        """Subscribe while somebody looks, and notice what does not come."""
        now_s = time.monotonic()
        self._notice(self._parameters.look(self.is_watched), now_s)
        prefix = self._camera_name
        is_wanted = self.is_watched and not self.is_paused
        topics = f'{self._target}/{prefix}/' if prefix else f'{self._target}/'
        self._reader.follow(topics if is_wanted else '')
        self._has_memory = self._is_there and self._memory.is_there
        self._memory.follow(self._has_memory and self.is_watched)
        self._memory.look(self._header)
        if self.is_watched and self._diagnostics is None:
            self._heard_s = self._seen_s = now_s
            self._diagnostics = self._node.create_subscription(
                DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)
        elif not self.is_watched and self._diagnostics is not None:
            self._node.destroy_subscription(self._diagnostics)
            self._diagnostics, self._status, self._facts = None, None, ()
        self.error = self._complaint(now_s)
        self.revision += 1

    def _notice(self, is_there: bool, now_s: float) -> None:
        """Follow a node that comes or goes; its silence begins when it is there."""
        if is_there and not self._is_there:
            self._heard_s = now_s
            self.arrivals += 1
        elif not is_there:
            self._status, self._facts = None, ()
        self._is_there = is_there

    @property
    def _camera_name(self) -> str:
        """The camera that is shown; '' where the node has one without a name."""
        return self._cameras[self.source]

    def _complaint(self, now_s: float) -> str:
        if not self._is_there:
            return self._absence()
        if now_s - self._heard_s > _SILENT_S and self.is_watched:
            since = time.strftime('%H:%M:%S', time.localtime(time.time() - now_s + self._heard_s))
            return f'The node {self._target} has said nothing since {since}.'
        if self._status is not None and self._status.level > DiagnosticStatus.OK:
            return f'The node says: {self._status.message}'
        return ''

    def _absence(self) -> str:
        """Say that the node is not there, and which ones are."""
        others = segmenters(self._node)
        advice = (f'Running: {", ".join(others)}; start the console with --node {others[0]}.'
                  if others else 'Start it, for example with: ros2 launch eov_seg_ros '
                  'segment.launch.py image:=/camera/image_raw')
        return f'There is no node {self._target}. {advice}'

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        statuses = {status.name: status for status in message.status
                    if status.name.startswith(f'{self._target}: ')}
        if not statuses:
            return
        if time.monotonic() - self._heard_s > _SILENT_S:
            self._memory.forget()
            self.arrivals += 1
        self._heard_s = time.monotonic()
        self._status = statuses.get(f'{self._target}: {self._camera_name or "segmentation"}')
        self._facts = () if self._status is None else self._in_sentences(self._status)
        self.note = note_of_unknown(_values(self._status).get('unknown_words', ''))

    def _on_parameters(self) -> None:
        self._cameras = tuple(self._parameters.values.get('camera_names') or ('',))
        if same_names(self.words, list(self._names.values())):  # they may have come before
            self._classes = ClassMap.of(self._names, self.words)
        self.revision += 1

    def _on_class_names(self, names: dict[int, str]) -> None:
        self._names = names
        wanted = None if self._wanted is None else self._wanted[0]
        self._is_announced = wanted is not None and same_names(wanted, list(names.values()))
        words = wanted if wanted is not None and self._is_announced else self.words
        self._classes = ClassMap.of(names, words)

    def _on_picture(self, picture: Picture) -> None:
        if self.is_paused:
            return
        self._seen_s = time.monotonic()
        if self._wanted is not None and self._is_announced:
            self.word_delay_s = self._seen_s - self._wanted[1]
            self._wanted = None
        self._header, stamp = picture.header, picture.header.stamp
        now_ns = self._node.get_clock().now().nanoseconds
        age_s = (now_ns - stamp.nanosec) / 1e9 - stamp.sec
        number = 1 + (0 if self.frame is None else self.frame.number)
        classes = self._classes
        self._add_frame(Frame(
            number, picture.header.frame_id, picture.overlay,
            lambda: found(picture.parts, picture.overlay, classes), classes.vocabulary,
            age_s if 0 <= age_s < 60 else None))
        for frame in list(self._frames)[:-_DECODED_FRAMES]:
            frame.forget()


def _values(status: DiagnosticStatus | None) -> dict[str, str]:
    """Return the values of a status by their keys; none of None."""
    return {} if status is None else {entry.key: entry.value for entry in status.values}


@lru_cache(maxsize=4)
def _preset_words(name: str) -> Words:
    return Words.of(Vocabulary.preset(name))
