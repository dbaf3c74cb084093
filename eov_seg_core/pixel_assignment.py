# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which query wins each pixel of the output, and what the panoptic merge must know of it.

This is the costly part of post-processing: every query against every pixel.  Within a tile of the
output the queries that can neither win a pixel nor cross one half are left out; bounds on the
interpolated logits prove it, since interpolation cannot leave the range of its sources.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from eov_seg_core.mask_resize import MaskResize, Tile

_TILE_SIDE = 64
"""Side of a tile in pixels on a CPU: 100 queries then fit into the caches."""
_GPU_ELEMENTS = 1 << 26
"""Queries x pixels of a tile on a GPU: 256 MiB in float32, and few launches."""
_CHUNK_PIXELS = 1 << 20
"""Pixels that are counted at a time; bounds the memory of 64-bit indices."""
_SLACK = 1e-5
"""How far, relative to the largest logit, rounding may carry an interpolated value."""


@dataclass(frozen=True)
class PixelAssignment:
    """The winner of each pixel and statistics of each query, in host memory.

    Attributes:
        codes: (H, W) int32, 2 q + 1 where query q wins and its mask probability is at least one
            half, 2 q where it wins below that.
        won_Q: (Q,) int64 pixels where the query wins.
        original_Q: (Q,) int64 pixels where its mask probability is at least one half.
        owned_Q: (Q,) int64 pixels where both hold.
        boxes_Q4: (Q, 4) int64 x1, y1, x2, y2 around the owned pixels, x2 and y2 exclusive;
            meaningless where there are none.
    """

    codes: npt.NDArray[np.int32]
    won_Q: npt.NDArray[np.int64]
    original_Q: npt.NDArray[np.int64]
    owned_Q: npt.NDArray[np.int64]
    boxes_Q4: npt.NDArray[np.int64]


def assign_pixels(mask_logits_Qhw: Tensor, scores_Q: Tensor, resize: MaskResize
                  ) -> PixelAssignment:
    """Let the queries compete for pixels by score x mask probability; the first maximum wins.

    Args:
        mask_logits_Qhw: (Q, h, w) float32 mask logits of at least one query.
        scores_Q: (Q,) float32 scores, above 0.
        resize: To the output's size.
    """
    queries = len(scores_Q)
    device = mask_logits_Qhw.device
    codes = torch.empty(resize.output_size, dtype=torch.int32, device=device)
    original_Q = torch.zeros(queries, dtype=torch.int64, device=device)
    slack = _SLACK * mask_logits_Qhw.abs().amax() + _SLACK
    for tile in resize.tiles(*_tile_size(queries, resize.output_size, device)):
        tile_codes, tile_original_Q = _assign_tile(mask_logits_Qhw, scores_Q, tile, slack)
        codes[tile.rows, tile.columns] = tile_codes
        original_Q += tile_original_Q
    by_row_HQ2 = _count(codes, 2 * queries, axis=0).view(-1, queries, 2)
    by_column_WQ2 = _count(codes, 2 * queries, axis=1).view(-1, queries, 2)
    counts_Q2 = by_row_HQ2.sum(dim=0)
    boxes_Q4 = torch.cat([_extent(by_column_WQ2[:, :, 1]), _extent(by_row_HQ2[:, :, 1])], dim=1)
    statistics = torch.cat([counts_Q2.sum(dim=1)[:, None], original_Q[:, None],
                            counts_Q2[:, 1:], boxes_Q4[:, [0, 2, 1, 3]]], dim=1).cpu().numpy()
    return PixelAssignment(codes.cpu().numpy(), statistics[:, 0], statistics[:, 1],
                           statistics[:, 2], statistics[:, 3:])


def _tile_size(queries: int, output_size: tuple[int, int], device: torch.device
               ) -> tuple[int, int]:
    if device.type == 'cpu':
        return _TILE_SIDE, _TILE_SIDE
    return max(_GPU_ELEMENTS // (queries * output_size[1]), 1), output_size[1]


def _assign_tile(mask_logits_Qhw: Tensor, scores_Q: Tensor, tile: Tile, slack: Tensor
                 ) -> tuple[Tensor, Tensor]:
    """Return the codes of a tile, (rows, columns), and its part of `original_Q`."""
    source_Qhw = tile.source(mask_logits_Qhw)
    low_Q = source_Qhw.amin(dim=(1, 2)) - slack
    high_Q = source_Qhw.amax(dim=(1, 2)) + slack
    # the best of the lower bounds is reached at every pixel, so less than that never wins;
    # written so that a logit that is not a number excludes nobody
    floor = (scores_Q * low_Q.sigmoid()).amax() * (1 - _SLACK)
    hopeless_Q = scores_Q * high_Q.sigmoid() < floor
    undecided_Q = (low_Q < 0) & (high_Q >= 0)
    evaluated_q = (~hopeless_Q | undecided_Q).nonzero().squeeze(1)
    original_Q = torch.where(low_Q >= 0, tile.pixels, 0)

    probs_qP = tile.resize(source_Qhw[evaluated_q]).flatten(1).sigmoid_()
    inside_qP = torch.ge(probs_qP, 0.5, out=torch.empty_like(probs_qP))
    original_Q[evaluated_q] = inside_qP.sum(dim=1).long()
    winner_P = _first_argmax(probs_qP.mul_(scores_Q[evaluated_q, None]))
    inside_P = inside_qP.gather(0, winner_P[None]).squeeze(0)
    codes_P = 2 * evaluated_q[winner_P] + inside_P.long()
    return codes_P.view(tile.row_weights.shape[0], -1).int(), original_Q


def _first_argmax(values_qP: Tensor) -> Tensor:
    """Return the first index of the maximum along the first axis, (P,) int64.

    `torch.argmax` does the same, but walks the short axis element by element on a CPU: the
    maximum, a comparison and the maximum of small integers take a third of its time.
    """
    queries = len(values_qP)
    dtype = torch.uint8 if queries < 256 else torch.int32
    is_best_qP = values_qP == values_qP.amax(dim=0)
    from_last_q1 = torch.arange(queries, 0, -1, dtype=dtype, device=values_qP.device)[:, None]
    return queries - (is_best_qP * from_last_q1).amax(dim=0).long()


def _count(codes: Tensor, num_codes: int, axis: int) -> Tensor:
    """Count codes for each row (axis 0) or column (axis 1): (length, num_codes) int64."""
    height, width = codes.shape
    length = codes.shape[axis]
    counts = torch.zeros(length * num_codes, dtype=torch.int64, device=codes.device)
    position = torch.arange(length, device=codes.device) * num_codes
    position = position[:, None] if axis == 0 else position[None, :]
    step = max(_CHUNK_PIXELS // width, 1)
    for start in range(0, height, step):
        chunk = slice(start, start + step)
        bins = codes[chunk] + (position[chunk] if axis == 0 else position)
        counts += torch.bincount(bins.flatten(), minlength=len(counts))
    return counts.view(length, num_codes)


def _extent(counts_LQ: Tensor) -> Tensor:
    """Return first and last + 1 position with a count, (Q, 2) int64, along the first axis."""
    present_LQ = (counts_LQ > 0).int()
    length = len(present_LQ)
    first_Q = present_LQ.argmax(dim=0)
    last_Q = length - present_LQ.flip(0).argmax(dim=0)
    return torch.stack([first_Q, last_Q], dim=1)
