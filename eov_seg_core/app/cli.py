# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command `eov-seg`: pictures, recordings, speed, variants, fetched and converted weights.

Exit status: 0 all done; 1 some inputs could not be used, the rest is done; 2 it cannot start or go
on, because an option, the weights or the vocabulary is wrong or the output cannot be written; 130
stopped with Ctrl-C and 143 with SIGTERM, with complete files for what was done until then; 141 if
the reader of the output has gone, as `head` goes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
import json
import os
from pathlib import Path
import signal
import sys
import threading
from typing import Any

from eov_seg_core.app import download, export
from eov_seg_core.app.arguments import (
    add_inference,
    add_thresholds,
    add_weights,
    add_words,
    folder,
    model_options,
    positive,
    report_note,
    report_problem,
    room_side,
    ROOM_SIDE_PX,
    thread_count,
)
from eov_seg_core.app.bag import options as bag
from eov_seg_core.app.bag import sample
from eov_seg_core.app.pictures import options as pictures
from eov_seg_core.config import VARIANTS
from eov_seg_core.device.threads import share_cores
from eov_seg_core.io.files import announce_large_files
from eov_seg_core.io.text import printable, sentence


class _Terminated(KeyboardInterrupt):
    """SIGTERM came: a Ctrl-C with another exit status."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: Arguments without the program's name; None: those of the process.

    Returns:
        The exit status, see above.
    """
    arguments = build_parser().parse_args(argv)
    share_cores()
    announce_large_files()
    try:
        with _sigterm_like_ctrl_c():
            status = int(arguments.run(arguments))
            sys.stdout.flush()
            return status
    except KeyboardInterrupt as stop:
        return 128 + (signal.SIGTERM if isinstance(stop, _Terminated) else signal.SIGINT)
    except BrokenPipeError:     # whoever reads the output has enough of it, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except (ValueError, RuntimeError, OSError, MemoryError) as error:
        report_problem(sentence(error))
        return 2


