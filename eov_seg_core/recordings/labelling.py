# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A bag in, a bag of labels out, in parts that survive whatever ends the process.

The recording is cut at fixed times, and each part becomes a file of its own.  `metadata.yaml`
comes last and makes the folder a bag.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
import hashlib
import os
from pathlib import Path
import shutil
from typing import Any, TYPE_CHECKING

from eov_seg_core.io.files import save_json
from eov_seg_core.io.text import counted
from eov_seg_core.parts.claim import claim, WORK
from eov_seg_core.parts.work import Manifest, MOST_PARTS, PartWork, WorkReport
from eov_seg_core.recordings.dataset import DataSet, PartPictures
from eov_seg_core.recordings.files.writing import BagWriter
from eov_seg_core.recordings.messages import MessageWriter
from eov_seg_core.recordings.metadata import read_metadata, write_metadata
from eov_seg_core.recordings.options import LabelOptions
from eov_seg_core.recordings.part import LabelledPart, refuse_twins
from eov_seg_core.recordings.source import Source
from eov_seg_core.recordings.space.feed import LEAD_NS, WAIT_NS
from eov_seg_core.recordings.space.session import SpaceSession

if TYPE_CHECKING:
    from eov_seg_core.io.coco.parts import PartWriter
    from eov_seg_core.segmenter import Segmenter

_SUFFIX = {'mcap': '.mcap', 'sqlite3': '.db3'}


