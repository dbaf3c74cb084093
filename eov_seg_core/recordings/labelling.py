# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A bag in, a bag of labels out, in parts that survive whatever ends the process.

The recording is cut at fixed times.  Each part becomes a file of its own and then a manifest,
which says that it is complete; a part without manifest is made again.  `metadata.yaml` comes last
and makes the folder a bag.  Processes that share the work hold a lock on the part they make; the
kernel lets go of it when a process ends, even by kill -9.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
import hashlib
import os
from pathlib import Path
import shutil
from typing import Any, TYPE_CHECKING
import zlib

from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from eov_seg_core.io.files import held, read_json, save_json
from eov_seg_core.recordings.claim import claim, WORK
from eov_seg_core.recordings.dataset import DataSet, PartPictures
from eov_seg_core.recordings.messages import MessageWriter
from eov_seg_core.recordings.metadata import read_metadata, write_metadata
from eov_seg_core.recordings.options import LabelOptions
from eov_seg_core.recordings.part import LabelledPart, refuse_twins
from eov_seg_core.recordings.source import Source

if TYPE_CHECKING:
    from eov_seg_core.io.coco.parts import PartWriter
    from eov_seg_core.segmenter import Segmenter

_SUFFIX = {'mcap': '.mcap', 'sqlite3': '.db3'}
_MOST_PARTS = 100000


@dataclass
class LabelReport:
    """What has come of a recording, with earlier runs and other processes.

    Attributes:
        frames: In the recording.
        done: Labelled.
        failed: That could not be decoded.
        skipped: Left out by `rate_hz`.
        new: Labelled by this run.
        missing_parts: That another process has still to finish.
    """

    frames: int
    done: int = 0
    failed: int = 0
    skipped: int = 0
    new: int = 0
    missing_parts: int = 0


