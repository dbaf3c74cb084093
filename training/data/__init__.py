# Copyright 2026 The eov_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Data sets for training and evaluation; docs/datasets.md describes their folders."""

from training.data.catalogue import data_sets, open_dataset
from training.data.coco_folder import CocoPanopticFolder
from training.data.semantic_folder import SemanticFolder
from training.data.training_data import PanopticTrainingData

__all__ = ['CocoPanopticFolder', 'PanopticTrainingData', 'SemanticFolder', 'data_sets',
           'open_dataset']
