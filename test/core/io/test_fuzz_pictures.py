# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Hostile picture files: whatever is cut, flipped or edited, the reader says so or reads it.

    PYTHONPATH=. python test/core/io/test_fuzz_pictures.py FILES SEED

prints what became of so many copies of each kind.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
import random
import resource
import subprocess
import sys
import time
import warnings

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))     # as a process of its own

from picture_case import CLOSE, EXACT  # noqa: E402

KINDS = ('rgb.jpg', 'progressive.jpg', 'cmyk.jpg', 'turned6.jpg', 'rgb.png', 'rgb16.png',
         'palette_alpha.png', 'rgb.tif', 'packed.tif', 'rgb.webp', 'lossy.webp', 'rgb.bmp',
         'rgb.ppm', 'grey.gif', 'rgb.jp2')
FILES = 1000
MEMORY_BYTES = 1 << 30
"""Address space beyond that of the libraries; a picture of 64 megapixels needs 192 MB."""
SECONDS = 5.0
"""Longest for one file, on a busy machine; most take a millisecond."""


def damaged(data, dice):
    """Return a copy that is cut, has flipped bits, or other numbers in its header."""
    how, copy = dice.randrange(3), bytearray(data)
    if how == 0:
        return bytes(copy[:dice.randrange(len(copy))])
    if how == 1:
        for _ in range(dice.randint(1, 8)):
            copy[dice.randrange(len(copy))] ^= 1 << dice.randrange(8)
        return bytes(copy)
    for _ in range(dice.randint(1, 4)):
        start, size = dice.randrange(min(len(copy), 300)), dice.choice((1, 2, 4))
        value = dice.choice((0, 0xFF, 0x7F, 0x80, dice.randrange(256)))
        copy[start:start + size] = bytes([value]) * len(copy[start:start + size])
    return bytes(copy)


def run(files, seed):
    """Read damaged copies of each kind of file; anything but a `MediaError` ends the process."""
    from eov_seg_core.io.media import load_picture, to_rgb
    warnings.simplefilter('ignore')
    originals = {kind: (EXACT | CLOSE)[kind][0] for kind in KINDS}
    for kind, data in originals.items():
        to_rgb(load_picture(data, kind), kind)      # loads what is loaded late
    used = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_BYTES,) * 2)
    for kind, data in originals.items():
        dice, counts = random.Random(f'{kind} {seed}'), Counter()
        for _ in range(files):
            started = time.monotonic()
            counts[outcome(damaged(data, dice), kind)] += 1
            counts['took too long'] += time.monotonic() - started > SECONDS
        print(kind, *(f'{number} {name}' for name, number in sorted(counts.items())), sep=', ')


def outcome(hostile, kind):
    """Return `read` or `refused`, or `out of memory`."""
    from eov_seg_core.io.media import load_picture, MediaError, to_rgb
    try:
        to_rgb(load_picture(hostile, kind), kind)
    except MediaError as error:
        return 'out of memory' if 'memory' in str(error) else 'refused'
    return 'read'


@pytest.mark.skipif(sys.platform != 'linux', reason='/proc, and a limit of the address space')
def test_hostile_files(checkout):
    done = subprocess.run([sys.executable, __file__, str(FILES), '0'], cwd=checkout,
                          capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert len(done.stdout.splitlines()) == len(KINDS)
    assert 'memory' not in done.stdout
    assert done.stdout.count('0 took too long') == len(KINDS)


if __name__ == '__main__':
    run(*map(int, sys.argv[1:]))
