# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""All that lives from configure to cleanup: the model, its threads and its publishers.

Three threads meet here.  The executor hands frames and parameters in.  The frame thread runs the
model and publishes; it alone changes the vocabulary, between two frames.  The text thread encodes
the next vocabulary meanwhile.
"""

from __future__ import annotations

import functools
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import LabelInfo, VisionInfo

from eov_seg_core.vocabulary import Vocabulary
from eov_seg_ros.class_ids import ClassIds, LabelSpace
from eov_seg_ros.conversions import image_to_rgb, label_info
from eov_seg_ros.diagnostics import Monitor, Timing
from eov_seg_ros.outputs import create_publisher, Frame, Outputs
from eov_seg_ros.parameters import Parameters
from eov_seg_ros.segmenter_factory import gpu_memory_mb
from eov_seg_ros.worker import Counts, LatestWorker

_REPEAT_S = 5.0
"""Seconds between two log messages about bad frames."""
_STOP_S = 2.0
"""Longest wait for a thread's last piece of work when the node ends; a launch file sends SIGTERM
five seconds after SIGINT."""


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
        self._monitor = Monitor(parameters.timeout_s)
        self._is_active = False
        self._outputs = Outputs(node)
        self._label_info = create_publisher(node, LabelInfo, 'label_info', latched=True)
        self._vision_info = create_publisher(node, VisionInfo, 'vision_info', latched=True)
        self._use_vocabulary(prepared)
        self._frames: LatestWorker[Image] = LatestWorker(
            self._process, self._on_frame_error, 'frames', parameters.max_rate_hz)
        self._texts: LatestWorker[Vocabulary] = LatestWorker(
            self._encode, self._on_text_error, 'texts')
        self._diagnostics = node.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self._timer = node.create_timer(1.0, self._publish_diagnostics,
                                        clock=Clock(clock_type=ClockType.STEADY_TIME))

    def warm_up(self) -> None:
        """Run the model once, so that the first frame is not the slow one."""
        self._segmenter(np.zeros((480, 640, 3), np.uint8))

    def submit(self, message: Image) -> None:
        """Hand in a frame; the newest one is processed next."""
        self._monitor.image_came()
        if self._parameters.enabled:
            self._frames.submit(message)

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
        """Publish the class map, before the first frame; expect images."""
        self._is_active = True
        self._monitor.image_came()
        self._frames.run_between(self._publish_vocabulary)

    def deactivate(self) -> None:
        """Drop the waiting frame and wait for the one in work."""
        self._is_active = False
        self._frames.drain()

    def counts(self) -> Counts:
        """Return how many frames came, were processed, were skipped and failed."""
        return self._frames.counts()

    def close(self) -> None:
        """End the threads and destroy the publishers."""
        for worker in (self._texts, self._frames):
            if not worker.stop(_STOP_S):
                self._node.get_logger().warning(
                    f'a thread is still at work after {_STOP_S:g} s; it is left behind')
        self._outputs.destroy()
        for publisher in (self._label_info, self._vision_info):
            self._node.destroy_lifecycle_publisher(publisher)
        self._node.destroy_timer(self._timer)
        self._node.destroy_publisher(self._diagnostics)

    def _publish_diagnostics(self) -> None:
        device = self._segmenter.device
        facts = {
            'variant': self._segmenter.model.config.variant, 'device': device,
            'precision': self._segmenter.precision, 'gpu_memory_mb': gpu_memory_mb(device),
            'vocabulary_version': self._vocabulary_version, 'classes': len(self._labels.names)}
        status = self._monitor.status(
            f'{self._node.get_fully_qualified_name()}: segmentation', facts, self.counts(),
            is_active=self._is_active and self._parameters.enabled,
            fell_back=self._parameters.device.startswith('cuda') and str(device) == 'cpu')
        self._diagnostics.publish(DiagnosticArray(header=self._header_now(), status=[status]))

    def _header_now(self) -> Header:
        return Header(stamp=self._node.get_clock().now().to_msg())

    # In the frame thread.

    def _process(self, message: Image) -> None:
        names = self._outputs.wanted()
        if not names:
            return
        parameters = self._parameters
        waiting_ms = self._age_ms(message.header)
        times_s = [time.monotonic()]
        image_rgb = image_to_rgb(message)
        times_s.append(time.monotonic())
        result = self._segmenter(image_rgb)
        times_s.append(time.monotonic())
        frame = Frame(message.header, image_rgb, result, self._labels, parameters)
        self._outputs.publish(frame, names)
        times_s.append(time.monotonic())
        self._monitor.frame_done(Timing(self._age_ms(message.header), waiting_ms,
                                        *(1000 * np.diff(times_s)).tolist()))

    def _age_ms(self, header: Header) -> float:
        stamp_ns = header.stamp.sec * 10**9 + header.stamp.nanosec
        return (self._node.get_clock().now().nanoseconds - stamp_ns) / 1e6

    def _on_frame_error(self, error: Exception) -> None:
        if not self._node.context.ok():
            return  # the program is ending, so publishing this frame had to fail
        self._monitor.failed(error)
        self._node.get_logger().error(f'frame dropped: {error} [{type(error).__name__}]',
                                      throttle_duration_sec=_REPEAT_S)

    def _use_vocabulary(self, prepared: Any) -> None:
        labels = self._class_ids.assign(prepared.vocabulary.names)
        self._segmenter.use_vocabulary(prepared)
        self._labels = labels
        self._vocabulary_version += 1
        self._publish_vocabulary()

    def _publish_vocabulary(self) -> None:
        header = self._header_now()
        self._label_info.publish(
            label_info(header, self._labels, self._parameters.score_threshold))
        config = self._segmenter.model.config
        digest = self._segmenter.model.weights_digest or 'untrained'
        self._vision_info.publish(VisionInfo(
            header=header, method=f'EOV-Seg {config.variant} {digest}',
            database_location=self._label_info.topic_name,
            database_version=self._vocabulary_version))

    # In the text thread, except `_swap`.

    def _encode(self, vocabulary: Vocabulary) -> None:
        started_s = time.monotonic()
        prepared = self._segmenter.prepare_vocabulary(vocabulary)
        took_ms = 1000 * (time.monotonic() - started_s)
        self._frames.run_between(functools.partial(self._swap, prepared, took_ms))

    def _on_text_error(self, error: Exception) -> None:
        self._monitor.failed(error)
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