class BagLabeller:
    """Labels one recording.

    Args:
        source: The images.
        output: Folder of the labelled bag; made if needed.
        segmenter: With its vocabulary.
        options: How.
        settings: What else the labels depend on, ready for JSON: the weights, for example.
        data_set: That gets the images which `options.pictures` says; None: no data set.
        shard: (i, n): make the parts i, i + n, ... only; the first one is drawn from the name.

    Raises:
        ValueError: The folder holds something else, or labels of another recording, other words
            or other settings.
        OSError: The folder cannot be made.
    """

    def __init__(self, source: Source, output: Path, segmenter: Segmenter,
                 options: LabelOptions, settings: Mapping[str, Any],
                 data_set: DataSet | None = None, shard: tuple[int, int] = (0, 1)) -> None:
        self._source = source
        self._output = output
        self._segmenter = segmenter
        self._options = options
        self._messages = MessageWriter()
        if segmenter.vocabulary is None:
            raise ValueError('the segmenter has no vocabulary; call set_vocabulary first')
        refuse_twins(source, options)
        self._part_ns = round(options.part_s * 1e9)
        span = source.end_ns - source.start_ns
        count = -(-span // self._part_ns)
        if count > _MOST_PARTS:
            raise ValueError(f'the recording spans {span / 1e9:.0f} s, which are {count} parts '
                             f'of {options.part_s:g} s; at most {_MOST_PARTS} are made: choose '
                             'longer parts, or cut off messages with a wrong log time')
        self._parts = [f'part_{index:05d}' for index in range(count)]
        text = repr((sorted(settings.items()), segmenter.vocabulary.categories, options))
        self._key = {'recording': source.fingerprint,
                     'settings': hashlib.sha256(text.encode()).hexdigest()}
        claim(output, 'labels.json', self._key, {
            'recording': 'labels of another recording or topic',
            'settings': 'labels of other words, weights, options or version'})
        shard_index, shards = shard
        first = (shard_index - zlib.crc32(output.name.encode('utf-8', 'replace'))) % shards
        self._mine = range(first, count, shards)
        self._data_set = data_set
        self._pictures = None if data_set is None else data_set.recording(output.name, self._key)

    def run(self, progress: Callable[[int], object], report_problem: Callable[[str], None],
            ) -> LabelReport:
        """Label all parts that are missing and that no other process is making.

        Args:
            progress: Called with a number of frames that have been dealt with.
            report_problem: Called with a sentence for each kind of frame that failed.

        Raises:
            ValueError: The recording is damaged, or does not hold what it says.
            OSError: The output cannot be written.
        """
        new = sum(self.label_part(index, progress, report_problem) for index in self._mine)
        report = self.finish()
        report.new = new
        return report

    @property
    def frames(self) -> int:
        """How many images there are."""
        return self._source.count

    @property
    def parts(self) -> int:
        """How many parts the recording is cut into."""
        return len(self._parts)

    def label_part(self, index: int, progress: Callable[[int], object],
                   report_problem: Callable[[str], None]) -> int:
        """Label a part if it is missing and no other process is making it.

        Args:
            index: Of the part, from 0.
            progress: As for `run`.
            report_problem: As for `run`.

        Returns:
            How many frames were labelled now.

        Raises:
            ValueError: The recording is damaged.
            OSError: The output cannot be written.
        """
        part = self._parts[index]
        with held(self._output / WORK / f'{part}.lock') as is_mine:
            manifest = self._manifest(part)
            if manifest is not None:
                progress(manifest['frames'])
            elif is_mine:
                return int(self._make(index, progress, report_problem)['done'])
        return 0

    def finish(self) -> LabelReport:
        """Count what all processes have done, and make the folder a bag if nothing is missing.

        Raises:
            ValueError: The recording does not hold what it says.
            OSError: The output cannot be written.
        """
        report = LabelReport(frames=self._source.count)
        manifests = [self._manifest(part) for part in self._parts]
        for manifest in manifests:
            if manifest is None:
                report.missing_parts += 1
                continue
            report.done += manifest['done']
            report.failed += manifest['failed']
            report.skipped += manifest['skipped']
        if not report.missing_parts:
            self._finish([manifest for manifest in manifests if manifest], report)
        return report

    def _manifest(self, part: str) -> dict[str, Any] | None:
        """Return what a complete part holds; None where it, or its file, is missing."""
        path = self._output / f'{part}.json'
        if not path.exists():
            return None
        manifest: dict[str, Any] = read_json(path)
        file = self._output / (part + _SUFFIX[self._options.storage])
        is_whole = not manifest['messages'] or (
            file.exists() and file.stat().st_size == manifest['bytes'])
        if self._data_set is not None and self._pictures is not None:
            is_whole &= self._data_set.is_whole(self._pictures / f'{part}.jsonl')
        return manifest if is_whole else None

    def _make(self, index: int, progress: Callable[[int], object],
              report_problem: Callable[[str], None]) -> dict[str, Any]:
        """Write one part and its manifest."""
        part = self._parts[index]
        folder = self._output / WORK / part
        shutil.rmtree(folder, ignore_errors=True)   # of a process that was killed
        pictures = self._data_set.writer() if self._data_set is not None else None
        start_ns = self._source.start_ns + index * self._part_ns
        writer = Writer(folder, version=self._options.bag_version,
                        storage_plugin=StoragePlugin[self._options.storage.upper()])
        if self._options.storage == 'mcap':
            writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        with writer:
            maker = LabelledPart(writer, self._source, self._messages, self._segmenter,
                                 self._options, self._chosen(pictures))
            self._fill(maker, start_ns, progress)
        manifest: dict[str, Any] = maker.counts()
        manifest['messages'] = sum(writer.counts.values())
        for (topic, reason), count in maker.failures.items():
            report_problem(f'{topic}, {part}: {count} frames failed: {reason}')
        if manifest['messages']:
            manifest |= self._keep(folder, part)
        if pictures is not None and self._pictures is not None:
            manifest['pictures'] = pictures.save(self._pictures / f'{part}.jsonl')
        save_json(self._output / f'{part}.json', manifest)
        shutil.rmtree(folder)
        return manifest

    def _fill(self, maker: LabelledPart, start_ns: int, progress: Callable[[int], object]
              ) -> None:
        """Label, and copy, what was recorded in the time of a part."""
        for connection, data in self._source.latched(start_ns):
            maker.copy(connection, start_ns, data)
        for connection, log_ns, data in self._source.messages(
                start_ns, start_ns + self._part_ns):
            maker.copy(connection, log_ns, data)
            if self._source.is_image(connection):
                maker.add(connection, log_ns, data)
                progress(1)
        maker.flush()

    def _keep(self, folder: Path, part: str) -> dict[str, Any]:
        """Move the file of a complete part to its place, and return what it holds."""
        name = part + _SUFFIX[self._options.storage]
        with (folder / name).open('rb') as file:
            os.fsync(file.fileno())
            size = os.fstat(file.fileno()).st_size
        (folder / name).replace(self._output / name)
        return {'bytes': size, 'bag': read_metadata(folder)}

    def _chosen(self, writer: PartWriter | None) -> dict[str, PartPictures]:
        """Return for each topic what hands images of a part on to the data set."""
        options = self._options.pictures
        if writer is None or options is None:
            return {}
        name = self._output.name
        return {topic: PartPictures(writer, name + topic, options, {'bag': name, 'topic': topic})
                for topic in self._source.cameras}

    def _finish(self, manifests: list[dict[str, Any]], report: LabelReport) -> None:
        """Check that no frame is missing, and write metadata.yaml."""
        dealt_with = report.done + report.failed + report.skipped
        if dealt_with != report.frames:
            raise ValueError(f'the recording says that {", ".join(self._source.cameras)} has '
                             f'{report.frames} messages, but {dealt_with} were found; it is '
                             'damaged: repair it with "ros2 bag reindex", and label it again')
        bags = [manifest['bag'] for manifest in manifests if 'bag' in manifest]
        if bags and not (self._output / 'metadata.yaml').exists():
            write_metadata(self._output, bags)
