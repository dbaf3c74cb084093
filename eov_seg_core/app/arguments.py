# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Options that several sub-commands of `eov-seg` have; needs no PyTorch until they are used."""

from __future__ import annotations

import argparse
import math
import sys
import textwrap
from typing import Any, TYPE_CHECKING

from eov_seg_core.config import VARIANTS
from eov_seg_core.inference.engines.choice import RUNTIMES
from eov_seg_core.inference.options import MAX_INPUT_SIZE, MIN_INPUT_SIZE
from eov_seg_core.io.text import error_line, printable

if TYPE_CHECKING:
    from eov_seg_core.app.commands import ModelOptions

MOST_THREADS = 1024
"""Most threads, or processes, that an option may ask for."""
ROOM_SIDE_PX = (16, 4096)
"""Shortest and longest side of an image of the built-in world, `world_camera_node`'s too."""


def add_words(parser: argparse.ArgumentParser) -> None:
    """Add the ways to say what to look for."""
    words = parser.add_argument_group('vocabulary (one of the two ways)')
    words.add_argument('--vocabulary', metavar='NAME',
                       help='a preset such as ade20k_150, or a YAML or list file')
    words.add_argument('--things', nargs='+', default=[], metavar='NAME[,SYNONYM...]',
                       help='countable objects, told apart')
    words.add_argument('--stuff', nargs='+', default=[], metavar='NAME[,SYNONYM...]',
                       help='the rest: sky, floor, ...')


def add_thresholds(options: Any) -> None:
    """Add the limits of what is kept of a picture, and of its size."""
    options.add_argument('--score-threshold', type=share, default=0.0, metavar='0..1',
                         help='drop queries below this score (0)')
    options.add_argument('--overlap-threshold', type=share, default=0.8, metavar='0..1',
                         help='drop queries that win less than this share of their mask (0.8)')
    options.add_argument('--max-megapixels', type=megapixels, default=64.0, metavar='M',
                         help='refuse larger pictures before they are decoded (64)')


def add_weights(parser: argparse.ArgumentParser) -> None:
    """Add the choice of weights."""
    weights = parser.add_argument_group('weights')
    weights.add_argument('--variant', choices=VARIANTS,
                         help="size of the network (the checkpoint's, else s)")
    source = weights.add_mutually_exclusive_group()
    source.add_argument('--checkpoint', metavar='FILE',
                        help='a published .pth or our .safetensors')
    source.add_argument('--clip-pretrained', action='store_true',
                        help="CLIP's weights through open_clip; the rest stays untrained")
    source.add_argument('--untrained', action='store_true',
                        help='random weights, to try the machinery; results mean nothing')


def add_inference(parser: argparse.ArgumentParser) -> Any:
    """Add how the network runs; returns the group, for further options."""
    options = parser.add_argument_group('inference')
    options.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N')
    options.add_argument('--precision', default='auto', help='auto, fp32, mixed, fp16 or bf16')
    options.add_argument('--runtime', default='auto', metavar='NAME',
                         help=f'{", ".join(RUNTIMES)} (auto); see docs/engines.md')
    options.add_argument('--input-size', type=input_size, metavar='PX',
                         help='short side of the network input (640; 288 for variant t)')
    return options


def folder(text: str) -> str:
    """Return the path of a folder or recording; '', an unset variable, would be this folder."""
    if not text:
        raise argparse.ArgumentTypeError("expected a folder, got ''; write . for this one")
    return text


def positive(text: str) -> int:
    """Return a number of at least 1."""
    return _whole(text, 1, 'at least 1')


def thread_count(text: str) -> int:
    """Return a number of threads or processes; PyTorch crashes at one that no machine can run."""
    return _whole(text, 1, f'in 1..{MOST_THREADS}', MOST_THREADS)


def input_size(text: str) -> int:
    """Return a short side of the network's input in pixels."""
    return _whole(text, MIN_INPUT_SIZE, f'of pixels in {MIN_INPUT_SIZE}..{MAX_INPUT_SIZE}',
                  MAX_INPUT_SIZE)


def port(text: str) -> int:
    """Return a TCP port."""
    return _whole(text, 1, 'in 1..65535', 65535)


def room_side(text: str) -> int:
    """Return a side of an image of the built-in world in pixels."""
    least, most = ROOM_SIDE_PX
    return _whole(text, least, f'of pixels in {least}..{most}', most)


def share(text: str) -> float:
    """Return a number in 0..1."""
    value = _number(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f'expected a number in 0..1, got {text}')
    return value


def megapixels(text: str) -> float:
    """Return a size of pictures that Pillow decodes."""
    value = _number(text)
    if not 0 < value <= 178:    # what Pillow decodes at most
        raise argparse.ArgumentTypeError(f'expected more than 0 and at most 178, got {text}')
    return value


def shard(text: str) -> tuple[int, int]:
    """Return (i, n): the i-th of n shares, counted from 0."""
    index, _, count = text.partition('/')
    if not (index.isdecimal() and count.isdecimal() and int(index) < int(count)):
        raise argparse.ArgumentTypeError(f'expected I/N with I = 0 to N - 1, got {text!r:.80}')
    return int(index), int(count)


def _whole(text: str, lowest: int, described: str, highest: float = math.inf) -> int:
    try:
        value = int(text)
    except ValueError:
        value = lowest - 1
    if not lowest <= value <= highest:
        raise argparse.ArgumentTypeError(f'expected a whole number {described}, got {text!r:.80}')
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'expected a number, got {text!r:.80}') from None


def model_options(arguments: argparse.Namespace, score_threshold: float = 0.0,
                  overlap_threshold: float = 0.8) -> ModelOptions:
    """Turn the options for weights and inference into an object; warn of weights without use."""
    from eov_seg_core.app.commands import ModelOptions
    from eov_seg_core.weights.choice import CAVEATS, Source
    sources: tuple[Source, ...] = (
        ('untrained',) if arguments.untrained
        else ('clip',) if arguments.clip_pretrained else ('built-in', 'published'))
    if sources[0] in CAVEATS:
        line = '*' * 72
        print(f'\n{line}\n{textwrap.fill(CAVEATS[sources[0]], 72)}\n{line}\n', file=sys.stderr)
    return ModelOptions(
        variant=arguments.variant, checkpoint=arguments.checkpoint, sources=sources,
        device=arguments.device, precision=arguments.precision, input_size=arguments.input_size,
        runtime=arguments.runtime, score_threshold=score_threshold,
        overlap_threshold=overlap_threshold)


def report_note(note: str) -> None:
    """Say what is to be known and is no error, in one line."""
    sys.stderr.write(f'eov-seg: note: {printable(note)}\n')


def report_problem(problem: str) -> None:
    """Say what went wrong, in one line, without tearing a progress bar apart."""
    tqdm = sys.modules.get('tqdm')
    # in one piece: several processes may share the terminal, and print writes a line in two
    line = error_line('eov-seg', problem) + '\n'
    if tqdm is None:
        sys.stderr.write(line)
    else:
        tqdm.tqdm.write(line, file=sys.stderr, end='')
