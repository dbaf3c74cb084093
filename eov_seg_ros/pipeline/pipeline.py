# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""All that lives from configure to cleanup: the model, its threads and its cameras.

Three threads meet here.  The executor hands frames and parameters in.  The frame thread runs the
model and publishes; it alone changes the vocabulary, between two frames.  The text thread encodes
the next vocabulary meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import functools
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
import numpy.typing as npt
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import Header

from eov_seg_core.vocabulary import Vocabulary
from eov_seg_ros.class_ids import ClassIds, LabelSpace
from eov_seg_ros.conversions import image_to_rgb
from eov_seg_ros.diagnostics import Timing
from eov_seg_ros.log_bridge import Repeats
from eov_seg_ros.parameters import Parameters
from eov_seg_ros.pipeline.outputs import Frame, QOS_OVERRIDES
from eov_seg_ros.pipeline.segmenter_factory import free_memory, gpu_memory_mb, warm_up
from eov_seg_ros.pipeline.stream import Message, Stream
from eov_seg_ros.worker import LatestWorker

_REPEAT_S = 10.0
"""Seconds between two log messages about the same kind of bad frame."""
_STOP_S = 1.2
"""Longest wait for the threads' last piece of work when the node ends."""


@dataclass(frozen=True)
class _Input:
    """A decoded image on its way through the model.

    Attributes:
        stream: Its camera.
        header: Of its message.
        image_rgb: (H, W, 3) uint8 RGB.
        waiting_ms: From the stamp until it was taken.
        decoding_ms: Message to RGB.
    """

    stream: Stream
    header: Header
    image_rgb: npt.NDArray[np.uint8]
    waiting_ms: float
    decoding_ms: float


