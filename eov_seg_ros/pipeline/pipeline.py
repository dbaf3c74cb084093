# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""All that lives from configure to cleanup: the model, its threads and its cameras.

`Pipeline` belongs to the executor.  It hands frames and parameters to the frame thread, which is
`FrameProcessor`, and words to the text thread, which is `WordEncoder`.  A thread touches another
one's objects only by handing it work: `LatestWorker.submit` and `LatestWorker.run_between`.
"""

from __future__ import annotations

import functools
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.lifecycle import LifecycleNode

from eov_seg_core.io.text import printable, shortened
from eov_seg_core.tracking import Identities
from eov_seg_core.vocabulary import canonical_form
from eov_seg_ros.diagnostics import status_name
from eov_seg_ros.log_bridge import Repeats
from eov_seg_ros.parameters import Parameters
from eov_seg_ros.pipeline.depth import Shot
from eov_seg_ros.pipeline.frames import FrameProcessor
from eov_seg_ros.pipeline.loading import LoadedModel
from eov_seg_ros.pipeline.segmenter_factory import gpu_memory_mb
from eov_seg_ros.pipeline.stream import Message, stamp_fault, Stream
from eov_seg_ros.pipeline.words import (
    CurrentWords,
    EncodedWords,
    RequestedWords,
    WordEncoder,
    WordRequests,
)
from eov_seg_ros.space.world import WorldSpace
from eov_seg_ros.text import describe
from eov_seg_ros.worker import LatestWorker

_REPEAT_S = 10.0
"""Seconds between two log messages about stamps."""
_STOP_S = 1.2
"""Longest wait for the threads' last piece of work when the node ends."""


