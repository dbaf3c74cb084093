# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluating a segmenter on a data set, image by image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from tqdm import tqdm

from training.data.samples import PanopticSample
from training.evaluation.folder import RunFolder
from training.evaluation.image import (
    BrokenImageError,
    Data,
    image_evaluator,
    ImageEvaluator,
    Predictor,
)
from training.evaluation.record import ImageRecord
from training.evaluation.scores import score, Scores

TASKS = ('panoptic', 'semantic', 'instance')


@dataclass(frozen=True)
class BrokenImage:
    """An image that cannot be evaluated.

    Attributes:
        index: In the data set.
        message: What is wrong, with the file's name.
    """

    index: int
    message: str


Outcome = ImageRecord | BrokenImage


def choose_tasks(data: Data, wanted: Iterable[str] | None = None) -> tuple[str, ...]:
    """Return the tasks to evaluate, in their usual order.

    Args:
        data: What to evaluate on.
        wanted: Names of tasks; None: all for which the data set has a truth.

    Raises:
        ValueError: A name is unknown, there is none, or the data set cannot answer.
    """
    possible = TASKS if _has_segments(data) else ('semantic',)
    if wanted is None:
        return possible
    wanted = set(wanted)
    unknown = sorted(wanted - set(TASKS))
    if unknown or not wanted:
        raise ValueError(f'tasks are {", ".join(unknown) or "none"}; choose from '
                         f'{", ".join(TASKS)}')
    impossible = [task for task in TASKS if task in wanted and task not in possible]
    if impossible:
        raise ValueError(f'this data set says only which class a pixel has, so {impossible[0]} '
                         'quality cannot be measured; leave --tasks out or choose semantic')
    return tuple(task for task in TASKS if task in wanted)


def _has_segments(data: Data) -> bool:
    """Ask the first image that can be read; the others are reported when it is their turn."""
    for index in range(len(data)):
        try:
            return isinstance(data[index], PanopticSample)
        except (OSError, ValueError):
            continue
    return True


def evaluate(predictor: Predictor, data: Data, tasks: Iterable[str] | None = None, *,
             limit: int | None = None, skip_broken: bool = False,
             training_names: Iterable[str] | None = None,
             folder: RunFolder | None = None) -> Scores:
    """Evaluate a segmenter on a data set in this process.

    Args:
        predictor: A `Segmenter`; it keeps the vocabulary of the data.
        data: Images with their truth.
        tasks: Some of `panoptic`, `semantic`, `instance`; None: all for which there is a truth.
        limit: Only so many images, the first ones; None: all.
        skip_broken: Leave out images that cannot be used, and count them.
        training_names: Names that count as seen in training; None: the segmenter's.
        folder: Where to save predictions and go on from; None: nowhere.

    Raises:
        ValueError: A task cannot be measured here, or an image cannot be used.
        OSError: Something cannot be saved.
    """
    tasks = choose_tasks(data, tasks)
    with image_evaluator(predictor, data, tasks, training_names=training_names,
                         png_folder=None if folder is None else folder.png_folder) as evaluator:
        return collect_scores(lambda indices: evaluate_images(evaluator, indices), data, tasks,
                              limit=limit, skip_broken=skip_broken, folder=folder)


def evaluate_images(evaluator: ImageEvaluator, indices: Iterable[int]) -> Iterator[Outcome]:
    """Yield what comes of each image."""
    for index in indices:
        try:
            yield evaluator(index)
        except BrokenImageError as error:
            yield BrokenImage(index, str(error))


def collect_scores(evaluate_these: Callable[[Sequence[int]], Iterator[Outcome]], data: Data,
                   tasks: Sequence[str], *, limit: int | None = None, skip_broken: bool = False,
                   folder: RunFolder | None = None) -> Scores:
    """Evaluate the images that have no record yet, under a progress bar, and compute the figures.

    Args:
        evaluate_these: Evaluates the images of these indices, in any order.
        data: What they are images of.
        tasks: As `choose_tasks` returned them.
        limit: As for `evaluate`.
        skip_broken: As for `evaluate`.
        folder: As for `evaluate`.

    Raises:
        BrokenImageError: An image cannot be used.
        OSError: Something cannot be saved.
    """
    indices = range(len(data) if limit is None else min(limit, len(data)))
    records = {} if folder is None else folder.records(indices)
    broken: list[BrokenImage] = []
    todo = [index for index in indices if index not in records]
    with tqdm(total=len(indices), initial=len(records), unit='image', disable=None) as progress:
        for outcome in evaluate_these(todo):
            progress.update()
            if isinstance(outcome, ImageRecord):
                records[outcome.index] = outcome
                if folder is not None:
                    folder.append(outcome)
            elif skip_broken:
                broken.append(outcome)
            else:
                raise BrokenImageError(f'{outcome.message} (image {outcome.index} of '
                                       f'{len(indices)}; skipping broken images would count it '
                                       'and go on)')
    broken.sort(key=lambda image: image.index)
    scores = score(list(records.values()), data.vocabulary, tasks,
                   [image.message for image in broken])
    if folder is not None:
        folder.save(scores, list(records.values()))
    return scores
