# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How a recording is labelled; needs no library for recordings."""

from __future__ import annotations

from dataclasses import dataclass, field
import re
from typing import Literal

IN_SPACE = ('detections_3d', 'points', 'objects')
"""Topics that need depth."""
OUTPUTS = ('panoptic', 'detections', 'semantic', 'instance', 'overlay/compressed', *IN_SPACE)
"""Topics that can be written besides label_info."""
TRACKING = ('off', 'auto', '2d', '3d')
_NAME = re.compile('(/[A-Za-z_][A-Za-z0-9_]*)+')
"""Of ROS, which refuses topics of another name when a bag is played."""


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
class SpaceOptions:
    """Which depth belongs to the images, and where its points are.

    Attributes:
        depth_topics: One for each image topic, in their order; none: found by frame and name.
        info_topics: The same of the calibrations.
        world_frame: Frame of boxes and objects, whose z is up; empty: that of the image.
        sync_s: Largest distance between the stamps of an image and its depth; 0: equal only.
        range_m: What is nearer or farther counts as unknown.
        is_rectified: The images were rectified, and P of their calibrations holds; else K and D.

    Raises:
        ValueError: A value is out of range.
    """

    depth_topics: tuple[str, ...] = ()
    info_topics: tuple[str, ...] = ()
    world_frame: str = 'odom'
    sync_s: float = 0.005
    range_m: tuple[float, float] = (0.15, 10.0)
    is_rectified: bool = False

    def __post_init__(self) -> None:
        """Check the values."""
        if not 0 <= self.sync_s <= 1:
            raise ValueError('the stamps of image and depth may differ by 0 to 1 s, got '
                             f'{self.sync_s}')
        near, far = self.range_m
        if not 0 <= near < far <= 1000:
            raise ValueError(f'the range of depths is {near} to {far} m; expected two rising '
                             'numbers from 0 to 1000')


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
        tracking: Ids that stay with objects: `off`; `2d` by the images alone; `3d` by depth and
            transforms, `2d` for frames without; `auto`: 3d where the recording has depth, else 2d.
        space: Where depth is.

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
    tracking: str = 'off'
    space: SpaceOptions = field(default_factory=SpaceOptions)

    def __post_init__(self) -> None:
        """Check the values."""
        if not _NAME.fullmatch(self.name):
            raise ValueError(f'the name {self.name!r} is none of ROS; expected / and a word of '
                             'letters, digits and _ that begins with no digit, as in /eov_seg, or '
                             'several of them')
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
        if self.tracking not in TRACKING:
            raise ValueError(f'tracking is {self.tracking!r}; expected one of '
                             f'{", ".join(TRACKING)}')
        if 'objects' in self.outputs and not (
                self.tracking in ('auto', '3d') and self.space.world_frame):
            raise ValueError('the output objects is what tracking in a world frame remembers; '
                             'choose the tracking 3d or auto, and a world frame')

    @property
    def needs_depth(self) -> bool:
        """Whether there is nothing to be done without depth."""
        return self.tracking == '3d' or any(topic in IN_SPACE for topic in self.outputs)

    @property
    def uses_depth(self) -> bool:
        """Whether depth is used where there is some."""
        return self.needs_depth or self.tracking == 'auto'