class Pipeline:
    """Turns image messages into result messages; used by the executor only.

    Args:
        node: Owner of publishers, clock and logger.
        parameters: The parameters at the start.
        model: What was loaded with these parameters.

    Raises:
        ValueError: The vocabulary has too many names.
    """

    def __init__(self, node: LifecycleNode, parameters: Parameters, model: LoadedModel) -> None:
        self._node = node
        self._parameters = parameters
        self._segmenter = segmenter = model.segmenter
        self._is_active = False
        self._repeats = Repeats(_REPEAT_S)
        self._requests = WordRequests(parameters.vocabulary, parameters.semantic_encoding,
                                      self._submit_words)
        names = parameters.camera_names or ('',)
        identities = Identities(model.words.vocabulary, names, parameters.tracking_options)
        self._space = WorldSpace(node, parameters, identities.memory,
                                 segmenter.model.weights_digest or 'untrained')
        self._streams = {name: Stream(node, parameters, name, self._space.is_memory_wanted)
                         for name in names}
        self._words = CurrentWords(
            segmenter, EncodedWords(model.words, self._requests.latest.labels,
                                    segmenter.unknown_words(model.words.vocabulary)),
            self._streams.values())
        self._processor = FrameProcessor(
            node, segmenter, parameters, self._words, self._streams,
            None if parameters.tracking == 'off' else identities, self._space)
        self._frames: LatestWorker[Shot] = LatestWorker(
            self._processor.process, self._processor.report, 'frames', parameters.max_rate_hz)
        self._texts: LatestWorker[RequestedWords] = LatestWorker(
            WordEncoder(segmenter, self._hand_to_frames, self._report_words),
            self._report_words, 'texts')

    def check(self, parameters: Parameters) -> None:
        """Raise ValueError if `apply` could not honour the parameters."""
        self._requests.check(parameters.vocabulary)

    def apply(self, parameters: Parameters) -> None:
        """Use new parameters from the next frame on, a new vocabulary once it is encoded."""
        self._parameters = parameters
        self._warn_of_mask_classes(parameters)
        for stream in self._streams.values():
            if stream.depth is not None:
                stream.depth.use_parameters(parameters)
        self._frames.set_max_rate(parameters.max_rate_hz)
        self._frames.run_between(functools.partial(self._processor.use_parameters, parameters))
        self._requests.request(parameters.vocabulary)

    def _warn_of_mask_classes(self, parameters: Parameters) -> None:
        known = set(map(canonical_form, parameters.vocabulary.names))
        missing = [name for name in parameters.mask_classes if canonical_form(name) not in known]
        if missing and self._repeats.is_due(tuple(missing)):
            self._node.get_logger().warning(
                f'mask_classes holds {printable(", ".join(missing))}, which the vocabulary does '
                'not have: no pixel of ~/mask/image will show it')

    def activate(self) -> None:
        """Publish the class map, before the first frame, and subscribe to the cameras."""
        self._is_active = True
        self._frames.run_between(self._processor.publish_words)
        self._frames.run_between(self._space.announce)
        self._space.subscribe()
        for stream in self._streams.values():
            stream.subscribe(self._submit)
            if stream.depth is not None:
                stream.depth.subscribe(functools.partial(self._frames.submit, slot=stream.name))

    def deactivate(self) -> None:
        """Unsubscribe, drop the waiting frames and wait for those in work."""
        self._is_active = False
        self._space.unsubscribe()
        for stream in self._streams.values():
            stream.unsubscribe()
        self._frames.drain()
        self._space.store()

    def forget(self) -> bool:
        """Forget all objects before the next frame; return whether there is a memory."""
        if self._space.has_memory:
            self._frames.run_between(self._space.forget)
        return self._space.has_memory

    def close(self) -> None:
        """End the threads and destroy the publishers."""
        for stream in self._streams.values():
            stream.unsubscribe()
        self._requests.latest.is_superseded.set()
        workers = (self._texts, self._frames)
        for worker in workers:
            worker.stop(0)      # both shall know before the first one is waited for
        deadline_s = time.monotonic() + _STOP_S
        for worker in workers:
            if not worker.stop(max(0.0, deadline_s - time.monotonic())):
                self._node.get_logger().warning(
                    f'a thread is still at work after {_STOP_S:g} s; it is left behind')
            elif worker is self._frames:
                self._space.store()
        for stream in self._streams.values():
            stream.destroy()
        self._space.destroy()

    def _submit(self, stream: Stream, message: Message) -> None:
        """Hand in a frame; the newest one is processed next."""
        fault = stamp_fault(self._node, message.header)
        stream.image_came(message, fault)
        if fault is not None and self._repeats.is_due((stream.name, fault)):
            self._node.get_logger().warning(f'{stream.label}{fault.value}')
        if not self._parameters.enabled:
            return
        if stream.depth is not None and stream.outputs.is_depth_wanted():
            stream.depth.image_came(message)
            return
        info = None
        if stream.depth is not None:
            stream.depth.drop_waiting()
            info = stream.depth.info
        self._frames.submit(Shot(message, None, info), stream.name)

    def _submit_words(self, words: RequestedWords) -> None:
        self._texts.submit(words)

    def statuses(self) -> list[DiagnosticStatus]:
        """Return what each camera has to say about the time since the last call."""
        device = self._segmenter.device
        facts = {
            'variant': self._segmenter.model.config.variant, 'device': device,
            'precision': self._segmenter.precision, 'runtime': self._segmenter.runtime,
            'preparing_engine': self._segmenter.is_preparing,
            'engine_preparation': self._segmenter.preparation,
            'gpu_memory_mb': gpu_memory_mb(device) or 0,
            'vocabulary_version': self._words.version, 'classes': len(self._words.labels.names),
            'unknown_words': shortened(self._words.unknown),
            'highest_class_id': self._words.labels.max_id,
            'fallbacks': self._segmenter.fallbacks or 'none',
            'failed_callbacks': getattr(self._node.executor, 'failures', 0)}
        is_active = self._is_active and self._parameters.enabled
        fell_back = self._parameters.device.startswith('cuda') and str(device) == 'cpu'
        statuses = []
        for name, stream in self._streams.items():
            silence = stream.silence() if is_active else ''
            stream.tell(silence)
            fault, depth_facts = self._depth_status(stream)
            statuses.append(stream.monitor.status(
                status_name(self._node, name), {**facts, **depth_facts}, self._frames.counts(name),
                is_active=is_active, fell_back=fell_back, silence=silence,
                transport_advice=stream.transport_advice,
                depth_fault=fault or self._space.fault))
        return statuses

    @staticmethod
    def _depth_status(stream: Stream) -> tuple[str, dict[str, Any]]:
        """Return why images of a camera have no depth, and the figures of pairing them."""
        if stream.depth is None:
            return '', {}
        fault = stream.depth.fault()
        stream.depth.faults.tell(stream.label, fault)
        return fault.text, stream.depth.facts()

    # Handed to the text thread: both only pass something on.

    def _hand_to_frames(self, words: EncodedWords) -> None:
        self._frames.run_between(functools.partial(self._processor.use_words, words))

    def _report_words(self, error: Exception) -> None:
        for stream in self._streams.values():
            stream.monitor.vocabulary_failed(error)
        self._node.get_logger().error(
            f'the vocabulary stays as it was, the new one cannot be used: {describe(error)}')
