# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The published instance inference, which mask AP measures.

It uses every query, also those that the panoptic merge drops, and not the merge's result.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from eov_seg_core.results.result import Instances
from eov_seg_core.results.tiles import logit_bounds, MaskResize, resize_tile, STRIP_WIDTH

MAX_INSTANCES = 100
"""Pairs of query and class that compete, before stuff is dropped; the published value."""
_TILE_HEIGHT = 32
"""Rows of a tile of instance masks."""
_EPS = 1e-6


def find_instances(probs_QK: Tensor, mask_logits_Qhw: Tensor, resize: MaskResize,
                   is_thing: Sequence[bool]) -> Instances:
    """Take the best pairs of query and class, drop stuff, and score them with their masks.

    Args:
        probs_QK: (Q, K) class probabilities without void.
        mask_logits_Qhw: (Q, h, w) float32 mask logits.
        resize: To the output's size.
        is_thing: Flag of each class.
    """
    num_classes = probs_QK.shape[1]
    best = probs_QK.flatten().topk(min(MAX_INSTANCES, probs_QK.numel()))
    class_indices = (best.indices % num_classes).cpu().numpy()
    queries = (best.indices // num_classes).cpu().numpy()
    is_kept = np.asarray(is_thing, np.bool_)[class_indices]
    class_indices, queries = class_indices[is_kept], queries[is_kept]
    different, row = np.unique(queries, return_inverse=True)
    packed_masks, quality = _masks_and_quality(
        mask_logits_Qhw[torch.from_numpy(different).to(mask_logits_Qhw.device)], resize)
    scores = best.values.float().cpu().numpy()[is_kept] * quality[row]
    order = np.argsort(-scores, kind='stable')
    return Instances(scores[order], class_indices[order], queries[order], resize.output_size,
                     packed_masks)


def _masks_and_quality(mask_logits_Qhw: Tensor, resize: MaskResize
                       ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Return the packed masks of all queries given and their mean probability inside.

    A mask fills few tiles of the output; bounds on its logits show which.
    """
    queries, device = len(mask_logits_Qhw), mask_logits_Qhw.device
    height, width = resize.output_size
    packed = np.zeros((queries, height, -(-width // 8)), np.uint8)
    area_Q = torch.zeros(queries, dtype=torch.float64, device=device)
    total_Q = torch.zeros_like(area_Q)
    bands, strips = resize.row_windows(_TILE_HEIGHT), resize.column_windows(STRIP_WIDTH)
    if queries == 0:
        return packed, area_Q.float().cpu().numpy()
    # written so that a logit that is not a number excludes nobody
    is_inside_BSQ = ~(logit_bounds(mask_logits_Qhw, bands, strips)[1] <= 0).cpu()
    for rows, is_inside_SQ in zip(bands, is_inside_BSQ):
        for columns, is_inside_Q in zip(strips, is_inside_SQ):
            chosen_c = is_inside_Q.nonzero().squeeze(1)
            on_device_c = chosen_c.to(device)
            source_chw = mask_logits_Qhw[:, rows.source, columns.source]
            logits_chw = resize_tile(source_chw.index_select(0, on_device_c), rows, columns)
            mask_chw = logits_chw > 0
            bits = slice(columns.output.start // 8, -(-columns.output.stop // 8))
            packed[chosen_c.numpy(), rows.output, bits] = np.packbits(
                mask_chw.cpu().numpy(), axis=2)
            area_Q.index_add_(0, on_device_c, mask_chw.sum(dim=(1, 2)).double())
            total_Q.index_add_(0, on_device_c, logits_chw.sigmoid_().mul_(mask_chw).sum(
                dim=(1, 2)).double())
    return packed, (total_Q / (area_Q + _EPS)).float().cpu().numpy()
