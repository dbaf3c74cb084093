# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The part of `python -m training.prepare` that takes the export of an annotation tool."""

from __future__ import annotations

import argparse
from pathlib import Path
import sys

from eov_seg_core.io.text import counted
from eov_seg_core.vocabulary import Vocabulary
from training.data import data_sets
from training.prepare.exports.convert import choose_classes, convert, SHEET
from training.prepare.exports.detect import read_export


def add_export_options(parser: argparse.ArgumentParser) -> None:
    """Add `--from` and what belongs to it."""
    options = parser.add_argument_group(
        'your own labels', 'COCO instances of CVAT, Roboflow and Label Studio, labelme files, VOC '
        'masks, or label PNGs with a list of classes, made into the folder NAME')
    options.add_argument('--from', type=Path, dest='source', metavar='EXPORT',
                         help='folder or JSON that the annotation tool has exported')
    options.add_argument('--images', type=Path, metavar='DIR',
                         help='folder of the pictures, if they are not in the export')
    words = options.add_mutually_exclusive_group()
    words.add_argument('--stuff', nargs='+', default=[], metavar='CLASS',
                       help='classes that are stuff: floor, wall, ...; the others are things')
    words.add_argument('--vocabulary', type=Path, metavar='FILE',
                       help='YAML with all classes, synonyms too: lists `things` and `stuff`')
    options.add_argument('--classes', type=Path, metavar='FILE',
                         help='which value of label PNGs is which class; lines `name`, from 0, or '
                              '`value:name`')


def prepare_export(options: argparse.Namespace, parser: argparse.ArgumentParser) -> bool:
    """Do what `--from` asks for, and print what came of it; return whether it was given.

    Raises:
        OSError: A file cannot be read or written.
        ValueError: The export cannot be used.
    """
    if options.source is None:
        for name in ('images', 'stuff', 'vocabulary', 'classes'):
            if getattr(options, name):
                parser.error(f'--{name} belongs to --from, the export of an annotation tool')
        return False
    if options.check or options.root is not None:
        parser.error('--from goes neither with --check nor with --root; check the folder '
                     'afterwards')
    if options.name in data_sets():
        raise ValueError(f'{options.name} is a published data set; choose another name for the '
                         'folder')
    output, source = Path(options.name), options.source
    _refuse_nested(output, source, options.images)
    vocabulary = None if options.vocabulary is None else Vocabulary.from_file(options.vocabulary)
    export = read_export(source, options.images, options.classes, options.stuff, vocabulary)
    vocabulary, classes = choose_classes(export, options.stuff, vocabulary)
    result = convert(export, output, vocabulary, classes, options.jobs)
    things = sum(vocabulary.is_thing)
    lines = [f'{source}: {export.kind}, {counted(things, "thing")}, '
             f'{len(vocabulary) - things} stuff']
    lines += [f'  {what}: {count}' for what, count in sorted(result.notes.items()) if count]
    lines += [f'{folder}: {counted(count, "image")} ready; have a look at {folder / SHEET}'
              for folder, count in result.counts.items()]
    sys.stdout.write('\n'.join(lines) + '\n')
    return True


def _refuse_nested(output: Path, source: Path, images: Path | None) -> None:
    """Raise ValueError if the output would be found among what is read."""
    for folder in (source if source.is_dir() else source.parent, images):
        if folder is not None and output.resolve().is_relative_to(folder.resolve()):
            raise ValueError(f'{output} lies in {folder}, which is read; choose a folder beside '
                             'it')
