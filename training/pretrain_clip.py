# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Train variant `t`'s CLIP on captioned regions of the built-in world.

    python -m training.pretrain_clip --output runs/t_clip

Text tower, CNN and ViT learn together: both image towers pool their features inside the box of an
object exactly as the CLIP branch pools them inside masks, and compare them with the same captions.
It can be stopped at any moment and run again; the result is `clip.safetensors` in the output
folder, a checkpoint of variant `t` whose aggregator and decoder are untrained.  Several processes
share a batch under `torchrun --nproc-per-node N -m training.pretrain_clip`; on a CPU one process
with one thread for each core is the fastest.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
import json
import math
import os
from pathlib import Path
import random
import time
from typing import Any

from open_clip.tokenizer import SimpleTokenizer
from open_clip.transformer import LayerNorm, QuickGELU, ResidualAttentionBlock
import torch
from torch import distributed, nn, Tensor
from torch.nn.attention import sdpa_kernel, SDPBackend
import torch.nn.functional as F
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from eov_seg_core.checkpoint import save_checkpoint
from eov_seg_core.files import replacing
from eov_seg_core.model import EOVSeg
from eov_seg_core.pooling import mask_pool
from eov_seg_core.preprocess import normalize_
from eov_seg_core.text_encoder import CLIPTextTower
from eov_seg_core.vocabulary import Vocabulary
from training.captions import all_words, caption_groups, CaptionGroup, nuisance_names
from training.clip_accuracy import dense_accuracy
from training.clip_views import ClipViews, View
from training.world_frames import CachedFrames, CLIP_FRAMES, DEFAULT_CACHE

_MAX_LOGIT_SCALE = math.log(100)


@dataclass(frozen=True)
class ClipRecipe:
    """How CLIP is trained; the defaults made the weights that we ship.

    Attributes:
        steps: Optimiser steps.
        batch_size: Views of a step.
        lr: Highest learning rate, of AdamW.
        weight_decay: Of matrices and kernels; vectors have none.
        warmup: Steps until the highest learning rate; a cosine leads down to 0 afterwards.
        seed: Of weights, views and captions.
    """

    steps: int = 1500
    batch_size: int = 24
    lr: float = 1e-3
    weight_decay: float = 0.05
    warmup: int = 100
    seed: int = 0


class ClipTrainer(nn.Module):
    """The towers of variant `t` with what only their training needs.

    The ViT is two blocks deep here; the model keeps the first.  The text tower has rows for those
    tokens only that captions can hold.

    Args:
        nuisance: Names of things that are not in the world.
    """

    def __init__(self, nuisance: Sequence[str]) -> None:
        super().__init__()
        self.model = EOVSeg.from_variant('t')
        config = self.model.config
        self.tokenizer = SimpleTokenizer(context_length=config.text.context_length)
        ends = [self.tokenizer.sot_token_id, self.tokenizer.eot_token_id, 0]    # 0: padding
        tokens = sorted({*self.tokenizer.encode(all_words(nuisance)), *ends})
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
    return 0.75 * to_text + 0.25 * to_region.mean()


def train(output: Path, recipe: ClipRecipe, cache: Path, device: torch.device,
          validate_every: int, workers: int) -> None:
    """Train, or go on where the run in that folder stopped."""
    output.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    nuisance = nuisance_names(Vocabulary.preset('ade20k_847'), for_training=True)
    trainer = ClipTrainer(nuisance).to(device)
    optimizer = torch.optim.AdamW(_parameter_groups(trainer, recipe.weight_decay), lr=recipe.lr)
    first = _restore(output, recipe, trainer, optimizer)
    rank, processes = _process()
    module = DistributedDataParallel(trainer) if processes > 1 else trainer
    bar = tqdm(_batches(recipe, first, cache, workers), total=recipe.steps, initial=first,
               unit='step', disable=rank > 0)
    writer = SummaryWriter(str(output)) if rank == 0 else None
    for step, views in enumerate(bar, first):
        regions = [region for view in views for region in view.regions]
        groups = caption_groups(regions, random.Random(f'{recipe.seed} {step} {rank}'), nuisance)
        losses = _step(module, trainer, optimizer, recipe, step, views, groups)
        if writer is None:
            continue
        bar.set_postfix(losses)
        values = {f'loss/{name}': value for name, value in losses.items()}
        if (step + 1) % validate_every == 0 or step + 1 == recipe.steps:
            accuracy = dense_accuracy(trainer, cache)
            _log(output, step + 1, {**losses, **accuracy})
            values |= {f'accuracy/{name}': value for name, value in accuracy.items()}
            _save(output, recipe, trainer, optimizer, step + 1)
        for name, value in values.items():
            writer.add_scalar(name, value, step)
    if rank == 0:
        _export(trainer, output / 'clip.safetensors')


def _process() -> tuple[int, int]:
    """Return this process's number and how many there are; torchrun says so."""
    if 'WORLD_SIZE' not in os.environ:
        return 0, 1
    distributed.init_process_group()
    return distributed.get_rank(), distributed.get_world_size()


