# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Long work that is cut into parts, which survive whatever ends the process.

Each part becomes files of its own and then a manifest, which says that it is complete; a part
without manifest is made again.  Processes that share the work hold a lock on the part they make;
the kernel lets go of it when a process ends, even by kill -9.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
import shutil
from typing import Any
import zlib

from eov_seg_core.io.files import held, read_json, UNFINISHED
from eov_seg_core.parts.claim import WORK

MOST_PARTS = 100_000
"""Most parts of a piece of work: their numbers have five digits."""
Manifest = dict[str, Any]


@dataclass
class WorkReport:
    """What has come of the work, with earlier runs and other processes.

    Attributes:
        frames: Images that there are.
        done: Labelled.
        failed: That could not be decoded.
        skipped: Left out.
        new: Labelled by this run.
        missing_parts: That another process has still to finish.
        notes: Sentences on what is wrong with the input as a whole.
    """

    frames: int
    done: int = 0
    failed: int = 0
    skipped: int = 0
    new: int = 0
    missing_parts: int = 0
    notes: tuple[str, ...] = ()


class PartWork(ABC):
    """Images to label, part by part.

    Args:
        output: Folder of the results, claimed by this work.
        manifests: Folder of the manifests.
        count: Number of parts, at most `MOST_PARTS`.
        shard: (i, n): make the parts i, i + n, ... only; the first one is drawn from the name of
            the output.
        in_order: A part needs the one before it, so that all together are one share.
    """

    def __init__(self, output: Path, manifests: Path, count: int, shard: tuple[int, int], *,
                 in_order: bool = False) -> None:
        self._output = output
        self._manifests = manifests
        self._parts = [f'part_{index:05d}' for index in range(count)]
        shard_index, shards = shard
        first = (shard_index - zlib.crc32(output.name.encode('utf-8', 'replace'))) % shards
        self._in_order = in_order
        self._mine = range(first, self.shares, shards)

    @property
    @abstractmethod
    def frames(self) -> int:
        """How many images there are."""

    @abstractmethod
    def _is_whole(self, part: str, manifest: Manifest) -> bool:
        """Say whether all is there that the manifest of a part names."""

    @abstractmethod
    def _make(self, index: int, progress: Callable[[int], object],
              report_problem: Callable[[str], None]) -> int:
        """Write a part and its manifest, with `frames`, `done`, `failed` and `skipped`.

        Returns:
            How many frames were labelled now.
        """

    @abstractmethod
    def _finish(self, report: WorkReport) -> None:
        """Put all parts together; one process at a time."""

    @property
    def shares(self) -> int:
        """How many pieces of work need nothing of each other."""
        return 1 if self._in_order else len(self._parts)

    def run(self, progress: Callable[[int], object], report_problem: Callable[[str], None],
            ) -> WorkReport:
        """Label all parts that are missing and that no other process is making.

        Args:
            progress: Called with a number of frames that have been dealt with.
            report_problem: Called with a sentence for each kind of frame that failed.

        Raises:
            ValueError: The input is damaged, or does not hold what it says.
            OSError: The output cannot be written.
        """
        new = sum(self.label(share, progress, report_problem) for share in self._mine)
        report = self.finish()
        report.new = new
        return report

    def label(self, share: int, progress: Callable[[int], object],
              report_problem: Callable[[str], None]) -> int:
        """Label a piece of work if it is missing and no other process is at it.

        Args:
            share: Its number, from 0.
            progress: As for `run`.
            report_problem: As for `run`.

        Returns:
            How many frames were labelled now.

        Raises:
            ValueError: The input is damaged.
            OSError: The output cannot be written.
        """
        if not self._in_order:
            return self._label_part(share, progress, report_problem)
        with held(self._output / WORK / 'all.lock') as is_mine:
            return sum(self._label_part(index, progress, report_problem)
                       for index in range(len(self._parts))) if is_mine else 0

    def _label_part(self, index: int, progress: Callable[[int], object],
                    report_problem: Callable[[str], None]) -> int:
        part = self._parts[index]
        with held(self._output / WORK / f'{part}.lock') as is_mine:
            manifest = self._complete(part)
            if manifest is not None:
                progress(manifest['frames'])
                if is_mine:     # of a process that was killed when the part was complete
                    shutil.rmtree(self._output / WORK / part, ignore_errors=True)
            elif is_mine:
                return self._make(index, progress, report_problem)
        return 0

    def finish(self) -> WorkReport:
        """Count what is there, and put the parts together if none is missing.

        Raises:
            ValueError: The input does not hold what it says.
            OSError: The output cannot be written.
        """
        report = WorkReport(frames=self.frames)
        for part in self._parts:
            manifest = self._complete(part)
            if manifest is None:
                report.missing_parts += 1
                continue
            report.done += manifest['done']
            report.failed += manifest['failed']
            report.skipped += manifest['skipped']
        if not report.missing_parts:
            with held(self._output / WORK / 'merge.lock', wait=True):
                self._finish(report)
                self._remove_unfinished()
        return report

    def _remove_unfinished(self) -> None:
        """Remove what killed processes left; all parts are there, so that nobody else writes."""
        for folder in {self._output, self._manifests}:
            for leftover in folder.glob(UNFINISHED):
                leftover.unlink(missing_ok=True)

    def _all_manifests(self) -> Iterator[Manifest]:
        """Read the manifests of parts, all of which are there."""
        return (read_json(self._manifest_path(part)) for part in self._parts)

    def _manifest_path(self, part: str) -> Path:
        return self._manifests / f'{part}.json'

    def _complete(self, part: str) -> Manifest | None:
        """Return what a complete part holds; None where it, or its file, is missing."""
        path = self._manifest_path(part)
        if not path.exists():
            return None
        manifest: Manifest = read_json(path)
        return manifest if self._is_whole(part, manifest) else None
