# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How a recording is labelled; needs no library for recordings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

OUTPUTS = ('panoptic', 'detections', 'semantic', 'instance', 'overlay/compressed')
"""Topics that can be written besides label_info."""


@dataclass(frozen=True, kw_only=True)
class PictureOptions:
    """Which labelled images a data set gets; all, where nothing is said.

    Attributes:
        period_s: At most one of so many seconds, by their stamps.
        min_change: Only those that differ so much from the last one taken: the mean difference of
            brightness, 0..1.
        max_score: Only those whose pixels have a smaller mean score, 0..1: what the network is
            unsure of.

    Raises:
        ValueError: A value is out of range.
    """

    period_s: float | None = None
    min_change: float | None = None
    max_score: float | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        for name, value, most in (
                ('seconds between pictures', self.period_s, 1e6),
                ('change between pictures', self.min_change, 1.0),
                ('score below which pictures are taken', self.max_score, 1.0)):
            if value is not None and not 0 < value <= most:
                raise ValueError(f'the {name} must be more than 0 and at most {most:g}, got '
                                 f'{value}')


@dataclass(frozen=True, kw_only=True)
class LabelOptions:
    """How a recording is labelled.

    Attributes:
        name: The topics are those of a node of this name.
        part_s: Seconds of recording in a part.
        outputs: The topics beside label_info, of `OUTPUTS`.
        rate_hz: At most so many frames of a second, by their stamps; None: all.
        every: One of so many frames.
        batch: Frames that the network gets at once; those of a part are put together.
        copy: Pattern of the topics that are copied, as a whole; None: none.
        storage: `mcap` or `sqlite3`.
        bag_version: Of metadata.yaml: 9, or 8 for readers before Jazzy.
        max_megapixels: Larger compressed images are refused.
        pictures: Which images a data set gets; None: there is none.

    Raises:
        ValueError: A value is out of range.
    """

    name: str = '/eov_seg'
    part_s: float = 60.0
    outputs: tuple[str, ...] = ('panoptic', 'detections')
    rate_hz: float | None = None
    every: int = 1
    batch: int = 1
    copy: str | None = None
    storage: str = 'mcap'
    bag_version: Literal[8, 9] = 9
    max_megapixels: float = 64.0
    pictures: PictureOptions | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        if not self.name.startswith('/') or self.name.endswith('/'):
            raise ValueError(f'the name {self.name!r} must begin with / and not end with it')
        if not 1e-3 <= self.part_s <= 1e6:
            raise ValueError(f'a part must have 0.001 to 1000000 seconds, got {self.part_s}')
        if self.rate_hz is not None and not 0 < self.rate_hz <= 1e6:
            raise ValueError('the rate must be more than 0 and at most 1000000 Hz, got '
                             f'{self.rate_hz}')
        unknown = [output for output in self.outputs if output not in OUTPUTS]
        if unknown or len(set(self.outputs)) < len(self.outputs):
            raise ValueError(f'the outputs are {", ".join(self.outputs)}; expected each once, of '
                             f'{", ".join(OUTPUTS)}')
        if self.every < 1 or self.batch < 1:
            raise ValueError('every and batch must be at least 1, got '
                             f'{self.every} and {self.batch}')
