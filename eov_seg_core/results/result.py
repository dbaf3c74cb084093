# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a segmenter returns: label maps and segments, as numpy and plain data; no PyTorch."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Integral, Real
from typing import Any, TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from eov_seg_core.wrong import wrong

if TYPE_CHECKING:
    from eov_seg_core.vocabulary import Vocabulary

_MOST_SHOWN = 12
"""Most names that `repr` shows."""
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

    @property
    def bbox_xywh(self) -> list[int]:
        """The box as x, y, width, height in pixels, as COCO has it."""
        x1, y1, x2, y2 = self.bbox_xyxy
        return [x1, y1, x2 - x1, y2 - y1]


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

    >>> import numpy as np
    >>> chair = Segment(1, 1, 'chair', True, 0.9, 2, (0, 0, 2, 1))
    >>> floor = Segment(2, 7, 'floor', False, 0.6, 3, (0, 1, 3, 2))
    >>> result = PanopticResult(np.array([[1, 1, 0], [2, 2, 2]], np.int32), [chair, floor])
    >>> result
    PanopticResult(2 x 3: 1 chair, floor; 16.7% unlabeled)
    >>> [segment.name for segment in result.things]
    ['chair']

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

    def __repr__(self) -> str:
        """Return height and width, how many things of each name, the stuff, what is unlabeled."""
        counts = Counter((segment.name, segment.is_thing) for segment in self.segments)
        found = [f'{count} {name}' if is_thing else name
                 for (name, is_thing), count in counts.items()]
        if len(found) > _MOST_SHOWN:
            found[_MOST_SHOWN:] = [f'and {len(found) - _MOST_SHOWN} more names']
        height, width = self.instance.shape
        unlabeled = np.count_nonzero(self.instance == 0) / max(self.instance.size, 1)
        return (f'PanopticResult({height} x {width}: {", ".join(found) or "nothing"}; '
                f'{unlabeled:.1%} unlabeled)')

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

    @property
    def things(self) -> list[Segment]:
        """The segments of countable objects, in their order; short for `select(is_thing=True)`."""
        return self.select(is_thing=True)

    @property
    def stuff(self) -> list[Segment]:
        """The segments of stuff, in their order; short for `select(is_thing=False)`."""
        return self.select(is_thing=False)

    def select(self, name: str | None = None, *, is_thing: bool | None = None,
               min_score: float = 0.0) -> list[Segment]:
        """Return the segments that meet every condition, in their order; often none.

        >>> import numpy as np
        >>> result = PanopticResult(np.array([[1, 2, 3]], np.int32), [
        ...     Segment(1, 1, 'chair', True, 0.9, 1, (0, 0, 1, 1)),
        ...     Segment(2, 1, 'chair', True, 0.4, 1, (1, 0, 2, 1)),
        ...     Segment(3, 2, 'floor', False, 0.6, 1, (2, 0, 3, 1))])
        >>> [segment.id for segment in result.select('chair')]
        [1, 2]
        >>> [segment.id for segment in result.select(min_score=0.5)]
        [1, 3]

        Args:
            name: First name of the class, as in the vocabulary.
            is_thing: True for things, False for stuff.
            min_score: Least score, 0..1.

        Raises:
            ValueError: The name is no string, the flag no bool, or the score not in 0..1.
        """
        if not (name is None or isinstance(name, str)):
            raise ValueError(f"name must be a string such as 'chair', or None, got {name!r:.80}")
        if is_thing not in (None, True, False):
            raise ValueError(f'is_thing must be True, False or None, got {is_thing!r:.80}')
        if not isinstance(min_score, Real) or not 0 <= min_score <= 1:
            raise ValueError(f'min_score must lie in 0..1, got {min_score!r:.80}')
        return [segment for segment in self.segments
                if (name is None or segment.name == name)
                and (is_thing is None or segment.is_thing == is_thing)
                and segment.score >= min_score]

    def mask(self, segment: Segment | int) -> npt.NDArray[np.bool_]:
        """Return which pixels belong to a segment, (H, W) bool.

        >>> import numpy as np
        >>> chair = Segment(1, 1, 'chair', True, 0.9, 2, (0, 0, 2, 1))
        >>> result = PanopticResult(np.array([[1, 1, 0]], np.int32), [chair])
        >>> result.mask(chair).tolist()
        [[True, True, False]]

        Args:
            segment: A segment of this result, or its id.

        Raises:
            ValueError: It is neither a Segment nor an id, or this result has no such segment.
        """
        segment_id = segment.id if isinstance(segment, Segment) else segment
        if not isinstance(segment_id, Integral) or isinstance(segment_id, bool):
            raise ValueError(f'expected a Segment or its id, a whole number, got {segment!r:.80}')
        if not any(known.id == segment_id for known in self.segments):
            raise ValueError(f'this result has no segment {segment_id!r}; `segments` lists those '
                             f'that it has: {len(self.segments)}')
        return np.equal(self.instance, segment_id)

    def to_coco(self, vocabulary: Vocabulary | None = None) -> list[dict[str, Any]]:
        """Return the segments as `segments_info` of COCO's panoptic format, ready for JSON.

        Boxes are x, y, width, height.  `score` is ours; COCO's tools ignore it.

        Args:
            vocabulary: The one that was looked for: category ids are its `dataset_ids`; None:
                they are the class ids 1..K.

        >>> import numpy as np
        >>> chair = Segment(1, 5, 'chair', True, 0.9, 2, (0, 0, 2, 1))
        >>> PanopticResult(np.array([[1, 1, 0]], np.int32), [chair]).to_coco()
        [{'id': 1, 'category_id': 5, 'area': 2, 'bbox': [0, 0, 2, 1], 'iscrowd': 0, 'score': 0.9}]

        Raises:
            ValueError: The result was not made with this vocabulary.
        """
        ids = () if vocabulary is None else self._checked(vocabulary).dataset_ids
        return [{'id': segment.id,
                 'category_id': ids[segment.class_id - 1] if ids else segment.class_id,
                 'area': segment.area, 'bbox': segment.bbox_xywh, 'iscrowd': 0,
                 'score': round(segment.score, 6)} for segment in self.segments]

    def _checked(self, vocabulary: Vocabulary) -> Vocabulary:
        if not hasattr(vocabulary, 'dataset_ids'):
            raise wrong('the vocabulary', vocabulary, 'a Vocabulary, or None')
        for segment in self.segments:
            if vocabulary.names[segment.class_id - 1:segment.class_id] != (segment.name,):
                raise ValueError(f'class {segment.class_id} of this result is {segment.name!r}, '
                                 f'which {vocabulary!r} does not have there; give the vocabulary '
                                 'that the result was made with')
        return vocabulary


def check_result(result: object) -> None:
    """Raise ValueError unless an argument has the label map and the segments of a result."""
    if not (hasattr(result, 'instance') and hasattr(result, 'segments')):
        raise wrong('the result', result, 'a PanopticResult, as segmenter(image) returns it')


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
