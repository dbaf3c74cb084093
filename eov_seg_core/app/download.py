# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The sub-command `eov-seg download`: published weights into the cache of this machine."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, ExitStack
from dataclasses import replace
import sys
from typing import Any

from eov_seg_core.pretrained import convert_weights
from eov_seg_core.weights.builtin import has_builtin_weights
from eov_seg_core.weights.choice import DEFAULT_VARIANT
from eov_seg_core.weights.download.cache import read_record, weights_file
from eov_seg_core.weights.download.obtain import obtain, Request
from eov_seg_core.weights.download.progress import megabytes, Progress
from eov_seg_core.weights.download.table import Hosts, PUBLISHED, Published


def add_parser(commands: Any) -> None:
    """Add the sub-command."""
    parser = commands.add_parser(
        'download', help='fetch published weights, or list and verify those that are here',
        description="Fetch the authors' published weights, check that they are EOV-Seg weights of "
                    'the variant, and keep them where --variant and the node find them '
                    '(EOV_SEG_HOME, by default the cache folder of the user). See '
                    'docs/weights.md.')
    parser.add_argument('variants', nargs='*', metavar='VARIANT',
                        help=f'{", ".join(PUBLISHED)} ({DEFAULT_VARIANT})')
    action = parser.add_mutually_exclusive_group()
    action.add_argument('--list', action='store_true',
                        help='say which weights are here, and where')
    action.add_argument('--verify', action='store_true',
                        help='read what is here again, and compare its digest with the recorded '
                             'one; fetches nothing')
    action.add_argument('--from', dest='origin', default='', metavar='FILE|URL',
                        help='take this file, for example from a browser, or this URL')
    parser.add_argument('--mirror', default='', metavar='URL',
                        help='a folder with the published files, or one file; asked first '
                             '(EOV_SEG_WEIGHTS_URL)')
    parser.add_argument('--keep', action='store_true',
                        help='keep the published file, too, beside the converted one')
    parser.add_argument('--accept-changed', action='store_true',
                        help='fetch again, and take weights that differ from the first download')
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.list:
        _print_list()
        return 0
    variants = arguments.variants or [DEFAULT_VARIANT]
    for variant in variants:
        _check_variant(variant)
    if arguments.origin and len(variants) > 1:
        raise ValueError(f'--from is for one variant, and {len(variants)} were given')
    for variant in variants:
        if arguments.verify:
            _verify(variant)
        else:
            _download(PUBLISHED[variant], arguments)
        _describe(variant)
    return 0


def describe(variant: str, weights: Mapping[str, Any]) -> str:
    """Return where weights are, or how they come here, in words.

    Args:
        variant: Of the weights.
        weights: A `Whereabouts` as a mapping.
    """
    if weights['size'] is None:
        return f'not here: eov-seg download {variant} brings them to {weights["path"]}'
    return f'in the {weights["place"]}, {megabytes(weights["size"])} MB: {weights["path"]}'


def _check_variant(variant: str) -> None:
    if variant in PUBLISHED:
        return
    if has_builtin_weights(variant):
        raise ValueError(f'variant {variant!r} comes with the package; there is nothing to fetch')
    raise ValueError(f'{variant!r} is no variant; choose {", ".join(PUBLISHED)}')


def _download(published: Published, arguments: argparse.Namespace) -> None:
    is_wanted = arguments.origin or arguments.accept_changed or arguments.keep
    if not is_wanted and _is_intact(published.variant):
        print(f'variant {published.variant} is already here')
        return
    hosts = Hosts.from_environment()
    if arguments.mirror:
        hosts = replace(hosts, mirror=arguments.mirror)
    if not arguments.origin:
        print(f'variant {published.variant}: asking {", then ".join(hosts.urls(published))}',
              flush=True)
    with _bar(published.file_name) as progress:
        obtain(Request(published, convert_weights, hosts, arguments.origin, arguments.keep,
                       arguments.accept_changed, progress=progress, announce=_announce))


def _is_intact(variant: str) -> bool:
    """Whether weights are here and are those of the first download; says if they are not."""
    if not weights_file(variant).exists():
        return False
    try:
        _verify(variant)
    except ValueError as error:
        print(f'fetching again: {error}', flush=True)
        return False
    return True


def _verify(variant: str) -> None:
    """Read the weights that are here strictly, and compare them with the record.

    Raises:
        ValueError: There are none, they are damaged, or they are others.
    """
    from eov_seg_core.network.model import EOVSeg
    path = weights_file(variant)
    if not path.exists():
        raise ValueError(f'variant {variant!r} is not here: {path}; fetch it with: eov-seg '
                         f'download {variant}')
    digest = EOVSeg.from_checkpoint(path, variant).weights_digest
    record = read_record(variant)
    if record is not None and record.weights_digest != digest:
        raise ValueError(f'{path} has the weights {digest}, recorded on {record.date} was '
                         f'{record.weights_digest}; somebody replaced the file. Remove it and '
                         f'run: eov-seg download {variant}')


def _describe(variant: str) -> None:
    path, record = weights_file(variant), read_record(variant)
    print(f'{path}\n  size     {megabytes(path.stat().st_size)} MB')
    if record is not None:
        print(f'  origin   {record.url}, {record.date}\n'
              f'  file     sha256 {record.sha256}\n'
              f'  weights  sha256 {record.weights_digest}\n'
              '  The authors publish no digest: these were recorded at the first download, and '
              'later ones must agree.')


def _print_list() -> None:
    for variant in PUBLISHED:
        path, record = weights_file(variant), read_record(variant)
        state = f'{megabytes(path.stat().st_size)} MB' if path.is_file() else 'not here'
        digest = 'no digest recorded' if record is None else f'digest {record.weights_digest[:16]}'
        print(f'{variant}  {state:10s}  {digest:26s}  {path}')
    print('t  in the package')


@contextmanager
def _bar(name: str) -> Iterator[Progress]:
    """Show a bar on a terminal, and a line every 10 s elsewhere, once something comes."""
    from tqdm import tqdm
    with ExitStack() as stack:
        bar: Any = None

        def update(received: int, total: int | None) -> None:
            nonlocal bar
            if bar is None:
                bar = stack.enter_context(tqdm(
                    desc=name, unit='B', unit_scale=True, unit_divisor=1000, initial=received,
                    mininterval=0.2 if sys.stderr.isatty() else 10.0))
            bar.total = total
            bar.update(received - bar.n)
            if received == total:       # what follows is no matter of bytes
                bar.close()
                _announce('checking and converting')

        yield update


def _announce(line: str) -> None:
    """Print a line beside the bar, if there is one."""
    from tqdm import tqdm
    tqdm.write(line)
    sys.stdout.flush()
