# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""CLIP's text tower and the averaged prompt embeddings of names (EOV-Seg, section 3.1).

The published code always encodes 77 tokens.  The tower is causal and reads only the row of the end
token, so the padding behind it cannot matter: here prompts of similar length are encoded together
at the shortest context that they need, 8 to 15 tokens for common names.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
import hashlib

from open_clip.tokenizer import SimpleTokenizer
import torch
from torch import Tensor
import torch.nn.functional as F

from eov_seg_core.inference.embedding_cache import EmbeddingCache
from eov_seg_core.inference.options import Superseded
from eov_seg_core.network.text_tower import CLIPTextTower
from eov_seg_core.vocabulary import canonical_form
from eov_seg_core.weights.checkpoint import weights_digest

TEMPLATES = (
    'a photo of a {}.',
    'This is a photo of a {}',
    'There is a {} in the scene',
    'There is the {} in the scene',
    'a photo of a {} in the scene',
    'a photo of a small {}.',
    'a photo of a medium {}.',
    'a photo of a large {}.',
    'This is a photo of a small {}.',
    'This is a photo of a medium {}.',
    'This is a photo of a large {}.',
    'There is a small {} in the scene.',
    'There is a medium {} in the scene.',
    'There is a large {} in the scene.',
)
"""Prompts whose embeddings are averaged; the mask-classification papers share them."""
PROMPTS_PER_BATCH = 128
"""Prompts encoded at once."""
NAMES_PER_PORTION = 512
"""Names whose prompts are sorted by length together, and kept together."""
_ROOMIEST = min(TEMPLATES, key=lambda template: template.index('{'))
"""The prompt with the fewest words before the name."""
_SURELY_READ_BYTES = 60
"""A name of no more bytes than this fits into every prompt: a token has at least one byte."""


class TextEncoder:
    """Names to text embeddings: 14 prompts each, averaged, cached.

    It does not keep the tower, so that releasing the tower frees its memory.

    Args:
        tower: The text tower whose embeddings are meant.
        cache: Embeddings already known.
    """

    def __init__(self, tower: CLIPTextTower, cache: EmbeddingCache) -> None:
        self._cache = cache
        self._space = ''
        self._embed_dim = 0
        self._state: tuple[tuple[int, int], ...] = ()
        self._untrained: frozenset[int] = frozenset()
        self._follow(tower)
        self._tokenizer = SimpleTokenizer(context_length=tower.context_length)

    def encode(self, names: Sequence[str], tower: CLIPTextTower | None,
               is_wanted: Callable[[], bool] | None = None) -> Tensor:
        """Return the embeddings of names; only names that the cache lacks are encoded.

        Args:
            names: At least one name.
            tower: The tower of the constructor, on the device that shall encode; None once it was
                released.
            is_wanted: Asked several times a second while names are encoded; None: always wanted.

        Returns:
            (N, E) float32 L2-normalised rows on the CPU.

        Raises:
            Superseded: `is_wanted` returned False.  What was encoded until then is in the cache,
                up to the last few hundred names.
            RuntimeError: The tower was released and the cache lacks a name.
        """
        if tower is not None:
            self._follow(tower)
        known = self._cache.get(self._space, names, self._embed_dim)
        unknown = list(dict.fromkeys(name for name in names if name not in known))
        if unknown and tower is None:
            raise RuntimeError(f'the text tower was released and {len(unknown)} names are not in '
                               f'the embedding cache, first {unknown[0]!r}; load the model again')
        if unknown and tower is not None:
            for start in range(0, len(unknown), NAMES_PER_PORTION):
                portion = unknown[start:start + NAMES_PER_PORTION]
                rows_NE = self._encode_prompts(portion, tower, is_wanted or _always)
                known.update(zip(portion, rows_NE.unbind(0)))
                self._cache.put(self._space, {name: known[name] for name in portion})
        return torch.stack([known[name] for name in names])

    def unknown_words(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the names with a token that the tower never learned; () for CLIP's own weights.

        A tower that was trained on a few words (variant `t`) has one and the same entry for all
        other tokens.  Names that differ in such tokens only have one embedding.
        """
        if not self._untrained:
            return ()
        return tuple(name for name in names
                     if not self._untrained.isdisjoint(self._tokenizer.encode(name)))

    def look_alikes(self, names: Sequence[str]) -> list[tuple[str, ...]]:
        """Return groups of different names that are the same within the context length.

        A name has about 70 tokens at most; what comes after them is cut off.
        """
        groups: dict[bytes, dict[str, str]] = defaultdict(dict)
        for name in names:
            if len(name.encode()) > _SURELY_READ_BYTES:
                # what is cut alike here is so in prompts that leave a name less room
                tokens_1T = self._tokenizer([_ROOMIEST.format(name)])
                groups[tokens_1T.numpy().tobytes()].setdefault(canonical_form(name), name)
        return [tuple(group.values()) for group in groups.values() if len(group) > 1]

    def _follow(self, tower: CLIPTextTower) -> None:
        """Find out again which embeddings are meant if the weights were loaded anew."""
        state = tuple((parameter.data_ptr(), parameter._version)
                      for parameter in tower.parameters())
        if state != self._state:
            self._space, self._state = _embedding_space(tower), state
            self._embed_dim = tower.text_projection.shape[1]
            self._untrained = _untrained_tokens(tower.token_embedding.weight)

    @torch.inference_mode()
    def _encode_prompts(self, names: Sequence[str], tower: CLIPTextTower,
                        is_wanted: Callable[[], bool]) -> Tensor:
        """Average the normalised embeddings of every name's prompts: (N, E) float32."""
        prompts = [template.format(name) for name in names for template in TEMPLATES]
        tokens_PT = self._tokenizer(prompts)
        lengths_P = tokens_PT.argmax(dim=1) + 1
        device = tower.text_projection.device
        embeddings_PE = torch.empty(len(prompts), tower.text_projection.shape[1])
        for batch in lengths_P.argsort(stable=True).split(PROMPTS_PER_BATCH):
            if not is_wanted():
                raise Superseded('the names are no longer wanted')
            length = int(lengths_P[batch].max())
            embeddings_BE = tower(tokens_PT[batch, :length].to(device))
            embeddings_PE[batch] = F.normalize(embeddings_BE.float(), dim=-1).cpu()
        means_NE = embeddings_PE.unflatten(0, (len(names), len(TEMPLATES))).mean(dim=1)
        return F.normalize(means_NE, dim=-1)


@torch.inference_mode()
def _untrained_tokens(table_VC: Tensor) -> frozenset[int]:
    """Return the tokens that share one row of the token table; none where all rows differ."""
    # a few columns are compared first: sorting whole rows of CLIP's table takes seconds
    _, group_V, counts = torch.unique(table_VC[:, :8], dim=0, return_inverse=True,
                                      return_counts=True)
    largest = int(counts.argmax())
    if int(counts[largest]) < 2:
        return frozenset()
    row = table_VC[int((group_V == largest).nonzero()[0])]
    tokens = (table_VC == row).all(dim=1).nonzero().flatten().tolist()
    return frozenset(tokens) if len(tokens) > 1 else frozenset()


def _always() -> bool:
    return True


def _embedding_space(tower: CLIPTextTower) -> str:
    """Return a digest of all that an embedding depends on besides the name, in hexadecimal."""
    block = tower.transformer.resblocks[0]
    sizes = f'{block.attn.num_heads} {type(block.mlp.gelu).__name__} {tower.context_length}'
    parts = (*TEMPLATES, sizes, weights_digest(tower.state_dict()))
    return hashlib.sha256('\n'.join(parts).encode()).hexdigest()
