# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The published semantic inference reduced to what mIoU needs: the best class of every pixel.

The same as the argmax of `instances.semantic_scores`, without the scores of all classes at all
pixels: within a tile, bounds on the interpolated logits show which classes cannot be the best.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
import torch.nn.functional as F

from eov_seg_core.results.tiles import (
    first_maximum,
    logit_bounds,
    MaskResize,
    resize_tile,
    STRIP_WIDTH,
    Window,
)

_TILE = (32, 128)
"""Height and width of a tile in pixels: 100 queries then fit into the caches."""
_PROMISING = 8
"""Classes that are tried first in a tile."""
_SLACK = 1e-5
"""How far rounding may carry a score, relative to the score."""
_ROUNDING = 1e-7
"""How much may be left out of a score, relative to the largest that is possible in the tile."""


class _Tile(NamedTuple):
    """A part of the output: how to resize logits, then probabilities where that comes second."""

    logits: tuple[Window, Window]
    probs: tuple[Window, Window] | None


def semantic_argmax(probs_QK: Tensor, mask_logits_Qhw: Tensor, resize: MaskResize
                    ) -> npt.NDArray[np.int32]:
    """Return the class with the highest sum of class probability x mask probability.

    Args:
        probs_QK: (Q, K) class probabilities without void, at least one class.
        mask_logits_Qhw: (Q, h, w) float32 mask logits.
        resize: To the output's size.

    Returns:
        (H, W) int32 class index 0..K-1; the first one where several are best.
    """
    bands, strips = (resize.row_windows(_TILE[0]), resize.column_windows(_TILE[1]))
    tiles = [[_Tile((rows, columns), None) for columns in strips] for rows in bands]
    return _argmax(probs_QK, mask_logits_Qhw, tiles, resize.output_size)


def late_semantic_argmax(probs_QK: Tensor, mask_logits_Qhw: Tensor, padded_size: tuple[int, int],
                         network_size: tuple[int, int], output_size: tuple[int, int]
                         ) -> npt.NDArray[np.int32]:
    """Like `semantic_argmax`, but of scores made at the padded size and then resized.

    The resize is linear, so the probabilities of the masks are resized in place of the scores.
    """
    device = mask_logits_Qhw.device
    to_padded = MaskResize((mask_logits_Qhw.shape[1], mask_logits_Qhw.shape[2]), padded_size,
                           padded_size, padded_size, device)
    to_output = MaskResize(network_size, network_size, network_size, output_size, device)
    bands = [(to_padded.row_window(rows.source), rows)
             for rows in to_output.row_windows(_TILE[0])]
    strips = [(to_padded.column_window(columns.source), columns)
              for columns in to_output.column_windows(_TILE[1])]
    tiles = [[_Tile((rows[0], columns[0]), (rows[1], columns[1])) for columns in strips]
             for rows in bands]
    return _argmax(probs_QK, mask_logits_Qhw, tiles, output_size)


def _argmax(probs_QK: Tensor, mask_logits_Qhw: Tensor, tiles: list[list[_Tile]],
            output_size: tuple[int, int]) -> npt.NDArray[np.int32]:
    low_BSQ, high_BSQ = logit_bounds(mask_logits_Qhw, [row[0].logits[0] for row in tiles],
                                     [tile.logits[1] for tile in tiles[0]])
    low_BSQ, high_BSQ = low_BSQ.sigmoid_(), high_BSQ.sigmoid_()
    # what all classes share decides nothing, and without it the bounds are closer
    lead_QK = probs_QK - probs_QK.amin(dim=1, keepdim=True)
    classes = torch.empty(output_size, dtype=torch.int32, device=mask_logits_Qhw.device)
    for row, low_SQ, high_SQ in zip(tiles, low_BSQ, high_BSQ):
        for tile, low_Q, high_Q in zip(row, low_SQ, high_SQ):
            upper_K = high_Q @ lead_QK
            # a query that varies by less than a rounding error is a constant
            influence_Q = (high_Q - low_Q) * lead_QK.amax(dim=1)
            is_constant_Q = influence_Q < _ROUNDING * upper_K.amax() / len(high_Q)
            chosen_c = (~is_constant_Q).nonzero().squeeze(1)
            rows, columns = tile.probs or tile.logits
            classes[rows.output, columns.output] = _best_class(
                lead_QK[chosen_c], _mask_probs(mask_logits_Qhw, tile, chosen_c),
                (low_Q * is_constant_Q) @ lead_QK, upper_K)
    return classes.cpu().numpy()


def _mask_probs(mask_logits_Qhw: Tensor, tile: _Tile, chosen_c: Tensor) -> Tensor:
    rows, columns = tile.logits
    source_chw = mask_logits_Qhw[:, rows.source, columns.source].index_select(0, chosen_c)
    probs_chw = resize_tile(source_chw, rows, columns).sigmoid_()
    return probs_chw if tile.probs is None else resize_tile(probs_chw, *tile.probs)


def _best_class(lead_cK: Tensor, mask_probs_chw: Tensor, constant_K: Tensor, upper_K: Tensor
                ) -> Tensor:
    """Return the best class of each pixel of a tile, given what its scores cannot exceed."""
    def scores(classes_C: Tensor) -> Tensor:
        score_Chw: Tensor = torch.tensordot(lead_cK[:, classes_C].T, mask_probs_chw, dims=1)
        return score_Chw.add_(constant_K[classes_C, None, None])

    tried_C = upper_K.topk(min(_PROMISING, len(upper_K))).indices.sort().values
    score_Chw = scores(tried_C)
    least = score_Chw.amax(dim=0).amin() * (1 - _SLACK)
    possible_C = (~(upper_K < least)).nonzero().squeeze(1)
    # those tried have the highest limits: unless more are possible, all that are were tried
    if len(possible_C) > len(tried_C):
        tried_C, score_Chw = possible_C, scores(possible_C)
    return tried_C[first_maximum(score_Chw)]


_BAND_ELEMENTS = 1 << 22
"""Queries x pixels that are computed at a time: 16 MiB in float32."""


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


def _bands(mask_logits_Qhw: Tensor, resize: MaskResize, planes: int
           ) -> Iterator[tuple[slice, Tensor]]:
    """Yield rows and (Q, rows, W) logits of bands so thin that `planes` of them are small."""
    width = resize.output_size[1]
    strips = resize.column_windows(STRIP_WIDTH)
    for rows in resize.row_windows(max(_BAND_ELEMENTS // (planes * width), 1)):
        source_Qhw = mask_logits_Qhw[:, rows.source]
        tiles = [resize_tile(source_Qhw[:, :, columns.source], rows, columns)
                 for columns in strips]
        yield rows.output, torch.cat(tiles, dim=2)
