# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One part of a list of pictures, while it is made."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
import shutil
from typing import TYPE_CHECKING, TypeVar

from eov_seg_core.io.coco.ids import ids_to_rgb
from eov_seg_core.io.coco.parts import picture_entry
from eov_seg_core.io.media import MediaError, Picture, save_picture, Source
from eov_seg_core.pictures.journal import Entry, Journal
from eov_seg_core.pictures.options import PictureOptions
from eov_seg_core.visualization import draw_overlay

if TYPE_CHECKING:
    from eov_seg_core.results.result import PanopticResult
    from eov_seg_core.segmenter import Segmenter
    from eov_seg_core.vocabulary import Vocabulary

_S = TypeVar('_S')
_T = TypeVar('_T')


@dataclass(frozen=True)
class PartPaths:
    """Where the files of a part are, while it is made and then.

    Attributes:
        name: Of the part.
        work: Folder while it is made.
        output: Folder of the results.
    """

    name: str
    work: Path
    output: Path

    @property
    def entries(self) -> Path:
        """The lines of a complete part."""
        return self.output / 'parts' / f'{self.name}.jsonl'

    @property
    def places(self) -> list[tuple[Path, Path]]:
        """Where files are while the part is made, and when it is complete."""
        return [*((self.work / kind, self.output / kind / self.name)
                  for kind in ('overlay', 'panoptic')),
                (self.work / 'entries.jsonl', self.entries)]

    def files(self, name: str) -> list[Path]:
        """Return the files of a picture, while the part is made."""
        return [self.work / 'overlay' / f'{name}.jpg', self.work / 'panoptic' / f'{name}.png']

    def take_back(self) -> None:
        """Go on with what is there of the part, in either place."""
        self.work.mkdir(parents=True, exist_ok=True)
        for before, after in self.places:
            if after.exists() and not before.exists():
                after.replace(before)
        for before, _ in self.places[:-1]:
            before.mkdir(exist_ok=True)

    def put(self) -> None:
        """Move the complete part to its place."""
        for before, after in self.places:
            after.parent.mkdir(parents=True, exist_ok=True)
            if after.is_dir():
                shutil.rmtree(after)
            before.replace(after)


class PicturePart:
    """Labels the pictures of a part that an earlier process has not.

    Args:
        paths: Where its files are.
        sources: Its pictures; their names differ.
        segmenter: With the vocabulary.
        vocabulary: What is looked for.
        options: How.

    Raises:
        OSError: The output cannot be read or written.
    """

    def __init__(self, paths: PartPaths, sources: Sequence[Source], segmenter: Segmenter,
                 vocabulary: Vocabulary, options: PictureOptions) -> None:
        self._paths = paths
        self._sources = sources
        self._segmenter = segmenter
        self._vocabulary = vocabulary
        self._options = options
        paths.take_back()
        names = [source.name for source in sources]
        self.journal = Journal(
            paths.work / 'entries.jsonl', options.batch, len(sources),
            lambda entry: 'image' not in entry or all(
                path.exists() for path in paths.files(entry['name'])))
        self._remove_others(names[:len(self.journal.entries)])

    def _remove_others(self, names: Sequence[str]) -> None:
        """Remove files of pictures that are made again, or can no longer be read."""
        known = {path for name in names for path in self._paths.files(name)}
        for folder, _ in self._paths.places[:-1]:
            for path in folder.iterdir():
                if path not in known:
                    path.unlink()

    def make(self, progress: Callable[[int], object], report_problem: Callable[[str], None]
             ) -> None:
        """Label what is missing.

        Args:
            progress: Called with a number of pictures that have been dealt with.
            report_problem: Called with a sentence for each picture that failed.

        Raises:
            OSError: The output cannot be written.
        """
        progress(len(self.journal.entries))
        rest = self._sources[len(self.journal.entries):]
        with _threads(self._options.readers) as threads:
            pictures = in_advance(threads, self._read, rest,
                                  self._options.batch + self._options.readers)
            written: list[Entry | Future[Entry]] = []
            for group in _groups(pictures, self._options.batch):
                results = iter(self._labels([entry for entry in group
                                             if isinstance(entry, Picture)]))
                self._note(written, progress, report_problem)
                # while the network computes the next group
                written = [threads.submit(self._write, entry, next(results))
                           if isinstance(entry, Picture) else entry for entry in group]
            self._note(written, progress, report_problem)

    def _read(self, source: Source) -> Picture | Entry:
        """Return the picture, or what is noted instead."""
        if not source.is_image:
            return {'skipped': source.origin}
        try:
            return next(source.pictures(self._options.max_megapixels))
        except MediaError as error:
            return {'failed': source.origin, 'reason': str(error)}

    def _labels(self, pictures: list[Picture]) -> list[PanopticResult]:
        return self._segmenter([picture.rgb for picture in pictures]) if pictures else []

    def _write(self, picture: Picture, result: PanopticResult) -> Entry:
        """Write the files of a picture; several threads at once."""
        overlay, label = self._paths.files(picture.name)
        save_picture(overlay, draw_overlay(picture.rgb, result))
        save_picture(label, ids_to_rgb(result.instance))
        return {'name': picture.name} | picture_entry(
            result, self._vocabulary, picture.file_name, f'{self._paths.name}/{picture.name}.png',
            origin=picture.origin)

    def _note(self, written: list[Entry | Future[Entry]], progress: Callable[[int], object],
              report_problem: Callable[[str], None]) -> None:
        entries = [entry.result() if isinstance(entry, Future) else entry for entry in written]
        for entry in entries:
            if 'failed' in entry:
                report_problem(entry['reason'])
        self.journal.add(entries)
        progress(len(entries))


@contextmanager
def _threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """Yield threads; what they have not begun when something goes wrong is left."""
    pool = ThreadPoolExecutor(count)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def in_advance(pool: ThreadPoolExecutor, work: Callable[[_S], _T], items: Iterable[_S],
               most: int) -> Iterator[_T]:
    """Yield what comes of the items in order, while the next ones are being worked on.

    Args:
        pool: That works.
        work: Called with each item.
        items: To work on.
        most: Items that are ready or being worked on at a time, at least 1.
    """
    waiting: deque[Future[_T]] = deque()
    for item in items:
        if len(waiting) == most:
            yield waiting.popleft().result()
        waiting.append(pool.submit(work, item))
    while waiting:
        yield waiting.popleft().result()


def _groups(items: Iterator[_T], size: int) -> Iterator[list[_T]]:
    while group := list(islice(items, size)):
        yield group
