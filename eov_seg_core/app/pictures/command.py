# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What `eov-seg segment --parts` does: one model, as many pictures as there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
import os
from pathlib import Path

from tqdm import tqdm

from eov_seg_core.app.bag.library import require_ray
from eov_seg_core.app.commands import ModelOptions
from eov_seg_core.app.settings import build_labeller
from eov_seg_core.io.media import find_media, is_live
from eov_seg_core.io.text import counted
from eov_seg_core.parts.work import WorkReport
from eov_seg_core.pictures.labelling import PictureLabeller
from eov_seg_core.pictures.listing import read_list
from eov_seg_core.pictures.options import PictureOptions
from eov_seg_core.vocabulary import Vocabulary


@dataclass(frozen=True, kw_only=True)
class PicturesJob:
    """What `eov-seg segment --parts` is to do.

    Attributes:
        inputs: Images and folders.
        list_file: Names further images; None: there is none.
        folder: From which its paths are found.
        output: Folder of the results.
        vocabulary: The names to look for.
        model: What to segment with.
        labels: How the pictures are labelled.
        instances: Write COCO instances files as well.
        shard: (i, n): do what is the i-th of n processes' share, counted from 0.
        workers: Of Ray; None: no Ray; 0: one for each GPU of the cluster, one without GPUs.
    """

    inputs: Sequence[str]
    list_file: str | None
    folder: str
    output: str
    vocabulary: Vocabulary
    model: ModelOptions
    labels: PictureOptions
    instances: bool = False
    shard: tuple[int, int] = (0, 1)
    workers: int | None = None


class PictureRunner:
    """The model of a job, ready to label.

    Args:
        job: What to do.

    Raises:
        ValueError: An option is wrong, or weights or vocabulary cannot be used.
    """

    def __init__(self, job: PicturesJob) -> None:
        self._job = job
        self._segmenter, self._settings = build_labeller(job.model)
        self._segmenter.set_vocabulary(job.vocabulary)

    @contextmanager
    def opened(self, path: Path) -> Iterator[PictureLabeller]:
        """Open the list of pictures, to label them.

        Args:
            path: Of the output.

        Raises:
            ValueError: The output holds something else.
            OSError: The list cannot be read, or the output not be written.
        """
        job = self._job
        yield PictureLabeller(
            self._paths, path, self._segmenter, job.labels, self._settings,
            job.shard, instances=job.instances)

    def _paths(self) -> Iterator[str]:
        yield from find_media(self._job.inputs)[0]
        if self._job.list_file is not None:
            for path in read_list(self._job.list_file):
                yield os.path.join(self._job.folder, path)


def label_pictures(job: PicturesJob, report_problem: Callable[[str], None],
                   say: Callable[[str], None]) -> int:
    """Label pictures; go on with what is there.

    Args:
        job: What to do.
        report_problem: Called with a sentence for each input that cannot be used, and for each
            picture that failed.
        say: Called with a line on what has come of it.

    Returns:
        0; 1 if an input or a picture could not be used.

    Raises:
        ValueError: An option is wrong, weights or vocabulary cannot be used, or the folder holds
            something else.
        RuntimeError: A library is missing.
        OSError: The list cannot be read, or the output not be written.
    """
    job = _absolute(job)
    _refuse_results(job)
    live = [entry for entry in job.inputs if is_live(entry)]
    if live:
        raise ValueError(f'{live[0]} is a camera or a stream, which has no parts; leave out '
                         '--parts')
    problems = [problem for entry in job.inputs for problem in _problems(entry)]
    for problem in problems:
        report_problem(problem)
    if len(problems) == len(job.inputs) and job.list_file is None:
        return 1
    report = _label_here(job, report_problem) if job.workers is None else _label_with_ray(
        job, report_problem)
    if report is None:
        return 1
    rest = (f'; {counted(report.missing_parts, "part")} left to other processes'
            if report.missing_parts else '')
    say(f'{job.output}: {counted(report.frames, "picture")} = {report.done} done + '
        f'{report.failed} failed + {report.skipped} skipped ({report.new} done now){rest}')
    if report.skipped:
        report_problem(f'{counted(report.skipped, "video")} skipped; segment videos without '
                       '--parts')
    return 1 if problems or report.failed else 0


def _refuse_results(job: PicturesJob) -> None:
    """Raise ValueError if an input lies where results are written."""
    for entry in job.inputs:
        # not Path.resolve, which raises on links that go round in circles
        path = Path(os.path.realpath(entry))
        if any(path.is_relative_to(os.path.realpath(os.path.join(job.output, kind)))
               for kind in ('overlay', 'panoptic')):
            raise ValueError(f'{entry} lies in the folder of results {job.output}; choose another '
                             'folder with --output')


def _problems(entry: str) -> list[str]:
    return [] if os.path.isfile(entry) else find_media([entry])[1]


def _label_here(job: PicturesJob, report_problem: Callable[[str], None]) -> WorkReport:
    with PictureRunner(job).opened(Path(job.output)) as labeller, tqdm(
            total=labeller.frames, unit='picture', disable=None) as bar:
        return labeller.run(bar.update, report_problem)


def _label_with_ray(job: PicturesJob, report_problem: Callable[[str], None]
                    ) -> WorkReport | None:
    require_ray()
    from eov_seg_core.app.bag.ray_engine import label_with_ray
    output = Path(job.output)
    return label_with_ray(partial(PictureRunner, job), {output: output}, job.workers or 0,
                          report_problem, on_cpu=job.model.device == 'cpu')[output]


def _absolute(job: PicturesJob) -> PicturesJob:
    """Return the same job for processes with another working directory."""
    return replace(job, output=os.path.abspath(job.output),
                   inputs=[entry if not entry or is_live(entry) else os.path.abspath(entry)
                           for entry in job.inputs],
                   list_file=None if job.list_file is None else os.path.abspath(job.list_file))
