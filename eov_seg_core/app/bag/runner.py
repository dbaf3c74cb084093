# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A model that is loaded once, and the recordings that it labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from eov_seg_core.app.commands import ModelOptions
from eov_seg_core.app.settings import build_labeller
from eov_seg_core.recordings.dataset import DataSet
from eov_seg_core.recordings.files.opening import open_recording
from eov_seg_core.recordings.labelling import BagLabeller
from eov_seg_core.recordings.options import LabelOptions
from eov_seg_core.recordings.source import Source
from eov_seg_core.vocabulary import Vocabulary


@dataclass(frozen=True, kw_only=True)
class BagJob:
    """What `eov-seg bag` is to do.

    Attributes:
        inputs: Bags: folders, .mcap or .db3 files.
        output: Folder of the labelled bags.
        vocabulary: The names to look for.
        model: What to segment with.
        labels: How the recordings are labelled.
        image_topics: Raw or compressed images; none: the only such topic, beside depth.
        coco: Folder of a data set that gets the images which `labels.pictures` says.
        instances: Write COCO instances files of the data set as well.
        shard: (i, n): do what is the i-th of n processes' share, counted from 0.
        is_strict: The first frame or recording that cannot be used ends the run.
        max_error_rate: More failed frames than this part of a recording, 0..1, are too many.
        workers: Of Ray; None: no Ray; 0: one for each GPU of the cluster, one without GPUs.
    """

    inputs: Sequence[str]
    output: str
    vocabulary: Vocabulary
    model: ModelOptions
    labels: LabelOptions
    image_topics: Sequence[str] = ()
    coco: str | None = None
    instances: bool = False
    shard: tuple[int, int] = (0, 1)
    is_strict: bool = False
    max_error_rate: float = 0.01
    workers: int | None = None


class JobRunner:
    """The model of a job, ready to label.

    Args:
        job: What to do.

    Raises:
        ValueError: An option is wrong, or weights or vocabulary cannot be used.
    """

    def __init__(self, job: BagJob) -> None:
        self._job = job
        self._segmenter, self._settings = build_labeller(job.model)
        self._segmenter.set_vocabulary(job.vocabulary)
        self._data_set = data_set_of(job)

    @contextmanager
    def opened(self, path: Path) -> Iterator[BagLabeller]:
        """Open a recording, to label it.

        Raises:
            ValueError: It cannot be used, or the output holds something else.
            OSError: It cannot be read, or the output not be written.
        """
        with open_recording(path) as recording:
            source = Source(recording, self._job.image_topics, self._job.labels.copy)
            yield BagLabeller(source, output_of(self._job, path), self._segmenter,
                              self._job.labels, self._settings, self._data_set, self._job.shard,
                              self._job.is_strict)


def absolute(job: BagJob) -> BagJob:
    """Return the same job for processes with another working directory."""
    return replace(job, output=str(Path(job.output).resolve()),
                   coco=None if job.coco is None else str(Path(job.coco).resolve()))


def data_set_of(job: BagJob) -> DataSet | None:
    """Return the data set of a job, if it has one."""
    return None if job.coco is None else DataSet(Path(job.coco), job.vocabulary)


def output_of(job: BagJob, path: Path) -> Path:
    """Return the folder for the labels of a recording."""
    return Path(job.output) / name_of(path)


def name_of(path: Path) -> str:
    """Return the name of a recording; only a file has an ending that is left out."""
    path = path.resolve()
    return path.name if path.is_dir() else path.stem
