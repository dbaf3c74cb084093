# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The published semantic inference: a score for each class at each pixel, or only the best class.

The score of a class at a pixel is the sum over all queries of class probability x mask
probability.  It uses every query, also those that the panoptic merge drops.

mIoU needs only the class with the highest score.  `semantic_argmax` finds it faster than by
computing all scores: it cuts the output into tiles and computes, for each tile, an upper limit of
every class's score.  A class whose limit is below a score that another class reaches at every
pixel of the tile cannot win there, and its scores are not computed.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Literal, NamedTuple

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
"""Number of classes whose scores are computed first in a tile: those of the highest limits."""
_SLACK = 1e-5
"""Largest relative rounding error of a score."""
_ROUNDING = 1e-7
"""Largest part of a score that may be neglected, relative to the highest limit in the tile."""
_BAND_ELEMENTS = 1 << 22
"""Queries x pixels that are computed at a time: 16 MiB in float32."""


class SemanticOrder(Enum):
    """In which order semantic scores of the output's size are computed; both are published.

    The values are what callers may write in place of the member.
    """

    RESIZE_FIRST = True
    """Resize the masks to the output, then score: the order when panoptic output is wanted too."""
    SCORES_FIRST = 'late'
    """Score at the padded size, then resize: the order when only semantic output is wanted."""

    @classmethod
    def requested(cls, name: str, value: object) -> SemanticOrder | None:
        """Return the order that an option asks for; None for `False`, which asks for no output.

        Args:
            name: Of the option, for the message.
            value: What the caller gave.

        Raises:
            ValueError: It is neither False, True, 'late' nor a member.
        """
        if value in (False, True):      # numpy's too
            return cls.RESIZE_FIRST if value else None
        try:
            return cls(value)
        except ValueError:
            raise ValueError(f"{name} must be False, True or 'late', got {value!r}") from None


KeepSemantic = bool | Literal['late'] | SemanticOrder
"""What the options `keep_semantic` and `keep_semantic_argmax` take."""


def semantic_scores(probs_QK: Tensor, mask_logits_Qhw: Tensor, resize: MaskResize,
                    order: SemanticOrder) -> npt.NDArray[np.float32]:
    """Sum class probability x mask probability over all queries.

    Args:
        probs_QK: (Q, K) class probabilities without void.
        mask_logits_Qhw: (Q, h, w) float32 mask logits.
        resize: From the mask logits to the output.
        order: What comes first.

    Returns:
        (K, H, W) float32, not normalised.
    """
    if order is SemanticOrder.RESIZE_FIRST:
        return _scores(probs_QK, mask_logits_Qhw, resize)
    to_padded, to_output = resize.steps()
    height, width = to_output.mask_size
    network_KHW = _scores(probs_QK, mask_logits_Qhw, to_padded)[:, :height, :width]
    scores = np.empty((len(network_KHW), *resize.output_size), np.float32)
    for class_HW, target_HW in zip(network_KHW, scores):
        target_HW[:] = F.interpolate(torch.from_numpy(class_HW)[None, None],
                                     size=resize.output_size, mode='bilinear')[0, 0].numpy()
    return scores


def semantic_argmax(probs_QK: Tensor, mask_logits_Qhw: Tensor, resize: MaskResize,
                    order: SemanticOrder) -> npt.NDArray[np.int32]:
    """Return the class with the highest score at each pixel: the argmax of `semantic_scores`.

    Where scores are resized after the sum, the mask probabilities are resized here instead.  The
    sum and the resize are both linear, so this is the same up to rounding.

    Args:
        probs_QK: (Q, K) class probabilities without void, at least one class.
        mask_logits_Qhw: (Q, h, w) float32 mask logits.
        resize: From the mask logits to the output.
        order: What comes first.

    Returns:
        (H, W) int32 class index 0..K-1; the lowest one where several scores are equal.
    """
    tiles = _tiles(resize, order)
    low_BSQ, high_BSQ = logit_bounds(mask_logits_Qhw, [row[0].logits[0] for row in tiles],
                                     [tile.logits[1] for tile in tiles[0]])
    low_BSQ, high_BSQ = low_BSQ.sigmoid_(), high_BSQ.sigmoid_()
    # What a query gives to all classes alike does not change which class wins.  Without it the
    # limits are closer to the scores, so more classes are ruled out
    lead_QK = probs_QK - probs_QK.amin(dim=1, keepdim=True)
    class_index = torch.empty(resize.output_size, dtype=torch.int32,
                              device=mask_logits_Qhw.device)
    for row, low_SQ, high_SQ in zip(tiles, low_BSQ, high_BSQ):
        for tile, low_Q, high_Q in zip(row, low_SQ, high_SQ):
            upper_K = high_Q @ lead_QK
            # a query whose mask hardly varies in the tile counts with one value for all pixels
            influence_Q = (high_Q - low_Q) * lead_QK.amax(dim=1)
            is_constant_Q = influence_Q < _ROUNDING * upper_K.amax() / len(high_Q)
            chosen_c = (~is_constant_Q).nonzero().squeeze(1)
            rows, columns = tile.probs or tile.logits
            class_index[rows.output, columns.output] = _best_class(
                lead_QK[chosen_c], _mask_probs(mask_logits_Qhw, tile, chosen_c),
                (low_Q * is_constant_Q) @ lead_QK, upper_K)
    return class_index.cpu().numpy()


