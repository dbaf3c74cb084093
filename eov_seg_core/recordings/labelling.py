# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A bag in, a bag of labels out, in parts that survive whatever ends the process.

The recording is cut at fixed times.  Each part becomes a file of its own and then a manifest,
which says that it is complete; a part without manifest is made again.  `metadata.yaml` comes last
and makes the folder a bag.  Processes that share the work hold a lock on the part they make; the
kernel lets go of it when a process ends, even by kill -9.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
import hashlib
import os
from pathlib import Path
import shutil
from typing import Any, TYPE_CHECKING

from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
import yaml

from eov_seg_core.io.files import held, read_json, replacing, save_json
from eov_seg_core.recordings.messages import LATCHED, MessageWriter, node_qos, TOPICS
from eov_seg_core.recordings.options import LabelOptions
from eov_seg_core.recordings.source import Source

if TYPE_CHECKING:
    from eov_seg_core.segmenter import Segmenter

WORK = '.work'
"""Folder in the output for locks and for parts that are not complete."""
_SUFFIX = {'mcap': '.mcap', 'sqlite3': '.db3'}
_MOST_PARTS = 100000
_INFORMATION = 'rosbag2_bagfile_information'


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

    Raises:
        ValueError: The folder holds something else, or labels of another recording, other words
            or other settings.
        OSError: The folder cannot be made.
    """

    def __init__(self, source: Source, output: Path, segmenter: Segmenter,
                 options: LabelOptions, settings: Mapping[str, Any]) -> None:
        self._source = source
        self._output = output
        self._segmenter = segmenter
        self._options = options
        self._messages = MessageWriter()
        if segmenter.vocabulary is None:
            raise ValueError('the segmenter has no vocabulary; call set_vocabulary first')
        self._names = segmenter.vocabulary.names
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
        self._claim()

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
        report = LabelReport(frames=self._source.count)
        for index, part in enumerate(self._parts):
            with held(self._output / WORK / f'{part}.lock') as is_mine:
                manifest = self._manifest(part)
                if manifest is None and is_mine:
                    manifest = self._make(index, progress, report_problem)
                    report.new += manifest['done']
                elif manifest is not None:
                    progress(manifest['frames'])
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

    def _claim(self) -> None:
        """Note whose labels the folder holds, or compare."""
        path = self._output / 'labels.json'
        # hidden: our folder for work, and files that a killed process was writing
        has_files = self._output.exists() and any(not entry.name.startswith('.')
                                                  for entry in self._output.iterdir())
        # asked after the files: a process that shares the work makes this one first
        if not path.exists():
            if has_files:
                raise ValueError(f'{self._output} holds files that are not of eov-seg bag; choose '
                                 'another folder')
            (self._output / WORK).mkdir(parents=True, exist_ok=True)
            save_json(path, self._key)
        found = read_json(path)
        for what, meaning in (('recording', 'another recording or topic'),
                              ('settings', 'other words, weights or options')):
            if not isinstance(found, dict) or found.get(what) != self._key[what]:
                raise ValueError(f'{self._output} holds labels of {meaning}; choose another '
                                 'folder, or remove it')

    def _manifest(self, part: str) -> dict[str, Any] | None:
        """Return what a complete part holds; None where it, or its file, is missing."""
        path = self._output / f'{part}.json'
        if not path.exists():
            return None
        manifest: dict[str, Any] = read_json(path)
        file = self._output / (part + _SUFFIX[self._options.storage])
        is_whole = not manifest['done'] or (
            file.exists() and file.stat().st_size == manifest['bytes'])
        return manifest if is_whole else None

    def _make(self, index: int, progress: Callable[[int], object],
              report_problem: Callable[[str], None]) -> dict[str, Any]:
        """Write one part and its manifest."""
        part = self._parts[index]
        folder = self._output / WORK / part
        shutil.rmtree(folder, ignore_errors=True)   # of a process that was killed
        maker = _Part(self._messages, self._segmenter, self._options, self._names)
        start_ns = self._source.start_ns + index * self._part_ns
        writer = Writer(folder, version=self._options.bag_version,
                        storage_plugin=StoragePlugin[self._options.storage.upper()])
        if self._options.storage == 'mcap':
            writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        with writer:
            maker.open(writer)
            for log_ns, message_type, data in self._source.messages(
                    start_ns, start_ns + self._part_ns):
                maker.add(log_ns, message_type, data, self._source)
                progress(1)
        manifest: dict[str, Any] = maker.counts()
        for reason, count in maker.failures.items():
            report_problem(f'{self._source.topic}, {part}: {count} frames failed: {reason}')
        if manifest['done']:
            manifest |= self._keep(folder, part)
        save_json(self._output / f'{part}.json', manifest)
        shutil.rmtree(folder)
        return manifest

    def _keep(self, folder: Path, part: str) -> dict[str, Any]:
        """Move the file of a complete part to its place, and return what it holds."""
        name = part + _SUFFIX[self._options.storage]
        with (folder / name).open('rb') as file:
            os.fsync(file.fileno())
            size = os.fstat(file.fileno()).st_size
        (folder / name).replace(self._output / name)
        text = (folder / 'metadata.yaml').read_text(encoding='utf-8')
        return {'bytes': size, 'bag': yaml.safe_load(text)[_INFORMATION]}

    def _finish(self, manifests: list[dict[str, Any]], report: LabelReport) -> None:
        """Check that no frame is missing, and write metadata.yaml."""
        dealt_with = report.done + report.failed + report.skipped
        if dealt_with != report.frames:
            raise ValueError(f'the recording says that {self._source.topic} has {report.frames} '
                             f'messages, but {dealt_with} were found; it is damaged: repair it '
                             'with "ros2 bag reindex", and label it again')
        path = self._output / 'metadata.yaml'
        bags = [manifest['bag'] for manifest in manifests if 'bag' in manifest]
        if bags and not path.exists():
            with replacing(path) as temporary:
                temporary.write_text(yaml.safe_dump({_INFORMATION: merged(bags)}, sort_keys=False),
                                     encoding='utf-8')


class _Part:
    """The messages and counts of one part."""

    def __init__(self, messages: MessageWriter, segmenter: Segmenter, options: LabelOptions,
                 names: tuple[str, ...]) -> None:
        self.failures: Counter[str] = Counter()
        self._messages = messages
        self._segmenter = segmenter
        self._options = options
        self._names = names
        self._done = self._skipped = 0
        self._tick: int | None = None

    def open(self, writer: Writer) -> None:
        """Declare the topics."""
        self._writer = writer
        self._connections = {
            topic: writer.add_connection(
                f'{self._options.name}/{topic}', message_type, typestore=self._messages.types,
                offered_qos_profiles=[node_qos(is_latched=topic in LATCHED)])
            for topic, message_type in TOPICS.items()}

    def add(self, log_ns: int, message_type: str, data: bytes, source: Source) -> None:
        """Label one message."""
        try:
            message = source.message(message_type, data)
            if self._is_too_soon(message.header.stamp):
                self._skipped += 1
                return
            image_rgb = source.decode(message, self._options.max_megapixels)
        except ValueError as error:
            self.failures[str(error)] += 1
            return
        result = self._segmenter(image_rgb)
        threshold = self._segmenter.thresholds.score_threshold
        if not self._done:  # in each part, because players start anywhere
            self._write('label_info', log_ns, self._messages.label_info(
                message.header, self._names, threshold))
        self._write('panoptic', log_ns, self._messages.panoptic(message.header, result))
        self._write('detections', log_ns, self._messages.detections(message.header, result))
        self._done += 1

    def _is_too_soon(self, stamp: Any) -> bool:
        """Say whether the rate leaves an image out; if not, it is the one of its period."""
        if self._options.rate_hz is None:
            return False
        tick = int((stamp.sec + stamp.nanosec / 1e9) * self._options.rate_hz)
        before, self._tick = self._tick, tick
        return tick == before

    def counts(self) -> dict[str, Any]:
        """Return what became of the frames, ready for JSON."""
        failed = sum(self.failures.values())
        return {'frames': self._done + failed + self._skipped, 'done': self._done,
                'failed': failed, 'skipped': self._skipped, 'failures': dict(self.failures)}

    def _write(self, topic: str, log_ns: int, data: bytes) -> None:
        self._writer.write(self._connections[topic], log_ns, data)


def merged(bags: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the metadata of a bag of several files.

    Args:
        bags: The metadata of each file, one at least, with the same topics.
    """
    starts = [bag['starting_time']['nanoseconds_since_epoch'] for bag in bags]
    end = max(start + bag['duration']['nanoseconds'] for start, bag in zip(starts, bags))
    topics = [entry | {'message_count': sum(
        bag['topics_with_message_count'][index]['message_count'] for bag in bags)}
        for index, entry in enumerate(bags[0]['topics_with_message_count'])]
    return bags[0] | {
        'relative_file_paths': [path for bag in bags for path in bag['relative_file_paths']],
        'starting_time': {'nanoseconds_since_epoch': min(starts)},
        'duration': {'nanoseconds': end - min(starts)},
        'message_count': sum(bag['message_count'] for bag in bags),
        'topics_with_message_count': topics,
        'files': [entry for bag in bags for entry in bag['files']]}
