# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write a checkpoint of random weights whose masks are of many sizes and whose labels differ.

    python -m benchmarks.weights s weights.safetensors

An untrained network makes next to no segments, so its merge has nothing to do and its parity says
nothing.  These are the weights of the golden data; the results mean nothing either.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.random_weights import random_model
from eov_seg_core.config import VARIANTS


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('variant', choices=VARIANTS)
    parser.add_argument('target', type=Path)
    options = parser.parse_args()
    random_model(options.variant).save(options.target)


if __name__ == '__main__':
    main()
