# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the frame thread does: messages to RGB, the model, results to messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
import time
from typing import Any

import numpy as np
import numpy.typing as npt
from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import Header

from eov_seg_core.geometry import NoTransformError, space_view, SpaceView
from eov_seg_core.io.text import printable
from eov_seg_core.tracking import Identities
from eov_seg_ros.conversions import image_to_rgb
from eov_seg_ros.diagnostics import Timing
from eov_seg_ros.log_bridge import kind_of, Repeats
from eov_seg_ros.parameters import Parameters
from eov_seg_ros.pipeline.depth import Shot
from eov_seg_ros.pipeline.outputs import Frame
from eov_seg_ros.pipeline.segmenter_factory import free_memory
from eov_seg_ros.pipeline.stream import age_ms, stamp_s, Stream
from eov_seg_ros.pipeline.words import CurrentWords, EncodedWords
from eov_seg_ros.space.world import WorldSpace
from eov_seg_ros.text import describe

_REPEAT_S = 10.0
"""Seconds between two log messages about the same kind of bad frame."""


@dataclass(frozen=True)
class _Input:
    """A decoded image on its way through the model.

    Attributes:
        stream: Its camera.
        shot: Its message, with depth where there is some.
        image_rgb: (H, W, 3) uint8 RGB.
        waiting_ms: From the stamp until it was taken; None where the stamp is faulty.
        decoding_ms: Message to RGB.
    """

    stream: Stream
    shot: Shot
    image_rgb: npt.NDArray[np.uint8]
    waiting_ms: float | None
    decoding_ms: float

    @property
    def header(self) -> Header:
        """Of its message."""
        return self.shot.image.header


