# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which query wins each pixel of the output, and what the merge must know of it; on a CPU.

This is the costly part of post-processing: every query against every pixel.  The output is cut
into tiles.  An interpolated logit lies between the least and the greatest of the logits that it is
made of; these limits show which queries can neither win a pixel of a tile nor have their outline
in it, and such queries are left out there.  `assign_gpu` computes the same on a GPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from eov_seg_core.results.tiles import (
    first_maximum,
    logit_bounds,
    MaskResize,
    resize_tile,
    SLACK,
    Window,
)

_TILE = (32, 128)
"""Height and width of a tile in pixels: 100 queries then fit into the caches."""
_CHUNK_PIXELS = 1 << 20
"""Pixels that are counted at a time; bounds the memory of 64-bit indices."""


@dataclass(frozen=True)
class PixelAssignment:
    """The winner of each pixel and statistics of each query, in host memory.

    Attributes:
        codes: (H, W) integers, 2 q + 1 where query q wins and its mask probability is at least one
            half, 2 q where it wins below that.
        won_q: (q,) int64 pixels where the query wins.
        original_q: (q,) int64 pixels where its mask probability is at least one half.
        owned_q: (q,) int64 pixels where both hold.
        boxes_q4: (q, 4) int64 x1, y1, x2, y2 around the owned pixels, x2 and y2 exclusive;
            meaningless where there are none.
    """

    codes: npt.NDArray[np.integer[Any]]
    won_q: npt.NDArray[np.int64]
    original_q: npt.NDArray[np.int64]
    owned_q: npt.NDArray[np.int64]
    boxes_q4: npt.NDArray[np.int64]


class Contest(NamedTuple):
    """Who won which pixels, and the score and class index of each query that competed."""

    assignment: PixelAssignment
    scores_q: npt.NDArray[np.float32]
    class_index_q: npt.NDArray[np.int64]


def compete(mask_logits_Qhw: Tensor, scores_Q: Tensor, class_index_Q: Tensor, kept_Q: Tensor,
            resize: MaskResize) -> Contest | None:
    """Let the queries that are kept compete for pixels; None if there are none.

    Args:
        mask_logits_Qhw: (Q, h, w) float32 mask logits of all queries.
        scores_Q: (Q,) float32 their scores.
        class_index_Q: (Q,) int64 their class indices.
        kept_Q: (Q,) bool, which of them compete.
        resize: To the output's size.
    """
    kept_q = kept_Q.nonzero().squeeze(1)
    if len(kept_q) == 0:
        return None
    scores_q = scores_Q[kept_q]
    return Contest(assign_pixels(mask_logits_Qhw[kept_q], scores_q, resize), scores_q.numpy(),
                   class_index_Q[kept_q].numpy())


def assign_pixels(mask_logits_qhw: Tensor, scores_q: Tensor, resize: MaskResize
                  ) -> PixelAssignment:
    """Let queries compete for pixels by score x mask probability; the first maximum wins.

    Args:
        mask_logits_qhw: (q, h, w) float32 mask logits of the queries that compete; at least one.
        scores_q: (q,) float32 their scores, above 0.
        resize: To the output's size.
    """
    device = scores_q.device
    bands, strips = resize.row_windows(_TILE[0]), resize.column_windows(_TILE[1])
    low_BSq, high_BSq = logit_bounds(mask_logits_qhw, bands, strips)
    relevant_BSq = _relevant(low_BSq, high_BSq, scores_q)
    # where a query is left out it lies on one side of zero throughout the tile
    pixels_BS1 = torch.tensor([[[_length(rows) * _length(columns)] for columns in strips]
                               for rows in bands], device=device)
    original_q = ((low_BSq > 0) & ~relevant_BSq).mul(pixels_BS1).sum(dim=(0, 1))
    codes = torch.empty(resize.output_size, dtype=torch.int32, device=device)
    for rows, relevant_Sq in zip(bands, relevant_BSq.cpu()):
        for columns, relevant_q in zip(strips, relevant_Sq):
            chosen_c = relevant_q.nonzero().squeeze(1).to(device)
            source_chw = mask_logits_qhw[:, rows.source, columns.source].index_select(0, chosen_c)
            winner, is_inside, area_c = _winners(
                resize_tile(source_chw, rows, columns), scores_q.index_select(0, chosen_c))
            codes[rows.output, columns.output] = 2 * chosen_c[winner] + is_inside
            original_q.index_add_(0, chosen_c, area_c)
    return _summarise(codes, original_q)


def _length(window: Window) -> int:
    return len(window.weights)


def _relevant(low_BSq: Tensor, high_BSq: Tensor, scores_q: Tensor) -> Tensor:
    """Return which queries may win a pixel of a tile or have their outline in it, bool."""
    # the best of the lower bounds is reached at every pixel of a tile: less than that never wins.
    # Written so that a logit that is not a number excludes nobody
    floor_BS1 = (scores_q * low_BSq.sigmoid()).amax(dim=2, keepdim=True) * (1 - SLACK)
    is_hopeless_BSq = scores_q * high_BSq.sigmoid() < floor_BS1
    return ~is_hopeless_BSq | ((low_BSq <= 0) & (high_BSq >= 0))


def _winners(logits_qhw: Tensor, scores_q: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Find the winner of each pixel of a tile; the logits are overwritten.

    Returns:
        (h, w) int64 first query of the highest score x probability; (h, w) bool whether its
        probability is at least one half; (q,) int64 number of pixels where a query's is.
    """
    probs_qhw = logits_qhw.sigmoid_()
    # comparisons into floats: on a CPU those into bools take five times as long
    is_inside_qhw = torch.ge(probs_qhw, 0.5, out=torch.empty_like(probs_qhw))
    area_q = is_inside_qhw.sum(dim=(1, 2)).long()
    winner = first_maximum(probs_qhw.mul_(scores_q[:, None, None]))
    return winner, is_inside_qhw.gather(0, winner[None]).squeeze(0).bool(), area_q


def _summarise(codes: Tensor, original_q: Tensor) -> PixelAssignment:
    """Count pixels and find boxes; one transfer brings all numbers to the host."""
    queries = len(original_q)
    by_row_Hq2 = _count(codes, 2 * queries, axis=0).view(-1, queries, 2)
    by_column_Wq2 = _count(codes, 2 * queries, axis=1).view(-1, queries, 2)
    counts_q2 = by_row_Hq2.sum(dim=0)
    left_right_q2, top_bottom_q2 = _extent(by_column_Wq2[:, :, 1]), _extent(by_row_Hq2[:, :, 1])
    statistics = torch.cat([
        counts_q2.sum(dim=1)[:, None], original_q[:, None], counts_q2[:, 1:],
        left_right_q2[:, :1], top_bottom_q2[:, :1], left_right_q2[:, 1:], top_bottom_q2[:, 1:],
    ], dim=1).cpu().numpy()
    return PixelAssignment(codes.cpu().numpy(), statistics[:, 0], statistics[:, 1],
                           statistics[:, 2], statistics[:, 3:])


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
