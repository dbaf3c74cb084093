# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where variant `t` loses the things of the world: outline, void, name or merge.

    python -m benchmarks.lost_things --split base,novel,pairs --rooms 120 --seed 3000000

Prints for each split how many percent of the true things of judged names are left after each step.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from tqdm import tqdm

from eov_seg_core import Segmenter
from eov_seg_core.inference.preprocess import preprocess
from eov_seg_core.inference.words import PreparedVocabulary
from eov_seg_core.results.tiles import MaskResize, resize_tile
from training.data.samples import PanopticSample
from training.world.benchmark import WorldBenchmark
from training.world.scores import choose_splits

STEPS = ('outlined', 'not void', 'named', 'left')
_LEAST_IOU = 0.5


class Labelled(NamedTuple):
    """Masks with their classes.

    Attributes:
        masks_ML: (M, L) bool, L pixels.
        classes_M: (M,) int64.
    """

    masks_ML: Tensor
    classes_M: Tensor


def main() -> None:
    """Print a line for each split."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--split', type=choose_splits, default=choose_splits('base,novel,pairs'))
    parser.add_argument('--rooms', type=int, default=120)
    parser.add_argument('--seed', type=int, default=3_000_000, help='of the first room')
    parser.add_argument('--checkpoint', help='other weights than those of the package')
    options = parser.parse_args()
    segmenter = Segmenter.from_pretrained('t', options.checkpoint, device='cpu',
                                          runtime='torch')
    for split in options.split:
        rooms = WorldBenchmark(split, options.rooms, options.seed)
        words = segmenter.prepare_vocabulary(rooms.vocabulary)
        steps_TS = np.concatenate([follow_things(segmenter, words, rooms.judged, rooms[index])
                                   for index in tqdm(range(len(rooms)), split, leave=False)])
        print(f'{split}: {len(steps_TS)} things',
              *(f'{name} {100 * share:.0f}' for name, share in zip(STEPS, steps_TS.mean(axis=0))),
              sep='  ', flush=True)


@torch.inference_mode()
def follow_things(segmenter: Segmenter, words: PreparedVocabulary, judged: Collection[str],
                  room: PanopticSample) -> npt.NDArray[np.bool_]:
    """Return what becomes of the things of judged names in one room, (T, 4) as `STEPS`."""
    names, is_thing = words.vocabulary.names, words.vocabulary.is_thing
    wanted = [segment for segment in room.segments
              if is_thing[segment.class_index] and names[segment.class_index] in judged]
    judged_L = torch.from_numpy(room.ids != 0).flatten()

    def masks(ids: npt.NDArray[np.int32], numbers: list[int]) -> Tensor:
        return torch.from_numpy(ids.ravel() == np.array(numbers).reshape(-1, 1)) & judged_L

    truth = Labelled(masks(room.ids, [segment.id for segment in wanted]),
                     torch.tensor([segment.class_index for segment in wanted], dtype=torch.int64))
    batch = preprocess([room.image_rgb], output_sizes=None, input_size=segmenter.input_size,
                       max_input_size=segmenter.max_input_size, device=segmenter.device)
    prediction = segmenter.predict(batch, words)
    logits_Qhw = prediction.mask_logits_BQhw[0]
    resize = MaskResize((logits_Qhw.shape[1], logits_Qhw.shape[2]), batch.padded_size,
                        batch.network_sizes[0], batch.output_sizes[0], segmenter.device)
    (rows,), (columns,) = (resize.row_windows(len(room.ids)),
                           resize.column_windows(room.ids.shape[1]))
    tile_Qhw = logits_Qhw[:, rows.source, columns.source]
    queries = Labelled((resize_tile(tile_Qhw, rows, columns) > 0).flatten(1) & judged_L,
                       prediction.class_log_probs_BQK[0].argmax(dim=-1))
    merged = segmenter.merge(prediction, batch, 0, words.vocabulary)
    found = Labelled(masks(merged.instance, [segment.id for segment in merged.segments]),
                     torch.tensor([segment.class_id - 1 for segment in merged.segments],
                                  dtype=torch.int64))
    return follow(truth, queries, found, void=len(names))


def follow(truth: Labelled, queries: Labelled, found: Labelled,
           void: int) -> npt.NDArray[np.bool_]:
    """Tell how far each true thing gets: (T, 4) bool as `STEPS`.

    Args:
        truth: T things, classes 0..K-1.
        queries: Masks of the network, class `void` for none.
        found: Segments after the merge.
        void: K.
    """
    outlined_QT = _overlaps(queries.masks_ML, truth.masks_ML)
    named_QT = queries.classes_M[:, None] == truth.classes_M
    left_FT = (_overlaps(found.masks_ML, truth.masks_ML)
               & (found.classes_M[:, None] == truth.classes_M))
    steps = (outlined_QT, outlined_QT & (queries.classes_M != void)[:, None],
             outlined_QT & named_QT, left_FT)
    return torch.stack([step.any(dim=0) for step in steps], dim=1).numpy()


def _overlaps(masks_ML: Tensor, truth_TL: Tensor) -> Tensor:
    """Return whether the IoU of each mask with each true one is above a half, (M, T) bool."""
    shared_MT = masks_ML.float() @ truth_TL.float().t()
    union_MT = masks_ML.sum(dim=1)[:, None] + truth_TL.sum(dim=1) - shared_MT
    return shared_MT > _LEAST_IOU * union_MT


if __name__ == '__main__':
    main()
