# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The panoptic merge: from classified masks to one label map.

Same result as the published inference, which loops over the queries and asks the device for three
counts of each.  Here all counts come from one pass over the pixels (on a CPU only queries that can
win are resized at all), and the host waits for the device once: for counts and map together, after
which at most a hundred numbers are left to decide on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from eov_seg_core.device.transfer import to_host
from eov_seg_core.results.assign_cpu import assign_pixels, PixelAssignment
from eov_seg_core.results.assign_gpu import assign_on_device
from eov_seg_core.results.instances import find_instances
from eov_seg_core.results.result import look_up, PanopticResult, Segment
from eov_seg_core.results.semantic import (
    late_semantic_argmax,
    late_semantic_scores,
    semantic_argmax,
    semantic_scores,
)
from eov_seg_core.results.tiles import MaskResize

_Outcome = tuple[PixelAssignment, npt.NDArray[np.float32], npt.NDArray[np.int64]]
"""Who won which pixels, and score and label of each query that competed."""


@dataclass(frozen=True)
class Thresholds:
    """What a query must reach to become a segment; the defaults are the published values.

    Attributes:
        score_threshold: A query is dropped unless its score is above this, 0..1.
        overlap_threshold: A query is dropped if it wins fewer pixels than this share of its
            mask, 0..1.

    Raises:
        ValueError: A threshold does not lie in 0..1.
    """

    score_threshold: float = 0.0
    overlap_threshold: float = 0.8

    def __post_init__(self) -> None:
        """Refuse what is no number in 0..1."""
        thresholds: dict[str, float] = dict(vars(self))
        for name, value in thresholds.items():
            if not isinstance(value, Real) or not 0.0 <= value <= 1.0:
                raise ValueError(f'{name} must lie in 0..1, got {value!r}')
            object.__setattr__(self, name, float(value))

    def with_given(self, score_threshold: float | None, overlap_threshold: float | None
                   ) -> Thresholds:
        """Return these thresholds, except those that are given."""
        return Thresholds(
            self.score_threshold if score_threshold is None else score_threshold,
            self.overlap_threshold if overlap_threshold is None else overlap_threshold)


@torch.inference_mode()
def postprocess(log_probs_QK: Tensor, mask_logits_Qhw: Tensor, *, padded_size: tuple[int, int],
                network_size: tuple[int, int], output_size: tuple[int, int],
                names: Sequence[str], is_thing: Sequence[bool], thresholds: Thresholds,
                keep_semantic: bool | Literal['late'] = False,
                keep_semantic_argmax: bool | Literal['late'] = False,
                keep_instances: bool = False) -> PanopticResult:
    """Turn the network's output for one image into a result of the wanted size.

    Args:
        log_probs_QK: (Q, K + 1) logarithms of class probabilities, void last; any float type.
        mask_logits_Qhw: (Q, h, w) mask logits at a quarter of the padded size, on the same device.
        padded_size: (H, W) of the network's input.
        network_size: (height, width) of the image in it, in its upper left corner.
        output_size: (height, width) of the result.
        names: First name of each of the K classes.
        is_thing: Whether each class is a thing.
        thresholds: What a query must reach to become a segment.
        keep_semantic: Return `semantic_scores`; `late` for scores before the resize.
        keep_semantic_argmax: Return `semantic_argmax`, in the same two ways.
        keep_instances: Return `instances`.

    Raises:
        ValueError: The numbers of queries or classes contradict each other.
    """
    _check(log_probs_QK, mask_logits_Qhw, names, is_thing)
    mask_logits_Qhw = mask_logits_Qhw.float()
    # the logarithms get a softmax once more, as published: it renormalises by about 1e-8 K
    probs_QK = log_probs_QK.float().softmax(dim=1)
    mask_size = (mask_logits_Qhw.shape[1], mask_logits_Qhw.shape[2])
    resize = MaskResize(mask_size, padded_size, network_size, output_size, mask_logits_Qhw.device)

    contest = _contest if mask_logits_Qhw.device.type == 'cpu' else _contest_on_device
    outcome = contest(probs_QK, mask_logits_Qhw, thresholds.score_threshold, resize)
    if outcome is None:
        result = PanopticResult(np.zeros(output_size, np.int32), [])
    else:
        result = _merge(*outcome, names, is_thing, thresholds.overlap_threshold)
    class_probs_QK = probs_QK[:, :-1]
    if keep_semantic == 'late':
        result.semantic_scores = late_semantic_scores(
            class_probs_QK, mask_logits_Qhw, padded_size, network_size, output_size)
    elif keep_semantic:
        result.semantic_scores = semantic_scores(class_probs_QK, mask_logits_Qhw, resize)
    if keep_semantic_argmax == 'late':
        result.semantic_argmax = late_semantic_argmax(
            class_probs_QK, mask_logits_Qhw, padded_size, network_size, output_size)
    elif keep_semantic_argmax:
        result.semantic_argmax = semantic_argmax(class_probs_QK, mask_logits_Qhw, resize)
    if keep_instances:
        result.instances = find_instances(class_probs_QK, mask_logits_Qhw, resize, is_thing)
    return result


