# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command `python -m training.prepare`: make the files of a data set, or check them all.

With `--from` the data set is your own, made from the export of an annotation tool.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
import logging
import os
from pathlib import Path
import sys

from eov_seg_core.io.text import counted, error_line
from training.data import data_sets, open_dataset
from training.data.catalogue import SPLITS
from training.prepare import ade20k, cityscapes, pascal
from training.prepare.exports.command import add_export_options, prepare_export
from training.prepare.steps import Task, work_on

_PREPARATIONS: dict[str, Callable[[Task], None]] = {
    'ade20k_150': ade20k.prepare_panoptic,
    'ade20k_150_semantic': ade20k.prepare_semantic,
    'ade20k_847': ade20k.prepare_full,
    'cityscapes': cityscapes.prepare_panoptic,
    'pascal_voc_20': pascal.prepare_voc_20,
    'pascal_voc_21': pascal.prepare_voc_21,
    'pascal_context_59': pascal.prepare_context_59,
    'pascal_context_459': pascal.prepare_context_459,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 0, 1 for unusable files, 130 when stopped."""
    parser = argparse.ArgumentParser(
        prog='python -m training.prepare',
        description='Make the files that a published data set needs, or a data set of the export '
                    'of an annotation tool.  It can be stopped at any moment; run again, it goes '
                    'on.')
    parser.add_argument('name', metavar='NAME', help=f'{", ".join(data_sets())}; or, with '
                        '--check, a folder in COCO panoptic format; or, with --from, a new one')
    parser.add_argument('--root', type=Path, metavar='DIR',
                        help='folder that holds the published data sets')
    parser.add_argument('--split', nargs='+', choices=SPLITS, default=SPLITS,
                        help='what to make (default: both)')
    parser.add_argument('--jobs', type=int, metavar='N', default=os.cpu_count() or 1,
                        help='threads (default: as many as the machine runs at once)')
    parser.add_argument('--check', action='store_true',
                        help='make nothing; read every image, and list what is broken')
    add_export_options(parser)
    options = parser.parse_args(arguments)
    if options.jobs < 1:
        parser.error(f'--jobs must be at least 1, got {options.jobs}')
    logging.basicConfig(level=logging.INFO, format='%(message)s')
    try:
        if prepare_export(options, parser):
            return 0
        for split in _splits(options.name, options.split, options.check):
            if options.check:
                _check(options.name, options.root, split, options.jobs)
            else:
                _prepare(options.name, options.root, split, options.jobs)
    except (OSError, ValueError) as error:
        sys.stderr.write(f'{error_line(parser.prog, error)}\n')
        return 1
    except KeyboardInterrupt:
        sys.stderr.write(f'{parser.prog}: stopped; run it again to go on\n')
        return 130
    return 0


def _splits(name: str, splits: Sequence[str], is_check: bool) -> Sequence[str]:
    """Return the splits to work on; a folder that has none is checked once."""
    return splits[:1] if is_check and (Path(name) / 'panoptic.json').exists() else splits


def _prepare(name: str, root: Path | None, split: str, jobs: int) -> None:
    if name not in data_sets():
        raise ValueError(f'there is no data set {name!r} to prepare; there are '
                         f'{", ".join(data_sets())}')
    if root is None:
        raise ValueError('--root is missing: the folder that holds the published data sets')
    if name in _PREPARATIONS:
        _PREPARATIONS[name](Task(root, split, jobs))
    count = len(open_dataset(name, root, split))
    sys.stdout.write(f'{name}, {split}: {counted(count, "image")} ready\n')


def _check(name: str, root: Path | None, split: str, jobs: int) -> None:
    data = open_dataset(name, root, split)

    def read(index: int) -> str:
        try:
            return data[index].name
        except OSError as error:
            raise ValueError(str(error)) from error

    for _ in work_on(range(len(data)), read, f'{name}, {split}', jobs):
        pass
    sys.stdout.write(f'{name}, {split}: {counted(len(data), "image")} sound\n')


if __name__ == '__main__':
    sys.exit(main())
