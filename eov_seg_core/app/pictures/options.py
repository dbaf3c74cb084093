# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The options of `eov-seg segment --parts`; needs no PyTorch, so that `--help` is quick."""

from __future__ import annotations

import argparse

from eov_seg_core.app.arguments import positive, shard
from eov_seg_core.pictures.options import PictureOptions

_ONLY = ('part_pictures', 'shard', 'batch', 'readers', 'engine', 'workers')


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for many pictures."""
    parser.add_argument('--list', metavar='FILE',
                        help='take the inputs from a file, one path a line, or separated by null '
                             'bytes')
    group = parser.add_argument_group('many pictures')
    group.add_argument('--parts', action='store_true',
                       help='work in parts, in constant memory: the same command again goes on '
                            'after a kill, several processes share the work; see docs/files.md')
    group.add_argument('--part-pictures', type=positive, metavar='N',
                       help='pictures of a part (1000)')
    group.add_argument('--shard', type=shard, metavar='I/N',
                       help='make the I-th of N shares only, I = 0 to N - 1 (0/1)')
    group.add_argument('--batch', type=positive, metavar='N',
                       help='pictures that the network gets at once; more than 1 is for GPUs (1)')
    group.add_argument('--readers', type=positive, metavar='N',
                       help='threads that read and write while the network computes (2)')
    group.add_argument('--engine', choices=('local', 'ray'),
                       help='ray: on the cluster of RAY_ADDRESS, or on this machine (local)')
    group.add_argument('--workers', type=positive, metavar='N',
                       help='of Ray (one for each GPU; one without GPUs)')


def check(arguments: argparse.Namespace) -> None:
    """Raise ValueError if options do not go together."""
    if not arguments.inputs and arguments.list is None:
        raise ValueError('there is nothing to segment; name an INPUT, or a file with --list')
    if not arguments.parts:
        wrong = [name for name in _ONLY if getattr(arguments, name) is not None]
        if wrong:
            raise ValueError(f'--{wrong[0].replace("_", "-")} is for work in parts; add --parts')
        return
    if arguments.max_frames is not None:
        raise ValueError('--max-frames does not go with --parts; give a shorter list with --list')
    is_ray = arguments.engine == 'ray'
    if arguments.workers is not None and not is_ray:
        raise ValueError('--workers is for --engine ray; start the command several times instead')
    if arguments.shard is not None and is_ray:
        raise ValueError('--shard is for --engine local; Ray shares the parts itself')


def labels_of(arguments: argparse.Namespace) -> PictureOptions:
    """Return how the pictures are labelled."""
    given = {'part_size': arguments.part_pictures, 'batch': arguments.batch,
             'readers': arguments.readers}
    return PictureOptions(max_megapixels=arguments.max_megapixels, **{
        name: value for name, value in given.items() if value is not None})