def _step(module: nn.Module, trainer: ClipTrainer, optimizer: torch.optim.Optimizer,
          recipe: ClipRecipe, step: int, views: Sequence[View],
          groups: Sequence[CaptionGroup]) -> dict[str, float]:
    for group in optimizer.param_groups:
        group['lr'] = recipe.lr * _schedule(step, recipe)
    module.train()
    losses = module(views, groups)
    optimizer.zero_grad()
    (losses['cnn'] + 0.5 * losses['vit']).backward()
    nn.utils.clip_grad_norm_(trainer.parameters(), 1.0)
    optimizer.step()
    trainer.model.clip_logit_scale.data.clamp_(max=_MAX_LOGIT_SCALE)
    return {name: loss.item() for name, loss in losses.items()}


def _schedule(step: int, recipe: ClipRecipe) -> float:
    """Return the learning rate of a step as a part of the highest."""
    if step < recipe.warmup:
        return (step + 1) / recipe.warmup
    done = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    return 0.5 * (1 + math.cos(math.pi * done))


def _parameter_groups(trainer: ClipTrainer, weight_decay: float) -> list[dict[str, Any]]:
    trained = [parameter for parameter in trainer.parameters() if parameter.requires_grad]
    return [{'params': [item for item in trained if item.dim() > 1],
             'weight_decay': weight_decay},
            {'params': [item for item in trained if item.dim() <= 1], 'weight_decay': 0.0}]


def _batches(recipe: ClipRecipe, first: int, cache: Path, workers: int) -> Iterator[list[View]]:
    views = ClipViews(CachedFrames(CLIP_FRAMES, cache), recipe.seed,
                      recipe.steps * recipe.batch_size)
    rank, processes = ((distributed.get_rank(), distributed.get_world_size())
                       if distributed.is_initialized() else (0, 1))
    if recipe.batch_size % processes:
        raise ValueError(f'a batch of {recipe.batch_size} views cannot be shared by {processes} '
                         'processes; choose a --batch-size that they divide')
    positions = range(first * recipe.batch_size + rank, len(views), processes)
    return iter(DataLoader(views, batch_size=recipe.batch_size // processes, sampler=positions,
                           num_workers=workers, collate_fn=list))


def _restore(output: Path, recipe: ClipRecipe, trainer: ClipTrainer,
             optimizer: torch.optim.Optimizer) -> int:
    """Load the last checkpoint of the run; return the number of steps that are done."""
    path = output / 'last.ckpt'
    if not path.exists():
        return 0
    state = torch.load(path, map_location='cpu', weights_only=True)
    if state['recipe'] != asdict(recipe):
        raise ValueError(f'{path} was trained with {state["recipe"]}, not with {asdict(recipe)}; '
                         'give the same options, or another --output')
    trainer.load_state_dict(state['trainer'])
    optimizer.load_state_dict(state['optimizer'])
    return int(state['step'])


def _save(output: Path, recipe: ClipRecipe, trainer: ClipTrainer,
          optimizer: torch.optim.Optimizer, step: int) -> None:
    with replacing(output / 'last.ckpt') as temporary:
        torch.save({'recipe': asdict(recipe), 'trainer': trainer.state_dict(),
                    'optimizer': optimizer.state_dict(), 'step': step}, temporary)


def _export(trainer: ClipTrainer, path: Path) -> None:
    model = EOVSeg.from_variant('t')
    text = {f'text_tower.{name}': value for name, value in trainer.full_text_tower().items()}
    model.load_state_dict({**trainer.model.state_dict(), **text})
    save_checkpoint(model, path)


def _log(output: Path, step: int, values: dict[str, float]) -> None:
    with (output / 'log.jsonl').open('a', encoding='utf-8') as file:
        entry = {'step': step, 'time': round(time.time()), **values}
        file.write(json.dumps(entry) + '\n')
    figures = ', '.join(f'{name} {value:.3f}' for name, value in values.items())
    tqdm.write(f'step {step}: {figures}')


def main() -> None:
    """Run the command."""
    defaults = ClipRecipe()
    parser = argparse.ArgumentParser(description='Train the CLIP of variant t on the world.')
    parser.add_argument('--output', type=Path, default=Path('runs/t_clip'))
    parser.add_argument('--cache', type=Path, default=DEFAULT_CACHE)
    parser.add_argument('--steps', type=int, default=defaults.steps)
    parser.add_argument('--batch-size', type=int, default=defaults.batch_size)
    parser.add_argument('--seed', type=int, default=defaults.seed)
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--validate-every', type=int, default=200, help='steps')
    parser.add_argument('--workers', type=int, default=1, help='processes that read frames')
    options = parser.parse_args()
    recipe = ClipRecipe(steps=options.steps, batch_size=options.batch_size, seed=options.seed)
    train(options.output, recipe, options.cache, torch.device(options.device),
          options.validate_every, options.workers)


if __name__ == '__main__':
    main()
