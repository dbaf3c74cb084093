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

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

_Indices = npt.NDArray[np.int64]
_Weights = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Tile:
    """A rectangle of the output and how to compute it.

    Attributes:
        rows: Its rows in the output.
        columns: Its columns in the output.
        source_rows: Rows of the mask logits that it depends on.
        source_columns: Columns of the mask logits that it depends on.
        row_weights: (rows, source rows) float32.
        column_weights: (source columns, columns) float32.
    """

    rows: slice
    columns: slice
    source_rows: slice
    source_columns: slice
    row_weights: Tensor
    column_weights: Tensor

    @property
    def pixels(self) -> int:
        """Number of output pixels."""
        return self.row_weights.shape[0] * self.column_weights.shape[1]

    def source(self, mask_logits_Qhw: Tensor) -> Tensor:
        """Return the part of the mask logits that the tile depends on, as a view."""
        return mask_logits_Qhw[:, self.source_rows, self.source_columns]

    def resize(self, source_Qhw: Tensor) -> Tensor:
        """Return the logits of the tile, (Q, rows, columns), from what `source` returned."""
        return self.row_weights @ (source_Qhw.contiguous() @ self.column_weights)


class MaskResize:
    """The published two-step resize as a function of output tiles.

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
        self.output_size = output_size
        self._device = device
        self._row_taps, self._column_taps = (
            _two_step_taps(*sizes) for sizes in
            zip(mask_size, padded_size, network_size, output_size))

    def tiles(self, max_rows: int, max_columns: int) -> Iterator[Tile]:
        """Yield tiles of at most this size that cover the output, row by row."""
        bands = self._windows(self._row_taps, max_rows)
        strips = [(columns, source, matrix.T.contiguous())
                  for columns, source, matrix in self._windows(self._column_taps, max_columns)]
        for rows, source_rows, row_weights in bands:
            for columns, source_columns, column_weights in strips:
                yield Tile(rows, columns, source_rows, source_columns, row_weights,
                           column_weights)

    def _windows(self, taps: tuple[_Indices, _Weights], length: int
                 ) -> Iterator[tuple[slice, slice, Tensor]]:
        """Cut an axis; yield output range, source range and the dense matrix between them."""
        indices, weights = taps
        for start in range(0, len(indices), length):
            window = slice(start, min(start + length, len(indices)))
            first, last = int(indices[window].min()), int(indices[window].max())
            matrix = np.zeros((window.stop - start, last + 1 - first), np.float32)
            for column, weight in zip(indices[window].T, weights[window].T):
                matrix[np.arange(len(column)), column - first] += weight
            yield window, slice(first, last + 1), torch.from_numpy(matrix).to(self._device)


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
