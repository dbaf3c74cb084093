# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Give hostile cases to one part of the project, in a process of limited memory and time.

    PYTHONPATH=.:test python -m fuzz.child TARGET SEED FIRST [LAST]

The cases FIRST to LAST - 1 (one, where LAST is missing) are made from the seed.  A line of JSON is
printed before each and after each; where the second is missing, the case has ended the process.
"""

from __future__ import annotations

from importlib import import_module
import json
import os
from pathlib import Path
import resource
import sys
import tempfile
import traceback
from typing import Any

from fuzz import targets
import numpy as np

MEMORY_MIB = 1024
"""Memory that one case may take."""
ADDRESS_SPACE_MIB = 4096
"""Address space that one case may ask for, so that a failing run does not harm the machine."""
LONGEST_MESSAGE = 10_000


def main() -> None:
    """Run the cases that the command line names."""
    name, seed, first, *last = sys.argv[1:]
    module, _, function = name.rpartition('.')
    with tempfile.TemporaryDirectory() as folder:
        target = getattr(import_module(f'fuzz.{module or "targets"}'), function)(Path(folder))
        _limit_memory()
        for number in range(int(first), int(last[0]) if last else int(first) + 1):
            _print(start=number)
            rng = np.random.default_rng([int(seed), number])
            _print(number=number, **_run(target, rng))
    os._exit(0)     # PyTorch and DDS are slow to take down, and that is not what is tested


def _run(target: targets.Target, rng: np.random.Generator) -> dict[str, Any]:
    case = target.generate(rng)
    _print(kind=case.kind)
    _limit_cpu(target.cpu_s)
    Path('/proc/self/clear_refs').write_text('5', encoding='ascii')     # the peak begins anew
    before_mib = _memory_mib('VmRSS')
    try:
        target.use(case)
        outcome, text = 'accepted', ''
    except target.errors as error:
        outcome, text = 'refused', str(error)
        if not 0 < len(text) <= LONGEST_MESSAGE:
            outcome, text = 'fault', f'a message of {len(text)} characters: {text[:80]!r}'
    except BaseException as error:  # noqa: BLE001  whatever it is, it is what is looked for
        where = traceback.extract_tb(error.__traceback__)[-1]
        outcome = 'fault'
        text = f'{type(error).__name__} in {where.name}: {str(error)[:300]}'
    peak_mib = _memory_mib('VmHWM') - before_mib
    if peak_mib > MEMORY_MIB:
        outcome, text = 'fault', f'it took {peak_mib:.0f} MiB; {text}'
    return {'kind': case.kind, 'outcome': outcome, 'text': text[:500]}


def _limit_memory() -> None:
    limit = (int(_memory_mib('VmSize')) + ADDRESS_SPACE_MIB) * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_cpu(cpu_s: int) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    resource.setrlimit(resource.RLIMIT_CPU, (
        int(used.ru_utime + used.ru_stime) + cpu_s, resource.RLIM_INFINITY))


def _memory_mib(name: str) -> float:
    for line in Path('/proc/self/status').read_text(encoding='ascii').splitlines():
        if line.startswith(f'{name}:'):
            return int(line.split()[1]) / 1024
    raise LookupError(name)


def _print(**values: Any) -> None:
    sys.stdout.write(json.dumps(values) + '\n')
    sys.stdout.flush()


if __name__ == '__main__':
    main()
