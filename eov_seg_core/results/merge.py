# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The panoptic merge: from classified masks to one label map.

Same result as the published inference, which loops over the queries and asks the device for three
counts of each.  Here all counts come from one pass over the pixels (on a CPU only queries that can
win are resized at all), and the host waits for the device once: for counts and map together, after
which at most a hundred numbers are left to decide on.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from eov_seg_core.results import assign_cpu, assign_gpu
from eov_seg_core.results.assign_cpu import Contest
from eov_seg_core.results.instances import find_instances
from eov_seg_core.results.result import look_up, PanopticResult, Segment
from eov_seg_core.results.semantic import (
    KeepSemantic,
    semantic_argmax,
    semantic_scores,
    SemanticOrder,
)
from eov_seg_core.results.thresholds import Thresholds
from eov_seg_core.results.tiles import MaskResize
from eov_seg_core.vocabulary import Vocabulary


@torch.inference_mode()
def postprocess(log_probs_QK: Tensor, mask_logits_Qhw: Tensor, *, padded_size: tuple[int, int],
                network_size: tuple[int, int], output_size: tuple[int, int],
                vocabulary: Vocabulary, thresholds: Thresholds,
                keep_semantic: KeepSemantic = False, keep_semantic_argmax: KeepSemantic = False,
                keep_instances: bool = False) -> PanopticResult:
    """Turn the network's output for one image into a result of the wanted size.

    Args:
        log_probs_QK: (Q, K + 1) logarithms of class probabilities, void last; any float type.
        mask_logits_Qhw: (Q, h, w) mask logits at a quarter of the padded size, on the same device.
        padded_size: (H, W) of the network's input.
        network_size: (height, width) of the image in it, in its upper left corner.
        output_size: (height, width) of the result.
        vocabulary: The K classes.
        thresholds: What a query must reach to become a segment.
        keep_semantic: Return `semantic_scores`, in the order that `SemanticOrder` names.
        keep_semantic_argmax: Return `semantic_argmax`, in the order that `SemanticOrder` names.
        keep_instances: Return `instances`.

    Raises:
        ValueError: The numbers of queries or classes contradict each other.
    """
    _check(log_probs_QK, mask_logits_Qhw, len(vocabulary))
    mask_logits_Qhw = mask_logits_Qhw.float()
    # the logarithms get a softmax once more, as published: it renormalises by about 1e-8 K
    probs_QK = log_probs_QK.float().softmax(dim=1)
    mask_size = (mask_logits_Qhw.shape[1], mask_logits_Qhw.shape[2])
    device = mask_logits_Qhw.device
    resize = MaskResize(mask_size, padded_size, network_size, output_size, device)

    compete = assign_cpu.compete if device.type == 'cpu' else assign_gpu.compete
    contest = compete(mask_logits_Qhw, *_classify(probs_QK, thresholds.score_threshold), resize)
    if contest is None:
        result = PanopticResult(np.zeros(output_size, np.int32), [])
    else:
        result = _merge(contest, vocabulary, thresholds.overlap_threshold)
    class_probs_QK = probs_QK[:, :-1]
    order = SemanticOrder.requested('keep_semantic', keep_semantic)
    if order is not None:
        result.semantic_scores = semantic_scores(class_probs_QK, mask_logits_Qhw, resize, order)
    order = SemanticOrder.requested('keep_semantic_argmax', keep_semantic_argmax)
    if order is not None:
        result.semantic_argmax = semantic_argmax(class_probs_QK, mask_logits_Qhw, resize, order)
    if keep_instances:
        result.instances = find_instances(class_probs_QK, mask_logits_Qhw, resize,
                                          vocabulary.is_thing)
    return result


def _check(log_probs_QK: Tensor, mask_logits_Qhw: Tensor, num_classes: int) -> None:
    expected = len(mask_logits_Qhw), num_classes + 1
    if tuple(log_probs_QK.shape) != expected:
        raise ValueError(
            f'class log-probabilities have shape {tuple(log_probs_QK.shape)}, expected '
            f'{expected}: a row for each of the {expected[0]} masks, a column for each of the '
            f'{num_classes} classes of the vocabulary and one for void')


def _classify(probs_QK: Tensor, score_threshold: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return score and class index of each query, and whether it is kept."""
    scores_Q, class_index_Q = probs_QK.max(dim=1)
    void = probs_QK.shape[1] - 1
    return scores_Q, class_index_Q, (class_index_Q < void) & (scores_Q > score_threshold)


def _merge(contest: Contest, vocabulary: Vocabulary, overlap_threshold: float) -> PanopticResult:
    """Decide which queries become segments, in their order, and paint them.

    Stuff of a class that already has a segment joins it; each part must pass the overlap test on
    its own, and a part that fails does not open the class.
    """
    assignment, scores_q, class_index_q = contest
    won_q, original_q, owned_q = assignment.won_q, assignment.original_q, assignment.owned_q
    share_q = won_q / np.maximum(original_q, 1)
    # pixels that are owned were won and lie inside, so this one count being positive says it all
    passes_q = (owned_q > 0) & ~(share_q < overlap_threshold)
    parts: list[list[int]] = []
    part_of_stuff: dict[int, list[int]] = {}
    for query in np.flatnonzero(passes_q).tolist():
        class_index = int(class_index_q[query])
        if class_index in part_of_stuff:
            part_of_stuff[class_index].append(query)
            continue
        parts.append([query])
        if not vocabulary.categories[class_index].is_thing:
            part_of_stuff[class_index] = parts[-1]

    id_of_code = np.zeros(2 * len(scores_q), np.int32)
    segments = []
    for segment_id, queries in enumerate(parts, start=1):
        id_of_code[2 * np.array(queries) + 1] = segment_id
        class_index = int(class_index_q[queries[0]])
        category = vocabulary.categories[class_index]
        boxes = assignment.boxes_q4[queries]
        x1, y1 = boxes[:, :2].min(axis=0).tolist()
        x2, y2 = boxes[:, 2:].max(axis=0).tolist()
        segments.append(Segment(
            id=segment_id, class_id=class_index + 1, name=category.name,
            is_thing=category.is_thing, score=float(scores_q[queries[0]]),
            area=int(owned_q[queries].sum()), bbox_xyxy=(x1, y1, x2, y2)))
    return PanopticResult(look_up(id_of_code, assignment.codes), segments)
