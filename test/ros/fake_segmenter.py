# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A segmenter that is quick and whose results can be foretold; run as a script it is a node.

    python test/ros/fake_segmenter.py [delay_s] --ros-args ...
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import sys
import time
from types import SimpleNamespace

import numpy as np

from eov_seg_core.inference.options import Superseded
from eov_seg_core.results.result import PanopticResult, Segment
from eov_seg_core.vocabulary import Vocabulary

POISON = (1, 2, 3)
"""Colour of the first pixel of an image on which the model fails."""
TOO_LARGE = (4, 5, 6)
"""The same for an image on which the GPU's memory runs out."""


@dataclass(frozen=True)
class Prepared:
    vocabulary: Vocabulary


class FakeSegmenter:
    """Paints the classes as vertical strips, in the vocabulary's order, eight at most.

    Args:
        delay_s: How long a frame takes.
        encode_delay_s: How long a vocabulary takes.
    """

    def __init__(self, delay_s: float = 0.0, encode_delay_s: float = 0.0) -> None:
        self.device = 'cpu'
        self.precision = 'fp32'
        self.runtime, self.is_preparing, self.preparation = 'torch 2.14', False, ''
        self.model = SimpleNamespace(config=SimpleNamespace(variant='t'), weights_digest='f' * 64)
        self.fallbacks = {}
        self.calls = 0
        self.batches = []
        self.warm_ups = []
        self.encodings = 0
        self.given_up = 0
        self.thresholds = []
        self._delay_s = delay_s
        self.encode_delay_s = encode_delay_s
        self._vocabulary = None

    def prepare_vocabulary(self, vocabulary: Vocabulary,
                           is_wanted: Callable[[], bool] = lambda: True) -> Prepared:
        self.encodings += 1
        deadline_s = time.monotonic() + self.encode_delay_s
        while time.monotonic() < deadline_s:
            if not is_wanted():
                self.given_up += 1
                raise Superseded
            time.sleep(0.01)
        if 'cannot be encoded' in vocabulary.names:
            raise RuntimeError('the fake tower refuses')
        return Prepared(vocabulary)

    def unknown_words(self, vocabulary: Vocabulary) -> tuple[str, ...]:
        return tuple(name for name in vocabulary.synonyms if name.startswith('glorp'))

    def use_vocabulary(self, prepared: Prepared) -> None:
        self._vocabulary = prepared.vocabulary

    def warm_up(self, height: int, width: int, *, wait: bool = True) -> None:
        self.warm_ups.append((height, width))
        self(np.zeros((height, width, 3), np.uint8))

    def __call__(self, image: np.ndarray | list[np.ndarray],
                 **thresholds: float) -> PanopticResult | list[PanopticResult]:
        if isinstance(image, list):
            self.batches.append(len(image))
            return [self(entry, **thresholds) for entry in image]
        self.thresholds.append(thresholds)
        if tuple(image[0, 0]) == POISON:
            raise RuntimeError('the fake model fails on this image')
        if tuple(image[0, 0]) == TOO_LARGE:
            import torch
            raise torch.cuda.OutOfMemoryError('CUDA out of memory. Tried to allocate 2 GiB')
        vocabulary = self._vocabulary
        self.calls += 1
        time.sleep(self._delay_s)
        height, width = image.shape[:2]
        instance = np.zeros((height, width), np.int32)
        segments = []
        # The last strip stays unlabeled.
        edges = np.linspace(0, width, min(len(vocabulary), 8) + 2).astype(int)
        for index, (left, right) in enumerate(zip(edges[:-2], edges[1:-1])):
            if left == right:
                continue
            number = len(segments) + 1
            instance[:, left:right] = number
            segments.append(Segment(
                number, index + 1, vocabulary.names[index], vocabulary.is_thing[index],
                0.5 + index / 100, int(height * (right - left)),
                (int(left), 0, int(right), height)))
        return PanopticResult(instance, segments)


if __name__ == '__main__':
    from eov_seg_ros.process.run import end_process
    from eov_seg_ros.segment_node import run

    delay_s = float(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1] != '--ros-args' else 0.0
    end_process(run(segmenter_factory=lambda parameters: FakeSegmenter(delay_s)))