class _Tile(NamedTuple):
    """A part of the output, by the windows (rows, columns) that compute it.

    Attributes:
        logits: Resize of the mask logits.
        probs: Second resize, of the mask probabilities; None where there is only one.
    """

    logits: tuple[Window, Window]
    probs: tuple[Window, Window] | None


def _tiles(resize: MaskResize, order: SemanticOrder) -> list[list[_Tile]]:
    """Cut the output into rows of tiles."""
    if order is SemanticOrder.RESIZE_FIRST:
        bands, strips = resize.row_windows(_TILE[0]), resize.column_windows(_TILE[1])
        return [[_Tile((rows, columns), None) for columns in strips] for rows in bands]
    to_padded, to_output = resize.steps()
    band_pairs = [(to_padded.row_window(rows.source), rows)
                  for rows in to_output.row_windows(_TILE[0])]
    strip_pairs = [(to_padded.column_window(columns.source), columns)
                   for columns in to_output.column_windows(_TILE[1])]
    return [[_Tile((rows[0], columns[0]), (rows[1], columns[1])) for columns in strip_pairs]
            for rows in band_pairs]


def _mask_probs(mask_logits_Qhw: Tensor, tile: _Tile, chosen_c: Tensor) -> Tensor:
    """Return the mask probabilities of the chosen queries in a tile of the output."""
    rows, columns = tile.logits
    source_chw = mask_logits_Qhw[:, rows.source, columns.source].index_select(0, chosen_c)
    probs_chw = resize_tile(source_chw, rows, columns).sigmoid_()
    return probs_chw if tile.probs is None else resize_tile(probs_chw, *tile.probs)


def _best_class(lead_cK: Tensor, mask_probs_chw: Tensor, constant_K: Tensor, upper_K: Tensor
                ) -> Tensor:
    """Return the class index of the highest score at each pixel of a tile, (h, w) int64.

    Args:
        lead_cK: Class probabilities of the queries that vary in the tile.
        mask_probs_chw: Their mask probabilities.
        constant_K: What the other queries add to each class's score.
        upper_K: Upper limit of each class's score.
    """
    def scores(class_indices_C: Tensor) -> Tensor:
        score_Chw: Tensor = torch.tensordot(lead_cK[:, class_indices_C].T, mask_probs_chw, dims=1)
        return score_Chw.add_(constant_K[class_indices_C, None, None])

    tried_C = upper_K.topk(min(_PROMISING, len(upper_K))).indices.sort().values
    score_Chw = scores(tried_C)
    least = score_Chw.amax(dim=0).amin() * (1 - _SLACK)
    possible_C = (~(upper_K < least)).nonzero().squeeze(1)
    # The classes that were tried have the highest limits.  So if not more than those are possible,
    # every possible class was among them
    if len(possible_C) > len(tried_C):
        tried_C, score_Chw = possible_C, scores(possible_C)
    return tried_C[first_maximum(score_Chw)]


def _scores(probs_QK: Tensor, mask_logits_Qhw: Tensor, resize: MaskResize
            ) -> npt.NDArray[np.float32]:
    """Resize the masks, then sum: (K, H, W) float32."""
    scores = np.empty((probs_QK.shape[1], *resize.output_size), np.float32)
    for rows, logits_QhW in _bands(mask_logits_Qhw, resize, max(probs_QK.shape)):
        band_KhW = torch.tensordot(probs_QK.T, logits_QhW.sigmoid_(), dims=1)
        scores[:, rows] = band_KhW.cpu().numpy()
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
