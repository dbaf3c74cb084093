# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a benchmark found, as Markdown tables: ready for a terminal and for docs/performance.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from eov_seg_core.io.text import counted

_CLOCKS = {'cpu_ms': 'CPU ms', 'device_ms': 'GPU ms'}


def report_tables(report: dict[str, Any]) -> str:
    """Return the tables of a report of `benchmark`."""
    return '\n\n'.join([_heading(report), *(_speeds(entry) for entry in report['settings']),
                        *(_busy(entry, report['busy_processes']) for entry in report['settings']
                          if report['busy_processes']),
                        *(_parts(entry, report['parameters']) for entry in report['settings']),
                        *_ratio(report)])


def _heading(report: dict[str, Any]) -> str:
    machine, image = report['machine'], report['image']
    libraries = ', '.join(f'{name} {version}' for name, version in machine['libraries'].items())
    height, width = image['size']
    memory = (f'loaded in {report["load_s"]:.1f} s; peak memory of the process '
              f'{report["peak_process_mib"]:.0f} MiB, loading included')
    on_device = [f'{entry["device_memory_mib"]:.0f} MiB' for entry in report['settings']
                 if entry['device_memory_mib']]
    if on_device:
        memory += '; of tensors on the device ' + ', '.join(on_device)
    return '\n'.join([
        f'variant {report["variant"]}, weights {report["weights"]:.16}, {image["source"]} '
        f'{height} x {width}, {report["rounds"]} rounds after {report["warm_up"]}',
        f'{machine["device"]}, {counted(machine["cores"], "core")}, '
        f'load {machine["load_average"]:.1f}; Python {machine["python"]}, {libraries}', memory])


def _title(entry: dict[str, Any]) -> str:
    setting = entry['setting']
    return (f'{setting["precision"]}, padded {entry["padded_size"][0]} x '
            f'{entry["padded_size"][1]}, {setting["vocabulary"]} '
            f'({counted(setting["names"], "name")}), '
            f'{counted(setting["threads"], "thread")}{", compiled" if setting["compile"] else ""}'
            f'{"" if setting["cuda_graphs"] else ", no CUDA graphs"}, {entry["runtime"]}')


def _speeds(entry: dict[str, Any]) -> str:
    parity, yardstick = entry['parity'], entry['yardstick']
    clock = _second_clock(yardstick)
    rows = [[level, *_columns(speed, clock), f'{100 * speed["equal_pixels"]:.3f} %']
            for level, speed in entry['speeds'].items()]
    rows.append(['CNN trunk alone', *_columns(yardstick, clock), '-'])
    over = yardstick['host_to_host_over_trunk']
    notes = [f'Host to host over the CNN trunk alone: {_spread(over)}.',
             f'Equal pixels: of the id map, with float32; it has '
             f'{counted(parity["segments"], "segment")} on '
             f'{100 * parity["labeled_pixels"]:.0f} % of the image.']
    start_up = ', '.join(f'{name} {seconds:.1f} s'
                         for name, seconds in entry['start_up_s'].items())
    notes.append(f'Start-up after loading: {start_up}.')
    notes += [f'Runs without {name}: {reason}' for name, reason in entry['fallbacks'].items()]
    if parity['segments'] < 2:
        notes.append('So few segments say little about parity: use trained weights.')
    header = ['', 'p50 ms', 'p95', 'p99', f'{_CLOCKS[clock]} p50', 'frames/s', 'equal pixels']
    return '\n\n'.join([_title(entry), _table(header, rows), ' '.join(notes)])


def _busy(entry: dict[str, Any], processes: int) -> str:
    rows = []
    for level, speed in entry['busy_speeds'].items():
        wall, over = speed['wall_ms'], entry['busy_over_idle'][level]['wall']
        rows.append([level, *(f'{wall[name]:.1f}' for name in ('p50', 'p95', 'p99')),
                     f'{speed["frames_per_second"]:.2f}',
                     f'{over["p50"]:.2f} ({over["p25"]:.2f} to {over["p75"]:.2f})'])
    header = ['', 'p50 ms', 'p95', 'p99', 'frames/s', 'over idle, in turns']
    return '\n\n'.join([f'Busy processes beside it: {processes}. {_title(entry)}',
                        _table(header, rows)])


def _second_clock(speed: dict[str, Any]) -> str:
    return 'device_ms' if 'device_ms' in speed else 'cpu_ms'


def _columns(speed: dict[str, Any], clock: str) -> list[str]:
    wall = speed['wall_ms']
    values = (wall['p50'], wall['p95'], wall['p99'], speed[clock]['p50'])
    return [*(f'{value:.1f}' for value in values), f'{speed["frames_per_second"]:.2f}']


def _parts(entry: dict[str, Any], parameters: dict[str, int]) -> str:
    parts = entry['parts']
    total = {name: sum(part[name] for part in parts.values())
             for name in ('wall_ms', 'cpu_ms', 'gflop')}
    rows = [_part_row(name, part, total['cpu_ms'], parameters.get(name, 0))
            for name, part in parts.items()]
    inference = sum(parameters.get(name, 0) for name in parts)
    rows.append(_part_row('sum', total, total['cpu_ms'], inference))
    header = ['part', 'ms', 'CPU ms', 'share of CPU', 'parameters (M)', 'GFLOP']
    return '\n\n'.join([f'Parts, {_title(entry)}', _table(header, rows)])


def _part_row(name: str, part: dict[str, float], total_ms: float, parameters: int) -> list[str]:
    return [name, f'{part["wall_ms"]:.1f}', f'{part["cpu_ms"]:.1f}',
            f'{100 * part["cpu_ms"] / total_ms:.0f} %', f'{parameters / 1e6:.2f}',
            f'{part["gflop"]:.2f}']


def _ratio(report: dict[str, Any]) -> Iterable[str]:
    """Return the comparison of two settings, if there are two."""
    if 'first_over_second' not in report:
        return []
    lines = [f'- {level}: {_spread(clocks)}'
             for level, clocks in report['first_over_second'].items()]
    first, second = (_title(entry) for entry in report['settings'])
    return [f'({first}) over ({second}), in turns:\n\n' + '\n'.join(lines)]


def _spread(clocks: dict[str, dict[str, float]]) -> str:
    return ', '.join(f'{name} {values["p50"]:.3f} ({values["p25"]:.3f} to {values["p75"]:.3f})'
                     for name, values in clocks.items())


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ['---'] * len(header), *rows]
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)