class FrameProcessor:
    """Turns image messages into result messages; its methods are called by the frame thread only.

    Args:
        node: Owner of clock and logger.
        segmenter: An `eov_seg_core.Segmenter`, or what behaves like one.
        parameters: Those of the first frames.
        words: The words of the first frames.
        streams: The cameras by name.
        identities: Names the segments; None: each frame has ids of its own.
        world: Knows where cameras are, and publishes where objects are; None: nobody does.
    """

    def __init__(self, node: LifecycleNode, segmenter: Any, parameters: Parameters,
                 words: CurrentWords, streams: Mapping[str, Stream],
                 identities: Identities | None = None, world: WorldSpace | None = None) -> None:
        self._node = node
        self._segmenter = segmenter
        self._parameters = parameters
        self._words = words
        self._streams = streams
        self._identities = identities
        self._world = world
        self._repeats = Repeats(_REPEAT_S)

    def use_parameters(self, parameters: Parameters) -> None:
        """Use other parameters from the next frame on; a frame keeps those it began with."""
        has_new_threshold = parameters.score_threshold != self._parameters.score_threshold
        self._parameters = parameters
        if has_new_threshold:
            self.publish_words()

    def use_words(self, words: EncodedWords) -> None:
        """Use other words from the next frame on, and publish them before it."""
        self._words.swap(words)
        if self._identities is not None:
            self._identities.use_vocabulary(words.prepared.vocabulary)
        self.publish_words()
        self._node.get_logger().info(
            f'vocabulary {self._words.version}: {printable(str(words.prepared.vocabulary))}, '
            f'encoded in {words.encoded_ms:.0f} ms')

    def publish_words(self) -> None:
        """Publish the class map of the words in use."""
        self._words.publish(Header(stamp=self._node.get_clock().now().to_msg()),
                            self._parameters.score_threshold)

    def process(self, shots: Mapping[str, Shot]) -> None:
        """Process the newest image of each camera that has one; camera name -> image."""
        parameters = self._parameters
        decoded = [self._decode(self._streams[name], shot)
                   for name, shot in shots.items()
                   if self._streams[name].outputs.is_wanted(shot.depth is not None)]
        inputs = [entry for entry in decoded if entry is not None]
        if inputs:
            self._segment_and_publish(inputs, parameters)

    def report(self, error: Exception) -> None:
        """Log what failed outside of any frame: words that could not be published."""
        if self._node.context.ok():
            self._node.get_logger().error(describe(error))

    def _segment_and_publish(self, inputs: Sequence[_Input], parameters: Parameters) -> None:
        """Process frames as one batch; if that fails each alone, for the sake of the good ones."""
        started_s = time.monotonic()
        try:
            results = self._segment([entry.image_rgb for entry in inputs], parameters)
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

    def _decode(self, stream: Stream, shot: Shot) -> _Input | None:
        waiting_ms, started_s = self._age_ms(shot.image.header), time.monotonic()
        try:
            image_rgb = image_to_rgb(shot.image, self._parameters.max_megapixels,
                                     self._parameters.mono16_max)
        except Exception as error:  # noqa: BLE001
            self._drop(stream, error)
            return None
        decoding_ms = 1000 * (time.monotonic() - started_s)
        return _Input(stream, shot, image_rgb, waiting_ms, decoding_ms)

    def _segment(self, images: Sequence[npt.NDArray[np.uint8]],
                 parameters: Parameters) -> Sequence[Any]:
        """Segment frames that waited together as one batch; a single one is not padded."""
        thresholds = {'score_threshold': parameters.score_threshold,
                      'overlap_threshold': parameters.overlap_threshold}
        if len(images) == 1:
            return [self._segmenter(images[0], **thresholds)]
        return self._segmenter(images, **thresholds)    # type: ignore[no-any-return]

    def _publish(self, entry: _Input, result: Any, parameters: Parameters,
                 inference_ms: float) -> None:
        started_s = time.monotonic()
        try:
            entry.stream.outputs.publish(self._frame(entry, result, parameters))
        except Exception as error:  # noqa: BLE001
            self._drop(entry.stream, error)
            return
        entry.stream.monitor.frame_done(Timing(
            self._age_ms(entry.header), entry.waiting_ms, entry.decoding_ms, inference_ms,
            1000 * (time.monotonic() - started_s)))

    def _frame(self, entry: _Input, result: Any, parameters: Parameters) -> Frame:
        ids, boxes, view = None, None, self._view(entry, parameters)
        if self._identities is not None:
            result, ids, boxes = self._identities.update(
                entry.stream.name, result, stamp_s(entry.header),
                view if parameters.tracks_in_space else None, parameters.box_options)
            if self._world is not None:
                self._world.publish(entry.header)
        return Frame(entry.header, entry.image_rgb, result, self._words.labels, parameters, ids,
                     view, boxes, entry.shot.info)

    def _view(self, entry: _Input, parameters: Parameters) -> SpaceView | None:
        """Return depth, camera and place of an image; None: it has no depth that fits."""
        stream, shot = entry.stream, entry.shot
        if (stream.depth is None or shot.depth is None or shot.info is None
                or not stream.outputs.is_depth_wanted()):
            return None
        height, width = entry.image_rgb.shape[:2]
        try:
            view = space_view(shot.image.header, (height, width), shot.depth, shot.info,
                              range_m=parameters.depth_range_m,
                              is_rectified=parameters.image_rectified)
        except ValueError as error:
            stream.depth.faults.refused(error)
            return None
        try:
            return view if self._world is None else self._world.place(
                view, entry.header, parameters.pose_wait_s)
        except NoTransformError as error:
            stream.depth.faults.lost(error)
            return replace(view, world_frame=parameters.placed_in)

    def _drop(self, stream: Stream, error: Exception) -> None:
        if not self._node.context.ok():
            return  # the program is ending, so publishing this frame had to fail
        stream.monitor.failed(error)
        if self._repeats.is_due((stream.name, kind_of(error))):
            self._node.get_logger().error(f'{stream.label}frame dropped: {describe(error)}')

    def _age_ms(self, header: Header) -> float | None:
        return age_ms(self._node, header)


def _is_out_of_memory(error: Exception) -> bool:
    """Say whether memory ran out, on the GPU too, without importing PyTorch."""
    return isinstance(error, MemoryError) or type(error).__name__ == 'OutOfMemoryError'
