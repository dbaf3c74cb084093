# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Segmenting one image of a data set and comparing the result with its truth."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
import time
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from eov_seg_core.io.coco import ids_to_rgb
from eov_seg_core.io.media import save_picture
from eov_seg_core.quality import compare, Comparison, PanopticMap, Segment
from eov_seg_core.results.result import PanopticResult
from eov_seg_core.results.semantic import KeepSemantic, SemanticOrder
from eov_seg_core.vocabulary import Vocabulary
from training.data.samples import PanopticData, PanopticSample, SemanticData, SemanticSample
from training.evaluation.instance_quality import Detection, encode_masks, TrueInstance
from training.evaluation.record import ImageRecord
from training.evaluation.semantic_quality import count_pairs, IGNORED

Data = PanopticData | SemanticData
Sample = PanopticSample | SemanticSample


class Predictor(Protocol):
    """What evaluation needs of `eov_seg_core.Segmenter`."""

    device: torch.device
    keep_semantic_argmax: KeepSemantic
    keep_instances: bool

    @property
    def model(self) -> nn.Module:
        """The network, whose calls are timed."""
        ...

    def set_vocabulary(self, vocabulary: Vocabulary,
                       training_names: Iterable[str] | None = None) -> None:
        """Use this vocabulary from the next image on."""
        ...

    def __call__(self, image_rgb: npt.NDArray[np.uint8], /) -> PanopticResult:
        """Segment one image."""
        ...


class BrokenImageError(ValueError):
    """An image or its truth cannot be used; the message names the file."""


@contextmanager
def image_evaluator(predictor: Predictor, data: Data, tasks: Collection[str], *,
                    training_names: Iterable[str] | None = None,
                    png_folder: Path | None = None) -> Iterator[ImageEvaluator]:
    """Lend a segmenter to an evaluator; its options are as before afterwards.

    Args:
        predictor: The segmenter; it keeps the vocabulary of the data.
        data: Images with their truth.
        tasks: `panoptic`, `semantic`, `instance`.
        training_names: Names that count as seen in training; None: the segmenter's.
        png_folder: Where to save id maps; None: nowhere.
    """
    options = predictor.keep_semantic_argmax, predictor.keep_instances
    predictor.set_vocabulary(data.vocabulary, training_names)
    # scores are resized after the sum where only semantic segmentation is wanted, as published
    wants_semantic = 'semantic' in tasks
    predictor.keep_semantic_argmax = \
        SemanticOrder.SCORES_FIRST if wants_semantic and len(tasks) == 1 else wants_semantic
    predictor.keep_instances = 'instance' in tasks
    stopwatch = _Stopwatch(predictor.device)
    hooks = [predictor.model.register_forward_pre_hook(stopwatch.start),
             predictor.model.register_forward_hook(stopwatch.stop)]
    try:
        yield ImageEvaluator(predictor, data, tasks, stopwatch, png_folder)
    finally:
        predictor.keep_semantic_argmax, predictor.keep_instances = options
        for hook in hooks:
            hook.remove()


class ImageEvaluator:
    """Segment images of a data set and compare them with their truth; see `image_evaluator`."""

    def __init__(self, predictor: Predictor, data: Data, tasks: Collection[str],
                 stopwatch: _Stopwatch, png_folder: Path | None) -> None:
        self._predictor = predictor
        self._data = data
        self._tasks = tasks
        self._stopwatch = stopwatch
        self._png_folder = png_folder
        self._is_first = True

    def __call__(self, index: int) -> ImageRecord:
        """Evaluate an image.

        Raises:
            BrokenImageError: It cannot be read, or its truth contradicts itself.
            OSError: The prediction cannot be saved.
        """
        clock = _Clock()
        with _errors_as_broken_image():
            sample = self._data[index]
            _check_size(sample)
            png = None if self._png_folder is None else self._png_folder / png_name(sample.name)
        clock.lap('read')
        result = self._predictor(sample.image_rgb)
        clock.lap('segment')
        with _errors_as_broken_image():
            record = self._compare(index, sample, result)
        clock.lap('score')
        if png is not None and 'panoptic' in self._tasks:
            png.parent.mkdir(parents=True, exist_ok=True)
            save_picture(png, ids_to_rgb(result.instance))
        clock.lap('save')
        network = self._stopwatch.take()
        seconds = clock.seconds | {
            'network': network, 'segment': clock.seconds['segment'] - network}
        is_first, self._is_first = self._is_first, False
        return replace(record, seconds=seconds, is_first=is_first)

    def _compare(self, index: int, sample: Sample, result: PanopticResult) -> ImageRecord:
        height, width = result.instance.shape
        record = ImageRecord(index, sample.name, (height, width), {}, False)
        if isinstance(sample, PanopticSample):
            record = replace(record, image_id=sample.image_id)
            # whatever is wanted: this is also what finds contradictions in the truth
            comparison = _compare_panoptic(sample, result, len(self._data.vocabulary))
            if 'panoptic' in self._tasks:
                record = replace(record, comparison=comparison, segments=result.to_coco(
                    self._data.vocabulary))
        if 'semantic' in self._tasks and result.semantic_argmax is not None:
            record = replace(record, pairs=count_pairs(
                _true_classes(sample), result.semantic_argmax, len(self._data.vocabulary)))
        if isinstance(sample, PanopticSample) and 'instance' in self._tasks:
            record = replace(
                record, detections=_detections(result),
                truth=_true_instances(sample, self._data.vocabulary.is_thing))
        return record


