# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which query wins each pixel of the output, computed on a GPU; the same as `assign_cpu`.

The CPU version saves work by leaving queries out, tile by tile.  To know which queries to leave
out, the program would have to wait for the GPU, and a wait costs more than the work that it saves.
So here every query competes at every pixel.  Queries that were dropped get a score below that of
all others, so they win nothing.  No shape depends on a value, so the GPU's work is queued without
a wait, and the program waits once, when it fetches the result.

Products are computed in float32.  If PyTorch is allowed to use TF32
(`torch.backends.cuda.matmul.allow_tf32`), these products use it too.
"""

from __future__ import annotations

import torch
from torch import Tensor

from eov_seg_core.device.transfer import to_host
from eov_seg_core.results.assign_cpu import Contest, PixelAssignment
from eov_seg_core.results.tiles import MaskResize, resize_tile

BAND_ELEMENTS = 1 << 24
"""Queries x pixels of a band of the output: 64 MiB in float32, whatever the output's size."""
_NEVER = -1.0
"""Score and mask logit of a dropped query.

Its score x mask probability is then below that of every query that was kept, and its mask
probability is nowhere one half.
"""


def compete(mask_logits_Qhw: Tensor, scores_Q: Tensor, class_index_Q: Tensor, kept_Q: Tensor,
            resize: MaskResize) -> Contest | None:
    """As `assign_cpu.compete`, but returns all queries; those not kept have won no pixel.

    It waits for the GPU once.
    """
    if len(scores_Q) == 0:
        return None
    codes, statistics, scores, class_index = (tensor.numpy() for tensor in to_host(
        *assign_on_device(mask_logits_Qhw, scores_Q, kept_Q, resize), scores_Q, class_index_Q))
    won_Q, original_Q, owned_Q = statistics[:, :3].T
    return Contest(PixelAssignment(codes, won_Q, original_Q, owned_Q, statistics[:, 3:]), scores,
                   class_index)


def assign_on_device(mask_logits_Qhw: Tensor, scores_Q: Tensor, kept_Q: Tensor,
                     resize: MaskResize) -> tuple[Tensor, Tensor]:
    """Queue the competition of the queries that were kept; does not wait for the GPU.

    Args:
        mask_logits_Qhw: (Q, h, w) float32 mask logits of all queries; at least one.
        scores_Q: (Q,) float32 their scores.
        kept_Q: (Q,) bool, which of them compete.
        resize: To the output's size.

    Returns:
        (H, W) codes as in `PixelAssignment`, of all queries, in the narrowest integers; (Q, 7)
        int64 pixels won, original, owned, and x1, y1, x2, y2 around those owned, as in
        `PixelAssignment`.  Queries that were not kept have won 0 pixels.  If no query was kept,
        all codes are even: no pixel is owned.
    """
    queries, device = len(scores_Q), scores_Q.device
    scores_Q = scores_Q.where(kept_Q, _NEVER)
    mask_logits_Qhw = mask_logits_Qhw.masked_fill(~kept_Q[:, None, None], _NEVER)
    last_kept = (torch.arange(queries, device=device) * kept_Q).amax()
    height, width = resize.output_size
    columns, = resize.column_windows(width)
    codes_HW = torch.empty(height, width, dtype=_code_dtype(queries), device=device)
    by_row_HC = torch.zeros(height, 2 * queries, dtype=torch.int32, device=device)
    in_column_CW = torch.zeros(2 * queries, width, dtype=torch.bool, device=device)
    original_Q = torch.zeros(queries, dtype=torch.int64, device=device)
    for rows in resize.row_windows(max(BAND_ELEMENTS // (queries * width), 1)):
        logits_QhW = resize_tile(
            mask_logits_Qhw[:, rows.source, columns.source], rows, columns)
        code_hW, area_Q = _winners(logits_QhW, scores_Q, last_kept)
        codes_HW[rows.output] = code_hW
        by_row_HC[rows.output].scatter_add_(
            1, code_hW, by_row_HC.new_ones(1, 1).expand_as(code_hW))
        in_column_CW.scatter_(0, code_hW, True)
        original_Q += area_Q
    return codes_HW, _statistics(by_row_HC, in_column_CW, original_Q, kept_Q)


def _code_dtype(queries: int) -> torch.dtype:
    return next(dtype for dtype in (torch.uint8, torch.int16, torch.int32)
                if 2 * queries - 1 <= torch.iinfo(dtype).max)


def _winners(logits_QhW: Tensor, scores_Q: Tensor, last_kept: Tensor) -> tuple[Tensor, Tensor]:
    """Find the winner of each pixel of a band; the logits are overwritten.

    Returns:
        (h, W) int64 codes; (Q,) int64 number of pixels inside each query.
    """
    probs_QhW = logits_QhW.sigmoid_()
    is_inside_QhW = probs_QhW >= 0.5
    products_QhW = probs_QhW.mul_(scores_Q[:, None, None])
    best_hW, winner_hW = products_QhW.max(dim=0)    # the first query where several are best
    # where a logit is not a number (NaN), the last query wins, as in `first_maximum`
    winner_hW = torch.where(best_hW.isnan(), last_kept, winner_hW)
    is_owned_hW = is_inside_QhW.gather(0, winner_hW.unsqueeze(0)).squeeze(0)
    return 2 * winner_hW + is_owned_hW, is_inside_QhW.sum(dim=(1, 2))


def _statistics(by_row_HC: Tensor, in_column_CW: Tensor, original_Q: Tensor,
                kept_Q: Tensor) -> Tensor:
    counts_Q2 = by_row_HC.sum(dim=0).view(-1, 2)
    y1_Q, y2_Q = _extent(by_row_HC[:, 1::2] > 0)
    x1_Q, x2_Q = _extent(in_column_CW[1::2].t())
    return torch.stack([counts_Q2.sum(dim=1) * kept_Q, original_Q, counts_Q2[:, 1],
                        x1_Q, y1_Q, x2_Q, y2_Q], dim=1)


def _extent(is_present_LQ: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first and the last + 1 position of each query, (Q,) int64 each."""
    length = len(is_present_LQ)
    position_L1 = torch.arange(length, device=is_present_LQ.device).unsqueeze(1)
    first_Q = torch.where(is_present_LQ, position_L1, length).amin(dim=0)
    last_Q = torch.where(is_present_LQ, position_L1 + 1, 0).amax(dim=0)
    return first_Q, last_Q
