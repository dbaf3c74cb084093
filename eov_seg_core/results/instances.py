# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The published semantic and instance inference: what mIoU and AP measure.

Both see all queries, whether or not the panoptic merge keeps them, and nothing of its result.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
import torch.nn.functional as F

from eov_seg_core.results.assign_cpu import logit_bounds
from eov_seg_core.results.tiles import MaskResize, resize_tile

MAX_INSTANCES = 100
"""Pairs of query and class that compete, before stuff is dropped; the published value."""
_BAND_ELEMENTS = 1 << 22
"""Queries x pixels that are computed at a time: 16 MiB in float32."""
_STRIP_WIDTH = 128
"""Columns that are resized at a time: wider strips multiply with more zeros; a multiple of 8."""
_TILE_HEIGHT = 32
"""Rows of a tile of instance masks."""
_EPS = 1e-6


@dataclass(frozen=True, eq=False)
class Instances:
    """Published instance inference: things only, by falling score; may overlap.

    Attributes:
        scores: (M,) float32, class probability x mean mask probability inside the mask.
        classes: (M,) int64 class index 0..K-1 in vocabulary order, as published; `names[c]` is
            its name and c + 1 its `Segment.class_id`.
        queries: (M,) int64 query of each instance; one query may stand for several classes.
        size: (height, width) of the masks.
    """

    scores: npt.NDArray[np.float32]
    classes: npt.NDArray[np.int64]
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


def semantic_scores(probs_QK: Tensor, mask_logits_Qhw: Tensor, resize: MaskResize
                    ) -> npt.NDArray[np.float32]:
    """Sum class probability x mask probability over all queries.

    Args:
        probs_QK: (Q, K) class probabilities without void.
        mask_logits_Qhw: (Q, h, w) float32 mask logits.
        resize: To the output's size.

    Returns:
        (K, H, W) float32, not normalised.
    """
    scores = np.empty((probs_QK.shape[1], *resize.output_size), np.float32)
    for rows, logits_QhW in _bands(mask_logits_Qhw, resize, max(probs_QK.shape)):
        band_KhW = torch.tensordot(probs_QK.T, logits_QhW.sigmoid_(), dims=1)
        scores[:, rows] = band_KhW.cpu().numpy()
    return scores


def late_semantic_scores(probs_QK: Tensor, mask_logits_Qhw: Tensor, padded_size: tuple[int, int],
                         network_size: tuple[int, int], output_size: tuple[int, int]
                         ) -> npt.NDArray[np.float32]:
    """Like `semantic_scores`, but with scores made at the padded size and then resized.

    This is the published order when neither panoptic nor instance output is wanted.
    """
    to_padded = MaskResize((mask_logits_Qhw.shape[1], mask_logits_Qhw.shape[2]), padded_size,
                           padded_size, padded_size, mask_logits_Qhw.device)
    height, width = network_size
    network_KHW = semantic_scores(probs_QK, mask_logits_Qhw, to_padded)[:, :height, :width]
    scores = np.empty((len(network_KHW), *output_size), np.float32)
    for class_HW, target_HW in zip(network_KHW, scores):
        target_HW[:] = F.interpolate(torch.from_numpy(class_HW)[None, None], size=output_size,
                                     mode='bilinear')[0, 0].numpy()
    return scores


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
    classes = (best.indices % num_classes).cpu().numpy()
    queries = (best.indices // num_classes).cpu().numpy()
    is_kept = np.asarray(is_thing, np.bool_)[classes]
    classes, queries = classes[is_kept], queries[is_kept]
    different, row = np.unique(queries, return_inverse=True)
    packed_masks, quality = _masks_and_quality(
        mask_logits_Qhw[torch.from_numpy(different).to(mask_logits_Qhw.device)], resize)
    scores = best.values.float().cpu().numpy()[is_kept] * quality[row]
    order = np.argsort(-scores, kind='stable')
    return Instances(scores[order], classes[order], queries[order], resize.output_size,
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
    bands, strips = resize.row_windows(_TILE_HEIGHT), resize.column_windows(_STRIP_WIDTH)
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


def _bands(mask_logits_Qhw: Tensor, resize: MaskResize, planes: int
           ) -> Iterator[tuple[slice, Tensor]]:
    """Yield rows and (Q, rows, W) logits of bands so thin that `planes` of them are small."""
    width = resize.output_size[1]
    strips = resize.column_windows(_STRIP_WIDTH)
    for rows in resize.row_windows(max(_BAND_ELEMENTS // (planes * width), 1)):
        source_Qhw = mask_logits_Qhw[:, rows.source]
        tiles = [resize_tile(source_Qhw[:, :, columns.source], rows, columns)
                 for columns in strips]
        yield rows.output, torch.cat(tiles, dim=2)
