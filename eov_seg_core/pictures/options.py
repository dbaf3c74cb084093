# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How a list of pictures is labelled."""

from __future__ import annotations

from dataclasses import dataclass

NOTE = 'pictures.json'
"""File of the output by which it is known that the results are in parts."""


@dataclass(frozen=True, kw_only=True)
class PictureOptions:
    """How a list of pictures is labelled.

    Attributes:
        part_size: Pictures of a part.
        batch: Pictures that the network gets at once; those of a part are put together.
        readers: Threads that read and write pictures while the network computes.
        max_megapixels: Larger pictures are refused.

    Raises:
        ValueError: A value is out of range.
    """

    part_size: int = 1000
    batch: int = 1
    readers: int = 2
    max_megapixels: float = 64.0

    def __post_init__(self) -> None:
        """Check the values."""
        for name in ('part_size', 'batch', 'readers'):
            if getattr(self, name) < 1:
                raise ValueError(f'{name} must be at least 1, got {getattr(self, name)}')
