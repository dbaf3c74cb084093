# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Everything that docs/performance.md wants to know of a GPU, in one run.

    python -m benchmarks.gpu results [--checkpoint s=eov_seg_r50.pth ...] [--variants s m l]

For each variant `eov-seg benchmark` pairs mixed precision with fp32 and with fp16, graphs with
none, and compiled code with uncompiled; then `benchmarks.shortcuts` runs.  Weights are those of a
checkpoint, or random ones whose masks are of many sizes.  `results/gpu.md` holds
the tables, `results/gpu.json` all figures; a step that fails is named there and the others go on.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
import json
from pathlib import Path
import subprocess
import sys
from typing import Any

GOAL_FPS = {'s': 300, 'm': 240, 'l': 140}
"""Network + merge on an H200, 640 x 853, ade20k_150, frames per second."""
PAIRS = {'precision': 'precision=fp32', 'half': 'precision=fp16', 'graphs': 'cuda_graphs=false',
         'compile': 'compile=true'}
"""Name of a run -> what the default setting of the device is paired with."""
_HEADER = ('variant', 'setting', 'goal frames/s', 'frames/s', 'network ms', 'network + merge ms',
           'host to host ms', 'default over this', 'equal pixels', 'segments', 'MiB',
           'first frame s', 'warm-up s')

