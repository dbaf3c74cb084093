# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What `eov-seg bag` does: one model, many recordings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from eov_seg_core.app.bag.library import require_rosbags
from eov_seg_core.app.commands import build_segmenter, ModelOptions
from eov_seg_core.io.coco import write_instances
from eov_seg_core.recordings.options import LabelOptions
from eov_seg_core.segmenter import Segmenter
from eov_seg_core.vocabulary import Vocabulary

if TYPE_CHECKING:
    from eov_seg_core.recordings.dataset import DataSet


@dataclass(frozen=True, kw_only=True)
class BagJob:
    """What `eov-seg bag` is to do.

    Attributes:
        inputs: Bags: folders, .mcap or .db3 files.
        output: Folder of the labelled bags.
        vocabulary: The names to look for.
        model: What to segment with.
        labels: How the recordings are labelled.
        image_topics: Raw or compressed images; none: the only such topic, beside depth.
        coco: Folder of a data set that gets the images which `labels.pictures` says.
        instances: Write COCO instances files of the data set as well.
        shard: (i, n): do what is the i-th of n processes' share, counted from 0.
        max_error_rate: More failed frames than this part of a recording, 0..1, are too many.
    """

    inputs: Sequence[str]
    output: str
    vocabulary: Vocabulary
    model: ModelOptions
    labels: LabelOptions
    image_topics: Sequence[str] = ()
    coco: str | None = None
    instances: bool = False
    shard: tuple[int, int] = (0, 1)
    max_error_rate: float = 0.01


def label_bags(job: BagJob, report_problem: Callable[[str], None],
               say: Callable[[str], None]) -> int:
    """Label recordings; go on with what is there.

    Args:
        job: What to do.
        report_problem: Called with a sentence for each recording that cannot be used, and for each
            kind of frame that failed.
        say: Called with a line on each recording that was.

    Returns:
        0; 1 if a recording or a frame could not be used; 3 if too many frames could not.

    Raises:
        ValueError: An option is wrong, or weights or vocabulary cannot be used.
        RuntimeError: A library is missing.
    """
    require_rosbags()
    names = Counter(Path(path).resolve().stem for path in job.inputs)
    equal = sorted(name for name, count in names.items() if count > 1)
    if equal:
        raise ValueError(f'several recordings are called {", ".join(equal)}, and would share a '
                         'folder; label them one by one, with folders of their own')
    segmenter = build_segmenter(job.model)
    segmenter.set_vocabulary(job.vocabulary)
    settings = asdict(job.model) | {
        'weights': segmenter.model.weights_digest, 'precision': segmenter.precision,
        'device': str(segmenter.device), 'version': _version()}
    from eov_seg_core.recordings.dataset import DataSet
    data_set = None if job.coco is None else DataSet(Path(job.coco), job.vocabulary)
    status = 0
    for path in job.inputs:
        try:
            status = max(status, _label(Path(path), job, segmenter, settings, data_set,
                                        report_problem, say))
        except (ValueError, OSError) as error:
            report_problem(str(error))
            status = max(status, 1)
    if data_set is not None:
        say(f'{data_set.directory}: {data_set.merge()} pictures')
        if job.instances:
            write_instances(data_set.directory)
    return status


def _version() -> str:
    try:
        return metadata.version('eov_seg_ros')
    except metadata.PackageNotFoundError:   # run from a checkout
        return 'unknown'


def _label(path: Path, job: BagJob, segmenter: Segmenter, settings: dict[str, object],
           data_set: DataSet | None, report_problem: Callable[[str], None],
           say: Callable[[str], None]) -> int:
    from eov_seg_core.recordings.labelling import BagLabeller
    from eov_seg_core.recordings.source import open_recording, Source
    output = Path(job.output) / path.resolve().stem
    with open_recording(path) as reader:
        source = Source(reader, job.image_topics, job.labels.copy)
        labeller = BagLabeller(source, output, segmenter, job.labels, settings, data_set,
                               job.shard)
        with tqdm(total=source.count, unit='frame', disable=None) as bar:
            report = labeller.run(bar.update, report_problem)
    rest = (f'; {report.missing_parts} parts are left to other processes'
            if report.missing_parts else '')
    say(f'{output}: {report.frames} frames = {report.done} done + {report.failed} failed + '
        f'{report.skipped} skipped ({report.new} done now){rest}')
    if report.failed > job.max_error_rate * report.frames:
        report_problem(f'{path}: {report.failed} of {report.frames} frames failed, more than the '
                       f'share of {job.max_error_rate:g} that --max-error-rate allows')
        return 3
    return 1 if report.failed else 0