@contextmanager
def _sigterm_like_ctrl_c() -> Iterator[None]:
    """Let SIGTERM raise `_Terminated`; only the main thread can, others leave it as it is."""
    def terminate(number: int, frame: object) -> None:
        signal.signal(number, signal.SIG_IGN)   # a second one must not disturb the writing
        raise _Terminated

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        # None: of a program that embeds Python, which cannot be put back from here
        signal.signal(signal.SIGTERM, signal.SIG_DFL if previous is None else previous)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; needs no PyTorch, so that `--help` is quick."""
    parser = argparse.ArgumentParser(
        prog='eov-seg', description='Open-vocabulary panoptic segmentation (EOV-Seg).')
    commands = parser.add_subparsers(title='commands', required=True, metavar='COMMAND')
    _add_segment(commands)
    bag.add_parser(commands)
    sample.add_parser(commands)
    _add_console(commands)
    _add_benchmark(commands)
    _add_info(commands)
    _add_convert(commands)
    export.add_parser(commands)
    download.add_parser(commands)
    return parser


def _add_segment(commands: Any) -> None:
    parser = commands.add_parser(
        'segment', help='segment images, folders, videos or a camera',
        description='Write overlay/NAME.jpg, panoptic/NAME.png (COCO: id = R + 256 G + 65536 B), '
                    'panoptic.json and detections.json to a folder.')
    parser.add_argument('inputs', nargs='*', metavar='INPUT',
                        help='an image, a video, a folder (its images and videos, not those of '
                             'sub-folders), camera:0 or /dev/video0, rtsp://... or http://...')
    parser.add_argument('-o', '--output', required=True, type=folder, metavar='DIR',
                        help='folder for results')
    add_words(parser)
    add_weights(parser)
    options = add_inference(parser)
    add_thresholds(options)
    options.add_argument('--max-frames', type=positive, metavar='N',
                         help='stop after N pictures; a camera runs until Ctrl-C otherwise')
    options.add_argument('--format', choices=('coco-panoptic', 'coco-instances'),
                         default='coco-panoptic',
                         help='coco-instances writes, besides, instances_polygons.json and '
                              'instances_rle.json for CVAT and Label Studio')
    options.add_argument('--skip-existing', action='store_true',
                         help='go on with a folder: leave out what it has results of')
    pictures.add_options(parser)
    parser.set_defaults(run=_segment)


def _add_console(commands: Any) -> None:
    from eov_seg_core.app.console.options import add_options
    parser = commands.add_parser(
        'console', help='look at pictures in the browser and type words',
        description='Serve a page on this machine: drop pictures, type words, point at things. '
                    'See docs/console.md; needs the extra console.')
    add_options(parser)
    add_weights(parser)
    add_inference(parser)
    parser.set_defaults(run=_console)


def _add_benchmark(commands: Any) -> None:
    parser = commands.add_parser(
        'benchmark', help='measure speed, beside agreement with float32',
        description='Time the network, network + merge, and host to host; each with the share of '
                    'pixels of the id map that agree with float32. See docs/performance.md.')
    picture = parser.add_mutually_exclusive_group()
    picture.add_argument('--image', metavar='FILE', help='what to segment (a built-in room)')
    picture.add_argument('--size', type=room_side, nargs=2, default=(640, 480),
                         metavar=('WIDTH', 'HEIGHT'), help='of the built-in room, {} to {} each '
                         '(640 480)'.format(*ROOM_SIDE_PX))
    parser.add_argument('--vocabulary', default='ade20k_150', metavar='NAME',
                        help='a preset or a YAML or list file (ade20k_150)')
    add_weights(parser)
    options = add_inference(parser)
    options.add_argument('--threads', type=thread_count, metavar='N',
                         help="threads on the CPU (PyTorch's choice)")
    options.add_argument('--rounds', type=positive, default=20, metavar='N',
                         help='times that each call is measured (20)')
    options.add_argument('--warm-up', type=positive, default=3, metavar='N',
                         help='rounds before that (3; 100 is usual on a GPU)')
    options.add_argument('--against', nargs='+', metavar='NAME=VALUE',
                         help='measure a second setting in turns with the first, for example '
                              'precision=fp32; or input_size, vocabulary, threads, '
                              'compile, cuda_graphs, runtime')
    options.add_argument('--busy', type=thread_count, default=0, metavar='N',
                         help='measure each round once more beside N processes that keep a core '
                              'busy (none)')
    parser.add_argument('--json', metavar='FILE', help='write all figures to this file, too')
    parser.set_defaults(run=_benchmark)


def _add_info(commands: Any) -> None:
    parser = commands.add_parser(
        'info', help='describe a variant, where weights are, the device and versions',
        description='Describe a variant, where the weights of all variants are, the device and '
                    'versions.')
    parser.add_argument('--variant', choices=VARIANTS,
                        help="size of the network (the checkpoint's, else s)")
    parser.add_argument('--checkpoint', metavar='FILE', help='read and check this file, too')
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N')
    parser.add_argument('--json', action='store_true', help='write JSON')
    parser.set_defaults(run=_info)


def _add_convert(commands: Any) -> None:
    parser = commands.add_parser(
        'convert', help='convert a checkpoint between .pth and .safetensors',
        description='Convert a checkpoint between .pth (published names) and .safetensors (our '
                    'format, with variant and digest). An existing target is replaced.')
    parser.add_argument('source', metavar='IN', help='a published .pth or our .safetensors')
    parser.add_argument('target', metavar='OUT', help='ends in .safetensors or .pth')
    parser.add_argument('--small', action='store_true',
                        help='store matrices in float16 and equal token rows once; not exact')
    parser.set_defaults(run=_convert)


def _segment(arguments: argparse.Namespace) -> int:
    from eov_seg_core.app.words import choose_vocabulary
    pictures.check(arguments)
    # a small file is read, and refused, before PyTorch is imported for seconds
    vocabulary = choose_vocabulary(arguments.vocabulary, arguments.things, arguments.stuff)
    from eov_seg_core.app import commands
    from eov_seg_core.io.media import describe_folders
    model = model_options(arguments, score_threshold=arguments.score_threshold,
                          overlap_threshold=arguments.overlap_threshold)
    for note in describe_folders(arguments.inputs):
        report_note(note)
    if arguments.parts:
        return _segment_parts(arguments, vocabulary, model)
    from eov_seg_core.pictures.listing import read_list
    listed = [] if arguments.list is None else read_list(arguments.list)
    report = commands.segment(commands.SegmentJob(
        inputs=[*arguments.inputs, *listed], output=arguments.output, model=model,
        vocabulary=vocabulary, max_frames=arguments.max_frames,
        skip_existing=arguments.skip_existing, max_megapixels=arguments.max_megapixels,
        instances=arguments.format == 'coco-instances'), report_problem)
    kept = f', {len(report.kept)} kept of earlier runs' if report.kept else ''
    skipped = f', {report.skipped} skipped' if report.skipped else ''
    failed = f', {report.failed} failed' if report.failed else ''
    stopped = ' (stopped)' if report.interruption else ''
    print(f'{report.written} segmented{skipped}{kept}{failed}{stopped}: '
          f'{printable(arguments.output)}')
    if report.interruption:
        raise report.interruption
    return 1 if report.failed else 0


def _segment_parts(arguments: argparse.Namespace, vocabulary: Any, model: Any) -> int:
    from eov_seg_core.app.pictures.command import label_pictures, PicturesJob
    return label_pictures(PicturesJob(
        inputs=arguments.inputs, list_file=arguments.list, folder=os.getcwd(),
        output=arguments.output, vocabulary=vocabulary, model=model,
        labels=pictures.labels_of(arguments), shard=arguments.shard or (0, 1),
        workers=(arguments.workers or 0) if arguments.engine == 'ray' else None,
        instances=arguments.format == 'coco-instances'),
        report_problem, lambda line: print(printable(line)))


def _console(arguments: argparse.Namespace) -> int:
    from eov_seg_core.app.commands import build_segmenter
    from eov_seg_core.app.console.command import console, ConsoleJob
    from eov_seg_core.app.console.options import ServerAddress
    from eov_seg_core.app.words import choose_vocabulary
    if arguments.variant is None and arguments.checkpoint is None:
        arguments.variant = 't'     # the one whose weights are in the package
    model = model_options(arguments)
    words = choose_vocabulary(arguments.vocabulary or 'world', [], [])
    console(ConsoleJob(inputs=arguments.inputs, vocabulary=words,
                       address=ServerAddress.of(arguments),
                       open_browser=not arguments.no_browser),
            lambda: build_segmenter(model, keep_raw=True), lambda line: print(line, flush=True))
    return 0


def _benchmark(arguments: argparse.Namespace) -> int:
    from eov_seg_core.app.benchmark.measure import benchmark, BenchmarkJob
    from eov_seg_core.app.benchmark.report import report_tables
    from eov_seg_core.io.files import check_target, replacing
    model = model_options(arguments)
    target = None if arguments.json is None else Path(arguments.json)
    if target is not None:
        check_target(target)
    report = benchmark(BenchmarkJob(
        model=model, image=arguments.image, size=tuple(arguments.size),
        vocabulary=arguments.vocabulary, threads=arguments.threads, rounds=arguments.rounds,
        warm_up=arguments.warm_up, against=tuple(arguments.against or ()),
        busy=arguments.busy))
    print(report_tables(report))
    if target is not None:
        with replacing(target) as temporary:
            temporary.write_text(json.dumps(report, indent=2) + '\n', encoding='utf-8')
    return 0


def _info(arguments: argparse.Namespace) -> int:
    from eov_seg_core.app import commands
    entries = commands.info(arguments.variant, arguments.checkpoint, arguments.device)
    if arguments.json:
        print(json.dumps(entries, indent=2))
        return 0
    libraries, weights = entries.pop('libraries'), entries.pop('weights')
    places = {f'weights of {variant}': download.describe(variant, entry)
              for variant, entry in weights.items()}
    runtimes = {f'runtime {name}': said for name, said in entries.pop('runtimes').items()}
    for name, value in (entries | places | runtimes | libraries).items():
        print(f'{name.replace("_", " "):28s}{_shown(value)}')
    return 0


def _shown(value: object) -> str:
    if value is None:
        return '-'
    return f'{value:,}' if isinstance(value, int) else str(value)


def _convert(arguments: argparse.Namespace) -> int:
    from eov_seg_core.app import commands
    digest = commands.convert(arguments.source, arguments.target, small=arguments.small)
    print(f'{arguments.target}: sha256 {digest}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
