# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a segmenter returns: label maps and segments, as numpy and plain data; no PyTorch."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

_CHUNK_PIXELS = 1 << 20
"""Pixels that are looked up at a time; bounds the memory of 64-bit indices."""


@dataclass(frozen=True)
class Segment:
    """One thing, or all of one kind of stuff, in an image.

    Attributes:
        id: Value of its pixels in `PanopticResult.instance`, from 1.
        class_id: 1..K in vocabulary order: 1 + the class index.
        name: First name of the class.
        is_thing: Thing or stuff.
        score: Class probability of its query, 0..1; of the first query where stuff was merged.
        area: Number of pixels.
        bbox_xyxy: x1, y1, x2, y2 in pixels, tight around the pixels; x2 and y2 are exclusive, so
            the width is x2 - x1.
    """

    id: int
    class_id: int
    name: str
    is_thing: bool
    score: float
    area: int
    bbox_xyxy: tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class Instances:
    """Published instance inference: things only, by falling score; may overlap.

    Attributes:
        scores: (M,) float32, class probability x mean mask probability inside the mask.
        class_indices: (M,) int64 class index 0..K-1 in vocabulary order, as published;
            `vocabulary.names[class_index]` is the name, class_index + 1 the `Segment.class_id`.
        queries: (M,) int64 query of each instance; one query may stand for several classes.
        size: (height, width) of the masks.
    """

    scores: npt.NDArray[np.float32]
    class_indices: npt.NDArray[np.int64]
    queries: npt.NDArray[np.int64]
    size: tuple[int, int]
    packed_masks: npt.NDArray[np.uint8] = field(repr=False)
    """(different queries by rising index, height, bytes of a row): one bit for each pixel."""

    def __len__(self) -> int:
        return len(self.scores)

    def mask(self, index: int) -> npt.NDArray[np.bool_]:
        """Return the mask of one instance, (height, width) bool."""
        row = np.searchsorted(np.unique(self.queries), self.queries[index])
        bits = np.unpackbits(self.packed_masks[row], axis=1, count=self.size[1])
        return bits.view(np.bool_)

    @property
    def masks(self) -> npt.NDArray[np.bool_]:
        """All masks, (M, height, width) bool, unpacked on access: M x height x width bytes."""
        rows = np.searchsorted(np.unique(self.queries), self.queries)
        unpacked = np.unpackbits(self.packed_masks[rows], axis=2, count=self.size[1])
        return unpacked.view(np.bool_)


@dataclass(frozen=True, eq=False)
class RawResult:
    """What the network said, in host memory.

    Attributes:
        class_log_probs: (Q, K + 1) float32, void last.
        mask_logits: (Q, h, w) float32 at a quarter of the padded input's size.
    """

    class_log_probs: npt.NDArray[np.float32]
    mask_logits: npt.NDArray[np.float32]


@dataclass(eq=False)
class PanopticResult:
    """Everything about one image.

    Attributes:
        instance: (H, W) int32 segment id, 0 = unlabeled.
        segments: In the published order; ids 1, 2, 3, ...
        semantic_scores: (K, H, W) float32 on request: the published semantic inference.
        semantic_argmax: (H, W) int32 on request: class index 0..K-1 of the highest semantic score.
        instances: On request: the published instance inference.
        raw: On request: the network's output.
    """

    instance: npt.NDArray[np.int32]
    segments: list[Segment]
    semantic_scores: npt.NDArray[np.float32] | None = None
    semantic_argmax: npt.NDArray[np.int32] | None = None
    instances: Instances | None = None
    raw: RawResult | None = None

    @cached_property
    def semantic(self) -> npt.NDArray[np.int32]:
        """(H, W) int32 class id of the pixel's segment, 1..K, 0 = unlabeled; made on access."""
        table = np.array([0, *(segment.class_id for segment in self.segments)], np.int32)
        return look_up(table, self.instance)

    @property
    def confidence(self) -> npt.NDArray[np.uint8]:
        """(H, W) uint8, 255 x score of the pixel's segment, 0 = unlabeled; made on access."""
        scores = np.array([0.0, *(segment.score for segment in self.segments)])
        return look_up(np.rint(255 * scores).astype(np.uint8), self.instance)


def look_up(table: npt.NDArray[np.generic], indices: npt.NDArray[np.integer[Any]]
            ) -> npt.NDArray[Any]:
    """Return `table[indices]` without a whole copy of the indices in 64 bits."""
    result = np.empty(indices.shape, table.dtype)
    step = max(_CHUNK_PIXELS // indices.shape[1], 1)
    for start in range(0, len(indices), step):
        rows = slice(start, start + step)
        # indices are never out of range; checking them would cost a copy of the result
        np.take(table, indices[rows], out=result[rows], mode='clip')
    return result
