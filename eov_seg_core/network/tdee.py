# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Two-way Dynamic Embedding Experts: fuse semantic and spatial mask embeddings (section 3.4)."""

from __future__ import annotations

from torch import nn, Tensor
import torch.nn.functional as F


class TwoWayDynamicEmbeddingExperts(nn.Module):
    """Let the semantic (update) and the spatial (input) embedding gate one another.

    Args:
        dim: D, size of both embeddings and of the output.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.update_experts = nn.Linear(dim, 2 * dim)
        self.input_experts = nn.Linear(dim, 2 * dim)
        self.update_router = nn.Linear(dim, dim)
        self.input_router = nn.Linear(dim, dim)
        self.update_router_norm = nn.LayerNorm(dim)
        self.input_router_norm = nn.LayerNorm(dim)
        self.update_norm = nn.LayerNorm(dim)
        self.input_norm = nn.LayerNorm(dim)
        self.output = nn.Linear(dim, dim)
        self.output_norm = nn.LayerNorm(dim)

    def forward(self, update_BQD: Tensor, input_BQD: Tensor) -> Tensor:
        """Fuse two embeddings (B, Q, D) into one of the same shape."""
        update_in, update_out = self.update_experts(update_BQD).chunk(2, dim=-1)
        input_in, input_out = self.input_experts(input_BQD).chunk(2, dim=-1)
        routed_BQD = input_in * update_in
        update_gate = self.update_router_norm(self.update_router(routed_BQD)).sigmoid()
        input_gate = self.input_router_norm(self.input_router(routed_BQD)).sigmoid()
        fused_BQD = (update_gate * self.update_norm(update_out)
                     + input_gate * self.input_norm(input_out))
        return F.gelu(self.output_norm(self.output(fused_BQD)))
