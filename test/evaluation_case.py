# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the tests of evaluation share: data in memory, and segmenters that know the truth."""

from __future__ import annotations

import sys
import time
import zlib

import numpy as np
import torch
from torch import nn

from eov_seg_core import Segment, Vocabulary
from eov_seg_core.results.result import Instances, PanopticResult
from training.data.samples import PanopticSample, SegmentLabel, SemanticSample
from training.evaluation.dataset import evaluate
from training.evaluation.folder import RunFolder

CAT, DOG, SKY, LAWN = range(4)
VOCABULARY = Vocabulary(things=['cat', 'dog'], stuff=['sky', 'lawn'])


class Data(list):
    """A data set in memory; an exception among its samples is raised when it is read."""

    vocabulary = VOCABULARY

    def __getitem__(self, index):
        sample = super().__getitem__(index)
        if isinstance(sample, Exception):
            raise sample
        return sample


def sample(name, ids, *segments):
    """Make a sample; the image has a colour of its own for each name, so that fakes know it."""
    ids = np.array(ids, np.int32)
    rgb = np.zeros((*ids.shape, 3), np.uint8)
    rgb[:] = list(zlib.crc32(name.encode()).to_bytes(4, 'big')[1:])
    return PanopticSample(name, rgb, ids, tuple(SegmentLabel(*segment) for segment in segments))


def cat_below_sky(name='000.jpg'):
    return sample(name, [[70000, 70000, 70000, 70000], [70000, 5, 5, 0]], (70000, SKY), (5, CAT))


def many(count):
    """Make images whose truth differs from one to the next."""
    result = Data()
    for index in range(count):
        ids = np.full((6, 8), 3)
        ids[: 1 + index % 5, :4] = 9
        result.append(sample(f'{index:03}.jpg', ids, (3, SKY), (9, (CAT, DOG)[index % 2])))
    return result


def as_semantic(data):
    """Return what the truth says of classes alone."""
    result = Data()
    for item in data:
        classes = np.full(item.ids.shape, -1, np.int32)
        for segment in item.segments:
            classes[item.ids == segment.id] = segment.class_index
        result.append(SemanticSample(item.name, item.image_rgb, classes))
    return result


class Fake:
    """A segmenter that finds the truth, with classes replaced by others, if they exist.

    Args:
        data: Panoptic data.
        replace: Class index -> class index that is said in its place.
        pause_s: How long the network takes.
    """

    def __init__(self, data, replace=None, pause_s=0.0):
        self.device = torch.device('cpu')
        self.keep_semantic_argmax = self.keep_instances = False
        self.model = nn.Identity()
        self.calls = 0
        self.options = set()
        self.vocabulary = None
        self._truth = {item.image_rgb.tobytes(): item for item in list.__iter__(data)
                       if not isinstance(item, Exception)}
        self._replace = replace or {}
        self._pause_s = pause_s

    def set_vocabulary(self, vocabulary, training_names=None):
        self.vocabulary, self.training_names = vocabulary, training_names

    def __call__(self, image_rgb):
        self.calls += 1
        self.options.add((self.keep_semantic_argmax, self.keep_instances))
        time.sleep(self._pause_s)
        self.model(torch.zeros(1))
        item = self._truth[image_rgb.tobytes()]
        labels = [label for label in item.segments if label.class_index < len(VOCABULARY)]
        said = [self._replace.get(label.class_index, label.class_index) for label in labels]
        instance, argmax = np.zeros(item.ids.shape, np.int32), np.zeros(item.ids.shape, np.int32)
        segments = []
        for number, (label, index) in enumerate(zip(labels, said), start=1):
            mask = item.ids == label.id
            instance[mask], argmax[mask] = number, index
            category = self.vocabulary.categories[index]
            segments.append(Segment(number, index + 1, category.name, category.is_thing, 0.5,
                                    int(mask.sum()), (0, 0, 1, 1)))
        result = PanopticResult(instance, segments)
        if self.keep_semantic_argmax:
            result.semantic_argmax = argmax
        if self.keep_instances:
            result.instances = self._instances(item, said)
        return result

    def _instances(self, item, said):
        things = [query for query, index in enumerate(said) if VOCABULARY.is_thing[index]]
        masks = np.array([item.ids == item.segments[query].id for query in things], np.bool_)
        masks = masks.reshape(len(things), *item.ids.shape)
        return Instances(np.full(len(things), 0.9, np.float32),
                         np.array([said[query] for query in things], np.int64),
                         np.array(things, np.int64), item.ids.shape, np.packbits(masks, axis=2))


def setup(rank, replace=None, count=7, fail=None):
    """Give a process of `evaluate_in_processes` its fake and its data."""
    if fail == 'exit':
        sys.exit(3)
    if fail is not None:
        raise ValueError(fail)
    data = many(count)
    return Fake(data, replace), data


def figures(scores):
    """Return all that must not depend on how a result came about."""
    return {key: value for key, value in scores.to_json().items()
            if key not in ('frame_rate', 'milliseconds')}


if __name__ == '__main__':  # a slow evaluation, to be killed
    slow = many(int(sys.argv[2]))
    evaluate(Fake(slow, {DOG: CAT}, pause_s=0.1), slow, folder=RunFolder(sys.argv[1], {'run': 1}))