class Pipeline:
    """Turns image messages into result messages.

    Args:
        node: Owner of publishers, clock and logger.
        parameters: The parameters at the start.
        segmenter: An `eov_seg_core.Segmenter`, or what behaves like one.

    Raises:
        ValueError: The vocabulary has too many names.
    """

    def __init__(self, node: LifecycleNode, parameters: Parameters, segmenter: Any) -> None:
        self._node = node
        self._parameters = parameters
        self._segmenter = segmenter
        self._class_ids = ClassIds()
        self._labels = LabelSpace((), ())
        self._vocabulary_version = 0
        self._requested: Vocabulary | None = parameters.vocabulary
        prepared = segmenter.prepare_vocabulary(self._requested)
        self._repeats = Repeats(_REPEAT_S)
        self._is_active = False
        self._streams = {name: Stream(node, parameters, name)
                         for name in parameters.camera_names or ('',)}
        self._use_vocabulary(prepared)
        self._frames: LatestWorker[Message] = LatestWorker(
            self._process, self._on_frame_error, 'frames', parameters.max_rate_hz)
        self._texts: LatestWorker[Vocabulary] = LatestWorker(
            self._encode, self._on_text_error, 'texts')
        self._diagnostics = node.create_publisher(
            DiagnosticArray, '/diagnostics', 10, qos_overriding_options=QOS_OVERRIDES)
        self._timer = node.create_timer(1.0, self._publish_diagnostics,
                                        clock=Clock(clock_type=ClockType.STEADY_TIME))

    def warm_up(self) -> None:
        """Run the model, so that the first frame is not the slow one."""
        warm_up(self._segmenter, self._parameters)

    def check(self, parameters: Parameters) -> None:
        """Raise ValueError if `apply` could not honour the parameters."""
        self._class_ids.check(parameters.vocabulary.names)

    def apply(self, parameters: Parameters) -> None:
        """Use new parameters from the next frame on, a new vocabulary once it is encoded."""
        new_threshold = parameters.score_threshold != self._parameters.score_threshold
        self._parameters = parameters
        self._segmenter.score_threshold = parameters.score_threshold
        self._segmenter.overlap_threshold = parameters.overlap_threshold
        self._frames.set_max_rate(parameters.max_rate_hz)
        vocabulary = parameters.vocabulary
        if vocabulary != self._requested:
            self._requested = vocabulary
            self._texts.submit(vocabulary)
        if new_threshold:
            self._frames.run_between(self._publish_vocabulary)

    def activate(self) -> None:
        """Publish the class map, before the first frame, and subscribe to the cameras."""
        self._is_active = True
        self._frames.run_between(self._publish_vocabulary)
        for stream in self._streams.values():
            stream.subscribe(self._submit)

    def deactivate(self) -> None:
        """Unsubscribe, drop the waiting frames and wait for those in work."""
        self._is_active = False
        for stream in self._streams.values():
            stream.unsubscribe()
        self._frames.drain()

    def close(self) -> None:
        """End the threads and destroy the publishers."""
        for stream in self._streams.values():
            stream.unsubscribe()
        workers = (self._texts, self._frames)
        for worker in workers:
            worker.stop(0)      # both shall know before the first one is waited for
        deadline_s = time.monotonic() + _STOP_S
        for worker in workers:
            if not worker.stop(max(0.0, deadline_s - time.monotonic())):
                self._node.get_logger().warning(
                    f'a thread is still at work after {_STOP_S:g} s; it is left behind')
        for stream in self._streams.values():
            stream.destroy()
        self._node.destroy_timer(self._timer)
        self._node.destroy_publisher(self._diagnostics)

    def _submit(self, stream: Stream, message: Message) -> None:
        """Hand in a frame; the newest one is processed next."""
        age_ms = self._age_ms(message.header)
        if stream.monitor.image_came(age_ms):
            self._complain(stream, f'the stamp of an image lies {-age_ms:.0f} ms in the future: '
                           'the clocks of camera and node differ')
        if self._parameters.enabled:
            self._frames.submit(message, stream.name)

    def _publish_diagnostics(self) -> None:
        device = self._segmenter.device
        facts = {
            'variant': self._segmenter.model.config.variant, 'device': device,
            'precision': self._segmenter.precision, 'gpu_memory_mb': gpu_memory_mb(device) or 0,
            'vocabulary_version': self._vocabulary_version, 'classes': len(self._labels.names),
            'fallbacks': self._segmenter.fallbacks or 'none'}
        node_name = self._node.get_fully_qualified_name()
        self._diagnostics.publish(DiagnosticArray(header=self._header_now(), status=[
            stream.monitor.status(
                f'{node_name}: {stream.name or "segmentation"}', facts, self._frames.counts(name),
                is_active=self._is_active and self._parameters.enabled,
                fell_back=self._parameters.device.startswith('cuda') and str(device) == 'cpu',
                why_silent=stream.why_silent, transport_advice=stream.transport_advice)
            for name, stream in self._streams.items()]))

    def _header_now(self) -> Header:
        return Header(stamp=self._node.get_clock().now().to_msg())

    def _age_ms(self, header: Header) -> float:
        stamp_ns = header.stamp.sec * 10**9 + header.stamp.nanosec
        return (self._node.get_clock().now().nanoseconds - stamp_ns) / 1e6

    def _complain(self, stream: Stream, text: str) -> None:
        """Log something that may happen with every frame."""
        text = f'{stream.name}: {text}' if stream.name else text
        if self._repeats.is_due(text):
            self._node.get_logger().error(text)

    # In the frame thread.

    def _process(self, messages: Mapping[str, Message]) -> None:
        parameters = self._parameters
        streams = [self._streams[name] for name in messages]
        decoded = [self._decode(stream, messages[stream.name]) for stream in streams
                   if stream.outputs.is_wanted()]
        inputs = [entry for entry in decoded if entry is not None]
        if inputs:
            self._segment_and_publish(inputs, parameters)

    def _segment_and_publish(self, inputs: Sequence[_Input], parameters: Parameters) -> None:
        """Process frames as one batch; if that fails each alone, for the sake of the good ones."""
        started_s = time.monotonic()
        try:
            results = self._segment([entry.image_rgb for entry in inputs])
        except Exception as error:  # noqa: BLE001  one bad frame must not end the node
            if _is_out_of_memory(error):
                free_memory()
            if len(inputs) == 1:
                self._drop(inputs[0].stream, error)
                return
            for entry in inputs:
                self._segment_and_publish([entry], parameters)
            return
        inference_ms = 1000 * (time.monotonic() - started_s)
        for entry, result in zip(inputs, results):
            self._publish(entry, result, parameters, inference_ms)

    def _decode(self, stream: Stream, message: Message) -> _Input | None:
        waiting_ms, started_s = self._age_ms(message.header), time.monotonic()
        try:
            image_rgb = image_to_rgb(message)
        except Exception as error:  # noqa: BLE001
            self._drop(stream, error)
            return None
        decoding_ms = 1000 * (time.monotonic() - started_s)
        return _Input(stream, message.header, image_rgb, waiting_ms, decoding_ms)

    def _segment(self, images: Sequence[npt.NDArray[np.uint8]]) -> Sequence[Any]:
        """Segment frames that waited together as one batch; a single one is not padded."""
        return self._segmenter(images) if len(images) > 1 else [self._segmenter(images[0])]

    def _publish(self, entry: _Input, result: Any, parameters: Parameters,
                 inference_ms: float) -> None:
        started_s = time.monotonic()
        try:
            entry.stream.outputs.publish(
                Frame(entry.header, entry.image_rgb, result, self._labels, parameters))
        except Exception as error:  # noqa: BLE001
            self._drop(entry.stream, error)
            return
        entry.stream.monitor.frame_done(Timing(
            self._age_ms(entry.header), entry.waiting_ms, entry.decoding_ms, inference_ms,
            1000 * (time.monotonic() - started_s)))

    def _drop(self, stream: Stream, error: Exception) -> None:
        if not self._node.context.ok():
            return  # the program is ending, so publishing this frame had to fail
        stream.monitor.failed(error)
        self._complain(stream, f'frame dropped: {error} [{type(error).__name__}]')

    def _on_frame_error(self, error: Exception) -> None:
        """Report what failed outside of any frame: a vocabulary that could not be published."""
        if self._node.context.ok():
            self._node.get_logger().error(f'{error} [{type(error).__name__}]')

    def _use_vocabulary(self, prepared: Any) -> None:
        labels = self._class_ids.assign(prepared.vocabulary.names)
        self._segmenter.use_vocabulary(prepared)
        self._labels = labels
        self._vocabulary_version += 1
        self._publish_vocabulary()

    def _publish_vocabulary(self) -> None:
        model = self._segmenter.model
        method = f'EOV-Seg {model.config.variant} {model.weights_digest or "untrained"}'
        header = self._header_now()
        for stream in self._streams.values():
            stream.publish_vocabulary(header, self._labels, self._parameters.score_threshold,
                                      method, self._vocabulary_version)

    # In the text thread, except `_swap`.

    def _encode(self, waiting: Mapping[str, Vocabulary]) -> None:
        vocabulary, = waiting.values()
        started_s = time.monotonic()
        prepared = self._segmenter.prepare_vocabulary(vocabulary)
        took_ms = 1000 * (time.monotonic() - started_s)
        self._frames.run_between(functools.partial(self._swap, prepared, took_ms))

    def _on_text_error(self, error: Exception) -> None:
        for stream in self._streams.values():
            stream.monitor.vocabulary_failed(error)
        self._requested = None  # setting the same names again shall try again
        self._node.get_logger().error(
            f'the vocabulary stays as it was, the new one cannot be used: {error}')

    def _swap(self, prepared: Any, took_ms: float) -> None:
        """Change the vocabulary; in the frame thread."""
        try:
            self._use_vocabulary(prepared)
        except ValueError as error:  # no class ids left
            self._on_text_error(error)
            return
        self._node.get_logger().info(
            f'vocabulary {self._vocabulary_version}: {prepared.vocabulary}, encoded in '
            f'{took_ms:.0f} ms')


def _is_out_of_memory(error: Exception) -> bool:
    """Say whether memory ran out, on the GPU too, without importing PyTorch."""
    return isinstance(error, MemoryError) or type(error).__name__ == 'OutOfMemoryError'
