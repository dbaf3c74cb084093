# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluating in several processes, each with a segmenter of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
import multiprocessing
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
import signal

import torch

from training.evaluation.dataset import evaluate_images, Outcome
from training.evaluation.image import Data, image_evaluator, Predictor


@dataclass(frozen=True)
class Work:
    """What each process does; everything in it can be pickled.

    Attributes:
        setup: Rank of the process -> its segmenter and data.
        tasks: As `choose_tasks` returned them.
        training_names: Names that count as seen in training; None: the segmenter's.
        png_folder: Where to save id maps; None: nowhere.
        threads: PyTorch's threads in each process; None: as many as PyTorch likes.
    """

    setup: Callable[[int], tuple[Predictor, Data]]
    tasks: tuple[str, ...]
    training_names: tuple[str, ...] | None
    png_folder: Path | None
    threads: int | None


@dataclass(frozen=True)
class _Failure:
    """Why a process gave up."""

    message: str


def evaluate_in_processes(work: Work, indices: Sequence[int], processes: int
                          ) -> Iterator[Outcome]:
    """Evaluate images in several processes; process r takes every n-th image from the r-th on.

    Raises:
        RuntimeError: A process gave up or was killed.
    """
    context = multiprocessing.get_context('spawn')
    workers: dict[Connection, SpawnProcess] = {}
    try:
        for rank in range(min(processes, len(indices))):
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(
                target=_run, args=(work, rank, indices[rank::processes], sender), daemon=True)
            process.start()
            sender.close()      # so that the end of the process ends the pipe
            workers[receiver] = process
        yield from _outcomes(dict(workers))
    finally:
        for process in workers.values():
            process.terminate()
            process.join()


def _outcomes(running: dict[Connection, SpawnProcess]) -> Iterator[Outcome]:
    while running:
        ready = set(wait(list(running)))
        for receiver in [connection for connection in running if connection in ready]:
            try:
                message = receiver.recv()
            except EOFError:
                process = running.pop(receiver)
                process.join()
                if process.exitcode != 0:
                    raise RuntimeError(
                        f'an evaluating process ended with status {process.exitcode}; a negative '
                        'one is the signal that killed it, -9 as a rule for want of memory: try '
                        'fewer processes') from None
                continue
            if isinstance(message, _Failure):
                raise RuntimeError(message.message)
            yield message


def _run(work: Work, rank: int, indices: Sequence[int], sender: Connection) -> None:
    """Evaluate images in a process of its own and send what comes of them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)    # the first process ends the others
    if work.threads is not None:
        torch.set_num_threads(work.threads)
    try:
        predictor, data = work.setup(rank)
        with image_evaluator(predictor, data, work.tasks, training_names=work.training_names,
                             png_folder=work.png_folder) as evaluator:
            for outcome in evaluate_images(evaluator, indices):
                sender.send(outcome)
    except BrokenPipeError:     # the first process is gone
        return
    except (OSError, RuntimeError, ValueError) as error:
        sender.send(_Failure(str(error)))
