# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Weights for a small file: matrices in float16, and every row of the token table once.

Variant `t` was trained on a few hundred of 49,408 tokens; all others share one row.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from eov_seg_core.config import TextConfig

_TABLE = 'text_tower.token_embedding.weight'
_ROWS = 'text_tower.token_embedding.rows'
_ROW_OF_TOKEN = 'text_tower.token_embedding.row_of_token'


def compact(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the entries of the small file.

    Vectors and scalars stay in float32: variances of batch norms are too small for float16.

    Args:
        state: Weights under our names.

    Raises:
        ValueError: A matrix has values that float16 cannot hold.
    """
    small = {name: tensor.half() if tensor.is_floating_point() and tensor.dim() > 1 else tensor
             for name, tensor in state.items() if name != _TABLE}
    rows_NC, row_of_token_V = torch.unique(state[_TABLE].half(), dim=0, return_inverse=True)
    small |= {_ROWS: rows_NC, _ROW_OF_TOKEN: row_of_token_V.to(torch.int32)}
    for name, tensor in small.items():
        if not tensor.isfinite().all():
            raise ValueError(f'{name} has values beyond 65504, which float16 cannot hold; save it '
                             'without compacting')
    return small


def expand(state: Mapping[str, Tensor], text: TextConfig) -> dict[str, Tensor]:
    """Return the weights that a small file stands for; others come back as they are.

    Args:
        state: Entries of the file; on the meta device only their shapes are checked.
        text: Of the variant: what the token table must be like.

    Raises:
        ValueError: The parts of the token table do not fit each other.
    """
    if _ROWS not in state or _ROW_OF_TOKEN not in state:
        return dict(state)
    rows_NC, row_of_token_V = state[_ROWS], state[_ROW_OF_TOKEN]
    # looked at before the table is made, which may be far larger than the file
    fits = (_TABLE not in state and rows_NC.dim() == 2 and rows_NC.shape[1] == text.width
            and len(rows_NC) <= text.vocab_size
            and row_of_token_V.shape == (text.vocab_size,) and row_of_token_V.dtype == torch.int32)
    in_range = fits and (row_of_token_V.is_meta or (
            int(row_of_token_V.min()) >= 0 and int(row_of_token_V.max()) < len(rows_NC)))
    if not in_range:
        raise ValueError(f'{_ROW_OF_TOKEN} does not fit {_ROWS} of shape {tuple(rows_NC.shape)}: '
                         f'expected rows of {text.width} values, and an int32 row number for '
                         f'each of {text.vocab_size} tokens')
    rest = {name: tensor for name, tensor in state.items() if name not in (_ROWS, _ROW_OF_TOKEN)}
    return {**rest, _TABLE: rows_NC[row_of_token_V.long()]}
