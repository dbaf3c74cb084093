# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From the network's mask logits to the output's size, piece by piece.

The published code resizes twice: bilinearly from stride 4 to the padded input, then, after the
padding is cropped away, bilinearly to the output.  Both steps are linear and work on rows and
columns separately, so their product along one axis has at most four taps.  Here the product is
applied in one go and for one tile of the output at a time: nothing of the size queries x height x
width ever exists, and a tile needs only the queries that matter inside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from eov_seg_core.device.transfer import to_device

_Indices = npt.NDArray[np.int64]
_Weights = npt.NDArray[np.float32]
STRIP_WIDTH = 128
"""Columns that are resized at a time: wider strips multiply with more zeros; a multiple of 8."""
SLACK = 1e-5
"""How far rounding may carry an interpolated value, relative to 1 + the largest source."""


@dataclass(frozen=True)
class Window:
    """A range of output positions along one axis and how to compute it.

    Attributes:
        output: Range of output positions.
        source: Range of mask positions that they depend on.
        weights: (output positions, mask positions) float32 between the two.
    """

    output: slice
    source: slice
    weights: Tensor


class MaskResize:
    """The published two-step resize, computed for one window of the output at a time.

    Attributes:
        mask_size: (h, w) of the mask logits.
        output_size: (height, width) of the result.

    Args:
        mask_size: (h, w) of the mask logits.
        padded_size: (H, W) of the network's padded input.
        network_size: (height, width) of the image inside it.
        output_size: (height, width) of the result.
        device: Where the mask logits lie.
    """

    def __init__(self, mask_size: tuple[int, int], padded_size: tuple[int, int],
                 network_size: tuple[int, int], output_size: tuple[int, int],
                 device: torch.device) -> None:
        self.mask_size = mask_size
        self.output_size = output_size
        self._padded_size, self._network_size = padded_size, network_size
        self._device = device
        self._row_taps, self._column_taps = (
            _two_step_taps(*sizes) for sizes in
            zip(mask_size, padded_size, network_size, output_size))

    def steps(self) -> tuple[MaskResize, MaskResize]:
        """Return its two steps: from the masks to the padded size, from the image to the output.

        Between the two, whoever uses them crops to the image: `mask_size` of the second.
        """
        padded, network = self._padded_size, self._network_size
        return (MaskResize(self.mask_size, padded, padded, padded, self._device),
                MaskResize(network, network, network, self.output_size, self._device))

    def row_windows(self, length: int) -> list[Window]:
        """Cut the rows of the output into windows of at most this length."""
        return list(_windows(self._row_taps, length, self._device))

    def column_windows(self, length: int) -> list[Window]:
        """Cut the columns of the output into windows of at most this length."""
        return list(_windows(self._column_taps, length, self._device))

    def row_window(self, output: slice) -> Window:
        """Return the window of these rows of the output."""
        return _window(self._row_taps, output, self._device)

    def column_window(self, output: slice) -> Window:
        """Return the window of these columns of the output."""
        return _window(self._column_taps, output, self._device)


def resize_tile(source_Qhw: Tensor, rows: Window, columns: Window) -> Tensor:
    """Return the logits of a tile of the output.

    Args:
        source_Qhw: (Q, h, w) mask logits in the source ranges of both windows.
        rows: Rows of the tile.
        columns: Columns of the tile.

    Returns:
        (Q, rows, columns) float32.
    """
    return rows.weights @ (source_Qhw.contiguous() @ columns.weights.T)


def _windows(taps: tuple[_Indices, _Weights], length: int, device: torch.device
             ) -> Iterator[Window]:
    size = len(taps[0])
    for start in range(0, size, length):
        yield _window(taps, slice(start, min(start + length, size)), device)


def _window(taps: tuple[_Indices, _Weights], output: slice, device: torch.device) -> Window:
    indices, weights = (tap[output] for tap in taps)
    first, last = int(indices.min()), int(indices.max())
    matrix = np.zeros((len(indices), last + 1 - first), np.float32)
    positions = np.arange(len(matrix))
    for column, weight in zip(indices.T, weights.T):
        matrix[positions, column - first] += weight
    return Window(output, slice(first, last + 1), to_device(torch.from_numpy(matrix), device))


def _two_step_taps(mask: int, padded: int, network: int, output: int
                   ) -> tuple[_Indices, _Weights]:
    """Return the four source indices and weights of each output position along one axis."""
    low, high, fraction = _bilinear_taps(mask, padded)
    low2, high2, fraction2 = _bilinear_taps(network, output)
    indices = np.stack([low[low2], high[low2], low[high2], high[high2]], axis=1)
    weights = np.stack([(1 - fraction2) * (1 - fraction[low2]), (1 - fraction2) * fraction[low2],
                        fraction2 * (1 - fraction[high2]), fraction2 * fraction[high2]], axis=1)
    return indices, weights.astype(np.float32)


def _bilinear_taps(size: int, new_size: int) -> tuple[_Indices, _Indices, _Weights]:
    """Return both neighbours and the weight of the upper one, as PyTorch's bilinear has them.

    Positions are computed in float32 because PyTorch does: at thousands of pixels they are off by
    up to 1e-3 of a pixel, and a better position would be a different result.
    """
    scale = np.float32(size) / np.float32(new_size)
    position = scale * (np.arange(new_size, dtype=np.float32) + np.float32(0.5)) - np.float32(0.5)
    position = np.maximum(position, np.float32(0))
    low = np.minimum(position.astype(np.int64), size - 1)
    fraction = np.clip(position - low.astype(np.float32), 0, 1).astype(np.float32)
    return low, np.minimum(low + 1, size - 1), fraction


def logit_bounds(mask_logits_qhw: Tensor, bands: list[Window], strips: list[Window]
                 ) -> tuple[Tensor, Tensor]:
    """Return limits of the interpolated logits in each tile, two of (bands, strips, q)."""
    low_BSq, high_BSq = (_reduce(mask_logits_qhw, bands, strips, reduction)
                         for reduction in (torch.amin, torch.amax))
    slack_BSq = SLACK * (1 + torch.maximum(-low_BSq, high_BSq))
    return low_BSq - slack_BSq, high_BSq + slack_BSq


def _reduce(mask_logits_qhw: Tensor, bands: list[Window], strips: list[Window],
            reduction: Callable[[Tensor, int], Tensor]) -> Tensor:
    """Reduce the source of each tile to one value, (bands, strips, q)."""
    rows_qBw = torch.stack([reduction(mask_logits_qhw[:, rows.source], 1) for rows in bands], 1)
    # reductions are fast along the first axis and slow along the last
    rows_wqB = rows_qBw.permute(2, 0, 1).contiguous()
    return torch.stack([reduction(rows_wqB[columns.source], 0) for columns in strips]
                       ).permute(2, 0, 1)


def first_maximum(values_Qhw: Tensor) -> Tensor:
    """Return the index of the first maximum along the first axis, (h, w) int64.

    `torch.argmax` over an axis of few walks it one by one on a CPU.  The maximum, a comparison
    with it, and the maximum of falling numbers where it holds take a fifth of its time.

    Args:
        values_Qhw: (Q, h, w) float32.

    Returns:
        The last index where a value is not a number: nothing equals that.
    """
    is_best_Qhw = torch.eq(values_Qhw, values_Qhw.amax(dim=0), out=torch.empty_like(values_Qhw))
    count = len(values_Qhw)
    falling_Q = torch.arange(count, 0, -1, device=values_Qhw.device)
    rank = is_best_Qhw.mul_(falling_Q[:, None, None]).amax(dim=0).long()
    return count - rank.clamp_(min=1)
