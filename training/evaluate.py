# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measure panoptic, semantic and instance quality and the frame rate on a data set.

    python -m training.evaluate --data ade20k_150 --root DIR --variant s --checkpoint FILE
    python -m training.evaluate --data world_video --variant t

docs/evaluation.md describes figures, files and options.  Exit status: 0 done; 1 something cannot
be used or written; 130 stopped.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
import hashlib
import json
import os
from pathlib import Path
import sys
from typing import Any

import torch

from eov_seg_core.app.arguments import positive, thread_count
from eov_seg_core.config import variant_config, VARIANTS
from eov_seg_core.device.precision import resolve_device
from eov_seg_core.inference.engines.choice import ENGINES
from eov_seg_core.io.files import announce_large_files, replace_file
from eov_seg_core.io.text import error_line
from eov_seg_core.segmenter import Segmenter
from eov_seg_core.vocabulary import Vocabulary
from training.ablation import ablate, PARTS
from training.data import data_sets, open_dataset
from training.evaluation.dataset import choose_tasks, collect_scores, evaluate, TASKS
from training.evaluation.folder import RunFolder
from training.evaluation.image import Data
from training.evaluation.scores import Scores
from training.evaluation.workers import evaluate_in_processes, Work
from training.run.sources import WORLD
from training.world.benchmark import SPLITS, WorldBenchmark
from training.world.scores import choose_splits, WorldScores
from training.world.walk_scores import evaluate_walks, WalkScores, WORLD_VIDEO

_IMAGES, _WALKS = 300, 10
_NOT_OF_WALKS = ('root', 'split', 'limit', 'skip_broken', 'fine_tuned', 'tasks', 'processes')


