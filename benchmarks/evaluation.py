# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What evaluation costs beside the network, part by part.

    python -m benchmarks.evaluation [--images 1000] [--threads 2] [--tasks panoptic]

Pictures of 640 x 480 pixels with about 20 segments of 150 classes are made in a temporary folder.
The network is a stand-in that answers at once with masks as a trained one draws them: some twenty
sure ones that share the picture, the others faint and void.  `--network` runs variant `t` instead.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
import tempfile
import time

import cv2
import numpy as np
import torch
from torch import Tensor
import torch.nn.functional as F

from eov_seg_core import EOVSeg, Segmenter, Vocabulary
from eov_seg_core.io.coco import ids_to_rgb
from eov_seg_core.io.media import save_picture
from eov_seg_core.network.model import Prediction
from training.data import CocoPanopticFolder
from training.evaluation.dataset import evaluate, TASKS
from training.evaluation.folder import RunFolder

HEIGHT, WIDTH, SEGMENTS, QUERIES = 480, 640, 20, 100
DIFFERENT = 20
"""Pictures and predictions that differ; the others repeat them."""


def make_data(folder: Path, images: int, vocabulary: Vocabulary) -> CocoPanopticFolder:
    """Write pictures and their truth in COCO's panoptic format."""
    rng = np.random.default_rng(0)
    (folder / 'images').mkdir()
    (folder / 'panoptic').mkdir()
    segments = []
    for index in range(min(DIFFERENT, images)):
        coarse = rng.random((8, 10), np.float32)
        smooth = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        ids = 1 + np.clip(smooth * SEGMENTS, 0, SEGMENTS - 1).astype(np.int32)
        noise = rng.integers(-20, 20, (HEIGHT, WIDTH, 3))
        rgb = np.clip(rng.integers(0, 256, (SEGMENTS + 1, 3))[ids] + noise, 0, 255)
        save_picture(folder / 'images' / f'{index}.jpg', rgb.astype(np.uint8))
        save_picture(folder / 'panoptic' / f'{index}.png', ids_to_rgb(ids))
        segments.append([{'id': int(key), 'category_id': int(rng.integers(len(vocabulary)))}
                         for key in np.unique(ids)])
    for index in range(DIFFERENT, images):
        same = index % DIFFERENT
        (folder / f'images/{index}.jpg').hardlink_to(folder / f'images/{same}.jpg')
        (folder / f'panoptic/{index}.png').hardlink_to(folder / f'panoptic/{same}.png')
    (folder / 'panoptic.json').write_text(json.dumps({
        'images': [{'id': index, 'file_name': f'{index}.jpg'} for index in range(images)],
        'categories': [{'id': index, 'name': name, 'isthing': int(is_thing)}
                       for index, (name, is_thing) in enumerate(
                           zip(vocabulary.names, vocabulary.is_thing))],
        'annotations': [{'image_id': index, 'file_name': f'{index}.png',
                         'segments_info': segments[index % DIFFERENT]}
                        for index in range(images)]}))
    return CocoPanopticFolder(folder / 'images', folder / 'panoptic.json', folder / 'panoptic',
                              vocabulary, category_ids=range(len(vocabulary)))


def make_prediction(seed: int, classes: int, size: tuple[int, int]) -> Prediction:
    """Draw what a trained network might say of an image."""
    generator = torch.Generator().manual_seed(seed)

    def noise(number: int, height: int, width: int) -> Tensor:
        coarse = torch.randn(1, number, height, width, generator=generator)
        return F.interpolate(coarse, size=size, mode='bicubic')[0]

    rows, columns = torch.meshgrid(*map(torch.arange, size), indexing='ij')
    centres_S2 = torch.rand(SEGMENTS, 2, generator=generator) * torch.tensor(size)
    distance_Shw = torch.hypot(
        rows - centres_S2[:, 0, None, None], columns - centres_S2[:, 1, None, None])
    distance_Shw += 6 * noise(SEGMENTS, 20, 27)
    nearest_2hw = distance_Shw.topk(2, dim=0, largest=False).values
    others_Shw = torch.where(distance_Shw == nearest_2hw[0], nearest_2hw[1], nearest_2hw[0])
    masks_Qhw = 4 * noise(QUERIES, 6, 8) - 6
    sure = torch.randperm(QUERIES, generator=generator)[:SEGMENTS]
    masks_Qhw[sure] = ((others_Shw - distance_Shw) / 1.5).clamp(-12, 8)
    logits_QK = 2 * torch.randn(QUERIES, classes + 1, generator=generator)
    logits_QK[:, -1] = 12
    logits_QK[sure, -1] = -2
    logits_QK[sure, torch.randint(0, classes, (SEGMENTS,), generator=generator)] = 9
    return Prediction(logits_QK.log_softmax(-1)[None], masks_Qhw[None])


class Answers:
    """A network's forward pass that looks up its answer."""

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self._answers: list[Prediction] = []
        self._calls = 0

    def __call__(self, pixels_BCHW: Tensor, vocabulary: object) -> Prediction:
        """Return one answer after the other."""
        self._calls += 1
        if len(self._answers) < DIFFERENT:
            size = (pixels_BCHW.shape[2] // 4, pixels_BCHW.shape[3] // 4)
            self._answers.append(make_prediction(self._calls, self._classes, size))
        return self._answers[self._calls % len(self._answers)]


def main() -> None:
    """Print a table of times for each choice of tasks."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--images', type=int, default=1000)
    parser.add_argument('--threads', type=int, default=torch.get_num_threads())
    parser.add_argument('--tasks', default=','.join(TASKS))
    parser.add_argument('--network', action='store_true', help='run variant t, untrained')
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    vocabulary = Vocabulary.preset('ade20k_150')
    model = EOVSeg.from_variant('t')
    if not options.network:
        model.forward = Answers(len(vocabulary))  # type: ignore[method-assign]
    segmenter = Segmenter(model, device='cpu', runtime='torch')
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = make_data(folder, options.images, vocabulary)
        segmenter.set_vocabulary(vocabulary)    # outside of what is timed, as are the answers
        for _ in range(1 if options.network else DIFFERENT):
            segmenter(data[0].image_rgb)
        start, cpu_start = time.perf_counter(), time.process_time()
        run = RunFolder(folder / 'out', {})
        scores = evaluate(segmenter, data, options.tasks.split(','), folder=run)
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu_start
    ms = scores.milliseconds
    print(scores.to_table())
    print(f'{options.images} images, {options.threads} threads, {options.tasks}')
    for part in ('read', 'segment', 'score', 'save'):
        print(f'  {part:10}{ms[part]:8.1f} ms')
    mean_ms = 1000 * wall / options.images
    print(f'  {"at the end":10}{mean_ms - ms["whole"]:8.1f} ms, figures and files')
    print(f'  {"together":10}{mean_ms - ms["network"]:8.1f} ms outside of the network; '
          f'{1000 * cpu / options.images - ms["network"]:.1f} ms of processor time')


if __name__ == '__main__':
    main()
