# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The towers of variant `t` while CLIP is trained, and the loss that trains them."""

from __future__ import annotations

from collections.abc import Sequence
import math

from open_clip.tokenizer import SimpleTokenizer
from open_clip.transformer import LayerNorm, QuickGELU, ResidualAttentionBlock
import torch
from torch import nn, Tensor
from torch.nn.attention import sdpa_kernel, SDPBackend
import torch.nn.functional as F

from eov_seg_core.inference.preprocess import normalize_
from eov_seg_core.network.model import EOVSeg
from eov_seg_core.network.pooling import mask_pool
from eov_seg_core.network.text_tower import CLIPTextTower
from training.clip.captions import all_words, CaptionGroup
from training.clip.views import View


class ClipTrainer(nn.Module):
    """The towers of variant `t` with what only their training needs.

    The ViT is two blocks deep here; the model keeps the first.  The text tower has rows for those
    tokens only that captions can hold.

    Args:
        distractors: Names of things that are not in the world.
    """

    tokens_N: Tensor

    def __init__(self, distractors: Sequence[str]) -> None:
        super().__init__()
        self.model = EOVSeg.from_variant('t')
        config = self.model.config
        self.tokenizer = SimpleTokenizer(context_length=config.text.context_length)
        ends = [self.tokenizer.sot_token_id, self.tokenizer.eot_token_id, 0]    # 0: padding
        tokens = sorted({*self.tokenizer.encode(all_words(distractors)), *ends})
        self.register_buffer('tokens_N', torch.tensor(tokens))
        self.text.token_embedding = nn.Embedding.from_pretrained(
            self.text.token_embedding.weight[self.tokens_N].clone(), freeze=False)
        width = config.vit.width
        self.second_block = ResidualAttentionBlock(width, config.vit.heads, act_layer=QuickGELU)
        self.vit_norm = LayerNorm(width)
        self.vit_projection = nn.Linear(width, config.embed_dim, bias=False)
        # CLIP's own start, at which most images still have a say
        self.model.clip_logit_scale.data.fill_(math.log(1 / 0.07))
        self.model.requires_grad_(False)
        for tower in self._towers():
            tower.requires_grad_(True)
        self.model.clip_logit_scale.requires_grad_(True)

    @property
    def text(self) -> CLIPTextTower:
        """The text tower, which is always there."""
        if self.model.text_tower is None:
            raise RuntimeError('the text tower was released; it is part of the training')
        return self.model.text_tower

    def _towers(self) -> tuple[nn.Module, ...]:
        return self.text, self.model.cnn, self.model.vit

    def train(self, mode: bool = True) -> ClipTrainer:
        """Set training mode of the towers as well, which the model keeps frozen."""
        super().train(mode)
        for tower in self._towers():
            tower.train(mode)
        return self

    def text_embeddings(self, texts: Sequence[str]) -> Tensor:
        """Embed captions: (T, E) float32, L2-normalised."""
        device = self.tokens_N.device
        tokens_TL = self.tokenizer(list(texts))
        tokens_TL = tokens_TL[:, :int(tokens_TL.argmax(dim=1).max()) + 1].to(device)
        # rows keep the order of the ids: the end token stays the largest
        rows_TL = torch.searchsorted(self.tokens_N, tokens_TL.contiguous())
        # hundreds of sequences of a dozen tokens: plain products beat the fused attention
        with torch.autocast(device.type, torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
            embedding_TE = self.text(rows_TL)
        return F.normalize(embedding_TE.float(), dim=-1)

    def full_text_tower(self) -> dict[str, Tensor]:
        """Return the text tower's weights with rows for all tokens.

        Tokens that no caption held get the mean row: a random one would be as loud as a word.
        """
        state = self.text.state_dict()
        rows_NC = state['token_embedding.weight']
        table = rows_NC.mean(dim=0).repeat(self.tokenizer.vocab_size, 1)
        table[self.tokens_N] = rows_NC
        return {**state, 'token_embedding.weight': table}

    def region_embeddings(self, views: Sequence[View]) -> tuple[Tensor, Tensor]:
        """Embed the regions of a batch by CNN and ViT: (R, E) float32 each, L2-normalised."""
        device = self.tokens_N.device
        pixels_BCHW = normalize_(
            torch.stack([view.pixels_CHW for view in views]).to(device).float())
        with torch.autocast(device.type, torch.bfloat16):
            res5_BChw = self.model.cnn(
                pixels_BCHW.contiguous(memory_format=torch.channels_last)).res5_BChw
            tokens_BChw = self.model.vit(pixels_BCHW)
            tokens_BLC = self.second_block(tokens_BChw.flatten(2).transpose(1, 2))
        tokens_BChw = tokens_BLC.float().transpose(1, 2).unflatten(2, tokens_BChw.shape[2:])
        cells32, cells16 = ([getattr(view, name).to(device) for view in views]
                            for name in ('cells32_RL', 'cells16_RL'))
        cnn_RE = torch.cat([
            self.model.cnn.embed_masks(res5_Chw[None], cells.unflatten(1, res5_Chw.shape[1:])[None]
                                       )[0]
            for res5_Chw, cells in zip(res5_BChw.float(), cells32)])
        pooled_RC = torch.cat([
            mask_pool(tokens_Chw[None], cells.unflatten(1, tokens_Chw.shape[1:])[None])[0]
            for tokens_Chw, cells in zip(tokens_BChw, cells16)])
        vit_RE = self.vit_projection(self.vit_norm(pooled_RC))
        return F.normalize(cnn_RE, dim=-1), F.normalize(vit_RE, dim=-1)

    def forward(self, views: Sequence[View], groups: Sequence[CaptionGroup]) -> dict[str, Tensor]:
        """Compute the loss of both image towers.

        Args:
            views: The batch.
            groups: Its captions.
        """
        text_TE = self.text_embeddings([text for group in groups for text in group.texts])
        scale = self.model.clip_logit_scale.exp()
        losses = {}
        for name, region_RE in zip(('cnn', 'vit'), self.region_embeddings(views)):
            logits_RT = scale * region_RE @ text_TE.t()
            columns = logits_RT.split([len(group.texts) for group in groups], dim=1)
            losses[name] = sum((group.weight * contrastive_loss(part, group.target_R)
                                for group, part in zip(groups, columns)), torch.zeros(()))
        return losses


def contrastive_loss(logits_RT: Tensor, target_R: Tensor) -> Tensor:
    """Compare regions with captions in both directions.

    A caption may fit several regions: the probability that it gives to all of them counts.

    Args:
        logits_RT: (R, T) scaled cosines.
        target_R: (R,) index of the caption that fits; regions with -1 are left out.
    """
    target_R = target_R.to(logits_RT.device)
    known_R = target_R >= 0
    if not known_R.any():
        return logits_RT.sum() * 0.0
    logits_RT, target_R = logits_RT[known_R], target_R[known_R]
    to_text = F.cross_entropy(logits_RT, target_R)
    present_P = target_R.unique()
    fits_RP = target_R.unsqueeze(1) == present_P
    probs_RP = logits_RT[:, present_P].log_softmax(dim=0)
    to_region = -(probs_RP * fits_RP).sum(dim=0) / fits_RP.sum(dim=0)
    loss: Tensor = 0.75 * to_text + 0.25 * to_region.mean()
    return loss
