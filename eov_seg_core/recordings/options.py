# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How a recording is labelled; needs no library for recordings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class LabelOptions:
    """How a recording is labelled.

    Attributes:
        name: The topics are those of a node of this name.
        part_s: Seconds of recording in a part.
        rate_hz: At most so many frames of a second, by their stamps; None: all.
        storage: `mcap` or `sqlite3`.
        bag_version: Of metadata.yaml: 9, or 8 for readers before Jazzy.
        max_megapixels: Larger compressed images are refused.

    Raises:
        ValueError: A value is out of range.
    """

    name: str = '/eov_seg'
    part_s: float = 60.0
    rate_hz: float | None = None
    storage: str = 'mcap'
    bag_version: Literal[8, 9] = 9
    max_megapixels: float = 64.0

    def __post_init__(self) -> None:
        """Check the values."""
        if not self.name.startswith('/') or self.name.endswith('/'):
            raise ValueError(f'the name {self.name!r} must begin with / and not end with it')
        if not 1e-3 <= self.part_s <= 1e6:
            raise ValueError(f'a part must have 0.001 to 1000000 seconds, got {self.part_s}')
        if self.rate_hz is not None and not 0 < self.rate_hz <= 1e6:
            raise ValueError('the rate must be more than 0 and at most 1000000 Hz, got '
                             f'{self.rate_hz}')