Results = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How each variant is measured.

    Attributes:
        device: `cpu`, `cuda` or `cuda:N`.
        rounds: Rounds that are timed.
        warm_up: Rounds before them.
        size: Width and height of the image in pixels.
        pairs: Names in `PAIRS`.
        shortcuts: Whether to measure what each exact shortcut is worth.
    """

    device: str
    rounds: int
    warm_up: int
    size: tuple[int, int]
    pairs: tuple[str, ...]
    shortcuts: bool


def steps(variant: str, weights: Path, settings: Settings) -> Iterator[tuple[str, list[str]]]:
    """Yield name and arguments of each measurement of a variant; each takes `--json FILE`."""
    inputs = ['--device', settings.device, '--rounds', str(settings.rounds), '--size',
              *map(str, settings.size)]
    for name in settings.pairs:
        yield f'{variant} {name}', [
            'eov_seg_core.app.cli', 'benchmark', '--variant', variant,
            '--checkpoint', str(weights), '--warm-up', str(settings.warm_up), *inputs,
            '--against', PAIRS[name]]
    if settings.shortcuts:
        yield f'{variant} shortcuts', ['benchmarks.shortcuts', str(weights), *inputs]


def run_step(name: str, arguments: list[str], folder: Path, results: Results) -> None:
    """Run one measurement and put what it found, or why it failed, into the results."""
    print(f'{name} ...', flush=True)
    target = folder / f'{name.replace(" ", "_")}.json'
    target.unlink(missing_ok=True)
    process = subprocess.run([sys.executable, '-m', *arguments, '--json', str(target)],
                             capture_output=True, text=True, check=False)
    target.with_suffix('.log').write_text(process.stdout + process.stderr)
    if process.returncode == 0:
        results[name] = json.loads(target.read_text())
    else:
        lines = process.stderr.strip().splitlines() or ['no message']
        results[name] = {'error': f'exit code {process.returncode}: {lines[-1]}'}
        print(f'  failed: {lines[-1]}', flush=True)


def tables(results: Results) -> str:
    """Return the tables of all measurements as Markdown."""
    speeds = [row for name, report in results.items() if 'settings' in report
              for row in _speed_rows(report, name)]
    shortcuts = [[name.split()[0], shortcut, *_shortcut_cells(found)]
                 for name, report in results.items() if name.endswith(' shortcuts')
                 for shortcut, found in report.items() if shortcut != 'error']
    machine = next((f'{report["machine"]["device"]}; ' + ', '.join(
        f'{name} {version}' for name, version in report['machine']['libraries'].items())
        for report in results.values() if 'machine' in report), 'nothing could be measured')
    failed = [f'- {name}: {report["error"]}' for name, report in results.items()
              if 'error' in report]
    return '\n\n'.join([
        machine, _table(_HEADER, speeds),
        _table(('variant', 'shortcut', 'without / with', 'equal pixels'), shortcuts),
        *(['Failed:', '\n'.join(failed)] if failed else [])]) + '\n'


def _speed_rows(report: Results, name: str) -> Iterator[list[str]]:
    """Yield a row for each setting; the first one, which all runs share, only where it is new."""
    for index, entry in enumerate(report['settings']):
        if index == 0 and not name.endswith(f' {next(iter(PAIRS))}'):
            continue
        setting, speeds, start_up = entry['setting'], entry['speeds'], entry['start_up_s']
        notes = [setting['precision'], *(['compiled'] if setting['compile'] else []),
                 *([] if setting['cuda_graphs'] else ['no graphs']),
                 *(f'WITHOUT {part}' for part in entry['fallbacks'])]
        merged = speeds['network + merge']
        over = report['first_over_second']['network + merge']['wall']['p50']
        yield [report['variant'], ', '.join(notes), str(GOAL_FPS.get(report['variant'], '-')),
               f'{merged["frames_per_second"]:.0f}',
               *(f'{speeds[level]["wall_ms"]["p50"]:.2f}'
                 for level in ('network', 'network + merge', 'host to host')),
               f'{over:.3f}' if index else '1',
               f'{100 * entry["parity"]["equal_pixels"]:.3f} %',
               str(entry['parity']['segments']), f'{entry["device_memory_mib"]:.0f}',
               f'{report["load_s"] + start_up["vocabulary"] + start_up["first frame"]:.1f}',
               f'{start_up["warm-up"]:.1f}']


def _shortcut_cells(found: Results) -> list[str]:
    clocks = found['without_over_with']
    clock = clocks.get('device', clocks['wall'])
    return [f'{clock["p50"]:.3f} ({clock["p25"]:.3f} to {clock["p75"]:.3f})',
            f'{100 * found["equal_pixels"]:.3f} %']


def _table(header: tuple[str, ...], rows: list[list[str]]) -> str:
    lines = [list(header), ['---'] * len(header), *rows]
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


def main() -> int:
    """Measure and write both files; return 1 if a step failed."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('results', type=Path, help='folder, made if it is not there')
    parser.add_argument('--variants', nargs='+', default=list(GOAL_FPS),
                        choices=('t', *GOAL_FPS))
    parser.add_argument('--checkpoint', nargs='+', default=[], metavar='VARIANT=FILE')
    parser.add_argument('--device', default='cuda')
    parser.add_argument('--rounds', type=int, default=200)
    parser.add_argument('--warm-up', type=int, default=100)
    parser.add_argument('--size', type=int, nargs=2, default=(640, 480), metavar=('W', 'H'))
    parser.add_argument('--pairs', nargs='*', choices=PAIRS, default=list(PAIRS))
    parser.add_argument('--no-shortcuts', action='store_true')
    options = parser.parse_args()
    options.results.mkdir(parents=True, exist_ok=True)
    checkpoints = dict(entry.split('=', 1) for entry in options.checkpoint)
    settings = Settings(device=options.device, rounds=options.rounds, warm_up=options.warm_up,
                        size=tuple(options.size), pairs=tuple(options.pairs),
                        shortcuts=not options.no_shortcuts)
    results: Results = {}
    for variant in options.variants:
        weights = Path(checkpoints.get(variant, options.results / f'{variant}.safetensors'))
        if not weights.is_file():
            subprocess.run([sys.executable, '-m', 'benchmarks.weights', variant, str(weights)],
                           check=True)
        for name, arguments in steps(variant, weights, settings):
            run_step(name, arguments, options.results, results)
            # after each step, so that what was measured survives whatever comes
            (options.results / 'gpu.json').write_text(json.dumps(results, indent=2))
            (options.results / 'gpu.md').write_text(tables(results))
    print(tables(results))
    return int(any('error' in report for report in results.values()))


if __name__ == '__main__':
    sys.exit(main())