@dataclass(frozen=True)
class Setup:
    """What a process needs in order to build its segmenter and to open the data.

    Attributes:
        data: Name of a published data set, or a folder.
        root: Folder of the published data sets.
        split: `train` or `val`; of the world one of its splits, for `run` several of them.
        rooms: Images of the world.
        seed: Of the first of them.
        variant: `t`, `s`, `m` or `l`.
        checkpoint: Weights; None: those that come with the variant.
        device: `auto`, `cpu`, `cuda` or `cuda:N`; `auto` and `cuda` spread over all GPUs.
        without: Parts that are taken out of the network.
        options: Of the `Segmenter`.
    """

    data: str
    root: Path | None
    split: str
    rooms: int
    seed: int
    variant: str
    checkpoint: Path | None
    device: str
    without: tuple[str, ...]
    options: dict[str, Any]

    def __call__(self, rank: int) -> tuple[Segmenter, Data]:
        """Build the segmenter of a process and open the data.

        Raises:
            ValueError: Weights, options or data cannot be used.
            OSError: A file cannot be read.
        """
        return self.segmenter(rank), self.open_data()

    def open_data(self) -> Data:
        """Open the data."""
        if self.data == WORLD:
            return WorldBenchmark(self.split, self.rooms, self.seed)
        return open_dataset(self.data, self.root, self.split)

    def segmenter(self, rank: int) -> Segmenter:
        """Build the segmenter of a process."""
        device = resolve_device(self.device)
        if device.type == 'cuda' and device.index is None:
            device = torch.device('cuda', rank % torch.cuda.device_count())
        if self.without and self.options['runtime'] != 'torch':
            raise ValueError('--without takes parts out of the network in PyTorch, and --runtime '
                             f'is {self.options["runtime"]}; leave one of them out')
        segmenter = Segmenter.from_pretrained(
            self.variant, self.checkpoint, device=device, frames_wait=True, **self.options)
        ablate(segmenter.model, self.without)
        return segmenter

    def prepare(self, segmenter: Segmenter, data: Data) -> None:
        """Prepare the engine for the size of the first image, before any is judged.

        Raises:
            RuntimeError: It cannot be used: figures of another runtime would be of no use.
        """
        if self.options['runtime'] == 'torch':
            return
        segmenter.set_vocabulary(data.vocabulary)
        segmenter.warm_up(*data[0].image_rgb.shape[:2])
        _refuse_fallback(segmenter)

    def identity(self, segmenter: Segmenter, data: Data, tasks: Sequence[str],
                 is_fine_tuned: bool) -> dict[str, Any]:
        """Return what the figures depend on, for `RunFolder`."""
        return {
            'variant': self.variant, 'weights': segmenter.model.weights_digest,
            'data': (self.data if self.data in (*data_sets(), WORLD)
                     else str(Path(self.data).resolve())),
            'split': self.split, 'seed': self.seed, 'images': len(data),
            'vocabulary': _digest(data.vocabulary),
            'tasks': list(tasks), 'fine_tuned': is_fine_tuned,
            'device': segmenter.device.type, 'precision': segmenter.precision,
            'without': list(self.without), **self.options}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What to measure, how, and where to save it.

    Attributes:
        tasks: Some of `TASKS`; None: all that the data allow.
        limit: Most images, the first ones; None: all.
        skip_broken: Leave out and count images that cannot be used, instead of stopping.
        fine_tuned: All classes of the data count as seen in training.
        processes: How many work; None: one for each GPU, or one.
        threads: Of each process; None: the cores are shared out.
        output: Folder for predictions, from which a second call goes on; None: nowhere.
    """

    tasks: Sequence[str] | None = None
    limit: int | None = None
    skip_broken: bool = False
    fine_tuned: bool = False
    processes: int | None = None
    threads: int | None = None
    output: Path | None = None


def _refuse_fallback(segmenter: Segmenter) -> None:
    if segmenter.fallbacks:
        raise RuntimeError('the runtime that was asked for cannot be used, so there are no '
                           f'figures: {"; ".join(segmenter.fallbacks.values())}')


def _digest(vocabulary: Vocabulary) -> str:
    return hashlib.sha256(repr(vocabulary.categories).encode()).hexdigest()


def run(setup: Setup, settings: Settings) -> Scores | WorldScores:
    """Evaluate on a data set, or on the splits of the world that the setup lists.

    Args:
        setup: Of each process; of the world its split may be a list, as `base,novel`.
        settings: What to measure, and where to save it.

    Raises:
        ValueError: Data, weights or an option cannot be used, or an image is broken.
        OSError: A file cannot be read or written.
        RuntimeError: A process gave up.
    """
    if setup.data != WORLD:
        return _run_split(setup, settings)
    splits = choose_splits(setup.split)
    return WorldScores(
        {split: _run_split(replace(setup, split=split), replace(
            settings, output=settings.output and settings.output / split)) for split in splits},
        {split: WorldBenchmark(split).judged for split in splits})


def _run_split(setup: Setup, settings: Settings) -> Scores:
    data = setup.open_data()
    tasks = choose_tasks(data, settings.tasks)
    segmenter = setup.segmenter(0)
    processes = settings.processes or _default_processes(segmenter.device, setup.device)
    threads = settings.threads
    if threads is None and processes > 1:
        threads = max(_cores() // processes, 1)
    if threads is not None:     # now, because an engine is built for a number of threads
        torch.set_num_threads(threads)
    setup.prepare(segmenter, data)
    names = data.vocabulary.synonyms if settings.fine_tuned else None
    folder = None if settings.output is None else RunFolder(
        settings.output, setup.identity(segmenter, data, tasks, settings.fine_tuned))
    with nullcontext() if folder is None else closing(folder):
        if processes == 1:
            return evaluate(segmenter, data, tasks, training_names=names, folder=folder,
                            limit=settings.limit, skip_broken=settings.skip_broken)
        # encoded once, the texts come out of the cache on the disk in all processes
        segmenter.prepare_vocabulary(data.vocabulary, names)
        del segmenter
        work = Work(setup, tasks, names, None if folder is None else folder.png_folder,
                    threads)
        return collect_scores(lambda indices: evaluate_in_processes(work, indices, processes),
                              data, tasks, folder=folder, limit=settings.limit,
                              skip_broken=settings.skip_broken)


def _default_processes(device: torch.device, wanted: str) -> int:
    """Return one for each GPU, unless one GPU was named."""
    names_one = ':' in wanted
    return 1 if device.type != 'cuda' or names_one else torch.cuda.device_count()


def _cores() -> int:
    if hasattr(os, 'sched_getaffinity'):    # not on every system
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(
        prog='python -m training.evaluate',
        description='Measure panoptic, semantic and instance quality and the frame rate.')
    data = parser.add_argument_group('data')
    data.add_argument('--data', required=True, metavar='NAME_OR_FOLDER',
                      help=f'one of {", ".join(data_sets())}, {WORLD} or {WORLD_VIDEO} (built '
                           'in), or a folder in COCO panoptic format')
    data.add_argument('--root', type=Path, metavar='DIR', help='folder of the published data sets')
    data.add_argument('--split', help='train or val (val); of the world some of '
                                      f'{",".join(SPLITS)} (all)')
    data.add_argument('--rooms', type=positive, metavar='N',
                      help='images of each split of the world (300), or rooms to walk through '
                           f'({_WALKS})')
    data.add_argument('--seed', type=int, default=1_000_000, metavar='N',
                      help='first room of the world (1000000)')
    data.add_argument('--limit', type=positive, metavar='N', help='only the first N images')
    data.add_argument('--skip-broken', action='store_true',
                      help='leave out and count images that cannot be used, instead of stopping')
    weights = parser.add_argument_group('weights')
    weights.add_argument('--variant', choices=VARIANTS,
                         help=f'without it, {WORLD_VIDEO} is measured with true masks alone')
    weights.add_argument('--checkpoint', type=Path, metavar='FILE',
                         help='a published .pth or our .safetensors')
    weights.add_argument('--fine-tuned', action='store_true',
                         help='the weights were trained with the classes of this data set: all '
                              'of them count as seen')
    weights.add_argument('--without', nargs='+', default=(), choices=PARTS, metavar='PART',
                         help=f'take parts out of the network: {", ".join(PARTS)}')
    _add_inference(parser.add_argument_group('inference'))
    output = parser.add_argument_group('output')
    output.add_argument('--tasks', type=lambda text: text.split(','), metavar='TASK[,TASK...]',
                        help=f'some of {",".join(TASKS)}; all that the data allow otherwise')
    output.add_argument('--output', type=Path, metavar='DIR',
                        help='save predictions here; started again, go on from here')
    output.add_argument('--json', type=Path, metavar='FILE', help='write all figures')
    output.add_argument('--csv', type=Path, metavar='FILE', help='write the figures of each class')
    return parser


def _add_inference(group: Any) -> None:
    group.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N')
    group.add_argument('--precision', default='auto', help='auto, fp32, mixed, fp16 or bf16')
    group.add_argument('--runtime', default='torch', choices=('torch', *ENGINES),
                       help='what computes the network (torch); an engine is prepared before the '
                            'first image, see docs/engines.md')
    group.add_argument('--processes', type=thread_count, metavar='N',
                       help='work in N processes; otherwise one for each GPU, or one')
    group.add_argument('--threads', type=thread_count, metavar='N',
                       help='threads of a process; otherwise the cores are shared out')
    group.add_argument('--input-size', type=int, metavar='PX',
                       help='short side of the network input (640; 288 for variant t); 0: the '
                            'image as it is')
    group.add_argument('--max-input-size', type=int, default=2560, metavar='PX',
                       help='upper limit of the long side (2560)')
    group.add_argument('--score-threshold', type=float, default=0.0, metavar='0..1')
    group.add_argument('--overlap-threshold', type=float, default=0.8, metavar='0..1')


def _setup(options: argparse.Namespace) -> Setup:
    split = options.split or (','.join(SPLITS) if options.data == WORLD else 'val')
    rooms = options.rooms or _IMAGES
    size = (variant_config(options.variant).input_size if options.input_size is None
            else options.input_size)
    return Setup(options.data, options.root, split, rooms, options.seed, options.variant,
                 options.checkpoint, options.device, tuple(options.without), {
                     'precision': options.precision, 'runtime': options.runtime,
                     'input_size': size or None,
                     'max_input_size': options.max_input_size,
                     'score_threshold': options.score_threshold,
                     'overlap_threshold': options.overlap_threshold})


def _settings(options: argparse.Namespace) -> Settings:
    return Settings(tasks=options.tasks, limit=options.limit, skip_broken=options.skip_broken,
                    fine_tuned=options.fine_tuned, processes=options.processes,
                    threads=options.threads, output=options.output)


def _run_walks(options: argparse.Namespace) -> WalkScores:
    """Walk through rooms with true masks, and with those of a variant if there is one."""
    not_read = [f'--{name.replace("_", "-")}' for name in _NOT_OF_WALKS if getattr(options, name)]
    if not_read:
        raise ValueError(f'{WORLD_VIDEO} does not read {", ".join(not_read)}; leave it out')
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    identity, segmenters = {'data': WORLD_VIDEO, 'variant': options.variant}, {}
    if options.variant is not None:
        setup = _setup(options)
        segmenter = segmenters[options.variant] = setup.segmenter(0)
        identity |= {'weights': segmenter.model.weights_digest, 'device': segmenter.device.type,
                     'precision': segmenter.precision, 'without': list(setup.without),
                     **setup.options}
    seeds = range(options.seed, options.seed + (options.rooms or _WALKS))
    scores = evaluate_walks(seeds, segmenters, output=options.output, identity=identity)
    for segmenter in segmenters.values():
        _refuse_fallback(segmenter)
    return scores


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    if options.variant is None and options.data != WORLD_VIDEO:
        parser.error('the following arguments are required: --variant')
    announce_large_files()
    try:
        scores = (_run_walks(options) if options.data == WORLD_VIDEO
                  else run(_setup(options), _settings(options)))
        if options.json is not None:
            replace_file(options.json, (json.dumps(scores.to_json(), indent=2) + '\n').encode())
        if options.csv is not None:
            replace_file(options.csv, scores.to_csv().encode())
    except (OSError, RuntimeError, ValueError) as error:
        sys.stderr.write(f'{error_line(parser.prog, error)}\n')
        return 1
    except KeyboardInterrupt:
        sys.stderr.write(f'{parser.prog}: stopped; with --output the same command goes on\n')
        return 130
    sys.stdout.write(scores.to_table())
    return 0


if __name__ == '__main__':
    sys.exit(main())
