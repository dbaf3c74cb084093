# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the sub-commands of `eov-seg` do, without parsing and printing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata
import os
from pathlib import Path
import platform
from typing import Any

import cv2
import torch
from tqdm import tqdm

from eov_seg_core.config import variant_config, VARIANTS
from eov_seg_core.device.precision import resolve_device, resolve_precision
from eov_seg_core.inference.engines.choice import (
    choose_runtime,
    describe_auto,
    ENGINES,
    is_named,
    version_of,
    why_not,
)
from eov_seg_core.io.coco import CocoWriter, write_instances
from eov_seg_core.io.files import check_target, locked
from eov_seg_core.io.media import (
    find_media,
    MediaError,
    name_sources,
    Picture,
    save_picture,
    Source,
)
from eov_seg_core.network.model import EOVSeg
from eov_seg_core.pictures.options import NOTE as PARTS_NOTE
from eov_seg_core.pretrained import load_pretrained
from eov_seg_core.segmenter import Segmenter
from eov_seg_core.visualization import draw_overlay
from eov_seg_core.vocabulary import Vocabulary
from eov_seg_core.weights.choice import DEFAULT_VARIANT, find_weights
from eov_seg_core.weights.choice import Source as WeightsSource

_MANY = 20
"""Pictures from which on `auto` may be an engine, whose loading takes a second or two."""
_LIBRARIES = ('torch', 'torchvision', 'open_clip_torch', 'timm', 'numpy', 'safetensors')


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Which weights to run, and how.

    Attributes:
        variant: `t`, `s`, `m` or `l`; None: the checkpoint's, else the default.
        checkpoint: A file of weights, or None.
        sources: Of weights without a checkpoint, as for `load_pretrained`.
        device: As for `Segmenter`.
        precision: As for `Segmenter`.
        input_size: Short side of the network's input in pixels; None: the variant's.
        runtime: As for `Segmenter`.
        score_threshold: As for `Segmenter`.
        overlap_threshold: As for `Segmenter`.
    """

    variant: str | None = None
    checkpoint: str | None = None
    sources: tuple[WeightsSource, ...] = ('built-in', 'published')
    device: str = 'auto'
    precision: str = 'auto'
    input_size: int | None = None
    runtime: str = 'auto'
    score_threshold: float = 0.0
    overlap_threshold: float = 0.8


@dataclass(frozen=True, kw_only=True)
class SegmentJob:
    """What `eov-seg segment` is to do.

    Attributes:
        inputs: Images, videos, folders or cameras.
        output: Folder of the results.
        vocabulary: The names to look for.
        model: What to segment with.
        max_frames: Pictures after which to stop; None: no limit.
        skip_existing: Leave out pictures whose results are in the folder.
        max_megapixels: Larger pictures are refused.
        instances: Write COCO instances files as well.
    """

    inputs: Sequence[str]
    output: str
    vocabulary: Vocabulary
    model: ModelOptions
    max_frames: int | None = None
    skip_existing: bool = False
    max_megapixels: float = 64.0
    instances: bool = False


@dataclass
class SegmentReport:
    """What came of a run.

    Attributes:
        written: Pictures with results.
        skipped: Pictures left out because their results were there.
        failed: Inputs and pictures that could not be used.
        kept: Names of pictures whose results are of an earlier run and were kept.
        interruption: What the user stopped it with.
    """

    written: int = 0
    skipped: int = 0
    failed: int = 0
    kept: set[str] = field(default_factory=set)
    interruption: KeyboardInterrupt | None = None

    def skip(self, name: str) -> None:
        """Count a picture that is left out."""
        self.skipped += 1
        self.kept.discard(name)


def segment(job: SegmentJob, report_problem: Callable[[str], None]) -> SegmentReport:
    """Segment all pictures and write overlays, label images and JSON.

    Whatever ends the run, the JSON files name all that was written.  Results that the folder has
    are kept; those of the same pictures are replaced.  One process at a time may write there.

    Args:
        job: What to do.
        report_problem: Called with a message for each input that cannot be used.

    Raises:
        ValueError: An option is wrong, weights or vocabulary cannot be used, the folder is in use,
            holds results with another vocabulary, or files that are not of this command.
        OSError: The output cannot be written.
    """
    vocabulary = job.vocabulary
    paths, problems = find_media(job.inputs)
    report = SegmentReport(failed=len(problems))
    for problem in problems:
        report_problem(problem)
    if not paths:
        return report
    output = Path(job.output)
    _refuse_results(paths, output)
    if (output / PARTS_NOTE).exists():
        raise ValueError(f'{output} holds results in parts; go on with --parts, or choose another '
                         'folder')
    try:
        output.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise type(error)(f'--output {output}: {error.filename} is a file or lies in one; name a '
                          'folder') from error
    with locked(output, 'run of eov-seg'):
        writer = CocoWriter(output, vocabulary, resume=True)
        report.kept = set(writer.origins)
        sources = name_sources(paths, output, writer.origins)
        (output / 'overlay').mkdir(exist_ok=True)
        segmenter = build_segmenter(_model_for(sources, job.model), frames_wait=True)
        segmenter.set_vocabulary(vocabulary)
        _save(writer)   # from now on the folder is known as ours, even if this process is killed
        try:
            for picture in _pictures(sources, job, writer, report, report_problem):
                result = segmenter(picture.rgb)
                overlay = draw_overlay(picture.rgb, result)
                save_picture(output / 'overlay' / f'{picture.name}.jpg', overlay)
                writer.add(result, picture.name, picture.file_name, picture.origin)
                report.written += 1
                report.kept.discard(picture.name)
        except KeyboardInterrupt as stop:
            report.interruption = stop
        finally:
            _save(writer)
        if job.instances:
            write_instances(output)
    return report


def _model_for(sources: list[Source], model: ModelOptions) -> ModelOptions:
    """Let `auto` be PyTorch for a few pictures, for which loading an engine does not pay."""
    is_short = len(sources) < _MANY and all(source.is_image for source in sources)
    return without_auto(model) if is_short else model


def _refuse_results(paths: list[str], output: Path) -> None:
    """Raise ValueError if a picture to read lies where results are written."""
    folders = {(output / name).resolve() for name in ('overlay', 'panoptic')}
    for path in paths:
        if Path(path).resolve().parent in folders:
            raise ValueError(f'{path} lies in the folder of results {output} and might be '
                             'overwritten; choose another folder with --output')


def _save(writer: CocoWriter) -> None:
    """Save, once more if the user stops just that: else the two files tell different stories."""
    try:
        writer.save()
    except KeyboardInterrupt:
        writer.save()
        raise


def without_auto(options: ModelOptions) -> ModelOptions:
    """Return the options with PyTorch in place of `auto`, which asks what is in the cache."""
    return options if is_named(options.runtime) else replace(options, runtime='torch')


def build_segmenter(options: ModelOptions, *, keep_raw: bool = False,
                    frames_wait: bool = False) -> Segmenter:
    """Build a segmenter.

    Args:
        options: Which weights to run, and how.
        keep_raw: As for `Segmenter`.
        frames_wait: As for `Segmenter`.

    Raises:
        ValueError: There are no weights, they cannot be used, or an option is out of range.
        RuntimeError: CLIP's weights could not be fetched.
    """
    # wrong options are cheaper to find before the weights are read
    device = resolve_device(options.device)
    precision = resolve_precision(options.precision, device)
    choose_runtime(options.runtime, device.type, precision)
    model = load_pretrained(options.variant, options.checkpoint, sources=options.sources).model
    input_size = (model.config.input_size if options.input_size is None
                  else options.input_size)
    return Segmenter(model, options.device, options.precision, input_size,
                     score_threshold=options.score_threshold,
                     overlap_threshold=options.overlap_threshold, keep_raw=keep_raw,
                     runtime=options.runtime, frames_wait=frames_wait)


def _pictures(sources: list[Source], job: SegmentJob, writer: CocoWriter,
              report: SegmentReport, report_problem: Callable[[str], None]) -> Iterator[Picture]:
    """Yield the pictures to segment under a progress bar; count the others in the report."""
    counts = [source.count() for source in sources]
    total = None if None in counts else sum(count or 0 for count in counts)
    limit = job.max_frames
    with tqdm(total=total, unit='picture', disable=None) as progress:
        for source in sources:
            if job.skip_existing and source.is_image and source.name in writer:
                report.skip(source.name)
                progress.update()
                continue
            try:
                for picture in source.pictures(job.max_megapixels):
                    if job.skip_existing and picture.name in writer:
                        report.skip(picture.name)
                    elif limit is not None and report.written >= limit:
                        return
                    else:
                        yield picture
                    progress.update()
            except MediaError as error:
                report.failed += 1
                report_problem(str(error))


def info(variant: str | None, checkpoint: str | None, device: str) -> dict[str, Any]:
    """Describe a variant, which weights are here, this machine and the libraries.

    Args:
        variant: `t`, `s`, `m` or `l`; None: the checkpoint's, else the default.
        checkpoint: A checkpoint to read and check, or None.
        device: As for `Segmenter`.

    Returns:
        Entries that JSON can hold.

    Raises:
        ValueError: Variant, checkpoint or device cannot be used.
    """
    resolved = resolve_device(device)
    precision = resolve_precision('auto', resolved)
    if checkpoint is not None:
        model = EOVSeg.from_checkpoint(checkpoint, variant)
    else:
        with torch.device('meta'):      # counted, never allocated
            model = EOVSeg(variant_config(variant or DEFAULT_VARIANT))
    total = sum(parameter.numel() for parameter in model.parameters())
    text = sum(parameter.numel() for parameter in model.text_tower.parameters()
               ) if model.text_tower is not None else 0
    return {
        'variant': model.config.variant,
        'parameters': total - text,
        'parameters_with_text_tower': total,
        'queries': model.config.num_queries,
        'training_vocabulary': model.config.training_vocabulary,
        'checkpoint': checkpoint,
        'checkpoint_sha256': model.weights_digest,
        'precision': precision,
        'threads': torch.get_num_threads(),
        'weights': {name: find_weights(name)._asdict() for name in VARIANTS},
        'runtimes': {'auto': describe_auto(resolved.type, precision),
                     **{name: why_not(name) or version_of(name) for name in ENGINES}},
        **describe_machine(resolved)}


def describe_machine(device: torch.device) -> dict[str, Any]:
    """Describe what results and speed depend on besides the model.

    Args:
        device: A device that is there.

    Returns:
        Entries that JSON can hold: device, cores, load, and versions.
    """
    name = torch.cuda.get_device_name(device) if device.type == 'cuda' else platform.machine()
    return {
        'device': f'{device} ({name})', 'cores': os.cpu_count(),
        'load_average': round(os.getloadavg()[0], 1), 'python': platform.python_version(),
        # OpenCV goes by four names on the package index, so it is asked itself
        'libraries': {library: metadata.version(library) for library in _LIBRARIES}
        | {'opencv': cv2.__version__}}


def convert(source: str, target: str, *, small: bool = False) -> str:
    """Convert a checkpoint; the target appears complete or not at all.

    Args:
        source: Our `.safetensors` or an official `.pth`.
        target: Ends in `.safetensors` (ours) or `.pth` (published names).
        small: Of a `.safetensors`: store matrices in float16, which is not exact.

    Returns:
        The SHA-256 of the weights.

    Raises:
        ValueError: The ending of the target is unknown, or the source cannot be used.
        OSError: The target cannot be written.
    """
    path = Path(target)
    if path.suffix not in ('.safetensors', '.pth'):
        raise ValueError(f'{target} must end in .safetensors (our format) or .pth (published '
                         'names)')
    if small and path.suffix != '.safetensors':
        raise ValueError(f'--small is for a .safetensors file, and {target} is none')
    check_target(path)
    model = EOVSeg.from_checkpoint(source)
    model.save(path, small=small)
    if small:   # rounded, so no longer the source's
        model = EOVSeg.from_checkpoint(path)
    return str(model.weights_digest)
