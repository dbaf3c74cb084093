# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Panoptic quality while training, to see whether it goes well.

`training.evaluate` measures for the record: all images, several processes, every task.
"""

from __future__ import annotations

from typing import Any

import lightning
from tqdm import tqdm

from eov_seg_core.network.model import EOVSeg
from eov_seg_core.quality import PanopticMap, PanopticQuality, Segment
from training.data.samples import PanopticData
from training.recipe import ValidationConfig
from training.run.callbacks.prediction import predicting
from training.run.module import TrainingModule


def measure(model: EOVSeg, data: PanopticData, config: ValidationConfig) -> dict[str, float]:
    """Return `pq`, `pq_things` and `pq_stuff` in 0..1 of the first images of a data set.

    All classes count as seen in training, and the images keep their sizes in the comparison.
    """
    classes = range(1, len(data.vocabulary) + 1)
    quality = PanopticQuality(dict(zip(classes, data.vocabulary.is_thing)))
    device = next(model.parameters()).device
    with predicting(model, device, data.vocabulary, config.input_size) as segmenter:
        for index in tqdm(range(min(config.images, len(data))), 'validation', leave=False):
            sample = data[index]
            result = segmenter(sample.image_rgb)
            truth = [Segment(segment.id, segment.class_index + 1, segment.is_crowd)
                     for segment in sample.segments]
            found = [Segment(segment.id, segment.class_id) for segment in result.segments]
            quality.add(PanopticMap(sample.ids, truth, sample.name),
                        PanopticMap(result.instance, found, f'prediction for {sample.name}'))
    figures = quality.compute()
    return {'pq': figures['All']['pq'], 'pq_things': figures['Things']['pq'],
            'pq_stuff': figures['Stuff']['pq']}


class Validation(lightning.Callback):
    """Every so often, measure in the main process while the others wait.

    Args:
        data: What to measure on.
        config: How often, and how many images.
    """

    def __init__(self, data: PanopticData, config: ValidationConfig) -> None:
        self._data = data
        self._config = config

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule,
                           outputs: Any, batch: Any, batch_idx: int) -> None:
        """Measure if it is time, and write the figures to TensorBoard."""
        step = trainer.global_step
        if step % self._config.every and step != trainer.max_steps:
            return
        if trainer.is_global_zero and isinstance(pl_module, TrainingModule):
            figures = measure(pl_module.model, self._data, self._config)
            for logger in trainer.loggers:
                logger.log_metrics({f'validation/{name}': value
                                    for name, value in figures.items()}, step)
        trainer.strategy.barrier()
