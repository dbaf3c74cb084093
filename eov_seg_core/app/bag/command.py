# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What `eov-seg bag` does: one model, many recordings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tqdm import tqdm

from eov_seg_core.app.bag.library import require_ray
from eov_seg_core.app.bag.runner import (
    absolute,
    BagJob,
    data_set_of,
    JobRunner,
    name_of,
    output_of,
)
from eov_seg_core.io.coco import write_instances
from eov_seg_core.io.text import counted, sentence
from eov_seg_core.parts.work import WorkReport


def label_bags(job: BagJob, report_problem: Callable[[str], None],
               report_note: Callable[[str], None], say: Callable[[str], None]) -> int:
    """Label recordings; go on with what is there.

    Args:
        job: What to do.
        report_problem: Called with a sentence for each recording that cannot be used, and for each
            kind of frame that failed.
        report_note: Called with a sentence on each recording that was used though something is
            wrong with it.
        say: Called with a line on each recording that was.

    Returns:
        0; 1 if a recording or a frame could not be used; 3 if too many frames could not.

    Raises:
        ValueError: An option is wrong, or weights or vocabulary cannot be used.
        RuntimeError: A library is missing.
    """
    names = Counter(name_of(Path(path)) for path in job.inputs)
    equal = sorted(name for name, count in names.items() if count > 1)
    if equal:
        raise ValueError(f'several recordings are called {", ".join(equal)}, and would share a '
                         'folder; label them one by one, with folders of their own')
    if job.workers is None:
        reports = _label_here(job, report_problem)
    else:
        require_ray()
        from eov_seg_core.app.bag.ray_engine import label_with_ray
        reports = label_with_ray(
            partial(JobRunner, absolute(job)),
            {path: path.resolve() for path in map(Path, job.inputs)}, job.workers,
            report_problem, on_cpu=job.model.device == 'cpu')
    status = 0
    for path, report in reports.items():
        if report is None:
            status = max(status, 1)
            continue
        for note in report.notes:
            report_note(note)
        status = max(status, _tell(path, report, job, report_problem, say))
    data_set = data_set_of(job)
    if data_set is not None:
        say(f'{data_set.directory}: {counted(data_set.merge(), "picture")}')
        if job.instances:
            write_instances(data_set.directory)
    return status


def _label_here(job: BagJob, report_problem: Callable[[str], None]
                ) -> dict[Path, WorkReport | None]:
    """Label in this process; None for a recording that cannot be used."""
    runner = JobRunner(job)
    reports: dict[Path, WorkReport | None] = {}
    for path in map(Path, job.inputs):
        reports[path] = None
        try:
            with runner.opened(path) as labeller, tqdm(
                    total=labeller.frames, unit='frame', disable=None) as bar:
                reports[path] = labeller.run(bar.update, report_problem)
        except (ValueError, OSError) as error:
            report_problem(sentence(error))
            if job.is_strict:
                break
    return reports


def _tell(path: Path, report: WorkReport, job: BagJob, report_problem: Callable[[str], None],
          say: Callable[[str], None]) -> int:
    """Say what came of a recording, and return the exit status."""
    rest = (f'; {counted(report.missing_parts, "part")} left to other processes'
            if report.missing_parts else '')
    say(f'{output_of(job, path)}: {counted(report.frames, "frame")} = {report.done} done + '
        f'{report.failed} failed + {report.skipped} skipped ({report.new} done now){rest}')
    if report.failed > job.max_error_rate * report.frames:
        report_problem(f'{path}: {report.failed} of {counted(report.frames, "frame")} failed, '
                       f'more than the share of {job.max_error_rate:g} that --max-error-rate '
                       'allows')
        return 3
    return 1 if report.failed else 0
