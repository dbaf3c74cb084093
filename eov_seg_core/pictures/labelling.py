# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A list of pictures in, label images out, in parts that survive whatever ends the process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
import hashlib
import os
from pathlib import Path
import shutil
from typing import Any, TYPE_CHECKING

from eov_seg_core.io.coco import coco_categories
from eov_seg_core.io.coco.parts import merge_detections, merge_instances, merge_parts
from eov_seg_core.io.coco.streamed import save_list
from eov_seg_core.io.files import save_json
from eov_seg_core.io.media import name_sources
from eov_seg_core.parts.claim import claim, WORK
from eov_seg_core.parts.work import Manifest, MOST_PARTS, PartWork, WorkReport
from eov_seg_core.pictures.listing import PictureList
from eov_seg_core.pictures.options import NOTE, PictureOptions
from eov_seg_core.pictures.part import PartPaths, PicturePart

if TYPE_CHECKING:
    from eov_seg_core.segmenter import Segmenter


class PictureLabeller(PartWork):
    """Labels a list of pictures.

    Args:
        paths: Called for the paths of the pictures, absolute or from the working directory; each
            time for the same.
        output: Folder of the results; made if needed.
        segmenter: With its vocabulary.
        options: How.
        settings: What else the labels depend on, ready for JSON: the weights, for example.
        shard: (i, n): make the i-th of n shares of the parts.
        instances: Write COCO instances files as well.

    Raises:
        ValueError: The folder holds something else, or labels of other pictures, other words or
            other settings; or there are too many parts.
        OSError: The folder cannot be made.
    """

    def __init__(self, paths: Callable[[], Iterable[str]], output: Path, segmenter: Segmenter,
                 options: PictureOptions, settings: Mapping[str, Any],
                 shard: tuple[int, int] = (0, 1), *, instances: bool = False) -> None:
        if segmenter.vocabulary is None:
            raise ValueError('the segmenter has no vocabulary; call set_vocabulary first')
        self._segmenter = segmenter
        self._vocabulary = segmenter.vocabulary
        self._options = options
        self._instances = instances
        self._list = PictureList(lambda: _from_folder(paths(), output), options.part_size)
        if self._list.parts > MOST_PARTS:
            raise ValueError(f'{len(self._list)} pictures are {self._list.parts} parts of '
                             f'{options.part_size}; at most {MOST_PARTS} are made: choose larger '
                             'parts')
        # how many threads read does not show in the results
        text = repr((sorted(settings.items()), segmenter.vocabulary.categories,
                     replace(options, readers=1)))
        key = {'pictures': self._list.digest,
               'settings': hashlib.sha256(text.encode()).hexdigest()}
        claim(output, NOTE, key, {
            'pictures': 'labels of other pictures',
            'settings': 'labels of other words, weights, options or version'})
        super().__init__(output, output / 'parts', self._list.parts, shard)
        self._manifests.mkdir(exist_ok=True)
        self._list.save(self._manifests / 'pictures.jsonl')

    @property
    def frames(self) -> int:
        """How many pictures there are."""
        return len(self._list)

    def _paths(self, part: str) -> PartPaths:
        return PartPaths(part, self._output / WORK / part, self._output)

    def _is_whole(self, part: str, manifest: Manifest) -> bool:
        """Say whether a part has as many files as it says."""
        *folders, (_, entries) = self._paths(part).places
        return entries.exists() and entries.stat().st_size == manifest['bytes'] and all(
            folder.is_dir() and sum(1 for _ in os.scandir(folder)) == manifest['done']
            for _, folder in folders)

    def _make(self, index: int, progress: Callable[[int], object],
              report_problem: Callable[[str], None]) -> int:
        """Write one part and its manifest."""
        paths = self._paths(self._parts[index])
        folder = os.path.abspath(self._output)
        sources = name_sources([os.path.normpath(os.path.join(folder, origin))
                                for origin in self._list.part(index)], folder)
        part = PicturePart(paths, sources, self._segmenter, self._vocabulary, self._options)
        before = part.journal.counts()['done']
        part.make(progress, report_problem)
        paths.put()
        counts = part.journal.counts()
        failures = [{'origin': entry['failed'], 'reason': entry['reason']}
                    for entry in part.journal.entries if 'failed' in entry]
        save_json(self._manifest_path(paths.name), {
            'frames': len(sources), **counts, 'bytes': paths.entries.stat().st_size,
            'failures': failures})
        shutil.rmtree(paths.work)
        return counts['done'] - before

    def _finish(self, report: WorkReport) -> None:
        """Write the JSON files of all parts, unless another process has."""
        parts = [self._paths(part).entries for part in self._parts]
        categories = coco_categories(self._vocabulary)
        if not (self._output / 'detections.json').exists():
            save_list(self._output / 'failed.json', self._failures())
            merge_parts(parts, categories, self._output / 'panoptic.json')
            merge_detections(parts, categories, self._output / 'detections.json')
        if self._instances and not (self._output / 'instances_polygons.json').exists():
            merge_instances(parts, categories, self._output)

    def _failures(self) -> Iterator[dict[str, str]]:
        for manifest in self._all_manifests():
            yield from manifest['failures']


def _from_folder(paths: Iterable[str], folder: Path) -> Iterator[str]:
    """Yield paths as they are found from a folder, whatever the working directory."""
    start = os.path.abspath(folder)
    relative = lru_cache(maxsize=1000)(lambda name: os.path.relpath(name or '.', start))
    for path in paths:
        parent, name = os.path.split(path)
        yield f'{relative(parent)}/{name}'
