# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""CLIP's text tower (EOV-Seg, section 3.1)."""

from __future__ import annotations

from open_clip.transformer import LayerNorm, QuickGELU, Transformer
import torch
from torch import nn, Tensor


class CLIPTextTower(nn.Module):
    """CLIP's causal text transformer, with open_clip's parameter names.

    Args:
        embed_dim: E, size of the embedding.
        width: Channels of the transformer.
        heads: Heads of its attention.
        layers: Residual blocks.
        context_length: Most tokens of a text, start and end included.
        vocab_size: Tokens of the byte-pair encoding.
        quick_gelu: Use x * sigmoid(1.702 x), as OpenAI's weights were trained with.
    """

    def __init__(self, *, embed_dim: int, width: int, heads: int, layers: int,
                 context_length: int = 77, vocab_size: int = 49408, quick_gelu: bool) -> None:
        super().__init__()
        self.context_length = context_length
        self.token_embedding = nn.Embedding(vocab_size, width)
        self.positional_embedding = nn.Parameter(torch.empty(context_length, width))
        self.transformer = Transformer(
            width=width, layers=layers, heads=heads,
            act_layer=QuickGELU if quick_gelu else nn.GELU)
        self.ln_final = LayerNorm(width)
        self.text_projection = nn.Parameter(torch.empty(width, embed_dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the embeddings and the projection as CLIP does."""
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        nn.init.normal_(self.positional_embedding, std=0.01)
        nn.init.normal_(self.text_projection, std=self.text_projection.shape[0] ** -0.5)

    def forward(self, tokens_BT: Tensor) -> Tensor:
        """Encode texts.

        Args:
            tokens_BT: (B, T) int64 tokens with T at most `context_length`; the end token has the
                largest id, what follows it is ignored.

        Returns:
            (B, E) embeddings, not normalised.
        """
        length = tokens_BT.shape[1]
        states_BTC = self.token_embedding(tokens_BT) + self.positional_embedding[:length]
        causal_TT = torch.full((length, length), -torch.inf, dtype=states_BTC.dtype,
                               device=states_BTC.device).triu(1)
        states_BTC = self.ln_final(self.transformer(states_BTC, attn_mask=causal_TT))
        rows = torch.arange(tokens_BT.shape[0], device=tokens_BT.device)
        embedding: Tensor = states_BTC[rows, tokens_BT.argmax(dim=1)] @ self.text_projection
        return embedding
