# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Time our post-processing beside the published way of doing it, in turns, on this machine.

    python -m benchmarks.postprocess [--threads 2] [--rounds 10] [--device cpu]

The input is random: smooth masks (as a network makes them) and white noise (nothing can be left
out), each with all queries kept and with a quarter of them kept.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
import functools
import itertools
import time

import torch
from torch import Tensor
import torch.nn.functional as F

from eov_seg_core.results.merge import postprocess
from eov_seg_core.results.thresholds import Thresholds
from eov_seg_core.vocabulary import Vocabulary

PADDED, NETWORK = (640, 864), (640, 853)


def published(log_probs_QK: Tensor, mask_logits_Qhw: Tensor, is_thing: list[bool],
              output_size: tuple[int, int], padded_size: tuple[int, int] = PADDED,
              network_size: tuple[int, int] = NETWORK) -> Tensor:
    """Two resizes of all queries, then a loop with three counts for each of them."""
    up = F.interpolate(mask_logits_Qhw[None], size=padded_size, mode='bilinear')
    cropped = up[..., :network_size[0], :network_size[1]]
    masks_QHW = F.interpolate(cropped, size=output_size, mode='bilinear')[0]
    scores_Q, labels_Q = log_probs_QK.softmax(-1).max(-1)
    keep_Q = (labels_Q != len(is_thing)) & (scores_Q > 0)
    scores_Q, labels_Q = scores_Q[keep_Q], labels_Q[keep_Q]
    masks_QHW = masks_QHW.sigmoid()[keep_Q]
    instance = torch.zeros(output_size, dtype=torch.int32, device=masks_QHW.device)
    ids = (scores_Q.view(-1, 1, 1) * masks_QHW).argmax(0)
    stuff_ids: dict[int, int] = {}
    count = 0
    for query, label in enumerate(labels_Q.tolist()):
        won = (ids == query).sum().item()
        inside = (masks_QHW[query] >= 0.5).sum().item()
        owned = (ids == query) & (masks_QHW[query] >= 0.5)
        if won == 0 or inside == 0 or owned.sum().item() == 0 or won / inside < 0.8:
            continue
        if not is_thing[label] and label in stuff_ids:
            instance[owned] = stuff_ids[label]
            continue
        count += 1
        instance[owned] = count
        stuff_ids.setdefault(label, count)
    return instance.cpu()


def best_ms(functions: list[Callable[[], object]], rounds: int) -> list[float]:
    """Return the shortest time of each function in milliseconds; they take turns."""
    best = [float('inf')] * len(functions)
    for _ in range(rounds):
        for index, function in enumerate(functions):
            start = time.perf_counter()
            function()
            best[index] = min(best[index], 1000 * (time.perf_counter() - start))
    return best


def make_input(kind: str, kept: int, device: str) -> tuple[Tensor, Tensor]:
    """Return (100, 151) class log-probabilities and (100, 160, 216) mask logits."""
    torch.manual_seed(0)
    if kind == 'noise':
        masks = 4 * torch.randn(100, 160, 216)
    else:
        coarse = 12 * (torch.randn(100, 12, 16) - 1.2)
        masks = F.interpolate(coarse[None], size=(160, 216), mode='bicubic')[0]
    logits = 3 * torch.randn(100, 151)
    logits[:, -1] = -9.0
    logits[kept:, -1] = 20.0
    return logits.log_softmax(-1).to(device), masks.to(device)


def main() -> None:
    """Print a table of times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--threads', type=int, default=torch.get_num_threads())
    parser.add_argument('--rounds', type=int, default=10)
    parser.add_argument('--device', default='cpu')
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    is_thing = [index < 100 for index in range(150)]
    vocabulary = Vocabulary([str(index) for index in range(100)],
                            [str(index) for index in range(100, 150)])
    print('| masks | kept | output | published ms | ours ms | ratio | same pixels |')
    print('|---|---|---|---|---|---|---|')
    for kind, kept, size in itertools.product(
            ('smooth', 'noise'), (100, 25), ((480, 640), (1080, 1920))):
        log_probs, masks = make_input(kind, kept, arguments.device)
        theirs = functools.partial(published, log_probs, masks, is_thing, size)
        ours = functools.partial(
            postprocess, log_probs, masks, padded_size=PADDED, network_size=NETWORK,
            output_size=size, vocabulary=vocabulary, thresholds=Thresholds())
        same = (ours().instance == theirs().numpy()).mean()
        slow, fast = best_ms([theirs, ours], arguments.rounds)
        print(f'| {kind} | {kept} | {size[1]} x {size[0]} | {slow:.0f} | {fast:.1f} '
              f'| {slow / fast:.1f} | {100 * same:.3f} % |', flush=True)


if __name__ == '__main__':
    main()