def png_name(name: str) -> PurePosixPath:
    """Return the path of the prediction for an image, relative to its folder.

    Raises:
        ValueError: The name would lead out of the folder.
    """
    path = PurePosixPath(name.replace('\\', '/'))
    if path.is_absolute() or '..' in path.parts or not path.stem:
        raise ValueError(f'{name!r} names no file below a folder, so its prediction cannot be '
                         'saved; rename the image in the JSON')
    return path.with_suffix('.png')


@contextmanager
def _errors_as_broken_image() -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise BrokenImageError(str(error)) from error


def _check_size(sample: Sample) -> None:
    truth = sample.ids if isinstance(sample, PanopticSample) else sample.classes
    if truth.shape != sample.image_rgb.shape[:2]:
        raise ValueError(f'the truth of {sample.name} has shape {truth.shape}, but the image '
                         f'{sample.image_rgb.shape[:2]}; both must be of one size')


def _compare_panoptic(sample: PanopticSample, result: PanopticResult, num_classes: int
                      ) -> Comparison:
    truth = [Segment(segment.id, segment.class_index + 1, segment.is_crowd)
             for segment in sample.segments]
    found = [Segment(segment.id, segment.class_id) for segment in result.segments]
    return compare(PanopticMap(sample.ids, truth, sample.name),
                   PanopticMap(result.instance, found, f'the prediction for {sample.name}'),
                   range(1, num_classes + 1))


def _true_classes(sample: Sample) -> npt.NDArray[np.int32]:
    """Return the class of every pixel; a few runs of equal ids are looked up, not all pixels."""
    if isinstance(sample, SemanticSample):
        return sample.classes
    class_of_id = {segment.id: segment.class_index for segment in sample.segments}
    flat = sample.ids.ravel()
    starts = np.flatnonzero(np.diff(flat, prepend=-1))
    classes = [class_of_id.get(segment_id, IGNORED) for segment_id in flat[starts].tolist()]
    lengths = np.diff(starts, append=flat.size)
    return np.repeat(np.array(classes, np.int32), lengths).reshape(sample.ids.shape)


def _true_instances(sample: PanopticSample, is_thing: Sequence[bool]) -> list[TrueInstance]:
    things = [segment for segment in sample.segments if is_thing[segment.class_index]]
    height, width = sample.ids.shape
    packed_NHB = np.empty((len(things), height, -(-width // 8)), np.uint8)
    for packed_HB, thing in zip(packed_NHB, things):
        packed_HB[:] = np.packbits(sample.ids == thing.id, axis=1)
    return [TrueInstance(thing.class_index, counts, thing.is_crowd)
            for thing, counts in zip(things, encode_masks(packed_NHB, width))]


def _detections(result: PanopticResult) -> list[Detection]:
    found = result.instances
    if found is None:
        return []
    counts = encode_masks(found.packed_masks, found.size[1])
    rows = np.searchsorted(np.unique(found.queries), found.queries)
    return [Detection(class_index, counts[row], score) for class_index, row, score in zip(
        found.class_indices.tolist(), rows.tolist(), found.scores.tolist())]


class _Clock:
    """Times of the parts of the work on one image."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._start = time.perf_counter()

    def lap(self, part: str) -> None:
        now = time.perf_counter()
        self.seconds[part] = now - self._start
        self._start = now


class _Stopwatch:
    """The time that a network takes, from hooks on it."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._start = self._seconds = 0.0

    def start(self, *_: object) -> None:
        self._start = self._now()

    def stop(self, *_: object) -> None:
        self._seconds += self._now() - self._start

    def take(self) -> float:
        """Return the seconds since this was last asked."""
        seconds, self._seconds = self._seconds, 0.0
        return seconds

    def _now(self) -> float:
        if self._device.type == 'cuda':
            torch.cuda.synchronize(self._device)
        return time.perf_counter()
