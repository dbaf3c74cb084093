# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures for TensorBoard: image, truth and prediction side by side."""

from __future__ import annotations

from typing import Any

import lightning
from lightning.pytorch.loggers import TensorBoardLogger
import numpy as np
import numpy.typing as npt
import torch

from eov_seg_core.network.model import EOVSeg
from eov_seg_core.results.result import PanopticResult, Segment
from eov_seg_core.visualization import draw_overlay
from eov_seg_core.vocabulary import Vocabulary
from training.data.samples import Target, TrainingBatch, TrainingData
from training.data.stream import panel_generator
from training.recipe import ReportConfig
from training.run.callbacks.prediction import predicting
from training.run.module import TrainingModule


def truth_of(target: Target, size: tuple[int, int], vocabulary: Vocabulary) -> PanopticResult:
    """Return true segments as a result, so that they can be drawn like one.

    Args:
        target: Labels are class indices of the vocabulary; empty masks are left out.
        size: Height and width of the image in pixels.
        vocabulary: Names of the classes.
    """
    instance = np.zeros(size, np.int32)
    segments: list[Segment] = []
    for label, mask in zip(target.labels_T.tolist(), target.masks_Thw.cpu().numpy()):
        rows, columns = np.nonzero(mask)
        if not rows.size:
            continue
        number = len(segments) + 1
        instance[rows, columns] = number
        box = (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)
        segments.append(Segment(number, label + 1, vocabulary.names[label],
                                vocabulary.is_thing[label], 1.0, rows.size, box))
    return PanopticResult(instance, segments)


def draw_panel(model: EOVSeg, device: torch.device, batch: TrainingBatch
               ) -> npt.NDArray[np.uint8]:
    """Draw an image, its true segments and what is predicted, from left to right.

    Args:
        model: The network; it is in training mode afterwards.
        device: Where it is.
        batch: Of one image.

    Returns:
        (H, 3 W, 3) uint8 RGB.
    """
    image_rgb = np.ascontiguousarray(batch.pixels_BCHW[0].permute(1, 2, 0).numpy())
    truth = truth_of(batch.targets[0], image_rgb.shape[:2], batch.vocabulary)
    with predicting(model, device, batch.vocabulary, None) as segmenter:
        prediction = segmenter(image_rgb)
    pictures = [draw_overlay(image_rgb, result, 0.7) for result in (truth, prediction)]
    return np.concatenate([image_rgb, *pictures], axis=1)


class Panels(lightning.Callback):
    """Every so often, write panels of always the same training images to TensorBoard.

    Args:
        data: What is trained on.
        config: How many images, and how often.
        seed: Of the augmentation of the images.
    """

    def __init__(self, data: TrainingData, config: ReportConfig, seed: int) -> None:
        self._config = config
        self._batches = [data.collate([data.example(index, panel_generator(seed, index))], [index])
                         for index in range(min(config.panels, len(data)))]

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule,
                           outputs: Any, batch: Any, batch_idx: int) -> None:
        """Draw in the main process, if it is time."""
        step = trainer.global_step
        is_time = step % self._config.panels_every == 0 or step == trainer.max_steps
        if not (is_time and trainer.is_global_zero and isinstance(pl_module, TrainingModule)
                and isinstance(trainer.logger, TensorBoardLogger)):
            return
        for index, batch in enumerate(self._batches):
            trainer.logger.experiment.add_image(
                f'panel/{index}', draw_panel(pl_module.model, pl_module.device, batch), step,
                dataformats='HWC')