class BagLabeller(PartWork):
    """Labels one recording.

    Args:
        source: The images.
        output: Folder of the labelled bag; made if needed.
        segmenter: With its vocabulary.
        options: How.
        settings: What else the labels depend on, ready for JSON: the weights, for example.
        data_set: That gets the images which `options.pictures` says; None: no data set.
        shard: (i, n): make the parts i, i + n, ... only; the first one is drawn from the name.
        is_strict: A frame that fails ends the work, and its part is not kept.

    Raises:
        ValueError: The folder holds something else, or labels of another recording, other words
            or other settings.
        OSError: The folder cannot be made.
    """

    def __init__(self, source: Source, output: Path, segmenter: Segmenter,
                 options: LabelOptions, settings: Mapping[str, Any],
                 data_set: DataSet | None = None, shard: tuple[int, int] = (0, 1),
                 is_strict: bool = False) -> None:
        self._source = source
        self._segmenter = segmenter
        self._options = options
        self._is_strict = is_strict
        self._messages = MessageWriter()
        if segmenter.vocabulary is None:
            raise ValueError('the segmenter has no vocabulary; call set_vocabulary first')
        refuse_twins(source, options)
        self._part_ns = round(options.part_s * 1e9)
        span = source.end_ns - source.start_ns
        count = -(-span // self._part_ns)
        if count > MOST_PARTS:
            raise ValueError(f'the recording spans {span / 1e9:.0f} s, which are {count} parts '
                             f'of {options.part_s:g} s; at most {MOST_PARTS} are made: choose '
                             'longer parts, or cut off messages with a wrong log time')
        text = repr((sorted(settings.items()), segmenter.vocabulary.categories, options))
        self._key = {'recording': source.fingerprint,
                     'settings': hashlib.sha256(text.encode()).hexdigest()}
        claim(output, 'labels.json', self._key, {
            'recording': 'labels of another recording or topic',
            'settings': 'labels of other words, weights, options or version'})
        self._session = SpaceSession(source, options, segmenter.vocabulary)
        super().__init__(output, output, count, shard, in_order=self._session.is_tracked)
        self._data_set = data_set
        self._pictures = None if data_set is None else data_set.recording(output.name, self._key)

    @property
    def frames(self) -> int:
        """How many images there are."""
        return self._source.count

    def finish(self) -> WorkReport:
        """Count, as for all work, and tell what is wrong with the files of the recording."""
        report = super().finish()
        report.notes = self._source.notes
        return report

    def _is_whole(self, part: str, manifest: Manifest) -> bool:
        """Say whether the file of a part is there, and its pictures, where there is a data set."""
        file = self._output / (part + _SUFFIX[self._options.storage])
        is_whole = not manifest['messages'] or (
            file.exists() and file.stat().st_size == manifest['bytes'])
        if self._session.is_tracked:
            is_whole &= self._state(part).exists()
        if self._data_set is not None and self._pictures is not None:
            is_whole &= self._data_set.is_whole(self._pictures / f'{part}.jsonl')
        return is_whole

    def _state(self, part: str) -> Path:
        """Return the file with what is known of objects after a part."""
        return self._output / f'{part}.state.npz'

    def _make(self, index: int, progress: Callable[[int], object],
              report_problem: Callable[[str], None]) -> int:
        """Write one part and its manifest."""
        part = self._parts[index]
        self._session.start_part(self._state(self._parts[index - 1]) if index else None)
        folder = self._output / WORK / part
        shutil.rmtree(folder, ignore_errors=True)   # of a process that was killed
        pictures = self._data_set.writer() if self._data_set is not None else None
        start_ns = self._source.start_ns + index * self._part_ns
        with BagWriter(folder, self._options.storage, self._options.bag_version) as writer:
            maker = LabelledPart(writer, self._source, self._messages, self._segmenter,
                                 self._options, self._session, self._chosen(pictures))
            self._fill(maker, start_ns, progress)
        where = f'{self._output.name}, {part}'
        if self._is_strict:
            for (topic, reason), count in maker.failures.items():
                raise ValueError(f'{where}, {topic}: {counted(count, "frame")} failed: {reason}; '
                                 '"--on-error skip" labels the others')
        manifest: Manifest = maker.counts()
        manifest['messages'] = sum(writer.counts.values())
        for (topic, reason), count in maker.failures.items():
            report_problem(f'{where}, {topic}: {counted(count, "frame")} failed: {reason}')
        for (topic, reason), count in maker.flat.items():
            report_problem(f'{where}, {topic}: {counted(count, "frame")} without depth or place: '
                           f'{reason}')
        if manifest['messages']:
            manifest |= self._keep(folder, part)
        if pictures is not None and self._pictures is not None:
            manifest['pictures'] = pictures.save(self._pictures / f'{part}.jsonl')
        self._session.save(self._state(part))
        save_json(self._manifest_path(part), manifest)
        shutil.rmtree(folder)
        return int(manifest['done'])

    def _fill(self, maker: LabelledPart, start_ns: int, progress: Callable[[int], object]
              ) -> None:
        """Label, and copy, what was recorded in the time of a part."""
        source, feed, stop_ns = self._source, self._session.feed, start_ns + self._part_ns
        for connection, data in source.latched(start_ns):
            maker.copy(connection, start_ns, data)
        for connections, lead_ns in ((feed.transforms, LEAD_NS), (feed.pictures, WAIT_NS)):
            for connection, _, data in source.messages_of(
                    connections, start_ns - lead_ns, start_ns):
                feed.take(connection, data)
        for connection, log_ns, data in source.messages(start_ns, stop_ns, feed.connections):
            maker.copy(connection, log_ns, data)
            if source.is_image(connection):
                maker.add(connection, log_ns, data)
                progress(1)
            elif feed.take(connection, data):
                maker.look(log_ns)
        for connection, log_ns, data in source.messages_of(
                feed.connections, stop_ns, stop_ns + WAIT_NS):
            feed.take(connection, data)
            maker.look(log_ns)
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

    def _finish(self, report: WorkReport) -> None:
        """Check that no frame is missing, and write metadata.yaml."""
        dealt_with = report.done + report.failed + report.skipped
        if dealt_with != report.frames:
            raise ValueError(f'the recording says that {", ".join(self._source.cameras)} has '
                             f'{report.frames} messages, but {dealt_with} were found; it is '
                             'damaged: repair it with "ros2 bag reindex", and label it again')
        bags = [manifest['bag'] for manifest in self._all_manifests() if 'bag' in manifest]
        if bags and not (self._output / 'metadata.yaml').exists():
            write_metadata(self._output, bags)
