# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What decides whether two segments are one object."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class TrackingOptions:
    """Thresholds and times of a tracker and its memory.

    Attributes:
        track_iou: Least overlap with a track whose pixels were moved by depth and pose, 0..1.
        track_iou_2d: Least overlap with a track that was only shifted in the image, 0..1.
        other_class_iou: Least overlap where the classes differ, 0..1.
        track_lost_s: How long a track is looked for in the image.
        reset_gap_s: After a longer silence nothing is looked for in the image.
        reid_gate_m: How far from its remembered place an object is still the same, 0..5.
        class_memory_s: Half-life of the votes for a class; 0 for the class of each frame.
        memory_s: How long an object is remembered that is not seen.
        missing_after: Looks at the free place of an object before it is missing.
        min_hits: Frames before an object is confirmed.
        min_seen_part: Part of the frames with its surface in view in which it must have been
            segmented, 0..1; 0 asks for none.

    Raises:
        ValueError: A value is out of its range.
    """

    track_iou: float = 0.3
    track_iou_2d: float = 0.1
    other_class_iou: float = 0.6
    track_lost_s: float = 3.0
    reset_gap_s: float = 10.0
    reid_gate_m: float = 0.5
    class_memory_s: float = 1.0
    memory_s: float = 600.0
    missing_after: int = 5
    min_hits: int = 3
    min_seen_part: float = 0.25

    def __post_init__(self) -> None:
        most = {'track_iou': 1.0, 'track_iou_2d': 1.0, 'other_class_iou': 1.0, 'reid_gate_m': 5.0,
                'min_seen_part': 1.0}
        for field in fields(self):
            value, least = getattr(self, field.name), int(field.type == 'int')
            largest = most.get(field.name, 1e6)
            if not isinstance(value, (int, float)) or not least <= value <= largest:
                raise ValueError(f'{field.name} is {value!r:.80}; expected {least} to {largest:g}')
