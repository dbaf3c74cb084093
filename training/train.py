# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Train from a recipe.

    python -m training.train config/training/s_coco.yaml optimizer.lr=2e-4 --output runs/s

Run again with the same output folder it goes on where it was, also after a crash.  Ctrl-C and
SIGTERM end it after the current step; the exit status is then 130 or 143.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import logging
from pathlib import Path
import re
import sys
import warnings

from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch.distributed import DistError

from eov_seg_core.io.text import error_line
from training.recipe_file import read_recipe
from training.run.callbacks.bad_steps import DivergedError
from training.run.engine import RunSettings, train


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    options = _parser().parse_intermixed_args(arguments)
    _configure_logging()
    try:
        settings = RunSettings(output=options.output or Path('runs') / options.recipe.stem,
                               accelerator=options.accelerator, devices=options.devices,
                               machines=options.machines)
        stopped_by = train(read_recipe(options.recipe, options.override), settings)
    except (DivergedError, ValueError, OSError, MisconfigurationException) as error:
        _say(error_line('training.train', error))
        return 1
    except RuntimeError as error:
        if not _is_lost_process(error):
            raise
        _say(error_line('training.train',
                        'another process of this run has ended; its own message says why'))
        return 1
    if stopped_by is None:
        return 0
    _say(f'stopped; the same command goes on from {settings.output}')
    return 128 + stopped_by


def _say(line: str) -> None:
    """Write a line at once: the processes of a run share the terminal, and print writes twice."""
    sys.stderr.write(f'{line}\n')


def _is_lost_process(error: RuntimeError) -> bool:
    """Say whether an error is that of waiting for a process that is gone; Gloo has no class."""
    return (isinstance(error, DistError)
            or re.search('Connection (closed|reset) by peer|Broken pipe', str(error)) is not None)


def _configure_logging() -> None:
    """Show what this package says, and of Lightning what is no advertisement."""
    logging.basicConfig(level=logging.INFO, format='%(levelname)s %(name)s: %(message)s')
    for name in ('lightning.pytorch', 'lightning.fabric'):
        logging.getLogger(name).setLevel(logging.WARNING)
    # the frozen towers are meant to be in evaluation mode; few workers are a choice
    for message in ('Found .* in eval mode', '.*does not have many workers', '.*LeafSpec'):
        warnings.filterwarnings('ignore', message)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='python -m training.train', formatter_class=argparse.RawDescriptionHelpFormatter,
        description=__doc__)
    parser.add_argument('recipe', type=Path, help='YAML file; docs/training.md lists its fields')
    parser.add_argument('override', nargs='*', metavar='key=value',
                        help='fields that differ, as optimizer.lr=2e-4')
    parser.add_argument('--output', type=Path,
                        help='folder of the run (default: runs/NAME_OF_RECIPE)')
    parser.add_argument('--accelerator', default='auto', choices=('auto', 'cpu', 'cuda'))
    parser.add_argument('--devices', type=int,
                        help='devices of this machine (default: all GPUs, or one CPU)')
    parser.add_argument('--machines', type=int, default=1,
                        help='machines; each is told its part by torchrun or SLURM')
    return parser


if __name__ == '__main__':
    sys.exit(main())
