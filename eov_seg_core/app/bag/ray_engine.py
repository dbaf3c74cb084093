# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Images labelled by the workers of a Ray cluster.

Ray places workers and hands out the names of parts; images and labels never pass through it.  A
worker loads the model once, writes its parts itself, and turns every error into a line.  When one
is killed, Ray starts another, and the part is made again from its beginning; its lock went with
the process.  What is done is known from the manifests, as without Ray.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
import os
from pathlib import Path
from typing import Any, Protocol

import ray
from tqdm import tqdm

from eov_seg_core.io.text import sentence
from eov_seg_core.parts.work import PartWork, WorkReport

_OPEN, _FINISH = -1, -2


class Runner(Protocol):
    """A model that is loaded, in a process of Ray's."""

    def opened(self, path: Path) -> AbstractContextManager[PartWork]:
        """Open what is to be labelled."""


@dataclass
class _Answer:
    """What a worker says of a task; `value` is a number of parts, of frames, or a report."""

    value: Any = None
    problems: list[str] = field(default_factory=list)


class _Worker:
    """Labels parts in a process of Ray's."""

    def __init__(self, make_runner: Callable[[], Runner]) -> None:
        self._runner = make_runner()
        self._path: Path | None = None
        self._stack = ExitStack()
        self._labeller: PartWork | None = None

    def ready(self) -> None:
        """Do nothing; Ray calls it when the model is loaded."""

    def work(self, path: Path, task: int) -> _Answer:
        """Make a part of a recording, or tell their number, or finish it; never raises."""
        answer = _Answer()
        try:
            labeller = self._opened(path)
            if task == _OPEN:
                answer.value = labeller.shares
            elif task == _FINISH:
                answer.value = labeller.finish()
            else:
                answer.value = labeller.label(
                    task, lambda count: None, answer.problems.append)
        except Exception as error:  # noqa: BLE001  an error must not end the run of all others
            answer.problems.append(sentence(error))
        return answer

    def _opened(self, path: Path) -> PartWork:
        if self._labeller is None or path != self._path:
            self._stack.close()
            self._path = None
            self._labeller = self._stack.enter_context(self._runner.opened(path))
            self._path = path
        return self._labeller


def label_with_ray(make_runner: Callable[[], Runner], paths: Mapping[Path, Path], workers: int,
                   report_problem: Callable[[str], None], *, on_cpu: bool
                   ) -> dict[Path, WorkReport | None]:
    """Label on the cluster of RAY_ADDRESS, or on one that is started here.

    Args:
        make_runner: Called in each worker; all machines must see the folders under the same names.
        paths: What is to be labelled, as given -> its absolute path.
        workers: Their number; 0: one for each GPU of the cluster, one without GPUs.
        report_problem: Called with a sentence for each thing that went wrong.
        on_cpu: Without GPUs, even if there are some.

    Returns:
        What came of each path; None if it cannot be used.

    Raises:
        RuntimeError: No worker could load the model.
    """
    ray.init(address=os.environ.get('RAY_ADDRESS', 'local'), log_to_driver=False,
             include_dashboard=False if 'RAY_ADDRESS' not in os.environ else None)
    try:
        return _Driver(make_runner, paths, workers, report_problem, on_cpu).run()
    finally:
        ray.shutdown()


class _Driver:
    """Hands tasks to workers that are free."""

    def __init__(self, make_runner: Callable[[], Runner], paths: Mapping[Path, Path],
                 workers: int, report_problem: Callable[[str], None], on_cpu: bool) -> None:
        self._report_problem = report_problem
        self._paths = paths
        gpus = int(ray.cluster_resources().get('GPU', 0))  # type: ignore[no-untyped-call]
        has_gpu = gpus > 0 and not on_cpu
        worker = ray.remote(_Worker).options(
            max_restarts=-1, max_task_retries=-1, num_cpus=1, num_gpus=1 if has_gpu else 0)
        started: list[Any] = [worker.remote(make_runner)
                              for _ in range(workers or (gpus if has_gpu else 1))]
        self._starting: dict[Any, Any] = {one.ready.remote(): one for one in started}
        self._free: list[Any] = []

    def run(self) -> dict[Path, WorkReport | None]:
        """Label all."""
        parts = self._all([(path, _OPEN) for path in self._paths.values()])
        usable = {path for path, _ in parts if parts[path, _OPEN].value is not None}
        made = self._all([(path, index) for path in self._paths.values() if path in usable
                          for index in range(parts[path, _OPEN].value)])
        finished = self._all([(path, _FINISH) for path in usable])
        reports: dict[Path, WorkReport | None] = {}
        for given, path in self._paths.items():
            report = finished[path, _FINISH].value if path in usable else None
            if report is not None:
                report.new = sum(answer.value or 0 for (where, _), answer in made.items()
                                 if where == path)
            reports[given] = report
        return reports

    def _all(self, tasks: list[tuple[Path, int]]) -> dict[tuple[Path, int], _Answer]:
        """Have tasks done, and tell what went wrong.

        Only workers that are ready get one: those for which the cluster has no place never are.
        """
        answers: dict[tuple[Path, int], _Answer] = {}
        waiting = tasks[::-1]
        running: dict[Any, tuple[Any, tuple[Path, int]]] = {}
        with tqdm(total=len(tasks), unit='part', disable=None) as bar:
            while waiting or running:
                while waiting and self._free:
                    worker, task = self._free.pop(), waiting.pop()
                    running[worker.work.remote(*task)] = worker, task
                (done, *_), _ = ray.wait([*running, *self._starting])
                if done in self._starting:
                    _value_of(done)
                    self._free.append(self._starting.pop(done))
                    continue
                worker, task = running.pop(done)
                answers[task] = self._answer(_value_of(done), task)
                self._free.append(worker)
                bar.update()
        return answers

    def _answer(self, answer: _Answer, task: tuple[Path, int]) -> _Answer:
        for problem in answer.problems:
            self._report_problem(f'{task[0]}: {problem}' if task[1] < 0 else problem)
        return answer


def _value_of(reference: Any) -> Any:
    """Return what a worker has done.

    Raises:
        RuntimeError: It could not load the model.
    """
    try:
        return ray.get(reference)
    except ray.exceptions.RayActorError as error:
        cause = str(error).strip().splitlines()[-1]
        raise RuntimeError(f'the workers of Ray cannot start: {cause}') from error