def _check(log_probs_QK: Tensor, mask_logits_Qhw: Tensor, names: Sequence[str],
           is_thing: Sequence[bool]) -> None:
    queries, columns = len(mask_logits_Qhw), len(names) + 1
    if tuple(log_probs_QK.shape) != (queries, columns) or len(is_thing) != len(names):
        raise ValueError(
            f'class log-probabilities have shape {tuple(log_probs_QK.shape)}, expected '
            f'({queries}, {columns}): a row for each of the {queries} masks, a column for each of '
            f'the {len(names)} names and one for void; and {len(is_thing)} flags say what is a '
            'thing, expected one for each name')


def _contest(probs_QK: Tensor, mask_logits_Qhw: Tensor, score_threshold: float,
             resize: MaskResize) -> _Outcome | None:
    """Let the queries that are kept compete on a CPU; None if there are none."""
    scores_Q, labels_Q, is_kept_Q = _classify(probs_QK, score_threshold)
    kept_q = is_kept_Q.nonzero().squeeze(1)
    if len(kept_q) == 0:
        return None
    scores_q = scores_Q[kept_q]
    return (assign_pixels(mask_logits_Qhw[kept_q], scores_q, resize), scores_q.numpy(),
            labels_Q[kept_q].numpy())


def _contest_on_device(probs_QK: Tensor, mask_logits_Qhw: Tensor, score_threshold: float,
                       resize: MaskResize) -> _Outcome | None:
    """Let all queries compete, those not kept in vain; waits for the device once."""
    if len(probs_QK) == 0:
        return None
    scores_Q, labels_Q, is_kept_Q = _classify(probs_QK, score_threshold)
    codes, statistics, scores, labels = (tensor.numpy() for tensor in to_host(
        *assign_on_device(mask_logits_Qhw, scores_Q, is_kept_Q, resize), scores_Q, labels_Q))
    return (PixelAssignment(codes, statistics[:, 0], statistics[:, 1], statistics[:, 2],
                            statistics[:, 3:]), scores, labels)


def _classify(probs_QK: Tensor, score_threshold: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return score and label of each query, and whether it is kept."""
    scores_Q, labels_Q = probs_QK.max(dim=1)
    void = probs_QK.shape[1] - 1
    return scores_Q, labels_Q, (labels_Q < void) & (scores_Q > score_threshold)


def _merge(assignment: PixelAssignment, scores_q: npt.NDArray[np.float32],
           labels_q: npt.NDArray[np.int64], names: Sequence[str], is_thing: Sequence[bool],
           overlap_threshold: float) -> PanopticResult:
    """Decide which queries become segments, in their order, and paint them.

    Stuff of a class that already has a segment joins it; each part must pass the overlap test on
    its own, and a part that fails does not open the class.
    """
    won_q, original_q, owned_q = assignment.won_q, assignment.original_q, assignment.owned_q
    share_q = won_q / np.maximum(original_q, 1)
    # pixels that are owned were won and lie inside, so this one count being positive says it all
    passes_q = (owned_q > 0) & ~(share_q < overlap_threshold)
    parts: list[list[int]] = []
    part_of_stuff: dict[int, list[int]] = {}
    for query in np.flatnonzero(passes_q).tolist():
        label = int(labels_q[query])
        if label in part_of_stuff:
            part_of_stuff[label].append(query)
            continue
        parts.append([query])
        if not is_thing[label]:
            part_of_stuff[label] = parts[-1]

    id_of_code = np.zeros(2 * len(scores_q), np.int32)
    segments = []
    for segment_id, queries in enumerate(parts, start=1):
        id_of_code[2 * np.array(queries) + 1] = segment_id
        label = int(labels_q[queries[0]])
        boxes = assignment.boxes_q4[queries]
        x1, y1 = boxes[:, :2].min(axis=0).tolist()
        x2, y2 = boxes[:, 2:].max(axis=0).tolist()
        segments.append(Segment(
            id=segment_id, class_id=label + 1, name=names[label], is_thing=bool(is_thing[label]),
            score=float(scores_q[queries[0]]), area=int(owned_q[queries].sum()),
            bbox_xyxy=(x1, y1, x2, y2)))
    return PanopticResult(look_up(id_of_code, assignment.codes), segments)
