# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The published merge, written down plainly, and masks and classes to merge."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from eov_seg_core.results.merge import postprocess
from eov_seg_core.results.thresholds import Thresholds
from eov_seg_core.vocabulary import Category, Vocabulary


def published_resize(mask_logits, padded_size, network_size, output_size):
    up = F.interpolate(mask_logits[None], size=padded_size, mode='bilinear')
    cropped = up[..., :network_size[0], :network_size[1]]
    return F.interpolate(cropped, size=output_size, mode='bilinear')[0]


def published_panoptic(log_probs, masks, is_thing, score_threshold, overlap_threshold):
    """Loop over the queries as the method is published; `masks` have the output's size.

    Returns the map, [(id, class index)], and the scores of the segments' first queries.
    """
    num_classes = len(is_thing)
    scores, labels = log_probs.softmax(-1).max(-1)
    masks = masks.sigmoid()
    keep = (labels != num_classes) & (scores > score_threshold)
    scores, labels, masks = scores[keep], labels[keep], masks[keep]
    instance = torch.zeros(masks.shape[1:], dtype=torch.int32)
    segments, stuff_ids = [], {}
    if len(masks) == 0:
        return instance, segments, []
    segment_scores = []
    ids = (scores[:, None, None] * masks).argmax(0)
    for query in range(len(masks)):
        label = int(labels[query])
        won, inside = ids == query, masks[query] >= 0.5
        owned = won & inside
        if not (won.any() and inside.any() and owned.any()):
            continue
        if int(won.sum()) / int(inside.sum()) < overlap_threshold:
            continue
        if not is_thing[label] and label in stuff_ids:
            instance[owned] = stuff_ids[label]
            continue
        segments.append((len(segments) + 1, label))
        segment_scores.append(float(scores[query]))
        instance[owned] = len(segments)
        if not is_thing[label]:
            stuff_ids[label] = len(segments)
    return instance, segments, segment_scores


def smooth_masks(queries, height, width, seed, sharpness=8.0):
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(queries, max(height // 4, 2), max(width // 4, 2), generator=generator)
    return sharpness * F.interpolate(coarse[None], size=(height, width), mode='bicubic')[0]


def random_log_probs(queries, num_classes, seed, sharpness=4.0):
    generator = torch.Generator().manual_seed(seed + 1)
    logits = sharpness * torch.randn(queries, num_classes + 1, generator=generator)
    return (logits.softmax(-1) + 1e-8).log()


def run(log_probs, mask_logits, is_thing, padded_size, network_size, output_size, *,
        score_threshold=0.0, overlap_threshold=0.8, **options):
    vocabulary = Vocabulary.from_categories(
        Category((f'name {index}',), flag) for index, flag in enumerate(is_thing))
    return postprocess(log_probs, mask_logits, padded_size=padded_size, network_size=network_size,
                       output_size=output_size, vocabulary=vocabulary,
                       thresholds=Thresholds(score_threshold, overlap_threshold), **options)


def run_flat(log_probs, mask_logits, is_thing, **options):
    """Without any resize, so that results can be compared bit by bit."""
    size = tuple(mask_logits.shape[1:])
    return run(log_probs, mask_logits, is_thing, size, size, size, **options)


def check_consistency(result, is_thing):
    """What must hold of any result, whatever the input."""
    assert result.instance.dtype == result.semantic.dtype == np.int32
    assert [segment.id for segment in result.segments] == list(range(1, len(result.segments) + 1))
    assert set(np.unique(result.instance)) <= {0} | {s.id for s in result.segments}
    class_of_id = {0: 0} | {segment.id: segment.class_id for segment in result.segments}
    confidence_of_id = {0: 0} | {s.id: round(255 * s.score) for s in result.segments}
    expected = np.vectorize(class_of_id.get, otypes=[np.int32])(result.instance)
    np.testing.assert_array_equal(result.semantic, expected)
    expected = np.vectorize(confidence_of_id.get, otypes=[np.uint8])(result.instance)
    np.testing.assert_array_equal(result.confidence, expected)
    for segment in result.segments:
        rows, columns = np.nonzero(result.instance == segment.id)
        assert segment.area == len(rows) > 0
        assert segment.bbox_xyxy == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert segment.is_thing == is_thing[segment.class_id - 1]
        assert segment.name == f'name {segment.class_id - 1}'
        assert 0 < segment.score <= 1
    stuff = [s.class_id for s in result.segments if not s.is_thing]
    assert len(stuff) == len(set(stuff))


def one_hot_log_probs(labels, num_classes, score=0.9):
    probs = torch.full((len(labels), num_classes + 1), (1 - score) / num_classes)
    probs[range(len(labels)), labels] = score
    return probs.log()


def rectangles(boxes, height=40, width=60):
    masks = torch.full((len(boxes), height, width), -9.0)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes):
        mask[y1:y2, x1:x2] = 9.0
    return masks


def golden_cases():
    return [(name, index) for name in ('r50', 'r50x4', 'convnext_l') for index in [0]] + [
        ('r50_batch', 0), ('r50_batch', 1)]


def run_golden(meta, arrays, index, **options):
    image = meta['images'][index]
    return run(torch.from_numpy(arrays['mask_cls']), torch.from_numpy(arrays['mask_logits']),
               [bool(flag) for flag in meta['is_thing']], tuple(arrays['padded_size']),
               (image['h'], image['w']), (image['out_h'], image['out_w']), **options)
